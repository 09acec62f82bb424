//! The program `keywright`.

use std::ffi::OsString;

use keywright::cli::ProgramStop;
use napi::Task;
use napi::bindgen_prelude::*;
use napi_derive::napi;

/// A run of the program, on a thread beside that of JavaScript.
pub struct ProgramRun(Vec<OsString>, ProgramStop);

impl Task for ProgramRun {
    type Output = u8;
    type JsValue = u32;

    fn compute(&mut self) -> Result<u8> {
        Ok(keywright::cli::run_until(std::mem::take(&mut self.0), self.1.clone()))
    }

    fn resolve(&mut self, _env: Env, code: u8) -> Result<u32> {
        Ok(code.into())
    }
}

/// Asks a server that the program runs to stop.
#[napi]
pub struct Stop(ProgramStop);

#[napi]
impl Stop {
    /// Returns whether the program stops by itself: only a server does.
    #[napi(catch_unwind)]
    pub fn request(&self) -> bool {
        self.0.request()
    }
}

/// Makes the stop of one run.
#[napi(catch_unwind)]
pub fn new_stop() -> Stop {
    Stop(ProgramStop::default())
}

/// Runs the program with its arguments, of which the first is its name. The promise has its exit code.
#[napi(catch_unwind)]
pub fn run_cli(arguments: Vec<String>, stop: &Stop) -> AsyncTask<ProgramRun> {
    AsyncTask::new(ProgramRun(arguments.into_iter().map(OsString::from).collect(), stop.0.clone()))
}

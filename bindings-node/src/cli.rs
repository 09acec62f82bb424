//! The program `keywright`.

use std::ffi::OsString;

use napi::Task;
use napi::bindgen_prelude::*;
use napi_derive::napi;

/// A run of the program, on a thread beside that of JavaScript.
pub struct ProgramRun(Vec<OsString>);

impl Task for ProgramRun {
    type Output = u8;
    type JsValue = u32;

    fn compute(&mut self) -> Result<u8> {
        Ok(keywright::cli::run(std::mem::take(&mut self.0)))
    }

    fn resolve(&mut self, _env: Env, code: u8) -> Result<u32> {
        Ok(code.into())
    }
}

/// Runs the program with its arguments, of which the first is its name. The promise has its exit code.
#[napi(catch_unwind)]
pub fn run_cli(arguments: Vec<String>) -> AsyncTask<ProgramRun> {
    AsyncTask::new(ProgramRun(arguments.into_iter().map(OsString::from).collect()))
}

//! The program `keywright`: the vectors, and what a terminal, a pipe or a signal does to it.

mod import;
mod init;
mod outputs;
mod pipes;
mod vectors;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The program with arguments in a folder, without the settings of the environment of the tests.
pub fn program(folder: &Path, words: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_program"));
    let settings = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KEYWRIGHT_"));
    for (name, _) in settings {
        command.env_remove(name);
    }
    command.args(words).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end with this text on its standard input.
pub fn finish(mut command: Command, stdin: &str) -> Output {
    let mut child = command.spawn().unwrap();
    let _deadline = Deadline::of(&child);
    // A program that reads nothing may have closed the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Kills a program that runs for too long, so that its test fails and does not wait for ever. It must outlive the wait.
pub struct Deadline {
    _ended: Sender<()>,
}

impl Deadline {
    pub fn of(child: &Child) -> Self {
        let (_ended, end) = mpsc::channel();
        let id = child.id().to_string();
        thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                Command::new("kill").args(["-KILL", &id]).status().unwrap();
            }
        });
        Self { _ended }
    }
}

//! The program `keywright`: the vectors, and what a terminal, a pipe or a signal does to it.

mod pipes;
mod vectors;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    // A program that reads nothing may have closed the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

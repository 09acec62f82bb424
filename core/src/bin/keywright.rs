//! The program `keywright`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(keywright::cli::run(std::env::args_os()))
}

//! Exit codes, and the messages of errors.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use serde_json::json;

use crate::error::Error;
use crate::sys;

pub(super) const FAILED: u8 = 1;
const USAGE: u8 = 2;
pub(super) const DENIED: u8 = 3;
const UNREACHABLE: u8 = 5;
/// The code of a program that Ctrl-C ends, as shells report it.
pub(super) const INTERRUPTED: u8 = 130;

/// A text that has at least so many base62 characters in a row may be a secret.
const SECRET_RUN: usize = 22;

/// The end of a command before its success.
#[derive(Debug)]
pub(super) enum Stop {
    /// The engine refused the call.
    Refused(Error),
    /// The arguments or the settings are wrong.
    Usage(String),
    /// A database is wanted that does not exist.
    NoDatabase { field: &'static str, message: String },
    /// Something else went wrong.
    Failed(String),
    /// Everything is said; the program ends with this code.
    Code(u8),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Stop {
    /// A file that cannot be read. `option` is the argument or the setting that names it.
    pub(super) fn unreadable(option: &str, file: &Path, error: &io::Error) -> Self {
        // A secret in place of the name of its file is not shown.
        let file = file.display().to_string();
        let (shown, reason) = (if may_be_secret(&file) { "<hidden>" } else { &file }, sys::reason(error));
        Self::Failed(format!("{option}: {shown} cannot be read: {reason}; name a file that this user may read"))
    }

    /// A file or folder that cannot be written. `option` is the argument that names it.
    pub(super) fn unwritable(option: &str, path: &Path, error: &io::Error) -> Self {
        let path = path.display().to_string();
        let (shown, reason) = (if may_be_secret(&path) { "<hidden>" } else { &path }, sys::reason(error));
        Self::Failed(format!(
            "{option}: {shown} cannot be written: {reason}; name a folder that is there, and that this user may write"
        ))
    }

    /// A SQLite database that does not exist. `source` is where `field` comes from.
    pub(super) fn no_database(field: &'static str, file: &Path, source: &str) -> Self {
        let file = file.display();
        let message = format!(
            "{field}: there is no database {file} ({source}); check the path, or make the database with \
             `keywright migrate` or `keywright keys create`"
        );
        Self::NoDatabase { field, message }
    }
}

/// Writes a line to standard error, in one piece. Nobody is left to tell when that fails.
pub(super) fn say(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Reports the outcome of a command, and returns the exit code of the program.
pub(super) fn code(outcome: Result<(), Stop>, is_json: bool) -> u8 {
    let Err(stop) = outcome else { return 0 };
    let (code, kind, field, message) = match &stop {
        Stop::Code(code) => return *code,
        // The reader has seen enough.
        Stop::Output(error) if error.kind() == ErrorKind::BrokenPipe => return 0,
        Stop::Output(error) => {
            (FAILED, "failed", None, format!("the output cannot be written: {}", sys::reason(error)))
        }
        Stop::Usage(message) => (USAGE, "usage", None, message.clone()),
        Stop::NoDatabase { field, message } => (UNREACHABLE, "unavailable", Some(*field), message.clone()),
        Stop::Failed(message) => (FAILED, "failed", None, message.clone()),
        Stop::Refused(error) => {
            let code = match error {
                Error::InvalidRequest(_) | Error::ValidationFailed(_) => USAGE,
                Error::Unavailable { .. } => UNREACHABLE,
                _ => FAILED,
            };
            (code, error.code(), error.field(), error.to_string())
        }
    };
    if is_json {
        say(&json!({"error": {"code": kind, "field": field, "message": message}}).to_string());
    } else {
        say(&format!("error: {message}"));
    }
    code
}

/// Prints the help or the version that was asked for, or the error about wrong arguments.
pub(super) fn help_or_usage(error: &clap::Error, words: &[OsString]) -> u8 {
    let is_json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let mut text = error.render().to_string();
    if error.use_stderr() {
        // clap quotes the argument that it cannot read.
        for word in words.iter().filter_map(|word| word.to_str()).filter(|word| may_be_secret(word)) {
            text = text.replace(word, "<hidden>");
        }
        if is_json && text.starts_with("error: ") {
            // The usage follows the error.
            let parts =
                text.split("\n\n").take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
            let parts = parts.map(|part| part.lines().map(str::trim).collect::<Vec<_>>().join(" "));
            let message = parts.collect::<Vec<_>>().join("; ");
            return code(Err(Stop::Usage(message.trim_start_matches("error: ").to_owned())), is_json);
        }
        let _ = io::stderr().write_all(text.as_bytes());
        return USAGE;
    }
    code(io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()).map_err(Stop::Output), false)
}

/// Whether a word may be a secret that somebody typed by mistake.
fn may_be_secret(word: &str) -> bool {
    word.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|run| run.len() >= SECRET_RUN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_may_be_secrets() {
        assert!(may_be_secret("liq_live_aaaaaaaaaaaa_Zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1234567"));
        assert!(!may_be_secret("0197a1b2-0000-7000-8000-0123456789ab"));
        assert!(!may_be_secret("--no-such-option-of-this-program"));
    }
}

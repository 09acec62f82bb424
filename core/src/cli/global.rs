//! The options of every command, and those that no command has.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::exit::Stop;
use crate::store::StoreUrl;

#[derive(Args, Debug, Default)]
pub(super) struct GlobalArguments {
    /// The file with the settings [default: keywright.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    pub(super) config: Option<PathBuf>,
    /// The database: sqlite:keys.db or postgresql://user@host/database
    #[arg(long, global = true, help_heading = "Settings")]
    pub(super) url: Option<String>,
    /// The short name at the start of every key
    #[arg(long, global = true, help_heading = "Settings")]
    pub(super) brand: Option<String>,
    /// The file that holds the pepper
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    pub(super) pepper_file: Option<PathBuf>,
    /// Print JSON, and lists as one JSON value on each line
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) json: bool,
    /// Print the one value that matters, and no remarks
    #[arg(short, long, global = true, conflicts_with = "json", help_heading = "Output")]
    pub(super) quiet: bool,
    /// Do not ask before a change that stops keys or deletes data
    #[arg(short, long, global = true, help_heading = "Output")]
    pub(super) yes: bool,
}

const NO_PEPPER: &str = "a pepper is no argument, because the list of processes shows arguments; \
     write it into a file and give --pepper-file FILE, or set KEYWRIGHT_PEPPER_FILE or KEYWRIGHT_PEPPER";

/// Refuses options that would hold a secret, which the list of processes and the history of a shell show. They are no options of
/// the parser, so that neither help nor a completion offers them.
pub(super) fn refuse_secrets(words: &[OsString]) -> Result<(), Stop> {
    for word in words.iter().take_while(|word| *word != "--") {
        let name = word.as_encoded_bytes().split(|byte| *byte == b'=').next();
        match name {
            Some(b"--pepper") => return Err(Stop::Usage(NO_PEPPER.into())),
            Some(b"--api-key") => return Err(Stop::Usage(super::secret::NO_ARGUMENT.into())),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses the URL of a database with a password in it, as an argument.
pub(super) fn refuse_password(argument: &str, url: &str) -> Result<(), Stop> {
    if !StoreUrl::has_password(url) {
        return Ok(());
    }
    Err(Stop::Usage(format!(
        "{argument} has a password, which is no argument, because the list of processes shows arguments; \
         write it into ~/.pgpass or a file that passfile= of the URL names, or set KEYWRIGHT_URL or KEYWRIGHT_URL_FILE"
    )))
}

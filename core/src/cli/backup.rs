//! `keywright backup`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::CommandContext;
use super::audit::check_chain;
use super::exit::{FAILED, Stop};
use crate::sys;
use crate::wait::block_on;

#[derive(Args)]
pub(super) struct BackupArguments {
    /// The file of the copy, which must not be there yet
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

pub(super) fn run(arguments: &BackupArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let settings = context.settings()?;
    let config = settings.engine()?;
    settings.refuse_missing(&config)?;
    let to = std::path::absolute(&arguments.to).map_err(|error| {
        Stop::Failed(format!("FILE: {} is no path: {}", arguments.to.display(), sys::reason(&error)))
    })?;
    block_on(config.clone().back_up(to.clone()))?;
    // Only a copy that opens with a whole audit chain is a backup.
    let check = check_chain(config.on_database(&format!("sqlite:{}", to.display())))?;
    let file = to.display().to_string();
    let record = json!({"file": file, "ok": check.ok, "checked": check.checked, "problem": check.problem});
    context.printer.record(&record, "file")?;
    context.say("Keep the pepper elsewhere: the keys of the copy do not verify without it.");
    if check.ok { Ok(()) } else { Err(Stop::Code(FAILED)) }
}

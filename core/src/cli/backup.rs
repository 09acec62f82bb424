//! `keywright backup`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::CommandContext;
use super::exit::{FAILED, Stop};
use crate::keyring::Keywright;
use crate::wait::block_on;

#[derive(Args)]
pub(super) struct BackupArguments {
    /// The file of the copy, which must not be there yet
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

pub(super) fn run(arguments: &BackupArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let config = context.settings()?.engine()?;
    let to = std::path::absolute(&arguments.to)
        .map_err(|error| Stop::Failed(format!("{} is no path: {}", arguments.to.display(), error.kind())))?;
    block_on(config.clone().back_up(to.clone()))?;
    // Only a copy that opens with a whole audit chain is a backup.
    let copy = config.on_database(&format!("sqlite:{}", to.display())).read_only(true);
    let check = block_on(async {
        let kw: Keywright = copy.build().await?;
        let check = kw.every_org().audit().verify().await;
        kw.close().await;
        check
    })?;
    let file = to.display().to_string();
    let record = json!({"file": file, "ok": check.ok, "checked": check.checked, "problem": check.problem});
    context.printer.record(&record, "file")?;
    context.say("Keep the pepper elsewhere: the keys of the copy do not verify without it.");
    if check.ok { Ok(()) } else { Err(Stop::Code(FAILED)) }
}

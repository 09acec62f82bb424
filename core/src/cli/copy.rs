//! `keywright copy`.

use clap::Args;
use serde_json::{Map, json};

use super::CommandContext;
use super::audit::check_chain;
use super::exit::{FAILED, Stop};
use super::global::refuse_password;
use super::progress::Progress;
use crate::error::Error;
use crate::keyring::Config;
use crate::store::StoreUrl;
use crate::wait::block_on;

#[derive(Args)]
pub(super) struct CopyArguments {
    /// The database to copy: sqlite:keys.db or postgresql://user@host/database
    #[arg(value_name = "FROM")]
    from: String,
    /// The database to fill, which must be new or empty
    #[arg(value_name = "TO")]
    to: String,
}

pub(super) fn run(arguments: &CopyArguments, context: &mut CommandContext) -> Result<(), Stop> {
    refuse_password("FROM", &arguments.from)?;
    refuse_password("TO", &arguments.to)?;
    let config = context.settings()?.engine()?;
    let from = on_database(&config, "from", &arguments.from)?;
    let to = on_database(&config, "to", &arguments.to)?;
    if let Some(file) = from.missing_file()? {
        return Err(Stop::no_database("from", &file, "argument FROM"));
    }
    let before = check_chain(from.clone())?;
    if let Some(problem) = before.problem {
        return Err(Stop::Failed(format!("the audit of the source is damaged, so nothing was copied: {problem}")));
    }
    let mut progress = Progress::new("rows", context);
    let copied = block_on(from.copy_to(to.clone(), Box::new(move |done, total| progress.tell(done, total))))?;
    let check = check_chain(to)?;
    let rows: Map<String, _> = copied.into_iter().map(|(table, rows)| (table.to_owned(), rows.into())).collect();
    let (shown_from, shown_to) = (StoreUrl::shown(&arguments.from), StoreUrl::shown(&arguments.to));
    let record = json!({
        "from": shown_from, "to": shown_to, "rows": rows,
        "ok": check.ok, "checked": check.checked, "problem": check.problem,
    });
    context.printer.record(&record, "to")?;
    context.say("The keys verify on the copy with the same pepper. Budgets of limits begin full.");
    if check.ok { Ok(()) } else { Err(Stop::Code(FAILED)) }
}

/// The engine of the settings on the database of an argument.
fn on_database(config: &Config, argument: &str, url: &str) -> Result<Config, Stop> {
    let config = config.clone().on_database(url);
    match config.check() {
        Err(error) if error.field() == Some("url") => Err(Stop::Refused(Error::within(error, argument))),
        checked => Ok(checked.map(|()| config)?),
    }
}

//! `keywright migrate`.

use clap::Args;
use serde_json::json;

use super::CommandContext;
use super::exit::Stop;
use crate::wait::block_on;

#[derive(Args)]
pub(super) struct MigrateArguments {
    /// Print the SQL, and change nothing
    #[arg(long)]
    plan: bool,
}

pub(super) fn run(arguments: &MigrateArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let config = context.settings()?.engine()?;
    let plan = block_on(config.clone().schema_plan())?;
    if !arguments.plan {
        block_on(async {
            config.build().await?.close().await;
            Ok::<(), Stop>(())
        })?;
        let versions = json!({"from_schema": plan.found, "schema": plan.newest});
        return context.printer.record(&versions, "schema");
    }
    if context.printer.is_json() {
        let steps: Vec<_> = plan.steps.iter().map(|(schema, sql)| json!({"schema": schema, "sql": sql})).collect();
        return context.printer.rows(&steps, &["schema"], "schema", true);
    }
    for (schema, sql) in &plan.steps {
        context.printer.line(&format!("-- Schema {schema}"))?;
        context.printer.text(sql.trim_end().as_bytes())?;
        context.printer.line("")?;
    }
    context.say(&match plan.steps.len() {
        0 => format!("Nothing to do: the database has schema {}.", plan.found),
        _ => format!("The database has schema {}, and `keywright migrate` makes it {}.", plan.found, plan.newest),
    });
    Ok(())
}

//! `keywright audit`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::CommandContext;
use super::confirm::confirm;
use super::exit::{FAILED, Stop};
use super::named::NamedValues;
use super::pages::{self, ListForm};
use crate::input::{FromFields, parse_time};
use crate::keyring::{Audit, Config, Keywright, ListAudit};
use crate::record::AuditCheck;
use crate::wait::block_on;

const COLUMNS: [&str; 7] = ["seq", "at", "org", "actor", "action", "target", "reason"];

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// List entries, newest first
    List(ListAuditArguments),
    /// Check that no entry was changed or removed
    Verify,
    /// Show the end of the chain, to be kept elsewhere
    Head,
    /// Delete old entries
    Prune {
        /// Entries before this time: 2025-01-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        before: String,
    },
}

#[derive(Args)]
pub(super) struct ListAuditArguments {
    /// Only entries of this org
    #[arg(long)]
    org: Option<String>,
    /// Only entries about this key
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
    /// Only entries with this action, like key.revoke
    #[arg(long)]
    action: Option<String>,
    /// Only entries on behalf of this agent
    #[arg(long)]
    agent: Option<String>,
    /// Print at most so many entries
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

impl AuditCommand {
    pub(super) fn run(self, context: &mut CommandContext) -> Result<(), Stop> {
        context.with_engine(async |kw, context| self.run_on(kw, context).await)
    }

    async fn run_on(self, kw: &Keywright, context: &mut CommandContext) -> Result<(), Stop> {
        let audit = kw.every_org().audit();
        match self {
            Self::List(arguments) => list(arguments, kw, context).await,
            Self::Verify => {
                let check = audit.verify().await?;
                context.printer.record(&check, "ok")?;
                if check.ok { Ok(()) } else { Err(Stop::Code(FAILED)) }
            }
            Self::Head => context.printer.record(&audit.head().await?, "hash"),
            Self::Prune { before } => {
                let time = Audit::read_before(parse_time("before", &before)?)?;
                confirm(context, &format!("delete the entries of the audit before {before}"))?;
                let deleted = audit.prune(time).await?;
                context.printer.record(&json!({"deleted": deleted}), "deleted")
            }
        }
    }
}

/// Checks the whole chain of a database, which is opened for reading only.
pub(super) fn check_chain(config: Config) -> Result<AuditCheck, Stop> {
    block_on(async {
        let kw = config.read_only(true).build().await?;
        let check = kw.every_org().audit().verify().await;
        kw.close().await;
        Ok(check?)
    })
}

async fn list(arguments: ListAuditArguments, kw: &Keywright, context: &mut CommandContext) -> Result<(), Stop> {
    let ListAuditArguments { org, key_id, action, agent, limit } = arguments;
    for (field, text) in [("key_id", &key_id), ("action", &action), ("agent", &agent)] {
        kw.refuse_api_key(field, text.as_deref())?;
    }
    let audit = match org {
        Some(org) => kw.org(&org)?.audit(),
        None => kw.every_org().audit(),
    };
    let values = NamedValues::default().text("key_id", key_id).text("action", action).text("agent", agent);
    let query = ListAudit::read(values.fields())?;
    let read = async |length: usize, cursor: Option<String>| {
        let query = query.clone().limit(length);
        audit.list(cursor.into_iter().fold(query, ListAudit::cursor)).await
    };
    pages::print(context, ListForm { columns: &COLUMNS, value: "seq" }, limit, read).await
}

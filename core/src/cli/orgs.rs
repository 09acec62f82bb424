//! `keywright orgs`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::CommandContext;
use super::confirm::{confirm, confirm_reversible};
use super::exit::Stop;
use super::named::NamedValues;
use super::pages::{self, ListForm};
use crate::error::Error;
use crate::input::FromFields;
use crate::keyring::{Change, Keywright, ListOrgs, OrgUpdate};
use crate::record::OrgRecord;

const COLUMNS: [&str; 4] = ["id", "status", "networks", "created_at"];

#[derive(Subcommand)]
pub(super) enum OrgsCommand {
    /// List orgs, newest first
    List {
        /// Print at most so many orgs
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
    },
    /// Show an org
    Show {
        /// The id of the org
        id: String,
    },
    /// Change the settings of an org
    Update(UpdateOrgArguments),
    /// Disable all keys of an org until it is enabled
    Disable(ChangeOrgArguments),
    /// Enable a disabled org
    Enable(ChangeOrgArguments),
    /// Revoke every key of an org for good
    RevokeKeys(ChangeOrgArguments),
}

#[derive(Args)]
pub(super) struct UpdateOrgArguments {
    /// The id of the org
    id: String,
    /// A network from which the keys of the org work; may be repeated
    #[arg(long, value_name = "NETWORK", value_delimiter = ',', required_unless_present = "any_network")]
    networks: Vec<String>,
    /// Let the keys of the org work from any network
    #[arg(long, conflicts_with = "networks")]
    any_network: bool,
    /// The name of the person or program that makes the change, for the audit
    #[arg(long)]
    actor: Option<String>,
}

#[derive(Args)]
pub(super) struct ChangeOrgArguments {
    /// The id of the org
    id: String,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    /// The name of the person or program that makes the change, for the audit
    #[arg(long)]
    actor: Option<String>,
}

impl ChangeOrgArguments {
    fn change(&self) -> Result<Change, Error> {
        Change::read(
            NamedValues::default().text("reason", self.reason.clone()).text("actor", self.actor.clone()).fields(),
        )
    }
}

impl OrgsCommand {
    pub(super) fn run(self, context: &mut CommandContext) -> Result<(), Stop> {
        context.with_engine(async |kw, context| self.run_on(kw, context).await)
    }

    async fn run_on(self, kw: &Keywright, context: &mut CommandContext) -> Result<(), Stop> {
        let orgs = kw.orgs();
        match self {
            Self::List { limit } => {
                let read = async |length: usize, cursor: Option<String>| {
                    orgs.list(cursor.into_iter().fold(ListOrgs::new().limit(length), ListOrgs::cursor)).await
                };
                pages::print(context, ListForm { columns: &COLUMNS, value: "id" }, limit, read).await
            }
            Self::Show { id } => print(context, &orgs.get(&id).await?),
            Self::Update(arguments) => {
                let UpdateOrgArguments { id, networks, any_network, actor } = arguments;
                let values = NamedValues::default().texts("networks", networks).text("actor", actor);
                let mut update = OrgUpdate::read(values.fields())?;
                if any_network {
                    update = update.networks(None)?;
                }
                print(context, &orgs.update(&id, update).await?)
            }
            Self::Disable(arguments) => {
                let change = arguments.change()?;
                orgs.get(&arguments.id).await?;
                let effect = format!("stop every key of the org {} until it is enabled", arguments.id);
                confirm_reversible(context, &effect)?;
                print(context, &orgs.disable(&arguments.id, change).await?)
            }
            Self::Enable(arguments) => print(context, &orgs.enable(&arguments.id, arguments.change()?).await?),
            Self::RevokeKeys(arguments) => {
                let change = arguments.change()?;
                orgs.get(&arguments.id).await?;
                confirm(context, &format!("revoke every key of the org {} for good", arguments.id))?;
                let revoked = orgs.revoke_keys(&arguments.id, change).await?;
                context.printer.record(&json!({"org": arguments.id, "revoked": revoked}), "revoked")
            }
        }
    }
}

fn print(context: &mut CommandContext, org: &OrgRecord) -> Result<(), Stop> {
    context.printer.record(org, "id")
}

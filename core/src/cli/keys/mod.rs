//! `keywright keys`.

mod change;
mod settings;
mod wanted;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use self::change::{ChangeArguments, CreditArguments, RotateArguments};
use self::settings::{CreateArguments, UpdateArguments};
use super::CommandContext;
use super::confirm::confirm;
use super::exit::Stop;
use super::named::NamedValues;
use super::pages::{self, ListForm};
use crate::error::Error;
use crate::input::FromFields;
use crate::keyring::{Credit, KeyUpdate, Keys, Keywright, ListKeys, NewKey};
use crate::lifecycle::RotationMode;
use crate::record::{IssuedKey, Key, Secret, wire_time};
use crate::sys;

const COLUMNS: [&str; 7] = ["id", "name", "org", "environment", "prefix", "status", "expires_at"];

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Create a key, and show its text this once
    Create(Box<CreateArguments>),
    /// List keys, newest first: all but revoked ones
    List(ListArguments),
    /// Show a key by its id or its prefix
    Show(ShowArguments),
    /// Show how often a key was allowed and denied
    Usage(ShowArguments),
    /// Change the settings of a key
    Update(Box<UpdateArguments>),
    /// Give a key a new secret; the former one works on during a grace
    Rotate(RotateArguments),
    /// End the grace of a former secret now
    EndGrace(ChangeArguments),
    /// Revoke a key for good
    Revoke(ChangeArguments),
    /// Disable a key until it is enabled
    Disable(ChangeArguments),
    /// Enable a disabled key
    Enable(ChangeArguments),
    /// Raise a balance that a key draws on
    Credit(CreditArguments),
}

/// The org whose keys a command is about.
#[derive(Args)]
pub(super) struct OrgArguments {
    /// The org that owns the key
    #[arg(long, value_name = "ORG", default_value = "default")]
    org: String,
}

impl OrgArguments {
    fn keys(&self, kw: &Keywright) -> Result<Keys, Error> {
        Ok(kw.org(&self.org)?.keys())
    }
}

#[derive(Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    org: OrgArguments,
    /// Keys of every org
    #[arg(long, conflicts_with = "org")]
    every_org: bool,
    /// active, disabled, expired, revoked or all
    #[arg(long)]
    status: Option<String>,
    /// Only keys of this environment
    #[arg(long)]
    environment: Option<String>,
    /// Only keys of exactly this name
    #[arg(long)]
    name: Option<String>,
    /// Only keys that were not used for so many days
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    idle_days: Option<i64>,
    /// Print at most so many keys
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

#[derive(Args)]
pub(super) struct ShowArguments {
    /// The id, or the prefix from a log
    #[arg(value_name = "ID|PREFIX")]
    id: String,
    #[command(flatten)]
    org: OrgArguments,
    /// Look at the keys of every org
    #[arg(long, conflicts_with = "org")]
    every_org: bool,
}

impl ShowArguments {
    /// Finds the key by its id, or else by its prefix.
    async fn find(&self, kw: &Keywright) -> Result<Key, Error> {
        let org = if self.every_org { kw.every_org() } else { kw.org(&self.org.org)? };
        match org.keys().get(self.id.as_str()).await {
            Err(unknown @ Error::NotFound(_)) => match org.keys().find(&self.id).await {
                Err(Error::NotFound(_)) => Err(unknown),
                found => found,
            },
            found => found,
        }
    }
}

impl KeysCommand {
    pub(super) fn run(self, context: &mut CommandContext) -> Result<(), Stop> {
        if matches!(self, Self::Create(_) | Self::Rotate(_)) {
            refuse_closed_output()?;
        }
        if matches!(self, Self::Create(_)) {
            return context.with_new_engine(async |kw, context| self.run_on(kw, context).await);
        }
        self.refuse_malformed()?;
        let outcome = context.with_engine(async |kw, context| {
            self.refuse_secret(kw)?;
            self.run_on(kw, context).await
        });
        outcome.map_err(wanted::explained)
    }

    async fn run_on(self, kw: &Keywright, context: &mut CommandContext) -> Result<(), Stop> {
        match self {
            Self::Create(arguments) => {
                let new = NewKey::read(arguments.values()?.fields())?;
                let issued = arguments.org.keys(kw)?.create(new).await?;
                print_issued(context, &issued)
            }
            Self::List(arguments) => list(arguments, kw, context).await,
            Self::Show(arguments) => print(context, &arguments.find(kw).await?),
            Self::Usage(arguments) => {
                let Key { id, usage_count, denied_count, last_used_at, .. } = arguments.find(kw).await?;
                let last_used_at = last_used_at.as_ref().map(wire_time);
                let totals = json!({
                    "id": id,
                    "usage_count": usage_count,
                    "denied_count": denied_count,
                    "last_used_at": last_used_at,
                });
                context.printer.record(&totals, "usage_count")
            }
            Self::Update(arguments) => {
                let update = KeyUpdate::read(arguments.values()?.fields())?;
                print(context, &arguments.org.keys(kw)?.update(arguments.id.as_str(), update).await?)
            }
            Self::Rotate(arguments) => {
                let rotation = arguments.read()?;
                let keys = arguments.org.keys(kw)?;
                let ended = match rotation.mode() {
                    RotationMode::Grace(_) => None,
                    RotationMode::Immediate => Some("every present secret"),
                    RotationMode::ReplaceCurrent => Some("the newest secret"),
                };
                if let Some(ended) = ended {
                    let key = keys.get(arguments.id.as_str()).await?;
                    confirm(context, &format!("end {ended} of {} now", secret_shown(&key, key.secrets.first())))?;
                }
                print_issued(context, &keys.rotate(arguments.id.as_str(), rotation).await?)
            }
            Self::EndGrace(arguments) => {
                let (keys, change) = arguments.read(kw)?;
                let key = keys.get(arguments.id.as_str()).await?;
                match key.secrets.iter().find(|secret| secret.grace_ends_at.is_some()) {
                    Some(former) => {
                        let key = secret_shown(&key, Some(former));
                        confirm(context, &format!("end the former secret of {key} now"))?;
                    }
                    None => context.say("The key is in no grace: it has no former secret that could end."),
                }
                print(context, &keys.end_grace(arguments.id.as_str(), change).await?)
            }
            Self::Revoke(arguments) => {
                let (keys, change) = arguments.read(kw)?;
                let key = keys.get(arguments.id.as_str()).await?;
                confirm(context, &format!("revoke {} for good", shown(&key)))?;
                print(context, &keys.revoke(arguments.id.as_str(), change).await?)
            }
            Self::Disable(arguments) => {
                let (keys, change) = arguments.read(kw)?;
                print(context, &keys.disable(arguments.id.as_str(), change).await?)
            }
            Self::Enable(arguments) => {
                let (keys, change) = arguments.read(kw)?;
                print(context, &keys.enable(arguments.id.as_str(), change).await?)
            }
            Self::Credit(arguments) => {
                let credit = Credit::read(arguments.values().fields())?;
                let balance = arguments.org.keys(kw)?.credit(arguments.id.as_str(), credit).await?;
                context.printer.record(&balance, "remaining")
            }
        }
    }
}

async fn list(arguments: ListArguments, kw: &Keywright, context: &mut CommandContext) -> Result<(), Stop> {
    let ListArguments { org, every_org, status, environment, name, idle_days, limit } = arguments;
    let keys = if every_org { kw.every_org().keys() } else { org.keys(kw)? };
    let values = NamedValues::default()
        .text("status", status)
        .text("environment", environment)
        .text("name", name)
        .integer("idle_days", idle_days);
    let query = ListKeys::read(values.fields())?;
    let form = ListForm { columns: &COLUMNS, value: "id" };
    let read = async |length: usize, cursor: Option<String>| {
        let query = query.clone().limit(length);
        keys.list(cursor.into_iter().fold(query, ListKeys::cursor)).await
    };
    pages::print(context, form, limit, read).await
}

fn shown(key: &Key) -> String {
    described(&key.name, &key.prefix, key.last_used_at)
}

/// The key with the prefix and the last use of one of its secrets.
fn secret_shown(key: &Key, secret: Option<&Secret>) -> String {
    secret.map_or_else(|| shown(key), |secret| described(&key.name, &secret.prefix, secret.last_used_at))
}

fn described(name: &str, prefix: &str, last_used_at: Option<DateTime<Utc>>) -> String {
    let used = last_used_at.map_or_else(|| "never used".into(), |at| format!("last used {}", at.format("%F %T UTC")));
    format!("the key {name:?} ({prefix}, {used})")
}

fn print(context: &mut CommandContext, key: &Key) -> Result<(), Stop> {
    context.printer.record(key, "id")
}

/// Refuses to make a text that nobody would see.
fn refuse_closed_output() -> Result<(), Stop> {
    if sys::is_output_closed() {
        let message = "standard output is closed, so the text of the key would be lost; send it to a file or a program";
        return Err(Stop::Failed(message.into()));
    }
    Ok(())
}

fn print_issued(context: &mut CommandContext, issued: &IssuedKey) -> Result<(), Stop> {
    let printed = context.printer.record(&issued.reveal(), "api_key").and_then(|()| context.printer.finish());
    printed.map_err(|stop| match stop {
        Stop::Output(error) => {
            let (id, reason) = (&issued.key.id, sys::reason(&error));
            Stop::Failed(format!(
                "the text of the key {id} cannot be written: {reason}; nobody has it, so revoke it with `keywright keys revoke {id}`, \
                 or make another text with `keywright keys rotate {id} --grace 0`"
            ))
        }
        other => other,
    })?;
    context.say("\nThe text in api_key is shown this once. Keep it where secrets are kept.");
    Ok(())
}

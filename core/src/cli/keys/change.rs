//! Changes of a key with their reason.

use clap::Args;

use super::OrgArguments;
use crate::cli::exit::Stop;
use crate::cli::named::NamedValues;
use crate::input::FromFields;
use crate::keyring::{Change, Keys, Keywright, Rotation};

#[derive(Args)]
pub(in crate::cli) struct ChangeArguments {
    /// The id of the key
    pub(super) id: String,
    #[command(flatten)]
    org: OrgArguments,
    #[command(flatten)]
    why: ReasonArguments,
}

/// The actor and the reason of a change, for the audit.
#[derive(Args)]
struct ReasonArguments {
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    /// The name of the person or program that makes the change, for the audit
    #[arg(long)]
    actor: Option<String>,
}

impl ReasonArguments {
    fn values(&self) -> NamedValues {
        NamedValues::default().text("reason", self.reason.clone()).text("actor", self.actor.clone())
    }
}

impl ChangeArguments {
    pub(super) fn read(&self, kw: &Keywright) -> Result<(Keys, Change), Stop> {
        Ok((self.org.keys(kw)?, Change::read(self.why.values().fields())?))
    }
}

#[derive(Args)]
pub(in crate::cli) struct RotateArguments {
    /// The id of the key
    pub(super) id: String,
    #[command(flatten)]
    pub(super) org: OrgArguments,
    /// How long the former secret works on: 24h, 7d, or 0 for not at all [default: 24h, and 0 with --reason compromised]
    #[arg(long, conflicts_with = "replace_current")]
    grace: Option<String>,
    /// During a grace: end the newest secret, and let the former one work on
    #[arg(long)]
    replace_current: bool,
    #[command(flatten)]
    why: ReasonArguments,
}

impl RotateArguments {
    pub(super) fn read(&self) -> Result<Rotation, Stop> {
        let with = |values: NamedValues| {
            let values = values.text("grace", self.grace.clone()).flag("replace_current", self.replace_current);
            Rotation::read(values.fields())
        };
        let rotation = with(self.why.values())?;
        let says_how = self.grace.is_some() || self.replace_current;
        if says_how && with(NamedValues::default())?.mode() != rotation.mode() {
            let message = "reason: compromised ends every secret that works now; leave out --grace and --replace-current, \
                           or give another reason";
            return Err(Stop::Usage(message.into()));
        }
        Ok(rotation)
    }
}

#[derive(Args)]
pub(in crate::cli) struct CreditArguments {
    /// The id of a key that draws on the balance
    pub(super) id: String,
    #[command(flatten)]
    pub(super) org: OrgArguments,
    /// How many requests to add
    #[arg(allow_negative_numbers = true)]
    amount: i64,
    /// The name of the balance, if the key draws on several
    #[arg(long, value_name = "NAME")]
    quota: Option<String>,
    #[command(flatten)]
    why: ReasonArguments,
}

impl CreditArguments {
    pub(super) fn values(&self) -> NamedValues {
        self.why.values().integer("amount", Some(self.amount)).text("quota", self.quota.clone())
    }
}

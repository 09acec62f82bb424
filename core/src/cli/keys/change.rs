//! Changes of a key with their reason.

use clap::Args;

use super::OrgArguments;
use crate::cli::exit::Stop;
use crate::cli::named::NamedValues;
use crate::input::FromFields;
use crate::keyring::{Change, Keys, Keywright};

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
    /// How long the former secret works on: 24h, 7d, or 0 for not at all
    #[arg(long, default_value = "24h", conflicts_with = "replace_current")]
    grace: String,
    /// During a grace: end the newest secret, and let the former one work on
    #[arg(long)]
    replace_current: bool,
    #[command(flatten)]
    why: ReasonArguments,
}

impl RotateArguments {
    pub(super) fn values(&self) -> NamedValues {
        let grace = (!self.replace_current).then(|| self.grace.clone());
        self.why.values().text("grace", grace).flag("replace_current", self.replace_current)
    }

    /// Whether a secret that works now stops working.
    pub(super) fn ends_former(&self) -> bool {
        self.replace_current || self.grace == "0" || self.why.reason.as_deref() == Some("compromised")
    }
}

#[derive(Args)]
pub(in crate::cli) struct CreditArguments {
    /// The id of a key that draws on the balance
    pub(super) id: String,
    #[command(flatten)]
    pub(super) org: OrgArguments,
    /// How many requests to add
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

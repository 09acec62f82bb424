//! The settings of a key as options.

use clap::{Args, ValueEnum};

use super::OrgArguments;
use crate::cli::exit::Stop;
use crate::cli::named::NamedValues;

#[derive(Args)]
pub(in crate::cli) struct CreateArguments {
    /// The purpose of the key
    name: String,
    #[command(flatten)]
    pub(super) org: OrgArguments,
    /// The environment of the key [default: the engine's own]
    #[arg(long)]
    environment: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
    /// The name of the person or program that creates the key, for the audit
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
}

impl CreateArguments {
    pub(super) fn values(&self) -> Result<NamedValues, Stop> {
        let values = NamedValues::default()
            .text("name", Some(self.name.clone()))
            .text("environment", self.environment.clone())
            .text("created_by", self.actor.clone());
        self.settings.add_to(values)
    }
}

#[derive(Args)]
pub(in crate::cli) struct UpdateArguments {
    /// The id of the key
    pub(super) id: String,
    #[command(flatten)]
    pub(super) org: OrgArguments,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    settings: SettingsArguments,
    /// Clear a setting; may be repeated
    #[arg(long, value_name = "SETTING")]
    clear: Vec<Clearable>,
    /// The name of the person or program that changes the key, for the audit
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
}

/// The settings that can be empty.
#[derive(Clone, Copy, ValueEnum)]
enum Clearable {
    Description,
    Level,
    Tier,
    Limits,
    Quotas,
    Networks,
    Metadata,
    ExpiresAt,
}

impl UpdateArguments {
    pub(super) fn values(&self) -> Result<NamedValues, Stop> {
        let values =
            NamedValues::default().text("name", self.name.clone()).text("actor", self.actor.clone()).null(&self.clear);
        self.settings.add_to(values)
    }
}

#[derive(Args)]
struct SettingsArguments {
    /// Free text about the key
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Scopes of the key: deals:read,deals:write
    #[arg(long)]
    scopes: Option<String>,
    /// The HTTP methods that it allows: read, read_write or full
    #[arg(long)]
    level: Option<String>,
    /// The named set of limits and quotas that the key has
    #[arg(long)]
    tier: Option<String>,
    /// Limits of this key alone, as JSON: {"import": {"rate": 10}}
    #[arg(long, value_name = "JSON")]
    limits: Option<String>,
    /// Quotas of this key alone, as JSON: {"monthly": {"amount": 1000, "every": "month"}}
    #[arg(long, value_name = "JSON")]
    quotas: Option<String>,
    /// A network from which the key works; may be repeated
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    networks: Vec<String>,
    /// Data of your own, as JSON
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// The key expires after so many days
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    expires_in_days: Option<i64>,
    /// The key expires at this time: 2030-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

impl SettingsArguments {
    fn add_to(&self, values: NamedValues) -> Result<NamedValues, Stop> {
        values
            .text("description", self.description.clone())
            .text("scopes", self.scopes.clone())
            .text("level", self.level.clone())
            .text("tier", self.tier.clone())
            .json("limits", self.limits.as_deref())?
            .json("quotas", self.quotas.as_deref())?
            .texts("networks", self.networks.clone())
            .json("metadata", self.metadata.as_deref())?
            .integer("expires_in_days", self.expires_in_days)
            .time("expires_at", self.expires_at.as_deref())
    }
}

//! The records of every surface: plain data with one serde form, snake_case fields and RFC 3339 times.

mod audit;
mod import;
mod issued;
mod key;
mod limit;
mod quota;
pub(crate) mod rfc3339;
pub(crate) mod rfc3339_option;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use audit::{AuditCheck, AuditEntry, AuditHead};
pub use import::{ImportOutcome, ImportReport, ImportedKey};
pub use issued::{ApiKey, HIDDEN, IssuedKey, Revealed};
pub use key::{Key, KeyId, Level, Secret, Status};
pub use limit::{Limit, LimitState, Limiter, Per, RedisUrl, WhenUnreachable};
pub use quota::{Period, Quota, QuotaState};
pub(crate) use rfc3339::wire_time;

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of the page.
    pub data: Vec<T>,
    /// Whether another page follows.
    pub has_more: bool,
    /// The `cursor` of the next page.
    pub next_cursor: Option<String>,
}

/// An org: a tenant that owns keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrgRecord {
    /// The id, chosen by the host.
    pub id: String,
    /// `active` or `disabled`.
    pub status: Status,
    /// The networks from which the org's keys verify: `None` allows all, an empty list allows none.
    pub networks: Option<Vec<String>>,
    /// The time of the first use.
    #[serde(with = "rfc3339")]
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    #[serde(with = "rfc3339")]
    pub updated_at: DateTime<Utc>,
    /// The time from which the org is disabled.
    #[serde(with = "rfc3339_option")]
    pub disabled_at: Option<DateTime<Utc>>,
    /// The reason of the last disabling.
    pub reason: Option<String>,
}

/// The counts of one agent of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgentUsage {
    /// The agent; `None` for the agents beyond the first thousand of a key, which share one record.
    pub agent: Option<String>,
    /// Allowed verifications.
    pub usage_count: u64,
    /// Denied verifications with a valid secret.
    pub denied_count: u64,
    /// The time of the last allowed verification.
    #[serde(with = "rfc3339_option")]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The parts of a key's text. They prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parsed {
    /// The environment in the text.
    pub environment: String,
    /// The text up to and including the lookup, safe to log.
    pub prefix: String,
    /// The public part that finds the row of the key.
    pub lookup: String,
}

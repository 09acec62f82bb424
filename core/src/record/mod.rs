//! The records of every surface: plain data with one serde form, snake_case fields and RFC 3339 times.

mod audit;
mod import;
mod issued;
mod key;
mod limit;
mod quota;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

pub use audit::{AuditCheck, AuditEntry, AuditHead};
pub use import::{ImportOutcome, ImportReport, ImportedKey};
pub use issued::{ApiKey, HIDDEN, IssuedKey, Revealed};
pub use key::{Key, KeyId, Level, Secret, Status};
pub use limit::{Limit, LimitState, Limiter, Per, RedisUrl, WhenUnreachable};
pub use quota::{Period, Quota, QuotaState};

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OrgRecord {
    /// The id, chosen by the host.
    pub id: String,
    /// `active` or `disabled`.
    pub status: Status,
    /// The networks from which the org's keys verify: `None` allows all, an empty list allows none.
    pub networks: Option<Vec<String>>,
    /// The time of the first use.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    #[serde(serialize_with = "rfc3339")]
    pub updated_at: DateTime<Utc>,
    /// The time from which the org is disabled.
    #[serde(serialize_with = "rfc3339_option")]
    pub disabled_at: Option<DateTime<Utc>>,
    /// The reason of the last disabling.
    pub reason: Option<String>,
}

/// The counts of one agent of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AgentUsage {
    /// The agent; `None` for the agents beyond the first thousand of a key, which share one record.
    pub agent: Option<String>,
    /// Allowed verifications.
    pub usage_count: u64,
    /// Denied verifications with a valid secret.
    pub denied_count: u64,
    /// The time of the last allowed verification.
    #[serde(serialize_with = "rfc3339_option")]
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

/// Serializes a time as [`wire_time`].
pub(crate) fn rfc3339<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&wire_time(at))
}

/// Serializes a time as [`wire_time`], or null.
pub(crate) fn rfc3339_option<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, to),
        None => to.serialize_none(),
    }
}

/// Formats a time as every wire form has it: RFC 3339 with milliseconds and `Z`.
pub(crate) fn wire_time(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_on_the_wire_has_milliseconds_and_ends_with_z() {
        let at: DateTime<Utc> = "2026-01-01T01:00:00+01:00".parse().unwrap();
        assert_eq!(wire_time(&at), "2026-01-01T00:00:00.000Z");
    }
}

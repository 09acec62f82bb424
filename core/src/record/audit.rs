use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// One entry of the audit chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The sequence number in the chain, without gaps.
    pub seq: u64,
    /// The time of the change.
    #[serde(with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// The org of the change; `None` for the whole database.
    pub org: Option<String>,
    /// The actor of the change.
    pub actor: Option<String>,
    /// The action, like `key.revoke`.
    pub action: String,
    /// The id of the changed key or org.
    pub target: Option<String>,
    /// The reason that the actor gave.
    pub reason: Option<String>,
    /// Details of the change, without personal data and secrets.
    pub details: serde_json::Map<String, serde_json::Value>,
    /// The chain's hash up to and including this entry, in hexadecimal.
    pub hash: String,
}

/// The end of the audit chain. A copy outside the database reveals a database that was replaced by an older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditHead {
    /// The sequence number of the last entry; 0 without entries.
    pub seq: u64,
    /// The hash of the last entry in hexadecimal; 64 zeros without entries.
    pub hash: String,
}

/// The result of a check of the audit chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditCheck {
    /// Whether the chain is complete and unchanged.
    pub ok: bool,
    /// The number of checked entries.
    pub checked: u64,
    /// The sequence number of the first entry; entries before it were pruned.
    pub first_seq: Option<u64>,
    /// The sequence number of the last entry.
    pub last_seq: Option<u64>,
    /// The first fault, for people.
    pub problem: Option<String>,
}

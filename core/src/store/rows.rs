//! The rows that a store keeps, but for those of keys, and the filters and cursors with which they are read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::AuditHash;
use crate::clock::{Millis, time};
use crate::error::{Error, UnavailableCause};
use crate::hash::hex;
use crate::lifecycle::SecretLifetime;
use crate::limit::quota::{Demand, QuotaCount};
use crate::record::{AuditEntry, Per, Period};

/// The orgs whose rows a call may see. Every call carries one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tenant {
    One(String),
    Every,
}

impl Tenant {
    /// The one org, or `None` for all of them.
    pub(crate) fn org(&self) -> Option<&str> {
        match self {
            Self::One(org) => Some(org),
            Self::Every => None,
        }
    }

    pub(crate) fn sees(&self, org: &str) -> bool {
        self.org().is_none_or(|own| own == org)
    }
}

/// A secret's row: its verifier, and the time at which it ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SecretRow {
    pub(crate) lifetime: SecretLifetime,
    pub(crate) prefix: String,
    /// The template of its text.
    pub(crate) format: String,
    pub(crate) verifier: String,
    /// Present only beside a slow verifier of a generated secret.
    pub(crate) filter: Option<Vec<u8>>,
    pub(crate) created_at: Millis,
}

/// The public part of a secret's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretView {
    pub(crate) lifetime: SecretLifetime,
    pub(crate) prefix: String,
    pub(crate) created_at: Millis,
    pub(crate) last_used_at: Option<Millis>,
}

/// The counters of a meter: allowed verifications, denied ones of a proved secret, and the time of the last allowed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) usage_count: u64,
    pub(crate) denied_count: u64,
    pub(crate) last_used_at: Option<Millis>,
}

impl Counts {
    pub(crate) fn add(&mut self, more: Self) {
        self.usage_count = self.usage_count.saturating_add(more.usage_count);
        self.denied_count = self.denied_count.saturating_add(more.denied_count);
        self.last_used_at = self.last_used_at.max(more.last_used_at);
    }
}

/// The use of one secret since the last flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageDelta {
    pub(crate) key_id: String,
    pub(crate) lookup: String,
    pub(crate) counts: Counts,
    pub(crate) agents: Vec<AgentCounts>,
    /// Whether a former secret was presented after the end of its grace.
    pub(crate) grace_over: bool,
}

/// The identity of a flush. The answer to one may be lost on a network; it is sent again under the same identity and adds its
/// counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlushId {
    /// Random, for the meters of one engine in one process. These send one flush at a time.
    pub(crate) meters: [u8; 16],
    /// Higher with each flush.
    pub(crate) number: i64,
}

/// The counters of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentCounts {
    pub(crate) agent: Arc<str>,
    pub(crate) counts: Counts,
}

/// The identity of the count of a quota in one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuotaId {
    pub(crate) per: Per,
    /// The id of the key or the org.
    pub(crate) owner: String,
    pub(crate) name: String,
    /// `None` for a balance.
    pub(crate) every: Option<Period>,
    /// The start of the period, 0 for a balance.
    pub(crate) starts_at: Millis,
}

impl QuotaId {
    /// The period as the tables name it.
    pub(super) fn every_text(&self) -> &'static str {
        self.every.map_or("", Period::as_str)
    }
}

/// One purchase of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QuotaSale {
    pub(crate) id: QuotaId,
    pub(crate) demand: Demand,
    /// Whether it is the first one of this process in the period. It forgets periods that are long over.
    pub(crate) is_first: bool,
}

/// The answer to a purchase: how many requests were sold, and the count after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaSold {
    pub(crate) sold: u64,
    pub(crate) count: QuotaCount,
}

/// How many agents of a key have counters of their own. Clients choose the names, so the number must have a bound.
pub(crate) const MOST_AGENTS: usize = 1_000;

/// The name under which all further agents are counted together.
pub(crate) const OTHER_AGENTS: &str = "";

/// A position in the sequence of changes. A database that was restored from a copy has another generation, in which the
/// same `seq` may mean another change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChangeCursor {
    pub(crate) seq: i64,
    pub(crate) generation: i64,
}

/// The changes up to a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) cursor: ChangeCursor,
    /// The ids of changed keys. An id is repeated if secrets of the key changed as well.
    pub(crate) keys: Vec<String>,
    pub(crate) orgs: Vec<String>,
    /// Whether everything may have changed; the lists are then incomplete.
    pub(crate) all: bool,
    /// The formats of imported keys, one on each line; `None` if the source of the changes does not tell.
    pub(crate) imported_formats: Option<Arc<str>>,
}

impl SecretRow {
    pub(crate) fn view(&self) -> SecretView {
        SecretView {
            lifetime: self.lifetime.clone(),
            prefix: self.prefix.clone(),
            created_at: self.created_at,
            last_used_at: None,
        }
    }
}

/// An org's row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrgRow {
    pub(crate) id: String,
    pub(crate) networks: Option<Vec<String>>,
    pub(crate) created_at: Millis,
    pub(crate) updated_at: Millis,
    pub(crate) disabled_at: Option<Millis>,
    pub(crate) reason: Option<String>,
}

/// Settings that are fixed when a database is created.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseInfo {
    pub(crate) integer_ids: bool,
    pub(crate) filter_key: [u8; 32],
    pub(crate) cursor_key: [u8; 32],
    pub(crate) created_at: Millis,
    /// The formats of imported keys when the database was opened, one on each line.
    pub(crate) imported_formats: String,
}

/// The last row of a page, in a list that is ordered newest first by time and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PageCursor {
    pub(crate) at: Millis,
    pub(crate) id: String,
}

/// The filter of a list of keys. Statuses are those at the `now` of the call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyFilter {
    pub(crate) status: StatusFilter,
    pub(crate) environment: Option<String>,
    pub(crate) name: Option<String>,
    /// Only keys that were neither used nor created after this time.
    pub(crate) idle_since: Option<Millis>,
    /// Only keys that expire at this time or before.
    pub(crate) expires_until: Option<Millis>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StatusFilter {
    #[default]
    NotRevoked,
    Active,
    Disabled,
    Expired,
    Revoked,
    All,
}

impl StatusFilter {
    /// The condition of [`Lifecycle::status`](crate::lifecycle::Lifecycle::status) in SQL about a key `k`, so that a query skips
    /// other rows. `now` is the parameter with the time. The contract suite compares the two.
    pub(super) fn condition(self, now: &str) -> String {
        match self {
            Self::All => format!("{now} IS NOT NULL"),
            Self::NotRevoked => "k.revoked_at IS NULL".to_owned(),
            Self::Revoked => "k.revoked_at IS NOT NULL".to_owned(),
            Self::Expired => format!("k.revoked_at IS NULL AND k.expires_at <= {now}"),
            Self::Disabled => format!("{} AND k.disabled_at IS NOT NULL", live(now)),
            Self::Active => format!("{} AND k.disabled_at IS NULL", live(now)),
        }
    }
}

fn live(now: &str) -> String {
    format!("k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > {now})")
}

/// The filter of a list of audit entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AuditFilter {
    pub(crate) target: Option<String>,
    pub(crate) action: Option<String>,
    /// The `agent` in the details of the entry.
    pub(crate) agent: Option<String>,
}

/// An audit row: the entry, and the stored values from which its hash is computed.
#[derive(Debug, Clone)]
pub(crate) struct AuditRow {
    pub(crate) entry: AuditEntry,
    pub(crate) at: Millis,
    pub(crate) details: String,
    pub(crate) pepper: Option<String>,
    pub(crate) hash: AuditHash,
}

/// The columns of an audit row.
pub(super) struct AuditColumns {
    pub(super) seq: u64,
    pub(super) at: Millis,
    pub(super) org: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) action: String,
    pub(super) target: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) details: String,
    pub(super) pepper: Option<String>,
    pub(super) hash: AuditHash,
}

impl From<AuditColumns> for AuditRow {
    fn from(columns: AuditColumns) -> Self {
        let AuditColumns { seq, at, org, actor, action, target, reason, details, pepper, hash } = columns;
        let entry = AuditEntry {
            seq,
            at: time(at),
            org,
            actor,
            action,
            target,
            reason,
            // `audit.verify` reports a damaged text.
            details: serde_json::from_str(&details).unwrap_or_default(),
            hash: hex(&hash),
        };
        Self { entry, at, details, pepper, hash }
    }
}

/// The error for a value that no release writes: another program changed the row, or the database is damaged.
pub(super) fn foreign_row() -> Error {
    Error::unavailable(
        UnavailableCause::Corrupt,
        "the database holds a row or table that no release of Keywright wrote",
        "restore it from a backup, or undo what another program changed",
    )
}

//! The store: where keys, secrets, orgs and audit entries are kept. `key`, `rows` and `port` say what every store keeps and
//! does, and `sqlite` does it in one file.

#[cfg(feature = "testing")]
pub(crate) mod contract;
mod key;
mod port;
mod record;
mod rows;
pub(crate) mod sqlite;

pub(crate) use self::key::{KeyRow, KeyView, LookupResult};
pub(crate) use self::port::{AuditKey, KeyEdit, KeyRule, OrgEdit, Store};
pub(crate) use self::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Counts, DatabaseInfo, KeyFilter, MOST_AGENTS, OTHER_AGENTS,
    OrgRow, PageCursor, SecretRow, StatusFilter, Tenant, UsageDelta,
};

/// The store of an engine. It becomes an enum when PostgreSQL joins SQLite.
pub(crate) type AnyStore = sqlite::Sqlite;

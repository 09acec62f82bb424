//! The store: where keys, secrets, orgs and audit entries are kept. `key`, `rows`, `script` and `port` say what every store
//! keeps and does; each engine has a folder of its own.

mod any;
mod column;
#[cfg(feature = "testing")]
pub(crate) mod contract;
#[cfg(feature = "cli")]
mod copy;
mod key;
#[cfg(feature = "cli")]
mod plan;
mod port;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
mod record;
mod rows;
mod script;
pub(crate) mod sqlite;
mod table;
mod url;
mod webhook;

pub(crate) use self::any::AnyStore;
#[cfg(feature = "cli")]
pub(crate) use self::any::Snapshot;
pub(crate) use self::column::ObjectText;
#[cfg(feature = "cli")]
pub(crate) use self::copy::{CopiedRows, CopyReport};
pub(crate) use self::key::{KeyRow, KeyView, LookupResult};
#[cfg(feature = "cli")]
pub(crate) use self::plan::SchemaPlan;
pub(crate) use self::port::{Freshness, OpenSettings, Store};
pub(crate) use self::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Changes, Counts, DatabaseInfo, FlushId, KeyFilter, MOST_AGENTS,
    OTHER_AGENTS, OrgRow, PageCursor, QuotaId, QuotaSale, QuotaSold, SecretRow, StatusFilter, Tenant, UsageDelta,
};
pub(crate) use self::script::{
    AppendAudit, AuditKey, BeginRequest, ChangeKey, ChangeOrg, CreateKey, CreditBalance, FinishRequest, ImportKeys,
    Imported, KeyEdit, KeyRule, NewImport, OrgEdit, PruneAudit, RefusedImport, ReplaceVerifier, RevokeKeys,
};
pub(crate) use self::url::StoreUrl;
pub(crate) use self::webhook::{
    ClaimedDelivery, DeliveryOutcome, EndpointChange, EndpointRow, EndpointState, SettledBatch, SettledDelivery,
};

//! The store port: the rows, and the operations that every store implements. A store keeps and finds rows; it holds no
//! rules. Rules reach it as pure functions, which it runs inside its transaction.

#[cfg(feature = "testing")]
pub(crate) mod contract;
mod key;
mod record;
pub(crate) mod sqlite;

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::{AuditDraft, AuditHash};
use crate::clock::{Clock, Millis};
use crate::error::Error;
use crate::idempotency::{IdempotentRequest, RequestLease, StoredOutcome, StoredResponse};
use crate::lifecycle::SecretLifetime;
use crate::record::AuditEntry;

pub(crate) use key::{KeyRow, KeyView};

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

/// The store of an engine. It becomes an enum when PostgreSQL joins SQLite.
pub(crate) type AnyStore = sqlite::Sqlite;

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

/// The counters of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentCounts {
    pub(crate) agent: Arc<str>,
    pub(crate) counts: Counts,
}

/// How many agents of a key have counters of their own. Clients choose the names, so the number must have a bound.
pub(crate) const MOST_AGENTS: usize = 1_000;

/// The name under which all further agents are counted together.
pub(crate) const OTHER_AGENTS: &str = "";

/// A position in the sequence of changes. A database that was restored from a copy has another generation, in which the
/// same `seq` may mean another change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ChangeCursor {
    pub(crate) seq: i64,
    pub(crate) generation: i64,
}

/// The changes up to a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) cursor: ChangeCursor,
    /// The ids of changed keys. An id stands more than once if secrets of the key changed as well.
    pub(crate) keys: Vec<String>,
    pub(crate) orgs: Vec<String>,
    /// Whether everything may have changed; the lists are then incomplete.
    pub(crate) all: bool,
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

/// The rows that a verification needs: the secret, its key and the restrictions of its org.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LookupResult {
    pub(crate) secret: SecretRow,
    pub(crate) view: KeyView,
    pub(crate) org_disabled: bool,
    pub(crate) org_networks: Option<Vec<String>>,
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

/// The key under which this engine hashes the audit entries that it writes, with the id of the pepper that it is derived
/// from. Without a pepper there is no key.
#[derive(Clone)]
pub(crate) struct AuditKey {
    pub(crate) pepper: Option<String>,
    pub(crate) key: Option<Arc<zeroize::Zeroizing<[u8; 32]>>>,
}

/// A change of one key. A rule computes it inside the store's transaction.
pub(crate) struct KeyEdit {
    pub(crate) key: KeyRow,
    pub(crate) grace_ends: Vec<SecretLifetime>,
    pub(crate) new_secret: Option<SecretRow>,
    pub(crate) audit: AuditDraft,
}

/// A change of one org. A rule computes it inside the store's transaction.
pub(crate) struct OrgEdit {
    pub(crate) org: OrgRow,
    pub(crate) audit: AuditDraft,
}

/// A rule that gets a key and the time, and returns the change, or `None` if there is nothing to change.
pub(crate) type KeyRule = Box<dyn FnOnce(&KeyView, Millis) -> Result<Option<KeyEdit>, Error> + Send>;

/// A rule that leaves the key as it is and returns audit entries about it.
pub(crate) type AuditRule = Box<dyn FnOnce(&KeyView, Millis) -> Result<Vec<AuditDraft>, Error> + Send>;

/// A rule that gets an org and returns the change, or `None` if there is nothing to change.
pub(crate) type OrgRule = Box<dyn FnOnce(&OrgRow) -> Result<Option<OrgEdit>, Error> + Send>;

/// The operations of a store. Each read sees one snapshot. Each write is one transaction, together with its audit row and
/// with the stored outcome of its idempotent request; when it returns, it has survived a loss of power.
pub(crate) trait Store: Send + Sync {
    fn info(&self) -> &DatabaseInfo;

    /// A number that differs after each commit of any process, from the moment at which the commit is acknowledged. It
    /// costs one load of memory. `None` if only [`read_commit_stamp`](Self::read_commit_stamp) can tell.
    fn commit_stamp(&self) -> Option<NonZeroU64>;
    /// The same number, read from the database if need be.
    fn read_commit_stamp(&self) -> impl Future<Output = Result<NonZeroU64, Error>> + Send;
    /// The changes after a cursor. For `None`, everything may have changed.
    fn changes(&self, after: Option<ChangeCursor>) -> impl Future<Output = Result<Changes, Error>> + Send;

    /// The only read of a verification: all it needs, from one snapshot, as of `now`. The caller has called
    /// `read_commit_stamp` within the last second, so that the files are known to be the ones that were opened.
    fn find(&self, lookup: &str, now: Millis) -> impl Future<Output = Result<Option<LookupResult>, Error>> + Send;
    fn get(
        &self,
        tenant: &Tenant,
        id: &str,
        now: Millis,
    ) -> impl Future<Output = Result<Option<KeyView>, Error>> + Send;
    fn by_prefix(
        &self,
        tenant: &Tenant,
        prefix: &str,
        now: Millis,
    ) -> impl Future<Output = Result<Option<KeyView>, Error>> + Send;
    fn list(
        &self,
        tenant: &Tenant,
        filter: &KeyFilter,
        after: Option<&PageCursor>,
        limit: usize,
        now: Millis,
    ) -> impl Future<Output = Result<Vec<KeyView>, Error>> + Send;

    /// Inserts a key and its secret, and the org if it is new. `false` if the id or the lookup is taken.
    fn create(
        &self,
        key: KeyRow,
        secret: SecretRow,
        audit: AuditDraft,
        request: Option<IdempotentRequest>,
    ) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Applies a rule to a key and returns the key after it, or `None` if the tenant has no such key. The clock is read
    /// inside the transaction: a time that was read before a wait for the lock may no longer be right.
    fn change(
        &self,
        tenant: &Tenant,
        id: &str,
        clock: &Clock,
        rule: KeyRule,
        request: Option<IdempotentRequest>,
    ) -> impl Future<Output = Result<Option<KeyView>, Error>> + Send;
    /// The descendants of a key that its revocation revoked too.
    fn revoked_with(&self, id: &str, now: Millis) -> impl Future<Output = Result<Vec<KeyView>, Error>> + Send;
    /// Appends the entries that a rule returns, in one transaction. `None` if the tenant has no such key.
    fn append_audit(
        &self,
        tenant: &Tenant,
        id: &str,
        clock: &Clock,
        rule: AuditRule,
        request: Option<IdempotentRequest>,
    ) -> impl Future<Output = Result<Option<Vec<AuditRow>>, Error>> + Send;
    /// Replaces the verifier of a secret, if it is still `from`.
    fn replace_verifier(
        &self,
        lookup: String,
        from: String,
        to: String,
        filter: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Adds to the counters of each secret and of its key, ends for ever the graces that were seen to be over, with an
    /// audit row for each, and deletes expired idempotency rows. One transaction does all of it.
    fn add_usage(&self, used: Arc<[UsageDelta]>, now: Millis) -> impl Future<Output = Result<(), Error>> + Send;
    /// The counters of the agents of a key.
    fn agents(&self, key_id: &str) -> impl Future<Output = Result<Vec<AgentCounts>, Error>> + Send;
    /// Claims the daily check of the keys. `true` for the first caller of a day, whichever process it is in.
    fn claim_day(&self, day: i64) -> impl Future<Output = Result<bool, Error>> + Send;

    fn org(&self, id: &str) -> impl Future<Output = Result<Option<OrgRow>, Error>> + Send;
    fn orgs(&self, after: Option<&PageCursor>, limit: usize)
    -> impl Future<Output = Result<Vec<OrgRow>, Error>> + Send;
    fn change_org(
        &self,
        id: &str,
        rule: OrgRule,
        request: Option<IdempotentRequest>,
    ) -> impl Future<Output = Result<Option<OrgRow>, Error>> + Send;
    /// Revokes every key of an org that is not yet revoked, and returns their number; `None` for an unknown org.
    fn revoke_keys(
        &self,
        org: &str,
        reason: Option<String>,
        audit: AuditDraft,
        request: Option<IdempotentRequest>,
    ) -> impl Future<Output = Result<Option<u64>, Error>> + Send;

    /// The stored outcome of a request, unless it has expired. `Full` for a new request of a caller that has reached its
    /// bound.
    fn stored_outcome(
        &self,
        request: &IdempotentRequest,
    ) -> impl Future<Output = Result<Option<StoredOutcome>, Error>> + Send;
    /// Starts a request: takes a lease, or returns the stored outcome if there is one.
    fn begin_request(
        &self,
        request: IdempotentRequest,
        token: [u8; 16],
    ) -> impl Future<Output = Result<Option<StoredOutcome>, Error>> + Send;
    /// Ends a lease. It stores the response, with its body if the caller has room for it, or deletes the row if there is no
    /// response. It does nothing if the lease has expired and another one was taken.
    fn finish_request(
        &self,
        lease: RequestLease,
        response: Option<StoredResponse>,
        now: Millis,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Entries newest first, below `before`.
    fn audit(
        &self,
        tenant: &Tenant,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<AuditRow>, Error>> + Send;
    /// Entries oldest first, above `after`.
    fn audit_scan(&self, after: u64, limit: usize) -> impl Future<Output = Result<Vec<AuditRow>, Error>> + Send;
    /// Deletes the entries that were made before a time, and appends a checkpoint entry if there were any. Returns their
    /// number.
    fn prune(&self, before: Millis, audit: AuditDraft) -> impl Future<Output = Result<u64, Error>> + Send;

    /// The ids of the peppers that verifiers of live secrets name.
    fn peppers(&self, now: Millis) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// Runs the queued writes, and closes the connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

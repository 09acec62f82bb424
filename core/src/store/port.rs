//! The operations that every store implements. A store keeps and finds rows; it holds no rules. Rules reach it as pure
//! functions, which it runs inside its transaction.

use std::num::NonZeroU64;
use std::sync::Arc;

use super::key::{KeyRow, KeyView, LookupResult};
use super::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Changes, DatabaseInfo, KeyFilter, OrgRow, PageCursor, SecretRow,
    Tenant, UsageDelta,
};
use crate::audit::AuditDraft;
use crate::clock::{Clock, Millis};
use crate::error::Error;
use crate::idempotency::{IdempotentRequest, RequestLease, StoredOutcome, StoredResponse};
use crate::lifecycle::SecretLifetime;

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

//! The operations that every store implements. A store keeps and finds rows; it holds no rules. Rules reach it in the
//! transaction scripts that it runs.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::key::{KeyView, LookupResult};
use super::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Changes, DatabaseInfo, FlushId, KeyFilter, OrgRow, PageCursor,
    QuotaId, QuotaSale, QuotaSold, Tenant, UsageDelta,
};
use super::script::{AuditKey, ChangeScript, EndGraces, Once, RequestId, RequestRows, TransactionScript};
use super::webhook::{ClaimedDelivery, EndpointChange, EndpointRow, EndpointState, SettledBatch};
use crate::clock::{Clock, Millis};
use crate::error::Error;
use crate::health::Health;
use crate::idempotency::{IdempotentRequest, StoredOutcome};
use crate::limit::quota::QuotaCount;

/// The settings with which a store is opened.
pub(crate) struct OpenSettings {
    pub(crate) read_only: bool,
    /// How long a write waits for the lock of another program.
    pub(crate) lock_timeout: Duration,
    /// Whether SQLite's shared memory is left alone, as if its layout were unknown.
    pub(crate) without_wal_index: bool,
    /// The settings of the database, if it is new.
    pub(crate) new_database: DatabaseInfo,
    pub(crate) audit_key: AuditKey,
    /// How long memory may answer after the database was last asked for changes, where it does not tell of them at once.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite tells of changes at once"))]
    pub(crate) max_staleness: Duration,
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "SQLite tells of changes at once"))]
    pub(crate) clock: Clock,
    pub(crate) health: Arc<Health>,
}

/// A number for the changes that a store knows of. It differs after each change of a key, a secret or an org, and memory that
/// has the changes up to it may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freshness(pub(crate) NonZeroU64);

/// The operations of a store. Each read sees one snapshot. Each write is one transaction; when it returns, it has survived a
/// loss of power, and the [`Freshness`] of this process has changed with it.
pub(crate) trait Store: Send + Sync {
    fn info(&self) -> &DatabaseInfo;

    /// The changes that memory must have to answer at `now`, a time of the engine's clock. It costs a few loads of memory,
    /// without a lock or a system call. `None` if only [`confirm`](Self::confirm) can tell.
    ///
    /// On SQLite it differs after each commit of any process, from the moment at which the commit is acknowledged.
    fn freshness(&self, now: Millis) -> Option<Freshness>;
    /// Makes sure that this process has heard of every change up to this call, or up to the staleness that the store allows,
    /// so that memory may answer for a while. Returns the freshness from before the changes that
    /// [`changes`](Self::changes) then returns. Callers that wait for one question to the database share it.
    fn confirm(&self, now: Millis) -> impl Future<Output = Result<Freshness, Error>> + Send;
    /// The changes after a cursor. For `None`, everything may have changed.
    fn changes(&self, after: Option<ChangeCursor>) -> impl Future<Output = Result<Changes, Error>> + Send;

    /// The only read of a verification: all it needs, from one snapshot, as of `now`. The caller has called `confirm` within
    /// the last second, so that the files are known to be the ones that were opened.
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
    /// The descendants of a key that its revocation revoked too.
    fn revoked_with(&self, id: &str, now: Millis) -> impl Future<Output = Result<Vec<KeyView>, Error>> + Send;
    /// The counters of the agents of a key.
    fn agents(&self, key_id: &str) -> impl Future<Output = Result<Vec<AgentCounts>, Error>> + Send;
    fn org(&self, id: &str) -> impl Future<Output = Result<Option<OrgRow>, Error>> + Send;
    fn orgs(&self, after: Option<&PageCursor>, limit: usize)
    -> impl Future<Output = Result<Vec<OrgRow>, Error>> + Send;
    fn request(&self, id: RequestId<'_>) -> impl Future<Output = Result<RequestRows, Error>> + Send;
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
    /// The ids of the peppers that verifiers of live secrets name.
    fn peppers(&self, now: Millis) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// Runs a script. Scripts that wait for the same disk or lock may commit together; each has its own outcome, and none is
    /// visible before its commit.
    fn run<S: TransactionScript>(&self, script: S) -> impl Future<Output = Result<S::Outcome, Error>> + Send;
    /// Adds to the counters of each secret and of its key, and at least once in
    /// [`SWEEP_INTERVAL`](crate::idempotency::SWEEP_INTERVAL) deletes some expired requests. It takes no lock that a script takes.
    /// After an error the caller sends the same flush again: its counts are added once.
    fn add_counts(
        &self,
        flush: FlushId,
        used: Arc<[UsageDelta]>,
        now: Millis,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// Sells requests of quotas, and takes back what was not spent. It takes no lock that a script takes. After an error any of
    /// the sales may have been made.
    fn sell(&self, sales: Arc<[QuotaSale]>) -> impl Future<Output = Result<Vec<QuotaSold>, Error>> + Send;
    /// The count of a quota in a period.
    fn quota_count(&self, id: &QuotaId) -> impl Future<Output = Result<QuotaCount, Error>> + Send;
    /// Claims the daily check of the keys. `true` for the first caller of a day, whichever process it is in.
    fn claim_day(&self, day: i64) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Adds endpoints of webhooks, or changes what they hear of. From now on each change queues its deliveries in its transaction.
    fn register_webhooks(&self, endpoints: Arc<[EndpointRow]>) -> impl Future<Output = Result<(), Error>> + Send;
    /// The endpoints among these that have deliveries to attempt at `now`.
    fn due_webhooks(
        &self,
        endpoints: &[String],
        now: Millis,
    ) -> impl Future<Output = Result<Vec<String>, Error>> + Send;
    /// Claims deliveries of an endpoint until a time: no other caller gets them before that.
    fn claim_deliveries(
        &self,
        endpoint: &str,
        now: Millis,
        until: Millis,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<ClaimedDelivery>, Error>> + Send;
    /// Ends claims. Delivered ones are deleted.
    fn settle_deliveries(&self, batch: SettledBatch) -> impl Future<Output = Result<(), Error>> + Send;
    /// Every endpoint of the database.
    fn webhook_endpoints(&self) -> impl Future<Output = Result<Vec<EndpointState>, Error>> + Send;
    /// Changes an endpoint. `false` if there is none with this id.
    fn change_webhook(&self, id: &str, change: EndpointChange) -> impl Future<Output = Result<bool, Error>> + Send;
    /// Deletes deliveries that are dead since before a time.
    fn forget_deliveries(&self, before: Millis) -> impl Future<Output = Result<(), Error>> + Send;

    /// Runs the queued writes, and closes the connections.
    fn close(&self) -> impl Future<Output = ()> + Send;
    /// Waits until all reports on the health of this store are made, and makes no more.
    fn finish_reports(&self) -> impl Future<Output = ()> + Send;

    /// Runs a script, and stores its outcome with the request that asks for it.
    fn run_once<S: ChangeScript>(
        &self,
        script: S,
        request: Option<IdempotentRequest>,
    ) -> impl Future<Output = Result<S::Outcome, Error>> + Send {
        self.run(Once { script, request })
    }

    /// Adds the use of secrets to the counters, and ends for ever the graces that were seen to be over.
    fn add_usage(
        &self,
        flush: FlushId,
        used: Arc<[UsageDelta]>,
        now: Millis,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async move {
            let lookups = used.iter().filter(|used| used.grace_over).map(|used| used.lookup.clone());
            let lookups: Vec<String> = lookups.collect();
            if !lookups.is_empty() {
                self.run(EndGraces { lookups, now }).await?;
            }
            self.add_counts(flush, used, now).await
        }
    }

    /// The stored outcome of a request, unless it has expired. `Full` for a new request of a caller that has reached its
    /// bound.
    fn stored_outcome(
        &self,
        request: &IdempotentRequest,
    ) -> impl Future<Output = Result<Option<StoredOutcome>, Error>> + Send {
        async { Ok(self.request(request.into()).await?.outcome(request)) }
    }
}

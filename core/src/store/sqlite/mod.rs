//! The store in one SQLite file. Reads run on the caller's thread; writes run on one writer thread.

mod audit;
mod changes;
mod connection;
mod error;
pub(crate) mod files;
mod graces;
mod idempotency;
mod key_edits;
mod keys;
mod lock_wait;
mod orgs;
mod rows;
mod schema;
mod table;
mod usage;
mod wal_index;

#[cfg(feature = "testing")]
pub(crate) use self::keys::FIND;

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Transaction};

use self::connection::Connections;
use crate::audit::AuditDraft;
use crate::clock::{Clock, Millis};
use crate::error::Error;
use crate::health::{Health, Operation};
use crate::idempotency::{IdempotentRequest, RequestLease, StoredOutcome, StoredResponse};
use crate::store::key::{KeyRow, KeyView, LookupResult};
use crate::store::port::{AuditKey, AuditRule, KeyRule, OrgRule, Store};
use crate::store::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Changes, DatabaseInfo, KeyFilter, OrgRow, PageCursor, SecretRow,
    Tenant, UsageDelta,
};
use crate::worker::Workers;

/// How many writes may wait for the disk. Past this number, a write is `unavailable`.
const MAX_QUEUED_WRITES: usize = 4_096;

pub(crate) struct Sqlite {
    connections: Arc<Connections>,
    info: DatabaseInfo,
    audit_key: AuditKey,
    writer: Workers,
    health: Arc<Health>,
}

impl Sqlite {
    /// Opens the file. Creates the tables or migrates them, unless it is opened with `read_only`.
    pub(crate) fn open(
        path: &Path,
        read_only: bool,
        lock_timeout: Duration,
        without_wal_index: bool,
        new_database: &DatabaseInfo,
        audit_key: AuditKey,
        health: Arc<Health>,
    ) -> Result<Self, Error> {
        let (connections, info) = Connections::open(path, read_only, lock_timeout, without_wal_index, new_database)?;
        Ok(Self {
            connections,
            info,
            audit_key,
            writer: Workers::new("keywright-writer", 1, MAX_QUEUED_WRITES),
            health,
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.record(Operation::Read, self.connections.read(read))
    }

    /// Waits until all reports on the health of this store are made, and makes no more.
    pub(crate) async fn finish_reports(&self) {
        self.health.finish().await;
    }

    fn record<T>(&self, operation: Operation, outcome: Result<T, Error>) -> Result<T, Error> {
        self.health.note(operation, &outcome);
        outcome
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &AuditKey) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.connections.check_writable()?;
        let (connections, audit_key, health) =
            (Arc::clone(&self.connections), self.audit_key.clone(), Arc::clone(&self.health));
        let write = move || {
            let done = connections.write(|transaction| change(transaction, &audit_key));
            health.note(Operation::Write, &done);
            done
        };
        self.writer.run(write).await
    }
}

impl Store for Sqlite {
    fn info(&self) -> &DatabaseInfo {
        &self.info
    }

    fn commit_stamp(&self) -> Option<NonZeroU64> {
        self.connections.commit_stamp()
    }

    async fn read_commit_stamp(&self) -> Result<NonZeroU64, Error> {
        self.record(Operation::Read, self.connections.read_commit_stamp())
    }

    async fn changes(&self, after: Option<ChangeCursor>) -> Result<Changes, Error> {
        self.read(|on| changes::since(on, after))
    }

    async fn find(&self, lookup: &str, now: Millis) -> Result<Option<LookupResult>, Error> {
        self.record(Operation::Read, self.connections.read_unchecked(|on| keys::find(on, lookup, now)))
    }

    async fn get(&self, tenant: &Tenant, id: &str, now: Millis) -> Result<Option<KeyView>, Error> {
        self.read(|on| keys::get(on, tenant, id, now))
    }

    async fn by_prefix(&self, tenant: &Tenant, prefix: &str, now: Millis) -> Result<Option<KeyView>, Error> {
        self.read(|on| keys::by_prefix(on, tenant, prefix, now))
    }

    async fn list(
        &self,
        tenant: &Tenant,
        filter: &KeyFilter,
        after: Option<&PageCursor>,
        limit: usize,
        now: Millis,
    ) -> Result<Vec<KeyView>, Error> {
        self.read(|on| keys::list(on, tenant, filter, after, limit, now))
    }

    async fn create(
        &self,
        key: KeyRow,
        secret: SecretRow,
        draft: AuditDraft,
        request: Option<IdempotentRequest>,
    ) -> Result<bool, Error> {
        self.write(move |on, audit_key| {
            let change = || key_edits::create(on, &key, &secret, &draft, audit_key);
            idempotency::run_once(on, request.as_ref(), change, |made| made.then(|| key.id.clone()))
        })
        .await
    }

    async fn change(
        &self,
        tenant: &Tenant,
        id: &str,
        clock: &Clock,
        rule: KeyRule,
        request: Option<IdempotentRequest>,
    ) -> Result<Option<KeyView>, Error> {
        let (tenant, id, clock) = (tenant.clone(), id.to_owned(), clock.clone());
        self.write(move |on, audit_key| {
            let change = || key_edits::change(on, &tenant, &id, clock.now(), rule, audit_key);
            idempotency::run_once(on, request.as_ref(), change, |view| view.as_ref().map(|view| view.key.id.clone()))
        })
        .await
    }

    async fn revoked_with(&self, id: &str, now: Millis) -> Result<Vec<KeyView>, Error> {
        self.read(|on| keys::revoked_with(on, id, now))
    }

    async fn append_audit(
        &self,
        tenant: &Tenant,
        id: &str,
        clock: &Clock,
        rule: AuditRule,
        request: Option<IdempotentRequest>,
    ) -> Result<Option<Vec<AuditRow>>, Error> {
        let (tenant, id, clock) = (tenant.clone(), id.to_owned(), clock.clone());
        self.write(move |on, audit_key| {
            let change = || key_edits::append_audit(on, &tenant, &id, clock.now(), rule, audit_key);
            let named = |it: &Option<Vec<AuditRow>>| {
                let told = it.as_ref()?;
                Some(format!("{}+{}", told.first()?.entry.seq, told.len()))
            };
            idempotency::run_once(on, request.as_ref(), change, named)
        })
        .await
    }

    async fn replace_verifier(
        &self,
        lookup: String,
        from: String,
        to: String,
        filter: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        self.write(move |on, _| key_edits::replace_verifier(on, &lookup, &from, &to, filter.as_deref())).await
    }

    async fn add_usage(&self, used: Arc<[UsageDelta]>, now: Millis) -> Result<(), Error> {
        self.write(move |on, audit_key| {
            usage::add(on, &used)?;
            let ended = used.iter().filter(|used| used.grace_over).map(|used| used.lookup.as_str());
            graces::end(on, &ended.collect::<Vec<_>>(), now, audit_key)?;
            idempotency::delete_expired(on, now)
        })
        .await
    }

    async fn agents(&self, key_id: &str) -> Result<Vec<AgentCounts>, Error> {
        self.read(|on| usage::agents(on, key_id))
    }

    async fn claim_day(&self, day: i64) -> Result<bool, Error> {
        self.write(move |on, _| usage::claim_day(on, day)).await
    }

    async fn org(&self, id: &str) -> Result<Option<OrgRow>, Error> {
        self.read(|on| orgs::get(on, id))
    }

    async fn orgs(&self, after: Option<&PageCursor>, limit: usize) -> Result<Vec<OrgRow>, Error> {
        self.read(|on| orgs::list(on, after, limit))
    }

    async fn change_org(
        &self,
        id: &str,
        rule: OrgRule,
        request: Option<IdempotentRequest>,
    ) -> Result<Option<OrgRow>, Error> {
        let id = id.to_owned();
        self.write(move |on, audit_key| {
            let change = || orgs::change(on, &id, rule, audit_key);
            idempotency::run_once(on, request.as_ref(), change, |org| org.as_ref().map(|org| org.id.clone()))
        })
        .await
    }

    async fn revoke_keys(
        &self,
        org: &str,
        reason: Option<String>,
        draft: AuditDraft,
        request: Option<IdempotentRequest>,
    ) -> Result<Option<u64>, Error> {
        let org = org.to_owned();
        self.write(move |on, audit_key| {
            let change = || orgs::revoke_keys(on, &org, reason.as_deref(), draft, audit_key);
            idempotency::run_once(on, request.as_ref(), change, |revoked| revoked.map(|count| count.to_string()))
        })
        .await
    }

    async fn stored_outcome(&self, request: &IdempotentRequest) -> Result<Option<StoredOutcome>, Error> {
        self.read(|on| idempotency::get(on, request))
    }

    async fn begin_request(&self, request: IdempotentRequest, token: [u8; 16]) -> Result<Option<StoredOutcome>, Error> {
        self.write(move |on, _| idempotency::begin(on, &request, token)).await
    }

    async fn finish_request(
        &self,
        lease: RequestLease,
        response: Option<StoredResponse>,
        now: Millis,
    ) -> Result<(), Error> {
        self.write(move |on, _| idempotency::finish(on, &lease, response.as_ref(), now)).await
    }

    async fn audit(
        &self,
        tenant: &Tenant,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, Error> {
        self.read(|on| audit::list(on, tenant, filter, before, limit))
    }

    async fn audit_scan(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, Error> {
        self.read(|on| audit::scan(on, after, limit))
    }

    async fn prune(&self, before: Millis, draft: AuditDraft) -> Result<u64, Error> {
        self.write(move |on, audit_key| audit::prune(on, before, draft, audit_key)).await
    }

    async fn peppers(&self, now: Millis) -> Result<Vec<String>, Error> {
        self.read(|on| keys::peppers(on, now))
    }

    async fn close(&self) {
        self.writer.finish().await;
        self.connections.close();
        self.finish_reports().await;
    }
}

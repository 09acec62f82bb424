//! The store in one SQLite file. Reads run on the caller's thread; writes run on one writer thread,
//! and those that wait for it commit together.

mod audit;
#[cfg(feature = "cli")]
mod backup;
mod changes;
mod connection;
#[cfg(feature = "cli")]
mod copy;
mod error;
pub(super) mod files;
mod idempotency;
mod imports;
mod key_edits;
mod keys;
mod lock_wait;
mod orgs;
mod quotas;
mod rows;
mod schema;
mod script;
mod table;
mod usage;
mod webhooks;
mod writer;

#[cfg(feature = "testing")]
pub(crate) use self::keys::FIND;

#[cfg(feature = "cli")]
pub(super) use self::copy::SqliteSnapshot;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;
#[cfg(feature = "cli")]
use rusqlite::OpenFlags;

use self::connection::Connections;
#[cfg(feature = "cli")]
use self::copy::SqliteTableWriter;
use self::writer::{WriteSize, Writer};
use crate::clock::Millis;
use crate::error::Error;
use crate::health::{Health, Operation};
use crate::limit::quota::QuotaCount;
#[cfg(feature = "cli")]
use crate::store::copy::Fill;
use crate::store::key::{KeyView, LookupResult};
#[cfg(feature = "cli")]
use crate::store::plan::SchemaPlan;
use crate::store::port::{Freshness, OpenSettings, Store};
use crate::store::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Changes, DatabaseInfo, FlushId, KeyFilter, OrgRow, PageCursor,
    QuotaId, QuotaSale, QuotaSold, Tenant, UsageDelta,
};
use crate::store::script::{AuditKey, RequestId, RequestRows, TransactionScript};
use crate::store::webhook::{ClaimedDelivery, EndpointChange, EndpointRow, EndpointState, SettledBatch};

/// The database is asked again after this many milliseconds, even if nothing has changed, to notice that it was removed.
const MAX_AGE: u64 = 1_000;

pub(crate) struct Sqlite {
    connections: Arc<Connections>,
    info: DatabaseInfo,
    audit_key: AuditKey,
    writer: Writer,
    health: Arc<Health>,
    /// When the database was last asked.
    asked_at: AtomicI64,
}

impl Sqlite {
    /// Opens the file. Creates the tables or migrates them, unless it is opened with `read_only`.
    pub(super) fn open(path: &Path, settings: OpenSettings) -> Result<Self, Error> {
        let OpenSettings { read_only, lock_timeout, without_wal_index, new_database, audit_key, health, .. } = settings;
        let (connections, info) = Connections::open(path, read_only, lock_timeout, without_wal_index, &new_database)?;
        let writer = Writer::new(Arc::clone(&connections));
        Ok(Self { connections, info, audit_key, writer, health, asked_at: AtomicI64::new(0) })
    }

    #[cfg(feature = "cli")]
    pub(super) fn back_up(path: &Path, to: &Path) -> Result<(), Error> {
        backup::copy_into(&Self::open_plain(path)?, to)
    }

    /// A connection that only reads, beside those of an engine.
    #[cfg(feature = "cli")]
    fn open_plain(path: &Path) -> Result<Connection, Error> {
        let path = files::prepare(path, true)?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        Ok(Connection::open_with_flags(path, flags)?)
    }

    /// The schema of a file, and what a migration would do to it. It creates no file.
    #[cfg(feature = "cli")]
    pub(super) fn schema_plan(path: &Path) -> Result<SchemaPlan, Error> {
        if !path.exists() {
            return schema::plan(None);
        }
        schema::plan(Some(&Self::open_plain(path)?))
    }

    /// Fills the database in one transaction.
    #[cfg(feature = "cli")]
    pub(super) fn fill(&self, fill: Fill<'_>) -> Result<(), Error> {
        self.connections.check_writable()?;
        self.connections.write(|transaction| fill(&mut SqliteTableWriter(transaction)))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.record(Operation::Read, self.connections.read(read))
    }

    fn record<T>(&self, operation: Operation, outcome: Result<T, Error>) -> Result<T, Error> {
        self.health.note(operation, &outcome);
        outcome
    }

    async fn write<T: Send + 'static>(
        &self,
        size: WriteSize,
        write: impl Fn(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.connections.check_writable()?;
        self.writer.run(size, Arc::clone(&self.health), write).await
    }
}

impl Store for Sqlite {
    fn info(&self) -> &DatabaseInfo {
        &self.info
    }

    fn freshness(&self, now: Millis) -> Option<Freshness> {
        let is_recent = now.abs_diff(self.asked_at.load(Ordering::Relaxed)) < MAX_AGE;
        self.connections.commit_stamp().filter(|_| is_recent).map(Freshness)
    }

    async fn confirm(&self, now: Millis) -> Result<Freshness, Error> {
        let stamp = self.record(Operation::Read, self.connections.read_commit_stamp())?;
        self.asked_at.store(now, Ordering::Relaxed);
        Ok(Freshness(stamp))
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

    async fn revoked_with(&self, id: &str, now: Millis) -> Result<Vec<KeyView>, Error> {
        self.read(|on| keys::revoked_with(on, id, now))
    }

    async fn agents(&self, key_id: &str) -> Result<Vec<AgentCounts>, Error> {
        self.read(|on| usage::agents(on, key_id))
    }

    async fn org(&self, id: &str) -> Result<Option<OrgRow>, Error> {
        self.read(|on| orgs::get(on, id))
    }

    async fn orgs(&self, after: Option<&PageCursor>, limit: usize) -> Result<Vec<OrgRow>, Error> {
        self.read(|on| orgs::list(on, after, limit))
    }

    async fn request(&self, id: RequestId<'_>) -> Result<RequestRows, Error> {
        self.read(|on| idempotency::get(on, id))
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

    async fn peppers(&self, now: Millis) -> Result<Vec<String>, Error> {
        self.read(|on| keys::peppers(on, now))
    }

    async fn run<S: TransactionScript>(&self, script: S) -> Result<S::Outcome, Error> {
        let audit_key = self.audit_key.clone();
        let size = if script.is_large() { WriteSize::Large } else { WriteSize::Small };
        self.write(size, move |on| script::run(on, &script, &audit_key)).await
    }

    async fn add_counts(&self, _: FlushId, used: Arc<[UsageDelta]>, now: Millis) -> Result<(), Error> {
        // An error says that nothing was written.
        let write = move |on: &Connection| {
            usage::add(on, &used)?;
            idempotency::delete_expired(on, now)
        };
        self.write(WriteSize::Large, write).await
    }

    async fn sell(&self, sales: Arc<[QuotaSale]>) -> Result<Vec<QuotaSold>, Error> {
        self.write(WriteSize::Small, move |on| quotas::sell(on, &sales)).await
    }

    async fn quota_count(&self, id: &QuotaId) -> Result<QuotaCount, Error> {
        self.read(|on| quotas::count(on, id))
    }

    async fn claim_day(&self, day: i64) -> Result<bool, Error> {
        self.write(WriteSize::Small, move |on| usage::claim_day(on, day)).await
    }

    async fn register_webhooks(&self, endpoints: Arc<[EndpointRow]>) -> Result<(), Error> {
        self.write(WriteSize::Small, move |on| webhooks::register(on, &endpoints)).await
    }

    async fn due_webhooks(&self, endpoints: &[String], now: Millis) -> Result<Vec<String>, Error> {
        self.read(|on| webhooks::due(on, endpoints, now))
    }

    async fn claim_deliveries(
        &self,
        endpoint: &str,
        now: Millis,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<ClaimedDelivery>, Error> {
        let endpoint = endpoint.to_owned();
        self.write(WriteSize::Small, move |on| webhooks::claim(on, &endpoint, now, until, limit)).await
    }

    async fn settle_deliveries(&self, batch: SettledBatch) -> Result<(), Error> {
        self.write(WriteSize::Small, move |on| webhooks::settle(on, &batch)).await
    }

    async fn webhook_endpoints(&self) -> Result<Vec<EndpointState>, Error> {
        self.read(webhooks::endpoints)
    }

    async fn change_webhook(&self, id: &str, change: EndpointChange) -> Result<bool, Error> {
        let id = id.to_owned();
        self.write(WriteSize::Large, move |on| webhooks::change(on, &id, &change)).await
    }

    async fn forget_deliveries(&self, before: Millis) -> Result<(), Error> {
        self.write(WriteSize::Large, move |on| webhooks::forget(on, before)).await
    }

    async fn close(&self) {
        self.writer.finish().await;
        self.connections.close();
        self.finish_reports().await;
    }

    async fn finish_reports(&self) {
        self.health.finish().await;
    }
}

//! The store of an engine, whichever it is.

use std::future::ready;
#[cfg(feature = "cli")]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "cli")]
use super::copy::{CopiedRows, CopyReport, TableReader, TableWriter, check_origin, copy_tables, not_empty};
use super::key::{KeyView, LookupResult};
#[cfg(feature = "cli")]
use super::plan::SchemaPlan;
use super::port::{Freshness, OpenSettings, Store};
#[cfg(feature = "postgres")]
use super::postgres::Postgres;
#[cfg(feature = "cli")]
use super::postgres::PostgresSnapshot;
use super::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Changes, DatabaseInfo, FlushId, KeyFilter, OrgRow, PageCursor,
    QuotaId, QuotaSale, QuotaSold, Tenant, UsageDelta,
};
use super::script::{RequestId, RequestRows, TransactionScript};
use super::sqlite::Sqlite;
#[cfg(feature = "cli")]
use super::sqlite::SqliteSnapshot;
use super::url::StoreUrl;
use super::webhook::{ClaimedDelivery, EndpointChange, EndpointRow, EndpointState, SettledBatch};
use crate::clock::Millis;
use crate::error::{Error, UnavailableCause};
use crate::limit::lease::{Buying, Purchase, SharedBudgets};
use crate::limit::quota::QuotaCount;
#[cfg(feature = "postgres")]
use crate::remote::runtime;
use crate::wait::Boxed;

pub(crate) enum AnyStore {
    Sqlite(Sqlite),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl AnyStore {
    /// Opens a database. Creates or migrates its tables, unless it is opened with `read_only`.
    pub(crate) fn open(url: &StoreUrl, settings: OpenSettings) -> Result<Self, Error> {
        match url {
            StoreUrl::Sqlite(path) => Sqlite::open(path, settings).map(Self::Sqlite),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => Postgres::open(url, settings).map(Self::Postgres),
        }
    }

    /// The schema of a database, and what a migration would do to it. It changes nothing.
    #[cfg(feature = "cli")]
    pub(crate) fn schema_plan(url: &StoreUrl, lock_timeout: Duration) -> Result<SchemaPlan, Error> {
        match url {
            StoreUrl::Sqlite(path) => Sqlite::schema_plan(path),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => Postgres::schema_plan(url, lock_timeout),
        }
    }

    /// Refuses a database into which nothing can be copied, before anything in it is changed.
    #[cfg(feature = "cli")]
    pub(crate) fn check_empty(url: &StoreUrl, lock_timeout: Duration) -> Result<(), Error> {
        let SchemaPlan { found, newest, .. } = Self::schema_plan(url, lock_timeout)?;
        // A copy that was ended may have left tables without rows.
        if found == 0 || found == newest { Ok(()) } else { Err(not_empty()) }
    }

    /// Copies all tables of a snapshot into this database, in one transaction.
    #[cfg(feature = "cli")]
    pub(crate) fn fill(&self, from: &mut Snapshot, report: &mut CopyReport) -> Result<CopiedRows, Error> {
        check_origin(from.info(), self.info())?;
        let mut copied = CopiedRows::new();
        let fill = &mut |to: &mut dyn TableWriter| {
            copied = copy_tables(&mut *from.0, to, report)?;
            Ok(())
        };
        match self {
            Self::Sqlite(store) => store.fill(fill),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.fill(fill),
        }?;
        Ok(copied)
    }

    /// Copies a database into a new file.
    #[cfg(feature = "cli")]
    pub(crate) fn back_up(url: &StoreUrl, to: &Path) -> Result<(), Error> {
        match url {
            StoreUrl::Sqlite(path) => Sqlite::back_up(path, to),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(_) => Err(Error::validation_failed(
                "url",
                "names a database of PostgreSQL, which has tools of its own",
                "use pg_dump, or the continuous archive of the server",
            )),
        }
    }

    /// The runtime of the connections, `None` if there are none.
    #[cfg(feature = "postgres")]
    pub(crate) fn network(&self) -> Option<tokio::runtime::Handle> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_) => runtime::handle().ok(),
        }
    }

    /// The time of the database, if it has a clock of its own.
    #[cfg(feature = "cli")]
    pub(crate) async fn database_time(&self) -> Result<Option<Millis>, Error> {
        match self {
            Self::Sqlite(_) => Ok(None),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.database_time().await.map(Some),
        }
    }
}

/// One snapshot of a database, whichever it is.
#[cfg(feature = "cli")]
pub(crate) struct Snapshot(Box<dyn TableReader>);

#[cfg(feature = "cli")]
impl Snapshot {
    pub(crate) fn begin(url: &StoreUrl, lock_timeout: Duration) -> Result<Self, Error> {
        Ok(Self(match url {
            StoreUrl::Sqlite(path) => Box::new(SqliteSnapshot::begin(path, lock_timeout)?),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(url) => Box::new(PostgresSnapshot::begin(url, lock_timeout)?),
        }))
    }

    pub(crate) fn info(&self) -> &DatabaseInfo {
        self.0.info()
    }
}

impl SharedBudgets for AnyStore {
    fn buy<'a>(&'a self, purchases: &'a [Purchase]) -> Buying<'a> {
        match self {
            Self::Sqlite(_) => Box::pin(ready(Err(without_budgets()))),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.buy(purchases),
        }
    }

    fn spawn(&self, task: Boxed<()>) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => Err(without_budgets()),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.spawn(task),
        }
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        match self {
            Self::Sqlite(_) => Box::pin(ready(())),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.sleep(time),
        }
    }
}

fn without_budgets() -> Error {
    Error::unavailable(
        UnavailableCause::Location,
        "a SQLite database keeps no budgets of limits, which are in a file beside it",
        "set limiter to machine",
    )
}

/// Calls a method of the store, whichever it is.
macro_rules! call {
    ($any:expr, $method:ident($($argument:expr),*)) => {
        match $any {
            AnyStore::Sqlite(store) => store.$method($($argument),*),
            #[cfg(feature = "postgres")]
            AnyStore::Postgres(store) => store.$method($($argument),*),
        }
    };
    ($any:expr, await $method:ident($($argument:expr),*)) => {
        match $any {
            AnyStore::Sqlite(store) => store.$method($($argument),*).await,
            #[cfg(feature = "postgres")]
            AnyStore::Postgres(store) => store.$method($($argument),*).await,
        }
    };
}

impl Store for AnyStore {
    fn info(&self) -> &DatabaseInfo {
        call!(self, info())
    }

    fn freshness(&self, now: Millis) -> Option<Freshness> {
        call!(self, freshness(now))
    }

    async fn confirm(&self, now: Millis) -> Result<Freshness, Error> {
        call!(self, await confirm(now))
    }

    async fn changes(&self, after: Option<ChangeCursor>) -> Result<Changes, Error> {
        call!(self, await changes(after))
    }

    async fn find(&self, lookup: &str, now: Millis) -> Result<Option<LookupResult>, Error> {
        call!(self, await find(lookup, now))
    }

    async fn get(&self, tenant: &Tenant, id: &str, now: Millis) -> Result<Option<KeyView>, Error> {
        call!(self, await get(tenant, id, now))
    }

    async fn by_prefix(&self, tenant: &Tenant, prefix: &str, now: Millis) -> Result<Option<KeyView>, Error> {
        call!(self, await by_prefix(tenant, prefix, now))
    }

    async fn list(
        &self,
        tenant: &Tenant,
        filter: &KeyFilter,
        after: Option<&PageCursor>,
        limit: usize,
        now: Millis,
    ) -> Result<Vec<KeyView>, Error> {
        call!(self, await list(tenant, filter, after, limit, now))
    }

    async fn revoked_with(&self, id: &str, now: Millis) -> Result<Vec<KeyView>, Error> {
        call!(self, await revoked_with(id, now))
    }

    async fn agents(&self, key_id: &str) -> Result<Vec<AgentCounts>, Error> {
        call!(self, await agents(key_id))
    }

    async fn org(&self, id: &str) -> Result<Option<OrgRow>, Error> {
        call!(self, await org(id))
    }

    async fn orgs(&self, after: Option<&PageCursor>, limit: usize) -> Result<Vec<OrgRow>, Error> {
        call!(self, await orgs(after, limit))
    }

    async fn request(&self, id: RequestId<'_>) -> Result<RequestRows, Error> {
        call!(self, await request(id))
    }

    async fn audit(
        &self,
        tenant: &Tenant,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, Error> {
        call!(self, await audit(tenant, filter, before, limit))
    }

    async fn audit_scan(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, Error> {
        call!(self, await audit_scan(after, limit))
    }

    async fn peppers(&self, now: Millis) -> Result<Vec<String>, Error> {
        call!(self, await peppers(now))
    }

    async fn run<S: TransactionScript>(&self, script: S) -> Result<S::Outcome, Error> {
        call!(self, await run(script))
    }

    async fn add_counts(&self, flush: FlushId, used: Arc<[UsageDelta]>, now: Millis) -> Result<(), Error> {
        call!(self, await add_counts(flush, used, now))
    }

    async fn sell(&self, sales: Arc<[QuotaSale]>) -> Result<Vec<QuotaSold>, Error> {
        call!(self, await sell(sales))
    }

    async fn quota_count(&self, id: &QuotaId) -> Result<QuotaCount, Error> {
        call!(self, await quota_count(id))
    }

    async fn claim_day(&self, day: i64) -> Result<bool, Error> {
        call!(self, await claim_day(day))
    }

    async fn register_webhooks(&self, endpoints: Arc<[EndpointRow]>) -> Result<(), Error> {
        call!(self, await register_webhooks(endpoints))
    }

    async fn due_webhooks(&self, endpoints: &[String], now: Millis) -> Result<Vec<String>, Error> {
        call!(self, await due_webhooks(endpoints, now))
    }

    async fn claim_deliveries(
        &self,
        endpoint: &str,
        now: Millis,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<ClaimedDelivery>, Error> {
        call!(self, await claim_deliveries(endpoint, now, until, limit))
    }

    async fn settle_deliveries(&self, batch: SettledBatch) -> Result<(), Error> {
        call!(self, await settle_deliveries(batch))
    }

    async fn webhook_endpoints(&self) -> Result<Vec<EndpointState>, Error> {
        call!(self, await webhook_endpoints())
    }

    async fn change_webhook(&self, id: &str, change: EndpointChange) -> Result<bool, Error> {
        call!(self, await change_webhook(id, change))
    }

    async fn forget_deliveries(&self, before: Millis) -> Result<(), Error> {
        call!(self, await forget_deliveries(before))
    }

    async fn close(&self) {
        call!(self, await close());
    }

    async fn finish_reports(&self) {
        call!(self, await finish_reports());
    }
}

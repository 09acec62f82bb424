//! The store in PostgreSQL. Reads share a few connections; changes run as pipelined transactions.

mod audit;
mod budgets;
mod changes;
mod connection;
#[cfg(feature = "cli")]
mod copy;
mod error;
pub(crate) mod freshness;
mod idempotency;
mod imports;
mod key_edits;
mod keys;
mod lineage;
mod orgs;
mod overlap;
mod passfile;
mod pool;
mod quotas;
mod rows;
mod schema;
mod script;
mod settings;
mod table;
mod tls;
mod usage;
mod value;
mod watcher;
mod webhooks;
mod writer;

#[cfg(feature = "cli")]
pub(super) use self::copy::PostgresSnapshot;
pub(crate) use self::settings::PostgresSettings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use self::connection::{PipelineStep, Query};
#[cfg(feature = "cli")]
use self::copy::PostgresTableWriter;
use self::pool::{Pool, WriterRole};
use self::settings::ReadRole;
#[cfg(feature = "cli")]
use self::table::PgColumns;
use self::watcher::Watcher;
use self::writer::ScriptWriter;
use crate::clock::{Clock, Millis};
use crate::error::{Error, UnavailableCause};
use crate::fork::{PerProcess, Process, Relation};
use crate::health::{Health, Operation};
use crate::idempotency::SWEEP_INTERVAL;
use crate::limit::lease::{Buying, Purchase, SharedBudgets};
use crate::limit::quota::QuotaCount;
use crate::remote::runtime::{self, limited};
#[cfg(feature = "cli")]
use crate::store::copy::Fill;
use crate::store::key::{KeyView, LookupResult};
#[cfg(feature = "cli")]
use crate::store::plan::SchemaPlan;
use crate::store::port::{Freshness, OpenSettings, Store};
#[cfg(feature = "cli")]
use crate::store::rows::foreign_row;
use crate::store::rows::{
    AgentCounts, AuditFilter, AuditRow, ChangeCursor, Changes, DatabaseInfo, FlushId, KeyFilter, OrgRow, PageCursor,
    QuotaId, QuotaSale, QuotaSold, Tenant, UsageDelta,
};
use crate::store::script::{AuditKey, RequestId, RequestRows, TransactionScript};
use crate::store::webhook::{ClaimedDelivery, EndpointChange, EndpointRow, EndpointState, SettledBatch};
use crate::wait::{Boxed, block_on};

/// The SQL of a statement, by its name in [`postgres_statement`](crate::testing::postgres_statement).
#[cfg(feature = "testing")]
pub(crate) fn statement(name: &str) -> Option<&'static str> {
    let query = match name {
        "find" => keys::find_query("", 0),
        "lock_sequence" => writer::lock_sequence(),
        "audit_end" => audit::end(),
        "taken" => key_edits::taken(Vec::new(), Vec::new()),
        "org" => orgs::get_query(Vec::new()),
        "get" => keys::get_query("", 0),
        "restrictions" => key_edits::restrictions(""),
        "changes" => changes::query(None),
        _ => return None,
    };
    Some(query.sql)
}

pub(crate) struct Postgres {
    links: LinkSettings,
    read_only: bool,
    info: DatabaseInfo,
    health: Arc<Health>,
    connections: PerProcess<ProcessConnections>,
    /// When a flush last deleted expired requests.
    swept_at: Arc<AtomicI64>,
    closed: AtomicBool,
}

/// The settings of the connections and of what runs on them, which every process of the engine has.
struct LinkSettings {
    server: Arc<PostgresSettings>,
    audit_key: AuditKey,
    max_staleness: Duration,
    clock: Clock,
    health: Arc<Health>,
}

/// The connections of one process, and what runs on them.
struct ProcessConnections {
    process: Process,
    /// `None` only while it is dropped.
    links: Option<Links>,
}

struct Links {
    pool: Arc<Pool>,
    watcher: Arc<Watcher>,
    writer: ScriptWriter,
}

impl ProcessConnections {
    fn new(pool: Arc<Pool>, settings: &LinkSettings) -> Self {
        let LinkSettings { server, audit_key, max_staleness, clock, health } = settings;
        let watcher = Watcher::new(Arc::clone(&pool), server.listen, *max_staleness, clock, Arc::clone(health));
        let writer = ScriptWriter::new(Arc::clone(&pool), Arc::clone(&watcher), audit_key.clone());
        Self { process: Process::current(), links: Some(Links { pool, watcher, writer }) }
    }
}

impl Drop for ProcessConnections {
    fn drop(&mut self) {
        if !matches!(self.process.check(), Ok(Relation::Same)) {
            // The threads of these connections stayed in the parent, which goes on using the sockets.
            std::mem::forget(self.links.take());
        } else if let Some(links) = &self.links {
            links.watcher.close();
        }
    }
}

impl Postgres {
    /// Connects. Creates the tables or migrates them, unless it is opened with `read_only`.
    pub(super) fn open(settings: &PostgresSettings, open: OpenSettings) -> Result<Self, Error> {
        let OpenSettings {
            read_only,
            lock_timeout,
            without_wal_index: _,
            new_database,
            audit_key,
            max_staleness,
            clock,
            health,
        } = open;
        let settings = Arc::new(settings.clone().for_engine(read_only, lock_timeout)?);
        let pool = Arc::new(Pool::new(Arc::clone(&settings), runtime::handle()?));
        let info = block_on(async {
            if read_only {
                schema::check(&*pool.reader(ReadRole::Management).await?, &settings).await
            } else {
                schema::migrate(&*pool.writer(WriterRole::Ordered).await?, &settings, &new_database).await
            }
        })?;
        let links = LinkSettings { server: settings, audit_key, max_staleness, clock, health: Arc::clone(&health) };
        let connections = PerProcess::new(ProcessConnections::new(pool, &links));
        let (swept_at, closed) = (Arc::new(AtomicI64::new(Millis::MIN)), AtomicBool::new(false));
        Ok(Self { links, read_only, info, health, connections, swept_at, closed })
    }

    /// The schema of a database, and what a migration would do to it.
    #[cfg(feature = "cli")]
    pub(super) fn schema_plan(settings: &PostgresSettings, lock_timeout: Duration) -> Result<SchemaPlan, Error> {
        let settings = Arc::new(settings.clone().for_engine(true, lock_timeout)?);
        let pool = Pool::new(Arc::clone(&settings), runtime::handle()?);
        let plan = block_on(async { schema::plan(&*pool.reader(ReadRole::Management).await?, &settings).await });
        pool.close();
        plan
    }

    /// The time of the server.
    #[cfg(feature = "cli")]
    pub(super) async fn database_time(&self) -> Result<Millis, Error> {
        let query = Query { sql: "SELECT clock_timestamp()", values: Vec::new() };
        let rows = self.read(async { self.pool()?.read(&query).await }).await?;
        PgColumns::at(rows.first().ok_or_else(foreign_row)?, 0).time()
    }

    /// Fills the database in one transaction.
    #[cfg(feature = "cli")]
    pub(super) fn fill(&self, fill: Fill<'_>) -> Result<(), Error> {
        let pool = &self.writable()?.pool;
        let _turn = block_on(pool.turn(WriterRole::Ordered));
        let connection = block_on(pool.writer(WriterRole::Ordered))?;
        let begun = block_on(PostgresTableWriter::begin(&connection, &self.links.server.schema));
        let done = begun.and_then(|mut writer| fill(&mut writer));
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = block_on(connection.pipeline(&[PipelineStep::Text(end)]));
        done?;
        match ended {
            Some(Ok(_)) => Ok(()),
            Some(Err(problem)) if problem.as_db_error().is_some() => Err(error::of_statement(&problem)),
            _ => Err(error::commit_unknown()),
        }
    }

    fn connections(&self) -> Result<&Links, Error> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        // The runtime of a forked child is built before the gate is taken, which a thread must not take twice.
        let runtime = runtime::handle()?;
        let of_process = self.connections.get(|| {
            let pool = Arc::new(Pool::new(Arc::clone(&self.links.server), runtime.clone()));
            ProcessConnections::new(pool, &self.links)
        });
        of_process.process.check()?;
        of_process.links.as_ref().ok_or(Error::Closed)
    }

    fn pool(&self) -> Result<&Arc<Pool>, Error> {
        Ok(&self.connections()?.pool)
    }

    /// The connections, for a change.
    fn writable(&self) -> Result<&Links, Error> {
        if self.read_only {
            return Err(Error::unavailable(
                UnavailableCause::ReadOnly,
                "this Keywright was opened with read_only",
                "make changes through one that was not",
            ));
        }
        self.connections()
    }

    /// Runs statements that are no script.
    async fn statements(&self, statements: Vec<Query<'_>>) -> Result<Vec<Vec<tokio_postgres::Row>>, Error> {
        let pool = &self.writable()?.pool;
        self.write(run_statements(pool, statements)).await
    }

    async fn read<T>(&self, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let outcome = read.await;
        self.health.note(Operation::Read, &outcome);
        outcome
    }

    async fn write<T>(&self, write: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let outcome = write.await;
        self.health.note(Operation::Write, &outcome);
        outcome
    }
}

impl SharedBudgets for Postgres {
    fn buy<'a>(&'a self, purchases: &'a [Purchase]) -> Buying<'a> {
        Box::pin(async move { budgets::buy(self.pool()?, purchases).await })
    }

    fn spawn(&self, task: Boxed<()>) -> Result<(), Error> {
        drop(runtime::handle()?.spawn(task));
        Ok(())
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        Box::pin(async move { tokio::time::sleep(time).await })
    }
}

/// Runs statements that are no script, each a transaction of its own.
async fn run_statements(pool: &Pool, statements: Vec<Query<'_>>) -> Result<Vec<Vec<tokio_postgres::Row>>, Error> {
    let _turn = pool.turn(WriterRole::Other).await;
    let connection = pool.writer(WriterRole::Other).await?;
    let steps: Vec<PipelineStep<'_>> = statements.into_iter().map(PipelineStep::Query).collect();
    let answers = connection.pipeline(&steps).await.ok_or_else(error::no_answer)?;
    answers.map_err(|problem| error::of_statement(&problem))
}

impl Store for Postgres {
    fn info(&self) -> &DatabaseInfo {
        &self.info
    }

    fn freshness(&self, now: Millis) -> Option<Freshness> {
        self.connections.built()?.links.as_ref()?.watcher.freshness(now)
    }

    async fn confirm(&self, _: Millis) -> Result<Freshness, Error> {
        self.read(async { self.connections()?.watcher.confirm().await }).await
    }

    async fn changes(&self, after: Option<ChangeCursor>) -> Result<Changes, Error> {
        Ok(self.connections()?.watcher.changes(after))
    }

    async fn find(&self, lookup: &str, now: Millis) -> Result<Option<LookupResult>, Error> {
        self.read(async { keys::find(self.pool()?, lookup, now).await }).await
    }

    async fn get(&self, tenant: &Tenant, id: &str, now: Millis) -> Result<Option<KeyView>, Error> {
        self.read(async { keys::get(self.pool()?, tenant, id, now).await }).await
    }

    async fn by_prefix(&self, tenant: &Tenant, prefix: &str, now: Millis) -> Result<Option<KeyView>, Error> {
        self.read(async { keys::by_prefix(self.pool()?, tenant, prefix, now).await }).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        filter: &KeyFilter,
        after: Option<&PageCursor>,
        limit: usize,
        now: Millis,
    ) -> Result<Vec<KeyView>, Error> {
        self.read(async { keys::list(self.pool()?, tenant, filter, after, limit, now).await }).await
    }

    async fn revoked_with(&self, id: &str, now: Millis) -> Result<Vec<KeyView>, Error> {
        self.read(async { keys::revoked_with(self.pool()?, id, now).await }).await
    }

    async fn agents(&self, key_id: &str) -> Result<Vec<AgentCounts>, Error> {
        self.read(async { usage::agents(self.pool()?, key_id).await }).await
    }

    async fn org(&self, id: &str) -> Result<Option<OrgRow>, Error> {
        self.read(async { orgs::get(self.pool()?, id).await }).await
    }

    async fn orgs(&self, after: Option<&PageCursor>, limit: usize) -> Result<Vec<OrgRow>, Error> {
        self.read(async { orgs::list(self.pool()?, after, limit).await }).await
    }

    async fn request(&self, id: RequestId<'_>) -> Result<RequestRows, Error> {
        let rows = async { idempotency::read_request(&self.pool()?.read(&idempotency::get_query(id)).await?) };
        self.read(rows).await
    }

    async fn audit(
        &self,
        tenant: &Tenant,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<AuditRow>, Error> {
        self.read(async { audit::list(self.pool()?, tenant, filter, before, limit).await }).await
    }

    async fn audit_scan(&self, after: u64, limit: usize) -> Result<Vec<AuditRow>, Error> {
        self.read(async { audit::scan(self.pool()?, after, limit).await }).await
    }

    async fn peppers(&self, now: Millis) -> Result<Vec<String>, Error> {
        self.read(async { keys::peppers(self.pool()?, now).await }).await
    }

    async fn run<S: TransactionScript>(&self, script: S) -> Result<S::Outcome, Error> {
        let writer = &self.writable()?.writer;
        writer.run(script, Arc::clone(&self.health)).await
    }

    async fn add_counts(&self, flush: FlushId, used: Arc<[UsageDelta]>, now: Millis) -> Result<(), Error> {
        let Links { pool, watcher, .. } = self.writable()?;
        let (pool, watcher, swept_at) = (Arc::clone(pool), Arc::clone(watcher), Arc::clone(&self.swept_at));
        let runtime = pool.runtime().clone();
        // It goes on when its caller gives up: the counts are in no other place.
        let flushed = runtime.spawn(async move {
            let query = watcher.ask_with_flush();
            let counts = usage::add(flush, &used, now, changes::seq_of(query.after));
            let has_counts = counts.is_some();
            // A clock may be set back.
            let sweeps = now.abs_diff(swept_at.load(Ordering::Relaxed)) >= SWEEP_INTERVAL.unsigned_abs();
            let forgets = (flush.number == 1).then(|| usage::forget_flushes(now));
            let deletes = sweeps.then(|| idempotency::delete_expired(now));
            let answers = run_statements(&pool, [counts, forgets, deletes].into_iter().flatten().collect()).await?;
            if sweeps {
                swept_at.store(now, Ordering::Relaxed);
            }
            if has_counts && let Some(Ok(changes)) = answers.first().map(|rows| changes::read_since(rows, query.after))
            {
                watcher.take_answer(&query, changes);
            }
            Ok(())
        });
        self.write(async { flushed.await.unwrap_or_else(|_| Err(error::connection_lost())) }).await
    }

    async fn sell(&self, sales: Arc<[QuotaSale]>) -> Result<Vec<QuotaSold>, Error> {
        let pool = &self.writable()?.pool;
        let forget = sales.iter().filter(|sale| sale.is_first).map(|sale| quotas::forget(&sale.id));
        let statements = sales.iter().map(quotas::sell).chain(forget).collect();
        // Verifications wait for a sale, as long as for a read. One whose answer comes later counts as used.
        let patience = pool.patience(ReadRole::Verification);
        let selling = limited(pool.runtime(), patience, run_statements(pool, statements));
        let sold = async { selling.await.unwrap_or_else(|| Err(error::no_answer_within(patience))) };
        let answers = self.write(sold).await?;
        answers.iter().take(sales.len()).map(|rows| quotas::read_sold(rows)).collect()
    }

    async fn quota_count(&self, id: &QuotaId) -> Result<QuotaCount, Error> {
        self.read(async { quotas::read_count(&self.pool()?.read(&quotas::count(id)).await?) }).await
    }

    async fn claim_day(&self, day: i64) -> Result<bool, Error> {
        let pool = &self.writable()?.pool;
        let claimed = self.write(run_statements(pool, vec![usage::claim_day(day)])).await?;
        Ok(claimed.iter().any(|rows| !rows.is_empty()))
    }

    async fn register_webhooks(&self, endpoints: Arc<[EndpointRow]>) -> Result<(), Error> {
        self.statements(endpoints.iter().map(webhooks::register).collect()).await.map(drop)
    }

    async fn due_webhooks(&self, endpoints: &[String], now: Millis) -> Result<Vec<String>, Error> {
        self.read(async { webhooks::read_due(&self.pool()?.read(&webhooks::due(endpoints, now)).await?) }).await
    }

    async fn claim_deliveries(
        &self,
        endpoint: &str,
        now: Millis,
        until: Millis,
        limit: usize,
    ) -> Result<Vec<ClaimedDelivery>, Error> {
        let claimed = self.statements(vec![webhooks::claim(endpoint, now, until, limit)]).await?;
        claimed.iter().flatten().map(webhooks::read_claimed).collect()
    }

    async fn settle_deliveries(&self, batch: SettledBatch) -> Result<(), Error> {
        let settle = batch.deliveries.iter().map(|delivery| webhooks::settle(&batch, delivery));
        self.statements(settle.collect()).await.map(drop)
    }

    async fn webhook_endpoints(&self) -> Result<Vec<EndpointState>, Error> {
        let rows = self.read(async { self.pool()?.read(&webhooks::endpoints()).await }).await?;
        rows.iter().map(webhooks::read_endpoint).collect()
    }

    async fn change_webhook(&self, id: &str, change: EndpointChange) -> Result<bool, Error> {
        let answers = self.statements(webhooks::change(id, &change)).await?;
        Ok(answers.first().is_some_and(|rows| !rows.is_empty()))
    }

    async fn forget_deliveries(&self, before: Millis) -> Result<(), Error> {
        self.statements(vec![webhooks::forget(before)]).await.map(drop)
    }

    async fn close(&self) {
        if let Ok(Links { pool, watcher, writer }) = self.connections() {
            writer.finish().await;
            self.closed.store(true, Ordering::Relaxed);
            watcher.close();
            pool.close();
        }
        self.finish_reports().await;
    }

    async fn finish_reports(&self) {
        self.health.finish().await;
    }
}

//! The connections of one process: a few for reads, which all callers share, two for changes, one for shared limits, and one that listens.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::runtime::Handle;
use tokio_postgres::Row;

use super::connection::{Connection, NotificationHandler, Query};
use super::error;
use super::lineage::KnownPrimary;
use super::settings::{PostgresSettings, ReadRole};
use crate::error::Error;
use crate::fork::{Process, lock};
use crate::remote::retry::reconnect_pause;

/// How many times as long as a read a statement of a change may take: it may write megabytes, or many rows.
const WRITE_PATIENCE: u32 = 3;

/// The use of a connection for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriterRole {
    /// Changes in the order of the sequence.
    Ordered,
    /// All others, which do not wait for the lock of those.
    Other,
}

/// The connections of one process.
pub(super) struct Pool {
    settings: Arc<PostgresSettings>,
    /// Those of the connections for changes.
    writer_settings: Arc<PostgresSettings>,
    runtime: Handle,
    process: Process,
    primary: Arc<KnownPrimary>,
    readers: Vec<Arc<Slot>>,
    ordered: Arc<Slot>,
    others: Arc<Slot>,
    budgets: Arc<Slot>,
}

/// The place of one connection.
struct Slot {
    open: ArcSwapOption<Connection>,
    primary: Arc<KnownPrimary>,
    /// Held by the one that connects.
    connecting: tokio::sync::Mutex<Attempts>,
    turn: tokio::sync::Mutex<()>,
    closed: Mutex<bool>,
}

/// The attempts to connect since the last success.
#[derive(Default)]
struct Attempts {
    failed: u32,
    last: Option<(Instant, Error)>,
}

impl Slot {
    fn new(primary: &Arc<KnownPrimary>) -> Arc<Self> {
        Arc::new(Self {
            open: ArcSwapOption::empty(),
            primary: Arc::clone(primary),
            connecting: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            closed: Mutex::new(false),
        })
    }

    fn connection(&self) -> Option<Arc<Connection>> {
        let found = self.open.load_full();
        if found.as_ref().is_some_and(|connection| !connection.is_open()) {
            // One to a former primary is still open.
            self.open.compare_and_swap(&found, None);
            return None;
        }
        found
    }

    /// The connection, which is opened if need be. It is opened on the runtime: others may wait for it when the caller gives up.
    async fn get(
        self: &Arc<Self>,
        settings: &Arc<PostgresSettings>,
        runtime: &Handle,
    ) -> Result<Arc<Connection>, Error> {
        if let Some(connection) = self.connection() {
            return Ok(connection);
        }
        let (slot, settings, on) = (Arc::clone(self), Arc::clone(settings), runtime.clone());
        runtime.spawn(async move { slot.connect(&settings, &on).await }).await.map_err(|_| error::connection_lost())?
    }

    async fn connect(&self, settings: &Arc<PostgresSettings>, runtime: &Handle) -> Result<Arc<Connection>, Error> {
        let mut attempts = self.connecting.lock().await;
        if *lock(&self.closed) {
            return Err(Error::Closed);
        }
        if let Some(connection) = self.connection() {
            return Ok(connection);
        }
        if let Some((until, error)) = &attempts.last
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        match Connection::open(settings, runtime, &self.primary, None).await {
            Ok(connection) => {
                *attempts = Attempts::default();
                self.open.store(Some(Arc::clone(&connection)));
                if *lock(&self.closed) {
                    self.open.store(None);
                    return Err(Error::Closed);
                }
                Ok(connection)
            }
            Err(error) => {
                attempts.last = Some((Instant::now() + reconnect_pause(attempts.failed)?, error.clone()));
                attempts.failed = attempts.failed.saturating_add(1);
                Err(error)
            }
        }
    }

    fn close(&self) {
        *lock(&self.closed) = true;
        self.open.store(None);
    }
}

impl Pool {
    pub(super) fn new(settings: Arc<PostgresSettings>, runtime: Handle) -> Self {
        let statement_timeout = settings.statement_timeout.saturating_mul(WRITE_PATIENCE);
        let writer_settings = Arc::new(PostgresSettings { statement_timeout, ..(*settings).clone() });
        let primary = Arc::<KnownPrimary>::default();
        Self {
            writer_settings,
            runtime,
            process: Process::current(),
            readers: (0..settings.max_connections).map(|_| Slot::new(&primary)).collect(),
            ordered: Slot::new(&primary),
            others: Slot::new(&primary),
            budgets: Slot::new(&primary),
            primary,
            settings,
        }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// How long a caller waits for an answer.
    pub(super) fn patience(&self, role: ReadRole) -> Duration {
        self.settings.patience(role)
    }

    /// Runs a read of a call about keys.
    pub(super) async fn read(&self, query: &Query<'_>) -> Result<Vec<Row>, Error> {
        self.read_as(ReadRole::Management, query).await
    }

    /// Runs a read for which a verification waits.
    pub(super) async fn read_for_verification(&self, query: &Query<'_>) -> Result<Vec<Row>, Error> {
        self.read_as(ReadRole::Verification, query).await
    }

    /// Runs a read. It is run again if the connection was lost in the meantime: when all were lost, the last attempt is on a new one.
    async fn read_as(&self, role: ReadRole, query: &Query<'_>) -> Result<Vec<Row>, Error> {
        let mut attempts_left = self.readers.len();
        loop {
            let connection = self.reader(role).await?;
            match connection.read(role, query).await {
                Some(Ok(rows)) => return Ok(rows),
                Some(Err(problem)) if attempts_left > 0 && error::is_lost(&problem) => attempts_left -= 1,
                Some(Err(problem)) => return Err(error::of_statement(&problem)),
                None => {
                    self.open_another();
                    return Err(error::no_answer_within(self.settings.patience(role)));
                }
            }
        }
    }

    /// The connection with the fewest callers. Reads that may take long have one of their own, if the settings allow more than one, so
    /// that verifications do not wait behind them.
    pub(super) async fn reader(&self, role: ReadRole) -> Result<Arc<Connection>, Error> {
        self.process.check()?;
        let open = || self.readers.iter().filter_map(|slot| slot.connection());
        let best = match role {
            ReadRole::Verification => open().filter(|it| !it.has_long_reads()).min_by_key(|it| it.load()),
            ReadRole::Management => {
                self.readers.last().and_then(|slot| slot.connection()).filter(|it| !it.is_crowded())
            }
        };
        if let Some(connection) = best {
            if connection.is_crowded() {
                self.open_another();
            }
            return Ok(connection);
        }
        let others = || open().min_by_key(|it| it.load());
        let mut slots = self.readers.iter();
        let empty = |slot: &&Arc<Slot>| slot.connection().is_none();
        let slot = if role == ReadRole::Verification { slots.find(empty) } else { slots.rfind(empty) };
        match slot {
            Some(slot) => {
                let opened = slot.get(&self.settings, &self.runtime).await;
                opened.or_else(|error| others().ok_or(error))
            }
            None => others().ok_or_else(error::connection_lost),
        }
    }

    /// Opens one more connection for reads, while nobody waits for it.
    fn open_another(&self) {
        let mut slots = self.readers.iter();
        if let Some(slot) = slots.find(|slot| slot.connection().is_none())
            && slot.connecting.try_lock().is_ok()
        {
            let (slot, settings, runtime) = (Arc::clone(slot), Arc::clone(&self.settings), self.runtime.clone());
            self.runtime.spawn(async move { slot.connect(&settings, &runtime).await.map(drop) });
        }
    }

    fn slot(&self, role: WriterRole) -> &Arc<Slot> {
        match role {
            WriterRole::Ordered => &self.ordered,
            WriterRole::Other => &self.others,
        }
    }

    /// The connection for changes. Only the one whose turn it is uses it.
    pub(super) async fn writer(&self, role: WriterRole) -> Result<Arc<Connection>, Error> {
        self.process.check()?;
        self.slot(role).get(&self.writer_settings, &self.runtime).await
    }

    /// The connection for purchases of shared limits, which all of them use at once.
    pub(super) async fn budgets(&self) -> Result<Arc<Connection>, Error> {
        self.process.check()?;
        self.budgets.get(&self.settings, &self.runtime).await
    }

    /// Waits for the turn to use a connection for changes: the statements of two transactions must not mix.
    pub(super) async fn turn(&self, role: WriterRole) -> tokio::sync::MutexGuard<'_, ()> {
        self.slot(role).turn.lock().await
    }

    /// Opens a connection of its own, which hands the notifications of the schema to `listener`.
    pub(super) async fn listen(&self, listener: NotificationHandler) -> Result<Arc<Connection>, Error> {
        self.process.check()?;
        let connection = Connection::open(&self.settings, &self.runtime, &self.primary, Some(listener)).await?;
        let sql = format!("LISTEN \"{}\"", self.settings.channel());
        connection.run_text(&sql).await?;
        Ok(connection)
    }

    pub(super) fn close(&self) {
        self.readers.iter().chain([&self.ordered, &self.others, &self.budgets]).for_each(|slot| slot.close());
    }
}

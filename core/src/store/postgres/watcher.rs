//! The watcher of a process. While the engine is in use, it asks PostgreSQL for changes and listens to notifications, so that
//! memory may answer. The freshness protocol decides; this file does the I/O.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Notify, watch};

use super::connection::Connection;
use super::freshness::{
    AnnouncedChanges, ConfirmationQuery, FreshnessProtocol, Invalidation, NextStep, OwnTransaction,
};
use super::pool::Pool;
use super::{changes, error};
use crate::clock::{COARSE_LAG, Clock, Millis};
use crate::error::Error;
use crate::fork::lock;
use crate::health::Health;
use crate::store::port::Freshness;
use crate::store::rows::{ChangeCursor, Changes};
use crate::sys;

/// How many invalidations wait for the cache. It drops everything if it has missed more.
const MAX_WAITING: usize = 1_024;

/// How much later than the exact clock the coarse clock may show a tick, in microseconds.
const COARSE_MICROS: u64 = COARSE_LAG.unsigned_abs() * 1_000;

/// Follows the changes of the database for one process. The cache takes the invalidations when it is asked for the next verification.
pub(super) struct Watcher {
    pool: Arc<Pool>,
    listens: bool,
    /// Whether the engine's clock runs by itself. A clock that a test moves stands still.
    clock_runs: bool,
    state: Mutex<WatcherState>,
    /// Differs after each invalidation.
    stamp: AtomicU64,
    /// Until when memory may answer, in microseconds of the boot-time clock.
    fresh_until: AtomicU64,
    /// The coarse time at which memory was last found fresh by the exact clock, which costs more to read.
    found_fresh_at: AtomicI64,
    /// Whether there was a verification since the last query was sent.
    in_use: AtomicBool,
    health: Arc<Health>,
    /// The error of the last query, sent whenever one ends.
    ended: watch::Sender<Option<Error>>,
    wake: Notify,
}

struct WatcherState {
    protocol: FreshnessProtocol,
    /// The invalidations that the cache has not taken, with their positions.
    waiting: VecDeque<(i64, Invalidation)>,
    /// The position of the last invalidation.
    position: i64,
    runs: bool,
    closed: bool,
    listener: ListenState,
    /// As the last answer had them.
    imported_formats: Option<Arc<str>>,
}

enum ListenState {
    None,
    Opening,
    Open { connection: Arc<Connection> },
}

/// The text of a notification.
#[derive(Deserialize)]
struct Notification {
    seq: i64,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    orgs: Vec<String>,
}

impl Watcher {
    pub(super) fn new(
        pool: Arc<Pool>,
        listens: bool,
        max_staleness: Duration,
        clock: &Clock,
        health: Arc<Health>,
    ) -> Arc<Self> {
        let max_staleness = u64::try_from(max_staleness.as_micros()).unwrap_or(u64::MAX);
        let state = WatcherState {
            protocol: FreshnessProtocol::new(max_staleness),
            waiting: VecDeque::new(),
            position: 0,
            runs: false,
            closed: false,
            listener: ListenState::None,
            imported_formats: None,
        };
        Arc::new(Self {
            pool,
            listens,
            clock_runs: clock.runs(),
            state: Mutex::new(state),
            stamp: AtomicU64::new(1),
            fresh_until: AtomicU64::new(0),
            found_fresh_at: AtomicI64::new(Millis::MIN),
            in_use: AtomicBool::new(false),
            health,
            ended: watch::Sender::new(None),
            wake: Notify::new(),
        })
    }

    /// See [`Store::freshness`](crate::store::port::Store::freshness).
    pub(super) fn freshness(&self, now: Millis) -> Option<Freshness> {
        if !self.in_use.load(Ordering::Relaxed) {
            self.in_use.store(true, Ordering::Relaxed);
        }
        if self.found_fresh_at.load(Ordering::Acquire) != now || !self.clock_runs {
            // The coarse clock shows this time for a while longer.
            if sys::boot_micros().saturating_add(COARSE_MICROS) > self.fresh_until.load(Ordering::Acquire) {
                self.found_fresh_at.store(Millis::MIN, Ordering::Release);
                return None;
            }
            self.found_fresh_at.store(now, Ordering::Release);
        }
        Some(self.stamp())
    }

    fn stamp(&self) -> Freshness {
        Freshness(NonZeroU64::new(self.stamp.load(Ordering::Acquire)).unwrap_or(NonZeroU64::MIN))
    }

    /// Waits until memory may answer a verification that starts now. All who wait share one query.
    pub(super) async fn confirm(self: &Arc<Self>) -> Result<Freshness, Error> {
        let started = sys::boot_micros();
        self.in_use.store(true, Ordering::Relaxed);
        loop {
            let mut ended = self.ended.subscribe();
            if lock(&self.state).protocol.is_fresh(started) {
                return Ok(self.stamp());
            }
            self.start_query();
            ended.changed().await.map_err(|_| error::connection_lost())?;
            if let Some(error) = ended.borrow().clone() {
                return Err(error);
            }
        }
    }

    /// The invalidations after a position that an earlier call returned.
    pub(super) fn changes(&self, after: Option<ChangeCursor>) -> Changes {
        let mut state = lock(&self.state);
        let cursor = ChangeCursor { seq: state.position, generation: 0 };
        let imported_formats = state.imported_formats.clone();
        let mut changes = Changes { cursor, imported_formats, ..Changes::default() };
        let Some(after) = after else { return Changes { all: true, ..changes } };
        while state.waiting.front().is_some_and(|(position, _)| *position <= after.seq) {
            state.waiting.pop_front();
        }
        let first = state.waiting.front().map_or(state.position + 1, |(position, _)| *position);
        changes.all = first > after.seq + 1;
        for (_, invalidation) in &state.waiting {
            match invalidation {
                Invalidation::Nothing => {}
                Invalidation::Named { keys, orgs } => {
                    changes.keys.extend_from_slice(keys);
                    changes.orgs.extend_from_slice(orgs);
                }
                Invalidation::Everything | Invalidation::OtherDatabase => changes.all = true,
            }
        }
        changes
    }

    /// See [`FreshnessProtocol::own_transaction`].
    pub(super) fn own_transaction(&self, seq: i64) -> OwnTransaction {
        lock(&self.state).protocol.own_transaction(seq)
    }

    /// Takes the changes of a commit of this process, before the call returns that made them.
    pub(super) fn committed(&self, announced: AnnouncedChanges) {
        let mut state = lock(&self.state);
        self.note_formats(&mut state, &announced.changes);
        let invalidation = state.protocol.committed(announced);
        self.invalidate(&mut state, invalidation);
        drop(state);
        self.wake.notify_one();
    }

    /// Makes memory outdated if there are new formats of imported keys. The database only appends formats: the answer to a
    /// query that was on its way during a commit has fewer of them, and takes none back.
    fn note_formats(&self, state: &mut WatcherState, changes: &Changes) {
        let Some(formats) = &changes.imported_formats else { return };
        if !state.imported_formats.as_ref().is_some_and(|known| known.starts_with(&**formats)) {
            state.imported_formats = Some(Arc::clone(formats));
            self.stamp.fetch_add(1, Ordering::Release);
        }
    }

    fn invalidate(&self, state: &mut WatcherState, invalidation: Invalidation) {
        match invalidation {
            Invalidation::Nothing => return,
            Invalidation::OtherDatabase => self.health.note_replaced(),
            Invalidation::Named { .. } | Invalidation::Everything => {}
        }
        state.position += 1;
        state.waiting.push_back((state.position, invalidation));
        if state.waiting.len() > MAX_WAITING {
            state.waiting.pop_front();
        }
        self.stamp.fetch_add(1, Ordering::Release);
    }

    /// Sends a query, unless one is on its way, and starts the task that sends the next ones.
    fn start_query(self: &Arc<Self>) {
        let query = {
            let mut state = lock(&self.state);
            if !std::mem::replace(&mut state.runs, true) {
                self.pool.runtime().spawn(Arc::clone(self).watch());
            }
            // The clock is read before the query is sent.
            state.protocol.ask(sys::boot_micros())
        };
        let Some(query) = query else { return };
        self.in_use.store(false, Ordering::Relaxed);
        let watcher = Arc::clone(self);
        self.pool.runtime().spawn(async move {
            let found = changes::since(&watcher.pool, query.after).await;
            watcher.end_query(&query, found);
        });
    }

    fn end_query(self: &Arc<Self>, query: &ConfirmationQuery, found: Result<Changes, Error>) {
        match found {
            Ok(changes) => self.take_answer(query, changes),
            Err(error) => {
                lock(&self.state).protocol.failed();
                self.ended.send_replace(Some(error));
                self.wake.notify_one();
            }
        }
    }

    /// The query that a flush takes along. It is asked for before the flush is sent.
    pub(super) fn ask_with_flush(&self) -> ConfirmationQuery {
        let query = lock(&self.state).protocol.ask_with_flush(sys::boot_micros());
        self.in_use.store(false, Ordering::Relaxed);
        query
    }

    /// Takes the answer to a query, and lets those go on who wait for one.
    pub(super) fn take_answer(self: &Arc<Self>, query: &ConfirmationQuery, changes: Changes) {
        let mut state = lock(&self.state);
        self.note_formats(&mut state, &changes);
        let invalidation = state.protocol.answered(query, changes);
        self.invalidate(&mut state, invalidation);
        self.fresh_until.store(state.protocol.fresh_until().unwrap_or(0), Ordering::Release);
        self.start_listening(&mut state);
        drop(state);
        self.ended.send_replace(None);
        self.wake.notify_one();
    }

    /// Sends queries while the engine is in use.
    async fn watch(self: Arc<Self>) {
        loop {
            let step = {
                let state = lock(&self.state);
                if state.closed {
                    return;
                }
                state.protocol.next_step(sys::boot_micros(), self.in_use.load(Ordering::Relaxed))
            };
            // A clock that is set back shows a time twice. Only the first one may count, so none outlives the confirmation.
            self.found_fresh_at.store(Millis::MIN, Ordering::Release);
            match step {
                NextStep::Ask => self.start_query(),
                NextStep::WaitUntil(at) => self.wait_until(at).await,
                NextStep::Sleep => {
                    let ends_at = self.fresh_until.load(Ordering::Acquire);
                    if sys::boot_micros() < ends_at {
                        self.wait_until(ends_at).await;
                    } else {
                        self.wake.notified().await;
                    }
                }
            }
        }
    }

    /// Waits for an event until a moment of the boot-time clock.
    async fn wait_until(&self, at: u64) {
        let pause = Duration::from_micros(at.saturating_sub(sys::boot_micros()));
        let _ = tokio::time::timeout(pause, self.wake.notified()).await;
    }

    /// Opens the connection that listens, if there is none.
    fn start_listening(self: &Arc<Self>, state: &mut WatcherState) {
        if let ListenState::Open { connection } = &state.listener
            && !connection.is_open()
        {
            // It leads to a former primary, which tells of nothing.
            connection.retire();
            state.listener = ListenState::None;
        }
        if !self.listens || state.closed || !matches!(state.listener, ListenState::None) {
            return;
        }
        state.listener = ListenState::Opening;
        let watcher = Arc::clone(self);
        self.pool.runtime().spawn(async move {
            let opened = watcher.listen().await;
            let mut state = lock(&watcher.state);
            // Changes from before it listened are missing. If it could not be opened, the next query tries again.
            state.protocol.missed_notifications();
            match opened {
                Ok(connection) if !state.closed && connection.is_open() => {
                    state.listener = ListenState::Open { connection };
                }
                Ok(connection) => {
                    connection.retire();
                    state.listener = ListenState::None;
                }
                Err(_) => state.listener = ListenState::None,
            }
            drop(state);
            watcher.wake.notify_one();
        });
    }

    async fn listen(self: &Arc<Self>) -> Result<Arc<Connection>, Error> {
        let generation = Arc::<OnceLock<i64>>::default();
        let (watcher, known) = (Arc::downgrade(self), Arc::clone(&generation));
        let handler = move |text: Option<&str>| {
            if let Some(watcher) = Weak::upgrade(&watcher) {
                watcher.hear(text, known.get().copied());
            }
        };
        let connection = self.pool.listen(Box::new(handler)).await?;
        let found = changes::generation(&connection).await;
        if found.is_err() {
            connection.retire();
        }
        let _ = generation.set(found?);
        Ok(connection)
    }

    /// Takes the text of a notification, or `None` when the connection ends.
    fn hear(&self, text: Option<&str>, generation: Option<i64>) {
        let told = text.and_then(|text| serde_json::from_str::<Notification>(text).ok()).zip(generation);
        let mut state = lock(&self.state);
        match told {
            Some((Notification { seq, all, keys, orgs }, generation)) => {
                let cursor = ChangeCursor { seq, generation };
                let changes = Changes { cursor, keys, orgs, all, imported_formats: None };
                let invalidation = state.protocol.notified(AnnouncedChanges { first: seq, changes });
                self.invalidate(&mut state, invalidation);
            }
            None => state.protocol.missed_notifications(),
        }
        if text.is_none() && matches!(state.listener, ListenState::Open { .. }) {
            state.listener = ListenState::None;
        }
        drop(state);
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        if let ListenState::Open { connection } = std::mem::replace(&mut state.listener, ListenState::None) {
            connection.retire();
        }
        drop(state);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::remote::runtime;
    use crate::store::postgres::settings::PostgresSettings;

    /// A watcher whose server cannot be reached.
    fn alone(max_staleness: Duration) -> Arc<Watcher> {
        let settings = PostgresSettings::parse("postgresql://nobody@/none?host=/nowhere").unwrap();
        let settings = settings.for_engine(false, Duration::ZERO).unwrap();
        let pool = Arc::new(Pool::new(Arc::new(settings), runtime::handle().unwrap()));
        Watcher::new(pool, false, max_staleness, &Clock::default(), Arc::new(Health::new(drop)))
    }

    fn until(holds: impl Fn() -> bool) {
        let ends = Instant::now() + Duration::from_secs(300);
        while !holds() {
            assert!(Instant::now() < ends);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_shows_a_fresh_time_in_vain() {
        let watcher = alone(Duration::from_millis(300));
        watcher.start_query();
        let shown: Millis = 1_800_000_000_000;
        assert_eq!(watcher.freshness(shown), None);
        until(|| {
            let query = watcher.ask_with_flush();
            watcher.take_answer(&query, Changes::default());
            watcher.freshness(shown).is_some()
        });
        // No other time is shown in between, which would end the trust in this one.
        until(|| watcher.freshness(shown).is_none());
        watcher.close();
    }

    #[test]
    fn an_answer_from_before_an_import_takes_back_no_format() {
        let with = |formats: &str| Changes { imported_formats: Some(formats.into()), ..Changes::default() };
        let watcher = alone(Duration::from_secs(300));
        let query = watcher.ask_with_flush();
        watcher.committed(AnnouncedChanges { first: 1, changes: with("{id}|{secret}\n{text}\n") });
        watcher.take_answer(&query, with("{id}|{secret}\n"));
        assert_eq!(watcher.changes(None).imported_formats.as_deref(), Some("{id}|{secret}\n{text}\n"));
        watcher.close();
    }
}

//! The freshness protocol of PostgreSQL, for a model checker.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::store::postgres::freshness::{
    AnnouncedChanges, ConfirmationQuery, FreshnessProtocol, Invalidation, NextStep, OwnTransaction,
};
use crate::store::{ChangeCursor, Changes};

/// The freshness protocol of one process on PostgreSQL, as the engine runs it. It holds no cache and does no I/O: a model
/// checker plays the database, the network and the clock. Times are microseconds since any origin. `generation` stands for a
/// database, and each change of a key has the next `seq`.
///
/// ```
/// use keywright::testing::{ChangesOfModel, DroppedKeys, ProcessFreshness};
/// let mut process = ProcessFreshness::new(2_000_000);
/// assert!(process.send_query(1_000));
/// process.answer(ChangesOfModel { seq: 4, generation: 1, keys: None });
/// assert!(process.is_fresh(2_001_000) && !process.is_fresh(2_001_001));
/// // A notification drops the key that it names. The gap before it needs a query.
/// let changes = ChangesOfModel { seq: 6, generation: 1, keys: Some(vec!["a".into()]) };
/// assert_eq!(process.notify(6, changes), DroppedKeys::Named(vec!["a".into()]));
/// assert!(process.must_query(1_001, false));
/// ```
///
/// Two values are equal if they confirm and drop alike. When they want to send a query may differ: a model checker sends one
/// at any time.
#[derive(Debug, Clone)]
pub struct ProcessFreshness {
    protocol: FreshnessProtocol,
    query: Option<ConfirmationQuery>,
    /// The query that goes with a flush of counters.
    flush: Option<ConfirmationQuery>,
}

/// Changes of a database up to number `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesOfModel {
    /// The number of the last change.
    pub seq: i64,
    /// The database in which the number counts.
    pub generation: i64,
    /// The ids of the changed keys, `None` if the message does not name them.
    pub keys: Option<Vec<String>>,
}

/// A transaction of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionOfModel(OwnTransaction);

impl TransactionOfModel {
    /// The number and the generation after which it asks for changes, `None` for all.
    #[must_use]
    pub fn asks_after(self) -> Option<(i64, i64)> {
        self.0.after().map(|it| (it.seq, it.generation))
    }
}

/// The keys that the cache must drop, together with every look-up whose row was read before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DroppedKeys {
    /// No key.
    None,
    /// The keys with these ids.
    Named(Vec<String>),
    /// Every key.
    All,
}

impl ProcessFreshness {
    /// All but the schedule of queries.
    fn promise(&self) -> impl Ord + Hash {
        (self.protocol.known(), self.protocol.fresh_until(), &self.query, &self.flush)
    }

    /// The state of a process that has just started. `max_staleness` is in microseconds.
    #[must_use]
    pub fn new(max_staleness: u64) -> Self {
        Self { protocol: FreshnessProtocol::new(max_staleness), query: None, flush: None }
    }

    /// Whether the cache may answer a verification that started at this moment.
    #[must_use]
    pub fn is_fresh(&self, started: u64) -> bool {
        self.protocol.is_fresh(started)
    }

    /// Whether the watcher sends a query at `now`. `in_use` tells whether there was a verification since the last one.
    #[must_use]
    pub fn must_query(&self, now: u64, in_use: bool) -> bool {
        self.protocol.next_step(now, in_use) == NextStep::Ask
    }

    /// Whether a query is on its way.
    #[must_use]
    pub fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// Sends a query. `false` if one is on its way.
    pub fn send_query(&mut self, now: u64) -> bool {
        let query = self.protocol.ask(now);
        let sent = query.is_some();
        self.query = self.query.take().or(query);
        sent
    }

    /// The number and the generation after which the query on its way asks for changes, `None` for all.
    #[must_use]
    pub fn queried_after(&self) -> Option<(i64, i64)> {
        self.query.as_ref()?.after.map(|it| (it.seq, it.generation))
    }

    /// Takes the answer to the query on its way. Without a query it does nothing.
    pub fn answer(&mut self, changes: ChangesOfModel) -> DroppedKeys {
        let Some(query) = self.query.take() else { return DroppedKeys::None };
        self.protocol.answered(&query, changes.into()).into()
    }

    /// Ends the query on its way without an answer.
    pub fn fail_query(&mut self) {
        self.query = None;
        self.protocol.failed();
    }

    /// Whether a flush of counters is on its way.
    #[must_use]
    pub fn has_flush(&self) -> bool {
        self.flush.is_some()
    }

    /// Sends a flush of counters, and a query with it. One that is on its way counts as lost.
    pub fn send_flush(&mut self, now: u64) {
        self.flush = Some(self.protocol.ask_with_flush(now));
    }

    /// The number and the generation after which the flush on its way asks for changes, `None` for all.
    #[must_use]
    pub fn flushed_after(&self) -> Option<(i64, i64)> {
        self.flush.as_ref()?.after.map(|it| (it.seq, it.generation))
    }

    /// Takes the answer to the query of the flush on its way. Without a flush it does nothing.
    pub fn answer_flush(&mut self, changes: ChangesOfModel) -> DroppedKeys {
        let Some(query) = self.flush.take() else { return DroppedKeys::None };
        self.protocol.answered(&query, changes.into()).into()
    }

    /// Takes a notification of the changes from number `first` on.
    pub fn notify(&mut self, first: i64, changes: ChangesOfModel) -> DroppedKeys {
        self.protocol.notified(AnnouncedChanges { first, changes: changes.into() }).into()
    }

    /// Starts a transaction of this process, in which `seq` is the number of the last change.
    #[must_use]
    pub fn own_transaction(&self, seq: i64) -> TransactionOfModel {
        TransactionOfModel(self.protocol.own_transaction(seq))
    }

    /// Takes the changes that a transaction of this process asked for before it ended, its own among them.
    pub fn end_transaction(&mut self, transaction: TransactionOfModel, changes: ChangesOfModel) -> DroppedKeys {
        self.protocol.committed(transaction.0.announce(changes.into())).into()
    }

    /// Takes the changes of a commit of this process, from number `first` on, when the commit is acknowledged.
    pub fn commit(&mut self, first: i64, changes: ChangesOfModel) -> DroppedKeys {
        self.protocol.committed(AnnouncedChanges { first, changes: changes.into() }).into()
    }

    /// Takes the loss of the connection that receives notifications.
    pub fn lose_notifications(&mut self) {
        self.protocol.missed_notifications();
    }
}

impl PartialEq for ProcessFreshness {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for ProcessFreshness {}

impl PartialOrd for ProcessFreshness {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProcessFreshness {
    fn cmp(&self, other: &Self) -> Ordering {
        self.promise().cmp(&other.promise())
    }
}

impl Hash for ProcessFreshness {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.promise().hash(state);
    }
}

impl From<ChangesOfModel> for Changes {
    fn from(changes: ChangesOfModel) -> Self {
        let ChangesOfModel { seq, generation, keys } = changes;
        Self {
            cursor: ChangeCursor { seq, generation },
            all: keys.is_none(),
            keys: keys.unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl From<Invalidation> for DroppedKeys {
    fn from(invalidation: Invalidation) -> Self {
        match invalidation {
            Invalidation::Nothing => Self::None,
            Invalidation::Named { keys, .. } => Self::Named(keys),
            Invalidation::Everything | Invalidation::OtherDatabase => Self::All,
        }
    }
}

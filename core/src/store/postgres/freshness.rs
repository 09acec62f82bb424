//! The freshness protocol: decides when the cache of a process may answer, and which of its keys have changed. It is a state
//! machine without I/O. The watcher sends its queries and feeds it with answers, notifications and the time.
//!
//! - The cache may answer a verification that started at most `max_staleness` after `confirmed_at`. This is the time at which
//!   the query was *sent* whose answer showed that the cache had every change. A commit that the query missed came later, so
//!   no verification that starts `max_staleness` after a commit misses it.
//! - The watcher has one query on its way. A flush of counters takes another one along, which counts alike, so that an engine in
//!   use sends fewer statements.
//! - Changes have consecutive numbers in the order of their commits. `known` is the last one up to which the cache has all.
//! - A notification drops keys at once. Any role of the database can send a false one, so it moves neither `known` nor
//!   `confirmed_at`: the next query asks for its change once more. Only answers and own commits count.
//! - A missing number needs a query at once. `heard` tells which numbers are missing, and only decides when to ask.
//! - A number that went back, or another generation, means a restart, an older copy or another database: the cache drops
//!   everything.
//!
//! A process that pauses between the check and its decision decides late. The promise counts from the start of the
//! verification. A forked child starts with a new protocol and an empty cache.

use crate::store::rows::{ChangeCursor, Changes};

/// Microseconds of a clock that nobody sets and that runs while the machine sleeps.
pub(crate) type BootMicros = u64;

/// How many queries are sent within `max_staleness`, so that one that fails or is slow does not end the confirmation. With the
/// default of 2 seconds every second one goes with a flush.
const QUERIES_WITHIN_STALENESS: u64 = 3;

#[derive(Debug, Clone)]
pub(crate) struct FreshnessProtocol {
    /// In microseconds.
    max_staleness: u64,
    /// `None` until the first answer.
    known: Option<ChangeCursor>,
    /// The last number up to which notifications followed `known` without a gap, in its generation.
    heard: i64,
    confirmed_at: Option<BootMicros>,
    /// When the last query of the watcher was sent, whatever became of it, or a later one of a flush that was answered.
    asked_at: BootMicros,
    /// Whether a query of the watcher is on its way.
    in_flight: bool,
    /// Whether a change is missing, or may be.
    must_ask: bool,
}

/// A query that is on its way. It asks for all changes after a cursor. Each one ends with
/// [`answered`](FreshnessProtocol::answered) or, if the watcher sent it, with [`failed`](FreshnessProtocol::failed).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConfirmationQuery {
    sent_at: BootMicros,
    pub(crate) after: Option<ChangeCursor>,
    sender: QuerySender,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum QuerySender {
    Watcher,
    Flush,
}

/// Consecutive changes, from number `first` to `changes.cursor.seq`, which a notification or a commit of this process tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnnouncedChanges {
    pub(crate) first: i64,
    /// With `all`, it does not name the ids.
    pub(crate) changes: Changes,
}

/// A transaction of this process that holds the lock of the sequence, so that nobody else commits a change. Before it ends it
/// asks for the changes that the cache lacks, and it asks too if it writes nothing: a key that somebody else has revoked needs no
/// write, and yet the cache must not allow it once the call has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OwnTransaction {
    after: Option<ChangeCursor>,
}

/// The keys that the cache must drop, together with every look-up whose row was read before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invalidation {
    Nothing,
    Named {
        keys: Vec<String>,
        orgs: Vec<String>,
    },
    Everything,
    /// Another database answers, or an older copy of this one.
    OtherDatabase,
}

/// The next action of the watcher.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    Ask,
    WaitUntil(BootMicros),
    /// Waits for an event. The next verification asks.
    Sleep,
}

impl FreshnessProtocol {
    pub(crate) fn new(max_staleness: u64) -> Self {
        Self {
            max_staleness,
            known: None,
            heard: 0,
            confirmed_at: None,
            asked_at: 0,
            in_flight: false,
            must_ask: false,
        }
    }

    /// The last change up to which the cache has all, as answers and own commits have shown.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn known(&self) -> Option<ChangeCursor> {
        self.known
    }

    /// The last moment at which a verification may start that the cache answers.
    pub(crate) fn fresh_until(&self) -> Option<BootMicros> {
        self.confirmed_at.map(|at| at.saturating_add(self.max_staleness))
    }

    /// Whether the cache may answer a verification that started at this moment. A verification that has waited for an
    /// answer asks with the moment of its start, so that an answer serves it even if the network takes longer than
    /// `max_staleness`.
    pub(crate) fn is_fresh(&self, started: BootMicros) -> bool {
        self.fresh_until().is_some_and(|until| started <= until)
    }

    /// Starts a query of the watcher, unless one is on its way. `now` is read before the query is sent.
    pub(crate) fn ask(&mut self, now: BootMicros) -> Option<ConfirmationQuery> {
        if self.in_flight {
            return None;
        }
        (self.in_flight, self.must_ask, self.asked_at) = (true, false, now);
        Some(ConfirmationQuery { sent_at: now, after: self.known, sender: QuerySender::Watcher })
    }

    /// The query that a flush takes along. The schedule of the watcher waits for no answer to it: a flush may take long.
    pub(crate) fn ask_with_flush(&self, now: BootMicros) -> ConfirmationQuery {
        ConfirmationQuery { sent_at: now, after: self.known, sender: QuerySender::Flush }
    }

    /// Takes the changes after the cursor of a query, as one snapshot has them.
    pub(crate) fn answered(&mut self, query: &ConfirmationQuery, changes: Changes) -> Invalidation {
        if query.sender == QuerySender::Watcher {
            self.in_flight = false;
        }
        if Some(query.sent_at) < self.confirmed_at {
            // The answer to a query that was sent later has come first, and told more.
            return Invalidation::Nothing;
        }
        self.confirmed_at = Some(query.sent_at);
        self.asked_at = self.asked_at.max(query.sent_at);
        let cursor = changes.cursor;
        match self.known {
            // The number may be below that of an own commit after the snapshot, never below the query's own.
            Some(known)
                if cursor.generation == known.generation && query.after.is_some_and(|it| cursor.seq >= it.seq) =>
            {
                self.known = Some(ChangeCursor { seq: cursor.seq.max(known.seq), ..cursor });
                Invalidation::of(changes)
            }
            former => {
                (self.known, self.heard) = (Some(cursor), cursor.seq);
                let goes_back = query.after.is_some_and(|it| cursor.seq < it.seq);
                let is_other = former.is_some_and(|it| lineage(it.generation) != lineage(cursor.generation));
                if goes_back || is_other { Invalidation::OtherDatabase } else { Invalidation::Everything }
            }
        }
    }

    /// Takes a query of the watcher that got no answer.
    pub(crate) fn failed(&mut self) {
        self.in_flight = false;
    }

    /// Takes a notification of changes, which any process may have made, or nobody.
    pub(crate) fn notified(&mut self, announced: AnnouncedChanges) -> Invalidation {
        let AnnouncedChanges { first, changes } = announced;
        let cursor = changes.cursor;
        let Some(known) = self.known else { return Invalidation::Nothing };
        let is_same = cursor.generation == known.generation;
        if is_same && cursor.seq <= known.seq {
            return Invalidation::Nothing;
        }
        let heard = self.heard.max(known.seq);
        if is_same && first <= heard.saturating_add(1) {
            self.heard = heard.max(cursor.seq);
        } else {
            self.must_ask = true;
        }
        if changes.all {
            self.must_ask = true;
            return Invalidation::Nothing;
        }
        Invalidation::of(changes)
    }

    /// Starts a transaction of this process. `seq` is the number of the last change, as the transaction sees it.
    pub(crate) fn own_transaction(&self, seq: i64) -> OwnTransaction {
        // A larger number comes from another database. So may a smaller one, whose answer then has another generation.
        OwnTransaction { after: self.known.filter(|known| known.seq <= seq) }
    }

    /// Takes the changes of a commit of this process, before the call returns that made them.
    pub(crate) fn committed(&mut self, announced: AnnouncedChanges) -> Invalidation {
        let AnnouncedChanges { first, changes } = announced;
        let cursor = changes.cursor;
        match &mut self.known {
            Some(known) if known.generation == cursor.generation && first <= known.seq.saturating_add(1) => {
                known.seq = known.seq.max(cursor.seq);
            }
            _ => self.must_ask = true,
        }
        Invalidation::of(changes)
    }

    /// Notifications may have been lost: the connection that receives them was lost, or is new.
    pub(crate) fn missed_notifications(&mut self) {
        self.must_ask = true;
    }

    /// Chooses the next action at `now`. `in_use` tells whether there was a verification since the last query was sent. Once the
    /// confirmation has run out, only a verification asks: an idle engine sends nothing.
    pub(crate) fn next_step(&self, now: BootMicros, in_use: bool) -> NextStep {
        if self.in_flight || !self.is_fresh(now) {
            return NextStep::Sleep;
        }
        let interval = (self.max_staleness / QUERIES_WITHIN_STALENESS).max(1);
        let due_at = self.asked_at.saturating_add(interval);
        if self.must_ask || in_use && now >= due_at {
            NextStep::Ask
        } else {
            NextStep::WaitUntil(if now < due_at { due_at } else { now.saturating_add(interval) })
        }
    }
}

impl OwnTransaction {
    /// The cursor after which it asks for changes. Without one, all may be missing.
    pub(crate) fn after(self) -> Option<ChangeCursor> {
        self.after
    }

    /// The changes that the cache lacks, from the answer.
    pub(crate) fn announce(self, changes: Changes) -> AnnouncedChanges {
        AnnouncedChanges { first: self.after.map_or(i64::MAX, |after| after.seq.saturating_add(1)), changes }
    }
}

/// The part of a generation that a restart leaves as it is.
fn lineage(generation: i64) -> i64 {
    generation >> 32
}

impl Invalidation {
    fn of(changes: Changes) -> Self {
        match changes {
            Changes { all: true, .. } => Self::Everything,
            Changes { keys, orgs, .. } if keys.is_empty() && orgs.is_empty() => Self::Nothing,
            Changes { keys, orgs, .. } => Self::Named { keys, orgs },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STALENESS: u64 = 1_000;

    fn cursor(seq: i64) -> ChangeCursor {
        ChangeCursor { seq, generation: 7 }
    }

    fn changes(cursor: ChangeCursor, keys: &[&str]) -> Changes {
        Changes { cursor, keys: keys.iter().map(|it| (*it).to_owned()).collect(), ..Changes::default() }
    }

    fn announced(first: i64, last: i64, keys: &[&str]) -> AnnouncedChanges {
        AnnouncedChanges { first, changes: changes(cursor(last), keys) }
    }

    fn named(keys: &[&str]) -> Invalidation {
        Invalidation::of(changes(cursor(0), keys))
    }

    fn confirm(protocol: &mut FreshnessProtocol, sent_at: BootMicros, found: Changes) -> Invalidation {
        let query = protocol.ask(sent_at).unwrap();
        protocol.answered(&query, found)
    }

    /// A protocol that knows all changes up to number 10, from a query of the time 5,000.
    fn confirmed() -> FreshnessProtocol {
        let mut protocol = FreshnessProtocol::new(STALENESS);
        assert_eq!(confirm(&mut protocol, 5_000, changes(cursor(10), &[])), Invalidation::Everything);
        protocol
    }

    fn after(protocol: &mut FreshnessProtocol) -> Option<i64> {
        let query = protocol.ask(6_000).unwrap();
        protocol.failed();
        query.after.map(|it| it.seq)
    }

    #[test]
    fn memory_answers_for_the_staleness_after_the_query_was_sent() {
        let mut protocol = FreshnessProtocol::new(STALENESS);
        assert!(!protocol.is_fresh(0) && protocol.fresh_until().is_none());
        let query = protocol.ask(5_000).unwrap();
        assert_eq!(protocol.ask(5_001), None);
        assert!(!protocol.is_fresh(5_000));
        protocol.answered(&query, changes(cursor(10), &[]));
        assert_eq!(protocol.fresh_until(), Some(6_000));
        assert!(protocol.is_fresh(6_000) && !protocol.is_fresh(6_001));
        // A query that fails changes nothing, and the next one may be sent.
        protocol.ask(5_500).unwrap();
        protocol.failed();
        assert_eq!(protocol.fresh_until(), Some(6_000));
        confirm(&mut protocol, 5_700, changes(cursor(10), &[]));
        assert_eq!(protocol.fresh_until(), Some(6_700));
    }

    #[test]
    fn without_staleness_each_verification_needs_a_query_that_was_sent_after_its_start() {
        let mut protocol = FreshnessProtocol::new(0);
        confirm(&mut protocol, 5_000, changes(cursor(10), &[]));
        assert!(protocol.is_fresh(5_000) && !protocol.is_fresh(5_001));
        assert_eq!(protocol.next_step(5_001, true), NextStep::Sleep);
    }

    #[test]
    fn a_notification_drops_its_keys_and_never_extends_the_confirmation() {
        let mut protocol = confirmed();
        assert_eq!(protocol.notified(announced(11, 11, &["a"])), named(&["a"]));
        assert_eq!(protocol.notified(announced(12, 13, &["b", "c"])), named(&["b", "c"]));
        assert_ne!(protocol.next_step(5_001, false), NextStep::Ask);
        assert_eq!((after(&mut protocol), protocol.fresh_until()), (Some(10), Some(6_000)));
        confirm(&mut protocol, 5_100, changes(cursor(13), &["a", "b", "c"]));
        // One that comes after the answer tells nothing new.
        assert_eq!(protocol.notified(announced(12, 13, &["b", "c"])), Invalidation::Nothing);
    }

    #[test]
    fn a_false_number_hides_no_change() {
        let mut protocol = confirmed();
        assert_eq!(protocol.notified(announced(11, 11, &["x"])), named(&["x"]));
        // The true one drops its keys, and the next query asks for it.
        assert_eq!(protocol.notified(announced(11, 11, &["a"])), named(&["a"]));
        assert_eq!((protocol.known(), after(&mut protocol)), (Some(cursor(10)), Some(10)));
        // An answer that knows nothing of it comes from the same database.
        assert_eq!(confirm(&mut protocol, 5_100, changes(cursor(10), &[])), Invalidation::Nothing);
        assert_eq!(confirm(&mut protocol, 5_200, changes(cursor(11), &["a"])), named(&["a"]));
        assert_eq!(protocol.notified(announced(i64::MAX, i64::MAX, &["x"])), named(&["x"]));
        assert_eq!((protocol.next_step(5_201, false), after(&mut protocol)), (NextStep::Ask, Some(11)));
    }

    #[test]
    fn a_missing_number_a_nameless_change_and_another_generation_make_it_ask() {
        let other = AnnouncedChanges { first: 11, changes: changes(ChangeCursor { seq: 11, generation: 8 }, &["a"]) };
        let mut nameless = announced(11, 11, &[]);
        nameless.changes.all = true;
        for (told, dropped) in
            [(announced(12, 12, &["a"]), named(&["a"])), (nameless, Invalidation::Nothing), (other, named(&["a"]))]
        {
            let mut protocol = confirmed();
            assert_eq!(protocol.notified(told), dropped);
            assert_eq!(protocol.next_step(5_001, false), NextStep::Ask);
            assert_eq!(after(&mut protocol), Some(10));
        }
    }

    #[test]
    fn a_gap_that_is_seen_during_a_query_needs_another_one() {
        let mut protocol = confirmed();
        let query = protocol.ask(5_100).unwrap();
        protocol.notified(announced(12, 12, &["a"]));
        assert_eq!(protocol.next_step(5_101, true), NextStep::Sleep);
        protocol.answered(&query, changes(cursor(10), &[]));
        assert_eq!(protocol.next_step(5_102, false), NextStep::Ask);
    }

    #[test]
    fn an_own_commit_drops_its_keys_whatever_else_is_missing() {
        let mut protocol = confirmed();
        assert_eq!(protocol.committed(announced(11, 11, &["a"])), named(&["a"]));
        assert_eq!(protocol.committed(announced(13, 13, &["b"])), named(&["b"]));
        assert_eq!(protocol.next_step(5_001, false), NextStep::Ask);
        assert_eq!(after(&mut protocol), Some(11));
        // The notification came first.
        assert_eq!(protocol.committed(announced(11, 11, &["a"])), named(&["a"]));
        let mut many = announced(12, 9_000, &[]);
        many.changes.all = true;
        assert_eq!(protocol.committed(many), Invalidation::Everything);
        assert_eq!(FreshnessProtocol::new(STALENESS).committed(announced(3, 3, &["c"])), named(&["c"]));
    }

    #[test]
    fn an_own_transaction_on_another_database_drops_everything() {
        let other = ChangeCursor { seq: 10, generation: 8 };
        let protocol = confirmed();
        // Somebody else may have made the change with this number, after a failover that lost ours.
        assert_eq!(protocol.own_transaction(10).after(), Some(cursor(10)));
        let all = Changes { cursor: other, all: true, ..Changes::default() };
        for (seq, after) in [(10, Some(cursor(10))), (12, Some(cursor(10))), (9, None)] {
            let (mut protocol, transaction) = (protocol.clone(), protocol.own_transaction(seq));
            assert_eq!(transaction.after(), after);
            assert_eq!(protocol.committed(transaction.announce(all.clone())), Invalidation::Everything);
            // Only an answer tells what it knows there.
            assert_eq!((protocol.known(), protocol.next_step(5_001, false)), (Some(cursor(10)), NextStep::Ask));
        }
    }

    #[test]
    fn an_own_transaction_tells_what_others_did_before_it() {
        let mut protocol = confirmed();
        let transaction = protocol.own_transaction(12);
        let told = transaction.announce(changes(cursor(13), &["theirs", "own"]));
        assert_eq!(protocol.committed(told), named(&["theirs", "own"]));
        assert_eq!((protocol.known(), after(&mut protocol)), (Some(cursor(13)), Some(13)));
        let transaction = protocol.own_transaction(13);
        assert_eq!(protocol.committed(transaction.announce(changes(cursor(13), &[]))), Invalidation::Nothing);
    }

    #[test]
    fn an_answer_from_before_an_own_commit_is_no_other_database() {
        let mut protocol = confirmed();
        let query = protocol.ask(5_100).unwrap();
        protocol.committed(announced(11, 11, &["a"]));
        assert_eq!(protocol.answered(&query, changes(cursor(10), &[])), Invalidation::Nothing);
        assert_eq!((after(&mut protocol), protocol.fresh_until()), (Some(11), Some(6_100)));
    }

    #[test]
    fn another_database_or_an_older_copy_empties_memory() {
        let found = |seq, generation| ChangeCursor { seq, generation };
        for (found, dropped) in [
            (cursor(9), Invalidation::OtherDatabase),
            (found(10, 7 + (1 << 32)), Invalidation::OtherDatabase),
            (found(12, -1), Invalidation::OtherDatabase),
            (found(4, 8), Invalidation::OtherDatabase),
            // A restart.
            (found(10, 8), Invalidation::Everything),
        ] {
            let mut protocol = confirmed();
            assert_eq!(confirm(&mut protocol, 5_100, changes(found, &[])), dropped);
            assert_eq!(after(&mut protocol), Some(found.seq));
            assert_eq!(confirm(&mut protocol, 5_200, changes(found, &[])), Invalidation::Nothing);
        }
    }

    #[test]
    fn it_asks_three_times_within_the_staleness_while_in_use_and_falls_silent_when_idle() {
        let mut protocol = confirmed();
        assert_eq!(protocol.next_step(5_100, true), NextStep::WaitUntil(5_333));
        assert_eq!(protocol.next_step(5_333, true), NextStep::Ask);
        assert_eq!(protocol.next_step(5_333, false), NextStep::WaitUntil(5_666));
        assert_eq!(protocol.next_step(6_001, true), NextStep::Sleep);
        // A query that failed is not repeated at once.
        protocol.ask(5_333).unwrap();
        protocol.failed();
        assert_eq!(protocol.next_step(5_334, true), NextStep::WaitUntil(5_666));
        // Notifications may be missing, so it asks whether or not it is in use.
        protocol.missed_notifications();
        assert_eq!(protocol.next_step(5_334, false), NextStep::Ask);
    }

    #[test]
    fn the_query_of_a_flush_counts_from_its_answer_on() {
        let mut protocol = confirmed();
        let with_flush = protocol.ask_with_flush(5_200);
        assert_eq!((protocol.fresh_until(), protocol.next_step(5_333, true)), (Some(6_000), NextStep::Ask));
        assert_eq!(protocol.answered(&with_flush, changes(cursor(11), &["a"])), named(&["a"]));
        assert_eq!((protocol.fresh_until(), after(&mut protocol)), (Some(6_200), Some(11)));
        let mut protocol = confirmed();
        let with_flush = protocol.ask_with_flush(5_200);
        protocol.answered(&with_flush, changes(cursor(10), &[]));
        assert_eq!(protocol.next_step(5_333, true), NextStep::WaitUntil(5_533));
    }

    #[test]
    fn the_queries_of_a_flush_and_of_the_watcher_may_cross() {
        let other = |seq| changes(ChangeCursor { seq, generation: 8 }, &[]);
        for late in [changes(cursor(10), &[]), changes(cursor(12), &["b"]), other(3)] {
            let mut protocol = confirmed();
            let query = protocol.ask(5_100).unwrap();
            let with_flush = protocol.ask_with_flush(5_200);
            assert_eq!(protocol.answered(&with_flush, changes(cursor(11), &["a"])), named(&["a"]));
            assert_eq!(protocol.ask(5_201), None);
            // The later query has told all that this one could, even if a former primary answers it.
            assert_eq!(protocol.answered(&query, late), Invalidation::Nothing);
            assert_eq!((protocol.fresh_until(), after(&mut protocol)), (Some(6_200), Some(11)));
        }
        let mut protocol = confirmed();
        let with_flush = protocol.ask_with_flush(5_100);
        assert_eq!(confirm(&mut protocol, 5_200, changes(cursor(11), &["a"])), named(&["a"]));
        assert_eq!(protocol.answered(&with_flush, changes(cursor(10), &[])), Invalidation::Nothing);
        assert_eq!((protocol.fresh_until(), after(&mut protocol)), (Some(6_200), Some(11)));
    }

    /// An event that can reach a process or its database.
    #[derive(Debug, Clone)]
    enum ProtocolEvent {
        Change,
        /// A transaction of the process, which changes a key or finds nothing to change.
        OwnTransaction(bool),
        /// The process receives the notification of one of the changes, whether or not it did before.
        Notification(prop::sample::Index),
        /// The process receives a notification that somebody made up. Its number is off the last one by this much.
        FalseNotification(i64, bool),
        Ask,
        AskWithFlush,
        /// The database answers one of the queries, the answer arrives, or none does.
        Snapshot(prop::sample::Index),
        Answer(prop::sample::Index),
        Failure(prop::sample::Index),
        Time(u64),
        /// The database loses its last changes and is another one from now on.
        Failover(i64),
    }

    fn protocol_event() -> impl Strategy<Value = ProtocolEvent> {
        prop_oneof![
            3 => Just(ProtocolEvent::Change),
            1 => any::<bool>().prop_map(ProtocolEvent::OwnTransaction),
            3 => any::<prop::sample::Index>().prop_map(ProtocolEvent::Notification),
            2 => (-2i64..5, any::<bool>()).prop_map(|(off, all)| ProtocolEvent::FalseNotification(off, all)),
            3 => Just(ProtocolEvent::Ask),
            2 => Just(ProtocolEvent::AskWithFlush),
            4 => any::<prop::sample::Index>().prop_map(ProtocolEvent::Snapshot),
            4 => any::<prop::sample::Index>().prop_map(ProtocolEvent::Answer),
            1 => any::<prop::sample::Index>().prop_map(ProtocolEvent::Failure),
            3 => (0..=STALENESS).prop_map(ProtocolEvent::Time),
            1 => (0i64..3).prop_map(ProtocolEvent::Failover),
        ]
    }

    proptest! {
        /// Each change has a key of its own. A fresh cache has dropped the keys of all changes that are older than the bound,
        /// and once a transaction of the process has ended, the keys of all changes.
        #[test]
        fn a_fresh_process_was_told_of_every_change_that_is_older_than_the_bound(
            protocol_events in prop::collection::vec(protocol_event(), 1..120),
        ) {
            let mut protocol = FreshnessProtocol::new(STALENESS);
            // The time at which each change was committed, and whether the process was told of it.
            let mut told: Vec<(BootMicros, bool)> = Vec::new();
            // The changes of the database by number, and the notifications of all generations.
            let (mut log, mut generation): (Vec<usize>, i64) = (Vec::new(), 0);
            let mut notifications: Vec<(ChangeCursor, usize)> = Vec::new();
            let mut queries: Vec<(ConfirmationQuery, Option<Changes>)> = Vec::new();
            let mut now = 1;
            for protocol_event in protocol_events {
                let ends_transaction = matches!(protocol_event, ProtocolEvent::OwnTransaction(_));
                let transaction = protocol.own_transaction(log.len() as i64);
                if let ProtocolEvent::Change | ProtocolEvent::OwnTransaction(true) = protocol_event {
                    let change = told.len();
                    told.push((now, false));
                    log.push(change);
                    notifications.push((ChangeCursor { seq: log.len() as i64, generation }, change));
                }
                // The changes after a cursor, as one snapshot has them.
                let since = |after: Option<ChangeCursor>| {
                    let from = after.filter(|it| it.generation == generation).map(|it| it.seq as usize);
                    let keys = from.and_then(|from| log.get(from..));
                    let cursor = ChangeCursor { seq: log.len() as i64, generation };
                    let named = keys.unwrap_or_default().iter().map(usize::to_string).collect();
                    Changes { cursor, keys: named, all: keys.is_none(), ..Changes::default() }
                };
                let dropped = match protocol_event {
                    ProtocolEvent::Change => continue,
                    ProtocolEvent::OwnTransaction(_) => {
                        protocol.committed(transaction.announce(since(transaction.after())))
                    }
                    ProtocolEvent::Notification(_) if notifications.is_empty() => continue,
                    ProtocolEvent::Notification(index) => {
                        let (cursor, change) = notifications[index.index(notifications.len())];
                        let changes = Changes { cursor, keys: vec![change.to_string()], ..Changes::default() };
                        protocol.notified(AnnouncedChanges { first: cursor.seq, changes })
                    }
                    ProtocolEvent::FalseNotification(off, all) => {
                        let cursor = ChangeCursor { seq: log.len() as i64 + off, generation };
                        let changes = Changes { cursor, all, ..Changes::default() };
                        protocol.notified(AnnouncedChanges { first: cursor.seq, changes })
                    }
                    ProtocolEvent::Ask => {
                        queries.extend(protocol.ask(now).map(|query| (query, None)));
                        continue;
                    }
                    ProtocolEvent::AskWithFlush => {
                        queries.push((protocol.ask_with_flush(now), None));
                        continue;
                    }
                    ProtocolEvent::Snapshot(_) | ProtocolEvent::Answer(_) | ProtocolEvent::Failure(_)
                        if queries.is_empty() =>
                    {
                        continue;
                    }
                    ProtocolEvent::Snapshot(index) => {
                        if let (query, answer @ None) = index.get_mut(&mut queries) {
                            *answer = Some(since(query.after));
                        }
                        continue;
                    }
                    ProtocolEvent::Answer(index) if index.get(&queries).1.is_none() => continue,
                    ProtocolEvent::Answer(index) => match queries.remove(index.index(queries.len())) {
                        (query, Some(changes)) => protocol.answered(&query, changes),
                        _ => continue,
                    },
                    ProtocolEvent::Failure(index) => {
                        let (query, _) = queries.remove(index.index(queries.len()));
                        if query.sender == QuerySender::Watcher {
                            protocol.failed();
                        }
                        continue;
                    }
                    ProtocolEvent::Time(micros) => {
                        now += micros;
                        continue;
                    }
                    ProtocolEvent::Failover(lost) => {
                        let kept = log.len().saturating_sub(lost as usize);
                        // A change that is lost needs no telling.
                        log.drain(kept..).for_each(|change| told[change].1 = true);
                        generation += 1;
                        continue;
                    }
                };
                prop_assert!(generation > 0 || dropped != Invalidation::OtherDatabase);
                match dropped {
                    Invalidation::Nothing => {}
                    Invalidation::Named { keys, .. } => {
                        keys.iter().for_each(|key| told[key.parse::<usize>().unwrap()].1 = true);
                    }
                    Invalidation::Everything | Invalidation::OtherDatabase => told.iter_mut().for_each(|it| it.1 = true),
                }
                let is_due = |at: u64| ends_transaction || protocol.is_fresh(at + STALENESS + 1);
                let missed = told.iter().position(|(at, told)| !told && is_due(*at));
                prop_assert_eq!(missed, None, "at {}: {:?}", now, &protocol);
            }
        }
    }
}

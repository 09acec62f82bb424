//! A process: its protocol, its cache and the verifications that it runs.

use keywright::testing::{ChangesOfModel, DroppedKeys, ProcessFreshness, TransactionOfModel};

use crate::database::{Change, Database, KEYS, id};
use crate::flaw::Flaw;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CachedState {
    Absent,
    Active,
    Revoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verification {
    pub key: u8,
    pub stage: Stage,
}

/// When a verification started, and what its process knew then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Start {
    pub at: u64,
    /// By the clock of the process.
    own_at: u64,
    /// Whether the process had revoked the key, and whether it had denied it.
    pub has_revoked: bool,
    pub has_denied: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Waits for an answer of the database.
    Asks(Start),
    /// May look into the cache. `outdated` tells whether a key was dropped since.
    Fresh { start: Start, outdated: bool },
    /// The row was read, which decides the verification, and is on its way back.
    HasRead { revoked: bool, outdated: bool },
}

/// The changes that an answer on its way tells.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Answer {
    seq: i64,
    generation: i64,
    keys: Option<Vec<String>>,
}

impl From<ChangesOfModel> for Answer {
    fn from(changes: ChangesOfModel) -> Self {
        let ChangesOfModel { seq, generation, keys } = changes;
        Self { seq, generation, keys }
    }
}

impl From<Answer> for ChangesOfModel {
    fn from(answer: Answer) -> Self {
        let Answer { seq, generation, keys } = answer;
        Self { seq, generation, keys }
    }
}

/// A revocation by a process that the database has made, while the call has not returned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revocation {
    pub key: u8,
    transaction: TransactionOfModel,
    answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    pub freshness: ProcessFreshness,
    answer: Option<Answer>,
    flush_answer: Option<Answer>,
    pub cache: [CachedState; KEYS],
    pub verifications: [Option<Verification>; 2],
    pub revoking: Option<Revocation>,
    /// The keys of which a revocation by this process has returned, and those that it has denied as revoked.
    pub has_revoked: [bool; KEYS],
    pub has_denied: [bool; KEYS],
    /// By how much its clock is behind. Only a broken one is.
    pub lag: u64,
}

/// A verification that ends, or that nothing can change any more.
pub struct Outcome {
    pub key: u8,
    pub start: Start,
    pub allowed: bool,
}

impl Process {
    pub fn new(max_staleness: u64) -> Self {
        Self {
            freshness: ProcessFreshness::new(max_staleness),
            answer: None,
            flush_answer: None,
            cache: [CachedState::Absent; KEYS],
            verifications: [None; 2],
            revoking: None,
            has_revoked: [false; KEYS],
            has_denied: [false; KEYS],
            lag: 0,
        }
    }

    pub fn has_answer(&self) -> bool {
        self.answer.is_some()
    }

    pub fn has_flush_answer(&self) -> bool {
        self.flush_answer.is_some()
    }

    pub fn begin(&mut self, slot: usize, key: u8, now: u64) {
        let own_at = now - self.lag;
        let (has_revoked, has_denied) = (self.has_revoked[key as usize], self.has_denied[key as usize]);
        let start = Start { at: now, own_at, has_revoked, has_denied };
        let stage = if self.freshness.is_fresh(own_at) {
            Stage::Fresh { start, outdated: false }
        } else {
            self.freshness.send_query(own_at);
            Stage::Asks(start)
        };
        self.verifications[slot] = Some(Verification { key, stage });
    }

    /// The database answers the query on its way.
    pub fn answer_is_sent(&mut self, changes: ChangesOfModel) {
        self.answer = Some(changes.into());
    }

    /// The database answers the query of the flush on its way.
    pub fn flush_answer_is_sent(&mut self, changes: ChangesOfModel) {
        self.flush_answer = Some(changes.into());
    }

    pub fn flush_answer_arrives(&mut self, now: u64, flaw: Option<Flaw>) {
        let Some(answer) = self.flush_answer.take() else { return };
        if flaw == Some(Flaw::FlushConfirmsAtArrival) {
            self.freshness.send_flush(now - self.lag);
        }
        let dropped = self.freshness.answer_flush(answer.into());
        self.drop_keys(dropped);
        self.go_on(now);
    }

    pub fn answer_arrives(&mut self, now: u64, flaw: Option<Flaw>) {
        let own_now = now - self.lag;
        let Some(Answer { seq, mut generation, keys }) = self.answer.take() else { return };
        let mut keys = keys;
        if flaw == Some(Flaw::TrustsOtherDatabase) {
            (generation, keys) = (0, keys.or(self.freshness.queried_after().map(|_| Vec::new())));
        }
        if flaw == Some(Flaw::ConfirmsAtArrival) {
            self.freshness.fail_query();
            self.freshness.send_query(own_now);
        }
        let dropped = self.freshness.answer(ChangesOfModel { seq, generation, keys });
        self.drop_keys(dropped);
        self.go_on(now);
    }

    /// The verifications that waited for an answer go on, or ask again.
    fn go_on(&mut self, now: u64) {
        let own_now = now - self.lag;
        for verification in self.verifications.iter_mut().flatten() {
            match verification.stage {
                Stage::Asks(start) if self.freshness.is_fresh(start.own_at) => {
                    verification.stage = Stage::Fresh { start, outdated: false };
                }
                Stage::Asks(_) => _ = self.freshness.send_query(own_now),
                _ => {}
            }
        }
    }

    /// The query gets no answer. Whoever waits for it is told `unavailable`.
    pub fn query_fails(&mut self) {
        self.freshness.fail_query();
        self.answer = None;
        let waits = |it: &Verification| matches!(it.stage, Stage::Asks(_));
        self.verifications.iter_mut().filter(|it| it.as_ref().is_some_and(waits)).for_each(|it| *it = None);
    }

    pub fn hear(&mut self, change: &Change, now: u64, flaw: Option<Flaw>) {
        let Change { seq, generation, key, .. } = *change;
        if flaw == Some(Flaw::NotificationConfirms) && self.freshness.send_query(now - self.lag) {
            if self.freshness.queried_after() == Some((seq - 1, generation)) {
                let dropped = self.freshness.answer(ChangesOfModel { seq, generation, keys: Some(vec![id(key)]) });
                return self.drop_keys(dropped);
            }
            self.freshness.fail_query();
        }
        self.is_notified(ChangesOfModel { seq, generation, keys: Some(vec![id(key)]) }, flaw);
    }

    /// Receives a notification, true or false.
    pub fn is_notified(&mut self, changes: ChangesOfModel, flaw: Option<Flaw>) {
        let dropped = if flaw == Some(Flaw::TrustsNotifications) {
            self.freshness.commit(changes.seq, changes)
        } else {
            self.freshness.notify(changes.seq, changes)
        };
        self.drop_keys(dropped);
    }

    /// Revokes a key in the database. Nothing is written if somebody else has revoked it.
    pub fn revoke(&mut self, key: u8, database: &mut Database, now: u64, flaw: Option<Flaw>) {
        let transaction = self.freshness.own_transaction(database.seq());
        if database.revocation(key).is_none() {
            database.commit(key, Some(now));
        }
        let mut after = transaction.asks_after();
        if let Some((_, generation)) = after.as_mut().filter(|_| flaw == Some(Flaw::CommitTrustsNumbers)) {
            *generation = database.generation;
        }
        self.revoking = Some(Revocation { key, transaction, answer: database.changes(after).into() });
    }

    /// The revocation of a key by this process is acknowledged, and its call returns.
    pub fn revoke_returns(&mut self, flaw: Option<Flaw>) {
        let Some(Revocation { key, transaction, answer }) = self.revoking.take() else { return };
        self.has_revoked[key as usize] = true;
        let dropped = match flaw {
            Some(Flaw::ReturnsBeforeDrop) => return,
            Some(Flaw::IgnoresGap) => {
                let Answer { seq, generation, .. } = answer;
                self.freshness.commit(1, ChangesOfModel { seq, generation, keys: Some(vec![id(key)]) })
            }
            _ => self.freshness.end_transaction(transaction, answer.into()),
        };
        self.drop_keys(dropped);
    }

    fn drop_keys(&mut self, dropped: DroppedKeys) {
        let keys: Vec<usize> = match dropped {
            DroppedKeys::None => return,
            DroppedKeys::Named(ids) => ids.iter().map(|id| id.parse().unwrap()).collect(),
            DroppedKeys::All => (0..KEYS).collect(),
        };
        keys.into_iter().for_each(|key| self.cache[key] = CachedState::Absent);
        for verification in self.verifications.iter_mut().flatten() {
            if let Stage::Fresh { outdated, .. } | Stage::HasRead { outdated, .. } = &mut verification.stage {
                *outdated = true;
            }
        }
    }

    /// Answers a verification from the cache.
    pub fn hit(&mut self, slot: usize) -> Option<Outcome> {
        let Verification { key, stage: Stage::Fresh { start, .. } } = self.verifications[slot].take()? else {
            return None;
        };
        let allowed = self.cache[key as usize] == CachedState::Active;
        self.has_denied[key as usize] |= !allowed;
        Some(Outcome { key, start, allowed })
    }

    /// Reads the row for a verification. The cache may lack the text even if it has the key: by eviction, or for another
    /// secret of the key.
    pub fn row_is_read(&mut self, slot: usize, revoked: bool) -> Option<Outcome> {
        let Verification { key, stage } = self.verifications[slot].as_mut()?;
        let Stage::Fresh { start, outdated } = *stage else { return None };
        *stage = Stage::HasRead { revoked, outdated: outdated || revoked };
        Some(Outcome { key: *key, start, allowed: !revoked })
    }

    /// The row arrives and is cached, and the verification ends.
    pub fn row_arrives(&mut self, slot: usize, flaw: Option<Flaw>) {
        let Some(Verification { key, stage: Stage::HasRead { revoked, outdated } }) = self.verifications[slot].take()
        else {
            return;
        };
        self.has_denied[key as usize] |= revoked;
        let cached = &mut self.cache[key as usize];
        if !revoked {
            if !outdated || flaw == Some(Flaw::CachesOldRow) {
                *cached = CachedState::Active;
            }
        } else if flaw == Some(Flaw::CachesRevocationAlone) {
            if *cached == CachedState::Absent {
                *cached = CachedState::Revoked;
            }
        } else {
            self.drop_keys(DroppedKeys::Named(vec![id(key)]));
            self.cache[key as usize] = CachedState::Revoked;
        }
    }

    /// A database that has lost a revocation may allow the key again: what this process knew of it counts no more.
    pub fn forget_revocation(&mut self, lost: u8) {
        self.revoking = self.revoking.take().filter(|revocation| revocation.key != lost);
        (self.has_revoked[lost as usize], self.has_denied[lost as usize]) = (false, false);
        for Verification { key, stage } in self.verifications.iter_mut().flatten() {
            match stage {
                Stage::Asks(start) | Stage::Fresh { start, .. } if *key == lost => {
                    (start.has_revoked, start.has_denied) = (false, false);
                }
                _ => {}
            }
        }
    }
}

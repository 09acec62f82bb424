//! The database: the changes of all generations, and which keys are revoked.

use keywright::testing::ChangesOfModel;

pub const KEYS: usize = 2;

/// The name of a key in messages.
pub fn id(key: u8) -> String {
    key.to_string()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    pub generation: i64,
    pub seq: i64,
    pub key: u8,
    /// When it was committed, if it revoked the key.
    revoked_at: Option<u64>,
    /// Whether a failover has undone it.
    lost: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Database {
    pub generation: i64,
    /// Every change that was ever committed.
    pub history: Vec<Change>,
}

impl Database {
    fn current(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.history.iter().filter(|change| !change.lost)
    }

    /// The number of the last change.
    pub fn seq(&self) -> i64 {
        self.current().last().map_or(0, |change| change.seq)
    }

    /// The change that revoked the key.
    pub fn revocation(&self, key: u8) -> Option<&Change> {
        self.current().find(|change| change.key == key && change.revoked_at.is_some())
    }

    /// When the key was revoked.
    pub fn revoked_at(&self, key: u8) -> Option<u64> {
        self.revocation(key)?.revoked_at
    }

    /// Commits a change of a key.
    pub fn commit(&mut self, key: u8, revoked_at: Option<u64>) {
        let change = Change { generation: self.generation, seq: self.seq() + 1, key, revoked_at, lost: false };
        self.history.push(change);
    }

    /// A standby takes over, which may lack the last change. Returns the key that is no longer revoked.
    pub fn fail_over(&mut self, loses_last: bool) -> Option<u8> {
        self.generation += 1;
        let last = self.history.iter_mut().rev().find(|change| !change.lost).filter(|_| loses_last)?;
        last.lost = true;
        last.revoked_at.map(|_| last.key)
    }

    /// The changes after a cursor, as one snapshot has them.
    pub fn changes(&self, after: Option<(i64, i64)>) -> ChangesOfModel {
        let after = after.filter(|(seq, generation)| *generation == self.generation && *seq <= self.seq());
        let since = |after: i64| self.current().filter(move |change| change.seq > after).map(|change| id(change.key));
        let keys = after.map(|(seq, _)| since(seq).collect());
        ChangesOfModel { seq: self.seq(), generation: self.generation, keys }
    }
}

//! Former secrets whose grace this process has seen to be over, so that a clock that steps back revives none of them.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::fork::lock;

/// How many lookups stay here after their end is in the store: a verification that read the row before that may still run.
const MAX_STORED: usize = 10_000;

#[derive(Default)]
pub(crate) struct EndedGraces {
    /// Whether there is any. Until then, no verification takes the lock.
    any: AtomicBool,
    lookups: Mutex<Lookups>,
}

#[derive(Default)]
struct Lookups {
    all: HashSet<Arc<str>>,
    /// The lookups whose end is in the store, oldest first.
    stored: VecDeque<Arc<str>>,
}

impl EndedGraces {
    pub(crate) fn contains(&self, lookup: &str) -> bool {
        self.any.load(Ordering::SeqCst) && lock(&self.lookups).all.contains(lookup)
    }

    /// `false` if the lookup is already here.
    pub(crate) fn insert(&self, lookup: &str) -> bool {
        self.any.store(true, Ordering::SeqCst);
        lock(&self.lookups).all.insert(lookup.into())
    }

    /// Marks lookups whose end is now in the store, and forgets the oldest of them beyond the bound.
    pub(super) fn stored<'a>(&self, lookups: impl Iterator<Item = &'a str>) {
        let mut held = lock(&self.lookups);
        held.stored.extend(lookups.map(Arc::from));
        while held.stored.len() > MAX_STORED {
            let Some(oldest) = held.stored.pop_front() else { break };
            held.all.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_that_are_stored_are_forgotten() {
        let graces = EndedGraces::default();
        assert!(!graces.contains("pending"));
        assert!(graces.insert("pending") && !graces.insert("pending"));
        for number in 0..=MAX_STORED {
            let lookup = number.to_string();
            graces.insert(&lookup);
            graces.stored([lookup.as_str()].into_iter());
        }
        assert!(graces.contains("pending") && graces.contains("1") && !graces.contains("0"));
    }
}

//! Former secrets whose grace this process has seen to be over, so that no step of the clock brings one of them back.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::fork::lock;

/// So many lookups stay here after their end is in the store: a verification that read the row before may still be under
/// way.
const KEPT: usize = 10_000;

#[derive(Default)]
pub(crate) struct EndedGraces {
    /// Until the first grace is over, no verification takes the lock.
    any: AtomicBool,
    lookups: Mutex<Lookups>,
}

#[derive(Default)]
struct Lookups {
    all: HashSet<Arc<str>>,
    /// Those whose end is in the store, oldest first.
    written: VecDeque<Arc<str>>,
}

impl EndedGraces {
    pub(crate) fn contains(&self, lookup: &str) -> bool {
        self.any.load(Ordering::SeqCst) && lock(&self.lookups).all.contains(lookup)
    }

    /// `false` when it is known already.
    pub(crate) fn insert(&self, lookup: &str) -> bool {
        self.any.store(true, Ordering::SeqCst);
        lock(&self.lookups).all.insert(lookup.into())
    }

    /// Forgets the oldest of those whose end is in the store.
    pub(super) fn written<'a>(&self, lookups: impl Iterator<Item = &'a str>) {
        let mut held = lock(&self.lookups);
        held.written.extend(lookups.map(Arc::from));
        while held.written.len() > KEPT {
            let Some(oldest) = held.written.pop_front() else { break };
            held.all.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_that_are_written_are_forgotten() {
        let graces = EndedGraces::default();
        assert!(!graces.contains("unwritten"));
        assert!(graces.insert("unwritten") && !graces.insert("unwritten"));
        for number in 0..=KEPT {
            let lookup = number.to_string();
            graces.insert(&lookup);
            graces.written([lookup.as_str()].into_iter());
        }
        assert!(graces.contains("unwritten") && graces.contains("1") && !graces.contains("0"));
    }
}

//! A bound on the memory of slow hashes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::fork::lock;

/// The memory that all slow hashes together may use, in KiB. The costliest row that is accepted needs all of it.
const BUDGET: u32 = 262_144;

/// A bound on the memory of slow hashes. The work holds its share until it ends, even if its caller has gone.
#[derive(Clone, Default)]
pub(crate) struct MemoryBudget(Arc<MemoryInUse>);

#[derive(Default)]
struct MemoryInUse {
    kib: Mutex<u32>,
    wake: Condvar,
}

/// Releases its memory when it is dropped.
struct MemoryPermit<'a> {
    of: &'a MemoryInUse,
    kib: u32,
}

impl MemoryBudget {
    /// Waits until this much memory is free, and does the work. It blocks, so call it on a thread of the slow hashes.
    pub(crate) fn within<T>(&self, kib: u32, work: impl FnOnce() -> T) -> T {
        let kib = kib.min(BUDGET);
        let mut used = lock(&self.0.kib);
        while *used + kib > BUDGET {
            used = self.0.wake.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        *used += kib;
        drop(used);
        let _permit = MemoryPermit { of: &self.0, kib };
        work()
    }
}

impl Drop for MemoryPermit<'_> {
    fn drop(&mut self) {
        *lock(&self.of.kib) -= self.kib;
        self.of.wake.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_all_work_is_done() {
        let (memory, now, most, done) =
            (MemoryBudget::default(), AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let work = |kib: u32| {
            let held = kib.min(BUDGET);
            memory.within(kib, || {
                most.fetch_max(now.fetch_add(held, Ordering::SeqCst) + held, Ordering::SeqCst);
                std::thread::yield_now();
                now.fetch_sub(held, Ordering::SeqCst);
                done.fetch_add(1, Ordering::SeqCst);
            });
        };
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let work = &work;
                scope.spawn(move || {
                    (1..=50).for_each(|turn| work([19_456, BUDGET, u32::MAX, 100_000][(thread + turn) % 4]))
                });
            }
        });
        assert_eq!((done.load(Ordering::SeqCst), *lock(&memory.0.kib)), (400, 0));
        assert!(most.load(Ordering::SeqCst) <= BUDGET);
    }

    #[test]
    fn work_that_panics_releases_its_memory() {
        let memory = MemoryBudget::default();
        let panicked = std::panic::catch_unwind(|| memory.within(BUDGET, || panic!("of the test")));
        assert!(panicked.is_err());
        assert_eq!(memory.within(BUDGET, || 7), 7);
    }
}

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::fork::lock;

/// How much memory slow hashes may take together, in KiB: as much as the costliest row alone may ask for.
const BUDGET: u32 = 262_144;

/// The memory of slow hashes. A permit belongs to the work, also when its caller has gone.
#[derive(Clone, Default)]
pub(crate) struct Permits(Arc<Taken>);

#[derive(Default)]
struct Taken {
    kib: Mutex<u32>,
    wake: Condvar,
}

/// Memory that is given back at the end of the work.
struct Permit<'a> {
    of: &'a Taken,
    kib: u32,
}

impl Permits {
    /// Does work that takes so much memory, once it is free. Call it on a thread of the slow hashes.
    pub(crate) fn within<T>(&self, kib: u32, work: impl FnOnce() -> T) -> T {
        let kib = kib.min(BUDGET);
        let mut taken = lock(&self.0.kib);
        while *taken + kib > BUDGET {
            taken = self.0.wake.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += kib;
        drop(taken);
        let _permit = Permit { of: &self.0, kib };
        work()
    }
}

impl Drop for Permit<'_> {
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
    fn never_more_than_the_budget_at_once_and_all_get_their_turn() {
        let (permits, now, most, done) = (Permits::default(), AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let work = |kib: u32| {
            let held = kib.min(BUDGET);
            permits.within(kib, || {
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
        assert_eq!((done.load(Ordering::SeqCst), *lock(&permits.0.kib)), (400, 0));
        assert!(most.load(Ordering::SeqCst) <= BUDGET);
    }

    #[test]
    fn work_that_panics_gives_its_memory_back() {
        let permits = Permits::default();
        let panicked = std::panic::catch_unwind(|| permits.within(BUDGET, || panic!("of the test")));
        assert!(panicked.is_err());
        assert_eq!(permits.within(BUDGET, || 7), 7);
    }
}

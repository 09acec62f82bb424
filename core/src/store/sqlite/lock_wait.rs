//! The wait of a change for the lock of another program.

use std::time::{Duration, Instant};

use crate::error::{Error, UnavailableCause};
use crate::wait::LockedOut;

/// One wait for a lock. From the first failed attempt on, [`is_locked_out`](crate::wait::is_locked_out) shows it.
pub(super) struct LockWait {
    until: Instant,
    locked_out: Option<LockedOut>,
}

impl LockWait {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { until: Instant::now() + timeout, locked_out: None }
    }

    /// Whether to try again after `error`: the database is locked, and there is time left.
    pub(super) fn should_retry(&mut self, error: &Error) -> bool {
        let should_retry = error.unavailable_cause() == Some(UnavailableCause::Locked) && Instant::now() < self.until;
        if should_retry {
            self.locked_out.get_or_insert_with(LockedOut::new);
        }
        should_retry
    }
}

//! How long a change waits for the lock of another program.

use std::time::{Duration, Instant};

use crate::error::{Error, UnavailableCause};
use crate::wait::LockedOut;

/// One wait for a lock. Everyone can see that it lasts, from the first attempt that failed: see
/// [`is_locked_out`](crate::wait::is_locked_out).
pub(super) struct Patience {
    until: Instant,
    locked_out: Option<LockedOut>,
}

impl Patience {
    pub(super) fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, locked_out: None }
    }

    /// Whether to try again after an error.
    pub(super) fn lasts(&mut self, error: &Error) -> bool {
        let lasts = error.unavailable_cause() == Some(UnavailableCause::Locked) && Instant::now() < self.until;
        if lasts {
            self.locked_out.get_or_insert_with(LockedOut::new);
        }
        lasts
    }
}

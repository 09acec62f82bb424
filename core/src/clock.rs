//! The engine's clock. All that depends on the time reads it, so that tests can set the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use crate::sys;

/// Milliseconds since 1970-01-01T00:00:00Z, the unit in which the core compares and stores times.
pub(crate) type Millis = i64;

/// The last time that a record may have: 9999-12-31T23:59:59.999Z, the end of RFC 3339's years.
pub(crate) const MAX_TIME: Millis = 253_402_300_799_999;

pub(crate) const SECOND: Millis = 1_000;
pub(crate) const DAY: Millis = 86_400 * SECOND;

/// The clock of an engine: the system's, or a [`ManualClock`] in tests.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<ManualClock>);

/// How far [`Clock::coarse_now`] may lag behind: more than one tick of any kernel.
pub(crate) const COARSE_LAG: Millis = 20;

impl Clock {
    pub(crate) fn now(&self) -> Millis {
        match &self.0 {
            Some(manual) => manual.millis.load(Ordering::SeqCst),
            None => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(MAX_TIME),
                Err(_) => 0,
            },
        }
    }

    /// The time at little cost, up to [`COARSE_LAG`] late.
    pub(crate) fn coarse_now(&self) -> Millis {
        if self.0.is_some() {
            return self.now();
        }
        sys::coarse_millis().max(0)
    }

    /// The identity of the start of the monotonic clock, `None` where the system does not tell it.
    pub(crate) fn boot_id(&self) -> Option<String> {
        let of_machine = sys::boot_id()?;
        Some(self.0.as_ref().map_or(of_machine, |manual| format!("of clock {} of {}", manual.id, std::process::id())))
    }

    /// Whether the clock runs by itself, and not by the hand of a test.
    pub(crate) fn runs(&self) -> bool {
        self.0.is_none()
    }

    /// The time to compare with `end`: `coarse`, or the exact time if the end is so near that it matters.
    pub(crate) fn now_near(&self, coarse: Millis, end: Millis) -> Millis {
        if coarse.saturating_add(COARSE_LAG) < end { coarse } else { self.now() }
    }

    /// Microseconds of a clock that never goes back, since an arbitrary origin.
    pub(crate) fn monotonic_micros(&self) -> u64 {
        match &self.0 {
            Some(manual) => {
                let since = manual.millis.load(Ordering::SeqCst).saturating_sub(manual.start);
                since.max(0).unsigned_abs().saturating_mul(1_000)
            }
            None => sys::monotonic_micros(),
        }
    }
}

impl From<ManualClock> for Clock {
    fn from(manual: ManualClock) -> Self {
        Self(Some(manual))
    }
}

/// A clock that only a test moves. Clones share one time.
///
/// ```
/// use keywright::testing::ManualClock;
/// let clock = ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
/// clock.advance(1_500);
/// assert_eq!(clock.now().to_rfc3339(), "2026-01-01T00:00:01.500+00:00");
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    millis: Arc<AtomicI64>,
    start: Millis,
    /// Unique in this process.
    id: u64,
}

impl ManualClock {
    /// A clock at `start`, to the millisecond.
    #[must_use]
    pub fn new(start: DateTime<Utc>) -> Self {
        static CLOCKS: AtomicU64 = AtomicU64::new(1);
        let (start, id) = (start.timestamp_millis(), CLOCKS.fetch_add(1, Ordering::Relaxed));
        Self { millis: Arc::new(AtomicI64::new(start)), start, id }
    }

    /// The time of the clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        time(self.millis.load(Ordering::SeqCst))
    }

    /// Moves the clock by this number of milliseconds, back if it is negative.
    pub fn advance(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the clock to `now`.
    pub fn set(&self, now: DateTime<Utc>) {
        self.millis.store(now.timestamp_millis(), Ordering::SeqCst);
    }
}

/// The time as records have it.
pub(crate) fn time(millis: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis.clamp(0, MAX_TIME)).unwrap_or_default()
}

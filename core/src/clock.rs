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

/// The clock of an engine: the system's, or in tests a [`ManualClock`] or a [`ShiftedClock`].
#[derive(Debug, Clone, Default)]
pub struct Clock(ClockSource);

#[derive(Debug, Clone, Default)]
enum ClockSource {
    #[default]
    System,
    Manual(ManualClock),
    Shifted(ShiftedClock),
}

/// How far [`Clock::coarse_now`] may lag behind: more than one tick of any kernel.
pub(crate) const COARSE_LAG: Millis = 20;

impl Clock {
    pub(crate) fn now(&self) -> Millis {
        match &self.0 {
            ClockSource::System => system_millis(),
            ClockSource::Manual(manual) => manual.millis.load(Ordering::SeqCst),
            ClockSource::Shifted(shifted) => shifted.shift(system_millis()),
        }
    }

    /// The time at little cost, up to [`COARSE_LAG`] late.
    pub(crate) fn coarse_now(&self) -> Millis {
        match &self.0 {
            ClockSource::System => sys::coarse_millis().max(0),
            ClockSource::Manual(_) => self.now(),
            ClockSource::Shifted(shifted) => shifted.shift(sys::coarse_millis()),
        }
    }

    /// The identity of the start of the monotonic clock, `None` where the system does not tell it.
    pub(crate) fn boot_id(&self) -> Option<String> {
        let of_machine = sys::boot_id()?;
        Some(match &self.0 {
            ClockSource::Manual(manual) => format!("of clock {} of {}", manual.id, std::process::id()),
            ClockSource::System | ClockSource::Shifted(_) => of_machine,
        })
    }

    /// Whether the clock runs by itself, and not by the hand of a test.
    pub(crate) fn runs(&self) -> bool {
        !matches!(self.0, ClockSource::Manual(_))
    }

    /// The time to compare with `end`: `coarse`, or the exact time if the end is so near that it matters.
    pub(crate) fn now_near(&self, coarse: Millis, end: Millis) -> Millis {
        if coarse.saturating_add(COARSE_LAG) < end { coarse } else { self.now() }
    }

    /// Microseconds of a clock that never goes back, since an arbitrary origin.
    pub(crate) fn monotonic_micros(&self) -> u64 {
        match &self.0 {
            ClockSource::Manual(manual) => {
                let since = manual.millis.load(Ordering::SeqCst).saturating_sub(manual.start);
                since.max(0).unsigned_abs().saturating_mul(1_000)
            }
            ClockSource::System | ClockSource::Shifted(_) => sys::monotonic_micros(),
        }
    }

    /// Milliseconds of a clock that nobody sets and that also runs while the machine sleeps, since an arbitrary origin.
    #[cfg(feature = "provider")]
    pub(crate) fn boot_millis(&self) -> Millis {
        match &self.0 {
            ClockSource::Manual(manual) => manual.millis.load(Ordering::SeqCst),
            ClockSource::System | ClockSource::Shifted(_) => {
                i64::try_from(sys::boot_micros() / 1_000).unwrap_or(MAX_TIME)
            }
        }
    }
}

fn system_millis() -> Millis {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(MAX_TIME),
        Err(_) => 0,
    }
}

impl From<ManualClock> for Clock {
    fn from(manual: ManualClock) -> Self {
        Self(ClockSource::Manual(manual))
    }
}

impl From<ShiftedClock> for Clock {
    fn from(shifted: ShiftedClock) -> Self {
        Self(ClockSource::Shifted(shifted))
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

/// The system's clock as if somebody had set it. It runs, and a test steps it while an engine uses it. Clones share one shift.
///
/// ```
/// use keywright::testing::ShiftedClock;
/// let clock = ShiftedClock::default();
/// let before = clock.now();
/// clock.set(-3_600_000);
/// assert!(clock.now() < before);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ShiftedClock {
    millis: Arc<AtomicI64>,
}

impl ShiftedClock {
    /// The time of the clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        time(self.shift(system_millis()))
    }

    /// Sets the clock this number of milliseconds ahead of the system's, or behind it if it is negative.
    pub fn set(&self, millis: i64) {
        self.millis.store(millis, Ordering::SeqCst);
    }

    fn shift(&self, millis: Millis) -> Millis {
        millis.saturating_add(self.millis.load(Ordering::SeqCst)).max(0)
    }
}

/// The time as records have it.
pub(crate) fn time(millis: Millis) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis.clamp(0, MAX_TIME)).unwrap_or_default()
}

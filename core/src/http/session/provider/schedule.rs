//! When the keys of a provider are fetched, and until when they count: times in, a step out.

use crate::clock::{Millis, SECOND};

const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;

/// The bounds of the time for which a provider lets its document be kept, and the time if it says nothing.
const SHORTEST_LIFE: Millis = 5 * MINUTE;
const LONGEST_LIFE: Millis = 24 * HOUR;
const USUAL_LIFE: Millis = HOUR;

/// The pause between two fetches, once there is a document.
const PAUSE: Millis = MINUTE;

/// How long a document may be kept, by the headers `Cache-Control` and `Age` of its answer (RFC 9111, section 4.2).
pub(super) fn life(cache_control: &str, age: Option<u64>) -> Millis {
    let mut seconds = None;
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => return SHORTEST_LIFE,
            "max-age" => {
                let value = value.trim().trim_matches('"');
                let is_number = !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit());
                // A number that is too large for the type is too large for the bound as well.
                seconds = is_number.then(|| value.parse().unwrap_or(i64::MAX / SECOND));
            }
            _ => {}
        }
    }
    let Some(seconds) = seconds else { return USUAL_LIFE };
    let age = age.map_or(0, |age| i64::try_from(age).unwrap_or(i64::MAX));
    seconds.saturating_sub(age).saturating_mul(SECOND).clamp(SHORTEST_LIFE, LONGEST_LIFE)
}

/// The times of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct DocumentTimes {
    pub(super) fetched_at: Millis,
    pub(super) life: Millis,
}

impl DocumentTimes {
    /// Whether the document still counts. A provider that answers nothing leaves its last document in force until the outage
    /// has lasted too long.
    fn counts(&self, now: Millis, max_outage: Millis) -> bool {
        now.saturating_sub(self.fetched_at) < self.life.max(max_outage)
    }

    /// Whether nothing has to be done about the document yet.
    pub(super) fn is_new(&self, now: Millis) -> bool {
        now < self.renewed_from()
    }

    /// From then on a use of the document fetches the next one behind it.
    fn renewed_from(&self) -> Millis {
        self.fetched_at.saturating_add(self.life / 5 * 4)
    }

    fn ends_at(&self) -> Millis {
        self.fetched_at.saturating_add(self.life)
    }
}

/// The next step for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FetchStep {
    /// The keys in memory decide.
    Decide,
    /// The keys in memory decide, and newer ones are fetched behind this answer.
    DecideAndFetch,
    /// A fetch decides.
    Fetch,
    /// The provider has no such key.
    Refuse,
    /// Nobody knows.
    Unavailable,
}

/// The attempts of this process to fetch the document.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FetchAttempts {
    last: Option<Millis>,
    /// Those that have failed since the last one that did not.
    failed: u32,
    is_running: bool,
}

impl FetchAttempts {
    pub(super) fn begin(&mut self, now: Millis) {
        (self.last, self.is_running) = (Some(now), true);
    }

    /// Ends an attempt. It returns whether the first one failed, or the first one succeeded again.
    pub(super) fn end(&mut self, now: Millis, has_failed: bool) -> bool {
        let had_failed = self.failed > 0;
        (self.last, self.is_running) = (Some(now), false);
        self.failed = if has_failed { self.failed.saturating_add(1) } else { 0 };
        has_failed != had_failed
    }

    /// Whether a fetch may begin. Without a document it is tried sooner, so that a provider may start after the host.
    fn may_begin(&self, now: Millis, has_document: bool) -> bool {
        let pause = match has_document {
            true => PAUSE,
            false => (SECOND << self.failed.saturating_sub(1).min(6)).min(PAUSE),
        };
        !self.is_running && self.last.is_none_or(|last| now.saturating_sub(last) >= pause)
    }

    /// The step for a token, whose key is in the document or not. `has_waited` tells that it has waited for a fetch.
    pub(super) fn step(
        &self,
        now: Millis,
        document: Option<&DocumentTimes>,
        is_known: bool,
        max_outage: Millis,
        has_waited: bool,
    ) -> FetchStep {
        let may_begin = !has_waited && self.may_begin(now, document.is_some());
        let may_wait = may_begin || (self.is_running && !has_waited);
        match document.filter(|it| it.counts(now, max_outage)) {
            Some(document) if is_known => {
                let is_over = now >= document.ends_at() && self.failed == 0;
                match document.is_new(now) {
                    false if is_over && may_wait => FetchStep::Fetch,
                    false if may_begin => FetchStep::DecideAndFetch,
                    _ => FetchStep::Decide,
                }
            }
            _ if may_wait => FetchStep::Fetch,
            Some(_) if self.failed == 0 => FetchStep::Refuse,
            _ => FetchStep::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_kept_for_the_time_that_the_provider_says_within_bounds() {
        for (line, age, minutes) in [
            ("", None, 60),
            ("public", None, 60),
            ("max-age=900", None, 15),
            ("public, MAX-AGE = \"1800\", must-revalidate", None, 30),
            ("max-age=1800", Some(600), 20),
            ("max-age=0", None, 5),
            ("max-age=900", Some(u64::MAX), 5),
            ("max-age=99999999999999999999", None, 24 * 60),
            ("max-age=86401", None, 24 * 60),
            ("max-age=-1", None, 60),
            ("max-age=x", None, 60),
            ("s-maxage=60", None, 60),
            ("max-age=900, no-cache", None, 5),
            ("no-store", None, 5),
        ] {
            assert_eq!(life(line, age), minutes * MINUTE, "{line} {age:?}");
        }
    }

    /// A document that was fetched at 0 and lives for an hour.
    const DOCUMENT: DocumentTimes = DocumentTimes { fetched_at: 0, life: HOUR };

    fn step(attempts: &FetchAttempts, now: Millis, is_known: bool) -> FetchStep {
        attempts.step(now, Some(&DOCUMENT), is_known, 24 * HOUR, false)
    }

    fn fetched() -> FetchAttempts {
        let mut attempts = FetchAttempts::default();
        attempts.begin(0);
        assert!(!attempts.end(0, false));
        attempts
    }

    #[test]
    fn the_next_document_is_fetched_behind_an_answer_and_awaited_after_the_end() {
        let attempts = fetched();
        assert_eq!(step(&attempts, 48 * MINUTE - 1, true), FetchStep::Decide);
        assert_eq!(step(&attempts, 48 * MINUTE, true), FetchStep::DecideAndFetch);
        assert_eq!(step(&attempts, 60 * MINUTE - 1, true), FetchStep::DecideAndFetch);
        assert_eq!(step(&attempts, 60 * MINUTE, true), FetchStep::Fetch);
        let mut running = attempts;
        running.begin(48 * MINUTE);
        assert_eq!(step(&running, 48 * MINUTE, true), FetchStep::Decide);
        assert_eq!(step(&running, 60 * MINUTE, true), FetchStep::Fetch);
    }

    #[test]
    fn an_unknown_key_causes_a_fetch_once_a_minute() {
        let attempts = fetched();
        assert_eq!(step(&attempts, MINUTE - 1, false), FetchStep::Refuse);
        assert_eq!(step(&attempts, MINUTE, false), FetchStep::Fetch);
        let mut running = attempts;
        running.begin(MINUTE);
        assert_eq!(step(&running, MINUTE + 1, false), FetchStep::Fetch);
        running.end(MINUTE + 1, true);
        assert_eq!(step(&running, MINUTE + 2, false), FetchStep::Unavailable);
        assert_eq!(step(&running, 2 * MINUTE + 1, false), FetchStep::Fetch);
        assert_eq!(running.step(2 * MINUTE + 1, Some(&DOCUMENT), false, 0, true), FetchStep::Unavailable);
        assert_eq!(attempts.step(MINUTE, Some(&DOCUMENT), false, 0, true), FetchStep::Refuse);
    }

    #[test]
    fn the_last_document_counts_through_an_outage_for_its_time() {
        let mut attempts = fetched();
        attempts.begin(HOUR);
        assert!(attempts.end(HOUR, true), "the first failure is told");
        for hour in 1..24 {
            assert_eq!(
                step(&attempts, hour * HOUR + 1, true),
                if hour == 1 { FetchStep::Decide } else { FetchStep::DecideAndFetch }
            );
        }
        assert_eq!(step(&attempts, 24 * HOUR, true), FetchStep::Fetch);
        attempts.begin(24 * HOUR);
        assert!(!attempts.end(24 * HOUR, true));
        assert_eq!(step(&attempts, 24 * HOUR + 1, true), FetchStep::Unavailable);
        // An outage that may not last at all ends the document with its own life.
        assert_eq!(attempts.step(HOUR, Some(&DOCUMENT), true, 0, true), FetchStep::Unavailable);
        assert!(attempts.end(25 * HOUR, false), "and the end of the failures");
    }

    #[test]
    fn the_first_document_is_tried_again_after_growing_pauses() {
        let mut attempts = FetchAttempts::default();
        let mut now = 0;
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(attempts.step(now, None, false, HOUR, false), FetchStep::Fetch);
            attempts.begin(now);
            assert_eq!(attempts.step(now, None, false, HOUR, false), FetchStep::Fetch, "all wait for one");
            attempts.end(now, true);
            now += seconds * SECOND;
            assert_eq!(attempts.step(now - 1, None, false, HOUR, false), FetchStep::Unavailable);
        }
    }
}

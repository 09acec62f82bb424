//! The pause before something is tried again.

use std::time::Duration;

#[cfg(any(feature = "client", feature = "webhooks"))]
use chrono::{DateTime, Utc};

use crate::entropy;
use crate::error::Error;

/// The longest pause after the first failed attempt to connect. It doubles with each further one.
#[cfg(any(feature = "postgres", feature = "redis"))]
const FIRST_RECONNECT: Duration = Duration::from_millis(50);
#[cfg(any(feature = "postgres", feature = "redis"))]
const LATER_RECONNECT: Duration = Duration::from_secs(2);

/// The pause after `failed + 1` failed attempts to connect.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) fn reconnect_pause(failed: u32) -> Result<Duration, Error> {
    random_pause(FIRST_RECONNECT.saturating_mul(1 << failed.min(10)).min(LATER_RECONNECT))
}

/// A pause of random length, from half of the longest on, so that many processes do not come back at one moment.
pub(crate) fn random_pause(longest: Duration) -> Result<Duration, Error> {
    let [part] = entropy::bytes()?;
    Ok(longest / 2 + longest / 2 * u32::from(part) / u32::from(u8::MAX))
}

/// The pause that a header `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3). A date that is over asks for
/// none, and an unreadable header counts as missing.
#[cfg(any(feature = "client", feature = "webhooks"))]
pub(crate) fn asked_pause(header: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = header.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(date.signed_duration_since(now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_random_within_its_bounds() {
        let longest = Duration::from_millis(250);
        let pauses: Vec<_> = (0..1_000).map(|_| random_pause(longest).unwrap()).collect();
        assert!(pauses.iter().all(|pause| (longest / 2..=longest).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[cfg(any(feature = "client", feature = "webhooks"))]
    #[test]
    fn a_server_asks_in_seconds_or_by_a_date() {
        let now = "2026-01-01T00:00:00.500Z".parse().unwrap();
        let (seconds, day) = (Duration::from_secs, 86_400);
        for (header, asked) in [
            ("0", Some(Duration::ZERO)),
            (" 120 ", Some(seconds(120))),
            ("99999999999999999999", Some(seconds(u64::MAX))),
            ("Thu, 01 Jan 2026 00:00:30 GMT", Some(Duration::from_millis(29_500))),
            ("Thu, 01 Jan 2026 00:00:00 GMT", Some(Duration::ZERO)),
            ("Fri, 01 Jan 2027 00:00:00 GMT", Some(seconds(365 * day) - Duration::from_millis(500))),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(asked_pause(header, now), asked, "{header}");
        }
    }
}

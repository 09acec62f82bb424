//! The headers that show rate limits.

use std::cmp::Reverse;
use std::fmt::Write;

use super::Header;
use crate::record::LimitState;

/// The headers that show rate limits.
///
/// ```
/// use keywright::http::{Config, RateLimitHeaders};
/// let config = Config::new().rate_limit_headers(RateLimitHeaders::Both);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateLimitHeaders {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), which show every limit.
    #[default]
    Draft,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`, which show one limit: the one with the fewest
    /// requests left, and of equal ones the one that resets last. The reset is a number of seconds from now.
    Legacy,
    /// All five headers.
    Both,
}

impl RateLimitHeaders {
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("draft", Self::Draft), ("legacy", Self::Legacy), ("both", Self::Both)];

    pub(super) fn add(self, headers: &mut Vec<Header>, limits: &[LimitState]) {
        if self != Self::Legacy {
            draft(headers, limits);
        }
        if self != Self::Draft {
            legacy(headers, limits);
        }
    }
}

/// Names of limits are short words, which need no escapes in a structured field.
fn draft(headers: &mut Vec<Header>, limits: &[LimitState]) {
    /// A structured field holds integers of up to 15 digits (RFC 9651, section 3.3.1).
    const MOST: u64 = 999_999_999_999_999;
    if limits.is_empty() {
        return;
    }
    let (mut policy, mut state) = (String::new(), String::new());
    for limit in limits {
        let comma = if policy.is_empty() { "" } else { ", " };
        // Writing into a string never fails.
        let _ = write!(policy, "{comma}\"{}\";q={};w=60", limit.name, limit.limit.min(MOST));
        let _ = write!(
            state,
            "{comma}\"{}\";r={};t={}",
            limit.name,
            limit.remaining.min(MOST),
            limit.reset_seconds.min(MOST)
        );
    }
    headers.push(("ratelimit-policy", policy.into()));
    headers.push(("ratelimit", state.into()));
}

fn legacy(headers: &mut Vec<Header>, limits: &[LimitState]) {
    let tightest = limits.iter().min_by_key(|limit| (limit.remaining, Reverse(limit.reset_seconds)));
    let Some(limit) = tightest else { return };
    headers.push(("x-ratelimit-limit", limit.limit.to_string().into()));
    headers.push(("x-ratelimit-remaining", limit.remaining.to_string().into()));
    headers.push(("x-ratelimit-reset", limit.reset_seconds.to_string().into()));
}

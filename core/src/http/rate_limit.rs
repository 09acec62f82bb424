//! The headers that show rate limits and quotas.

use std::cmp::Reverse;
use std::fmt::Write;

use super::Header;
use crate::record::{LimitState, QuotaState};

/// The headers that show rate limits and quotas.
///
/// ```
/// use keywright::http::{Config, RateLimitHeaders};
/// let config = Config::new().rate_limit_headers(RateLimitHeaders::Both);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateLimitHeaders {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), which show every limit and quota. A balance
    /// has neither a window (`w`) nor a reset (`t`).
    #[default]
    Draft,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`, which show one limit or quota: the one with the
    /// fewest requests left, and of equal ones the one that resets last. The reset is a number of seconds from now; a balance has
    /// none.
    Legacy,
    /// All five headers.
    Both,
}

impl RateLimitHeaders {
    pub(super) const ALL: [(&'static str, Self); 3] =
        [("draft", Self::Draft), ("legacy", Self::Legacy), ("both", Self::Both)];

    pub(super) fn add(self, headers: &mut Vec<Header>, limits: &[LimitState], quotas: &[QuotaState]) {
        let shown: Vec<Shown<'_>> = limits.iter().map(Shown::from).chain(quotas.iter().map(Shown::from)).collect();
        if self != Self::Legacy {
            draft(headers, &shown);
        }
        if self != Self::Draft {
            legacy(headers, &shown);
        }
    }
}

/// A limit or a quota, as headers show it.
struct Shown<'a> {
    name: &'a str,
    amount: u64,
    /// In seconds.
    window: Option<u64>,
    remaining: u64,
    reset_seconds: Option<u64>,
}

impl<'a> From<&'a LimitState> for Shown<'a> {
    fn from(state: &'a LimitState) -> Self {
        let LimitState { name, limit, remaining, reset_seconds, .. } = state;
        Self { name, amount: *limit, window: Some(60), remaining: *remaining, reset_seconds: Some(*reset_seconds) }
    }
}

impl<'a> From<&'a QuotaState> for Shown<'a> {
    fn from(state: &'a QuotaState) -> Self {
        let QuotaState { name, amount, remaining, starts_at, resets_at, reset_seconds, .. } = state;
        let window = starts_at.zip(*resets_at).map(|(start, end)| (end - start).num_seconds().unsigned_abs());
        Self { name, amount: *amount, window, remaining: *remaining, reset_seconds: *reset_seconds }
    }
}

/// Names of limits are short words, which need no escapes in a structured field.
fn draft(headers: &mut Vec<Header>, limits: &[Shown<'_>]) {
    /// A structured field holds integers of up to 15 digits (RFC 9651, section 3.3.1).
    const MOST: u64 = 999_999_999_999_999;
    if limits.is_empty() {
        return;
    }
    let (mut policy, mut state) = (String::new(), String::new());
    for limit in limits {
        let comma = if policy.is_empty() { "" } else { ", " };
        let name = limit.name;
        let last = |letter: char, seconds: Option<u64>| {
            seconds.map(|seconds| format!(";{letter}={}", seconds.min(MOST))).unwrap_or_default()
        };
        // Writing into a string never fails.
        let _ = write!(policy, "{comma}\"{name}\";q={}{}", limit.amount.min(MOST), last('w', limit.window));
        let _ = write!(state, "{comma}\"{name}\";r={}{}", limit.remaining.min(MOST), last('t', limit.reset_seconds));
    }
    headers.push(("ratelimit-policy", policy.into()));
    headers.push(("ratelimit", state.into()));
}

fn legacy(headers: &mut Vec<Header>, limits: &[Shown<'_>]) {
    let reset = |limit: &Shown<'_>| limit.reset_seconds.unwrap_or(u64::MAX);
    let tightest = limits.iter().min_by_key(|limit| (limit.remaining, Reverse(reset(limit))));
    let Some(limit) = tightest else { return };
    headers.push(("x-ratelimit-limit", limit.amount.to_string().into()));
    headers.push(("x-ratelimit-remaining", limit.remaining.to_string().into()));
    headers.extend(limit.reset_seconds.map(|seconds| ("x-ratelimit-reset", seconds.to_string().into())));
}

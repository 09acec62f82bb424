use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::limit::Per;
use super::rfc3339_option;

/// The calendar period of a quota, in UTC.
///
/// ```
/// assert_eq!(keywright::Period::Month.as_str(), "month");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday (ISO 8601).
    Week,
    /// From a day of the month to the same day of the next month; see [`Quota::anchor`].
    Month,
}

impl Period {
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("hour", Self::Hour), ("day", Self::Day), ("week", Self::Week), ("month", Self::Month)];

    /// The name on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// A quota: requests in a calendar period, or a balance that only `keys.credit` raises. The store keeps what is used, so that all
/// processes and machines together never admit more.
///
/// ```
/// use keywright::{Per, Period, Quota};
/// let monthly = Quota::new("monthly", 100_000).every(Period::Month).anchor(15).per(Per::Org);
/// let balance = Quota::new("credits", 500);
/// assert_eq!((monthly.every, balance.every), (Some(Period::Month), None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quota {
    /// The name: `[a-z][a-z0-9_.-]{0,63}`.
    pub name: String,
    /// Requests in each period, 1 to 999,999,999,999,999. For a balance, the requests that it begins with, from 0.
    pub amount: u64,
    /// The period; `None` for a balance.
    pub every: Option<Period>,
    /// The day of the month on which a month begins, 1 to 31; a shorter month begins on its last day. `None` is 1, and the only
    /// value for other periods.
    pub anchor: Option<u8>,
    /// The requests that one count covers: [`Per::Key`] or [`Per::Org`].
    pub per: Per,
    /// The class of operations that the quota counts, named like a quota; `None` counts every request.
    pub operation: Option<String>,
}

impl Quota {
    /// A balance on all requests of a key, until [`every`](Self::every) makes it a quota of a period.
    #[must_use]
    pub fn new(name: impl Into<String>, amount: u64) -> Self {
        Self { name: name.into(), amount, every: None, anchor: None, per: Per::Key, operation: None }
    }

    /// Sets the period after which the count begins anew.
    #[must_use]
    pub fn every(self, period: Period) -> Self {
        Self { every: Some(period), ..self }
    }

    /// Sets the day of the month on which a month begins.
    #[must_use]
    pub fn anchor(self, day: u8) -> Self {
        Self { anchor: Some(day), ..self }
    }

    /// Sets the requests that one count covers.
    #[must_use]
    pub fn per(self, per: Per) -> Self {
        Self { per, ..self }
    }

    /// Sets the class of operations that the quota counts.
    #[must_use]
    pub fn operation(self, operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..self }
    }
}

/// The state of a quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuotaState {
    /// The name of the quota.
    pub name: String,
    /// Requests in each period; for a balance, all that it was ever given.
    pub amount: u64,
    /// Requests that were counted, up to the last time that this process asked the store.
    pub used: u64,
    /// Requests that are left.
    pub remaining: u64,
    /// The period; `None` for a balance.
    pub every: Option<Period>,
    /// The start of the present period; `None` for a balance.
    #[serde(with = "rfc3339_option")]
    pub starts_at: Option<DateTime<Utc>>,
    /// The start of the next period, at which the count begins anew; `None` for a balance.
    #[serde(with = "rfc3339_option")]
    pub resets_at: Option<DateTime<Utc>>,
    /// Seconds until then; `None` for a balance.
    pub reset_seconds: Option<u64>,
}

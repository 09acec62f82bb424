//! Quotas: reading them, their calendar, and the requests that a process has bought from the store in advance. The store keeps
//! the counts; nothing here does I/O.

mod period;
pub(crate) mod read;
mod stock;

pub(crate) use period::Span;
#[cfg(feature = "postgres")]
pub(crate) use stock::ADVANCE_PART;
pub(crate) use stock::{Demand, MAX_KEPT, QuotaCount, QuotaStock, QuotaTotals, Take};

use crate::clock::{Millis, time};
use crate::error::Error;
use crate::record::{Quota, QuotaState};

/// The largest amount of a quota, and of all that a balance is given: 15 digits, which headers and JSON hold exactly.
pub(crate) const MAX_AMOUNT: u64 = 999_999_999_999_999;

/// The largest cost of one request.
pub(crate) const MAX_COST: u64 = 1_000_000_000;

impl Quota {
    /// Whether the quota counts requests of this class.
    pub(crate) fn applies_to(&self, operation: Option<&str>) -> bool {
        self.operation.is_none() || self.operation.as_deref() == operation
    }

    /// Refuses a cost that no period could pay.
    pub(crate) fn admit_cost(&self, cost: u64) -> Result<(), Error> {
        if cost <= MAX_COST && (self.every.is_none() || cost <= self.amount) {
            return Ok(());
        }
        let reason = format!("is {cost}, which the quota '{}' allows at no time", self.name);
        Err(Error::validation_failed("cost", reason, "lower it, or raise the amount of the quota"))
    }

    /// The record of its state at a time.
    pub(crate) fn state(&self, totals: QuotaTotals, now: Millis) -> QuotaState {
        let QuotaTotals { span, total, used } = totals;
        let seconds = span.seconds_left(now);
        QuotaState {
            name: self.name.clone(),
            amount: total,
            used,
            remaining: totals.left(),
            every: self.every,
            starts_at: self.every.map(|_| time(span.starts_at)),
            resets_at: self.every.map(|_| time(span.ends_at)),
            reset_seconds: seconds,
        }
    }

    /// The present period.
    pub(crate) fn span(&self, at: Millis) -> Span {
        Span::of(self.every, self.anchor, at)
    }
}

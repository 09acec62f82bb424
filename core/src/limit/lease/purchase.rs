//! The values that pass between a process and a place that keeps budgets for several processes.

use super::super::gcra::{Backlog, GcraParams};
use crate::error::{Error, UnavailableCause};

/// How long requests may be spent after they were bought, in microseconds.
pub(crate) const LEASE_TIME: u64 = 100_000;

/// The identity of a budget, the same in all processes and languages on one database: a hash of its owner, and of the name
/// and the numbers of its limit. It is keyed by a secret of the database, so that nobody can choose ids that collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BudgetId(pub(crate) [u8; 16]);

/// A time of the clock of a shared place: microseconds since 1970. Only the place that gave it compares it with another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlaceTime(pub(crate) u64);

/// The size of a full budget, and how it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BudgetTerms {
    Rate(GcraParams),
}

/// Requests that were bought and not spent. Several purchases together count from the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Unspent {
    pub(crate) amount: u64,
    pub(crate) sold_at: PlaceTime,
}

/// A purchase from one budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Purchase {
    pub(crate) budget: BudgetId,
    pub(crate) terms: BudgetTerms,
    /// Without these requests nothing is bought. It is 0 only to give something back.
    pub(crate) need: u64,
    /// At least `need`. As many as there are of these are bought.
    pub(crate) want: u64,
    /// Returned before anything is bought, also if nothing is bought.
    pub(crate) give_back: Option<Unspent>,
}

/// The state of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BudgetState {
    Rate(Backlog),
}

/// The answer to one purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sale {
    pub(crate) sold: u64,
    /// The state of the budget after the sale.
    pub(crate) state: BudgetState,
}

/// The answer to the purchases of one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sales {
    /// The clock of the place at the sale.
    pub(crate) at: PlaceTime,
    /// The place of the first purchase whose need is not there. Then nothing is sold.
    pub(crate) refused: Option<usize>,
    /// One for each purchase, in their order.
    pub(crate) sales: Vec<Sale>,
}

impl Unspent {
    /// Adds other requests. The sum counts as old as the older of both, which gives no more back than each alone.
    pub(super) fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => {
                Some(Self { amount: one.amount.saturating_add(other.amount), sold_at: one.sold_at.min(other.sold_at) })
            }
            (one, other) => one.or(other),
        }
    }
}

impl Sales {
    /// Refuses an answer that does not fit the purchases.
    pub(crate) fn checked(self, purchases: &[Purchase]) -> Result<Self, Error> {
        let is_right = |(purchase, sale): (&Purchase, &Sale)| match self.refused {
            Some(_) => sale.sold == 0,
            None => (purchase.need..=purchase.want).contains(&sale.sold),
        };
        let fits = self.sales.len() == purchases.len()
            && self.refused.is_none_or(|place| place < purchases.len())
            && purchases.iter().zip(&self.sales).all(is_right);
        if fits { Ok(self) } else { Err(nonsense()) }
    }
}

/// The error for an answer that no place gives.
pub(crate) fn nonsense() -> Error {
    Error::unavailable(
        UnavailableCause::Foreign,
        "the place that keeps shared limits gave an answer that makes no sense",
        "make sure that no other program writes there",
    )
}

impl BudgetTerms {
    /// The requests that come back in the time of a lease.
    pub(super) fn per_lease(&self) -> u64 {
        match self {
            Self::Rate(params) => params.gained_in(LEASE_TIME),
        }
    }

    /// The requests that are left.
    pub(super) fn left(&self, state: BudgetState) -> u64 {
        match (self, state) {
            (Self::Rate(params), BudgetState::Rate(backlog)) => params.remaining(backlog),
        }
    }

    /// The state with some requests more.
    pub(super) fn plus(&self, state: BudgetState, amount: u64) -> BudgetState {
        match (self, state) {
            (Self::Rate(params), BudgetState::Rate(backlog)) => {
                BudgetState::Rate(params.backlog_without(backlog, amount))
            }
        }
    }
}

//! The charge that a request makes on the budgets of its key.

use smallvec::SmallVec;

use super::gcra::Backlog;
use super::quota::QuotaTotals;
use super::rule::LimitRule;
use crate::record::Quota;

/// The charge that a request makes on each limit of its key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Charge<'a> {
    pub(crate) operation: Option<&'a str>,
    pub(crate) agent: Option<&'a str>,
    pub(crate) cost: u64,
    /// How much the same request has charged before, by the index of the limit. Each limit is charged the difference.
    pub(crate) charged: &'a [(u32, u32)],
}

/// The part of a charge that one limit still has to give.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AmountDue {
    pub(crate) charged: u32,
    pub(crate) cost: u64,
}

/// The outcome of charging several budgets. The charge is atomic: all of them, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChargeOutcome {
    /// The limits that apply to the request.
    pub(crate) limits: SmallVec<[ChargedLimit; 1]>,
    /// The index of the limit that refused the charge.
    pub(crate) refused: Option<u32>,
    /// `None` if no quota applies to the request, or if a limit refused it.
    pub(crate) quotas: Option<Box<QuotaOutcome>>,
}

/// The outcome of charging the quotas of a key, all of them or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QuotaOutcome {
    /// The quotas that apply to the request, as far as the process knows their counts.
    pub(crate) quotas: Vec<ChargedQuota>,
    /// Whether one of them refused the charge.
    pub(crate) refused: bool,
}

/// The state of one quota after a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChargedQuota {
    /// The index of the quota among the limits and quotas of the key: limits come first.
    pub(crate) index: u32,
    /// The sum that the request has charged.
    pub(crate) charged: u32,
    pub(crate) totals: QuotaTotals,
}

/// The state of one limit after a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChargedLimit {
    /// The index of the limit among those of the key.
    pub(crate) index: u32,
    /// The sum that the request has charged. No limit allows more at once than 32 bits hold.
    pub(crate) charged: u32,
    /// Whether other processes charge the same budget.
    pub(crate) shared: bool,
    pub(crate) backlog: Backlog,
}

impl Charge<'_> {
    /// `None` if the limit does not apply to the request.
    pub(crate) fn due(&self, index: u32, rule: &LimitRule) -> Option<AmountDue> {
        self.due_if(index, rule.applies_to(self.operation))
    }

    /// As [`due`](Self::due), for a quota.
    pub(crate) fn due_of_quota(&self, index: u32, quota: &Quota) -> Option<AmountDue> {
        self.due_if(index, quota.applies_to(self.operation))
    }

    fn due_if(&self, index: u32, applies: bool) -> Option<AmountDue> {
        let charged = self.charged.iter().find(|(at, _)| *at == index).map(|(_, charged)| *charged);
        let cost = if applies { self.cost } else { u64::from(charged?) };
        let charged = charged.unwrap_or(0);
        Some(AmountDue { charged, cost: cost.saturating_sub(charged.into()) })
    }
}

impl AmountDue {
    /// The sum that the request has charged once this amount is taken.
    pub(crate) fn total(self) -> u32 {
        self.charged.saturating_add(self.cost.try_into().unwrap_or(u32::MAX))
    }
}

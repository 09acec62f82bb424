//! Budgets in a place that processes of several machines share. A process buys requests there in advance and spends them in
//! memory, so that a shared limit costs as little as a local one.
//!
//! - A purchase buys for all limits of one request in one round trip: all that the request needs, or nothing.
//! - Beyond that it buys as many as the process has spent in the last 0.1 s, and only a part of what is left: a limit that gives
//!   little, or has little left, is bought one at a time.
//! - Requests are spent within 0.1 s after their purchase was sent. What is left then goes back. So any window of length `t`
//!   admits at most `burst + rate * (t + 0.1 s)`.
//! - Requests that wait for the same budget share one purchase. It ends also when its callers have gone: what they do not take
//!   goes into the stock.
//! - A refusal is remembered until its time to try again, for up to a second.

mod budget;
mod buying;
#[cfg(test)]
mod contract;
mod link;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod place_contract;
mod purchase;
mod shared;
#[cfg(test)]
mod simulation;
mod state;
mod stock;

use std::sync::{Arc, Mutex};

use self::link::PlaceLink;
pub(crate) use super::gcra::Backlog;
use super::process::ProcessLimiter;
use super::rule::LimitRule;
use crate::clock::Clock;
use crate::fork::lock;
use crate::health::Health;

pub(super) use self::budget::{Bought, LeasedBudget, Source, Taken, Taking};
pub(super) use self::buying::{PurchaseOutcome, Wanted, buy, take};
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::purchase::Unspent;
pub(crate) use self::purchase::{BudgetId, BudgetState, BudgetTerms, PlaceTime, Purchase, Sale, Sales, nonsense};
pub(crate) use self::shared::{Buying, SharedBudgets};
#[cfg(feature = "testing")]
pub(crate) use self::state::{Knowledge, LeaseState, LeaseTerms, Settlement};
#[cfg(feature = "testing")]
pub(crate) use self::stock::Stock;

/// The number of budgets at which the first sweep forgets the unused ones. The next sweep comes when the number has doubled.
const MIN_BUDGETS: usize = 1_024;

/// The most agents of one org with a budget each. Clients name agents, so their number has to have a bound.
const MAX_AGENTS: usize = 10_000;

/// The pause between two sweeps of an org with the most agents, in microseconds.
const SWEEP_PAUSE: u64 = 1_000_000;

#[derive(Clone)]
pub(crate) struct LeaseSettings {
    pub(crate) place: Arc<dyn SharedBudgets>,
    /// A secret of the database, under which budgets are identified.
    pub(crate) hash_key: [u8; 16],
    /// Tells the operator.
    pub(crate) health: Arc<Health>,
    pub(crate) clock: Clock,
}

/// The budgets of one process in a shared place.
pub(crate) struct LeasedLimiter {
    link: Arc<PlaceLink>,
    owners: BudgetMap,
    /// Each org has its own, so that the number of its agents does not affect another org.
    agents: papaya::HashMap<u64, BudgetMap>,
}

/// Budgets by their identity.
struct BudgetMap {
    budgets: papaya::HashMap<BudgetId, Arc<LeasedBudget>>,
    sweep: Mutex<NextSweep>,
}

/// The next sweep: at this number of budgets, and not before this time.
struct NextSweep {
    at: usize,
    not_before: u64,
}

impl LeasedLimiter {
    pub(super) fn new(settings: LeaseSettings) -> Self {
        Self { link: Arc::new(PlaceLink::new(settings)), owners: BudgetMap::new(), agents: papaya::HashMap::new() }
    }

    /// The budgets that this process has for itself.
    pub(super) fn local(&self) -> &ProcessLimiter {
        self.link.local()
    }

    fn id(&self, owner: &[&str], rule: &LimitRule) -> BudgetId {
        BudgetId(rule.identity(owner, &self.link.settings().hash_key))
    }

    /// The budget of a key or an org, by its id.
    pub(super) fn budget(&self, owner: &str, rule: &LimitRule) -> Arc<LeasedBudget> {
        let now = || self.link.settings().clock.monotonic_micros();
        self.owners.get(self.id(&[owner], rule), usize::MAX, now, |id| LeasedBudget::new(id, rule, &self.link))
    }

    /// The budget of one agent of an org.
    pub(super) fn agent_budget(
        &self,
        (org, agent): (&str, &str),
        rule: &LimitRule,
        now: impl Fn() -> u64,
    ) -> Arc<LeasedBudget> {
        let orgs = self.agents.pin();
        let of_org = self.id(&[org], rule);
        let place = of_org.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let agents = orgs.get_or_insert_with(place, BudgetMap::new);
        let id = self.id(&[org, agent], rule);
        let new = |id| LeasedBudget::new(id, rule, &self.link);
        match agents.known(id) {
            Some(budget) => budget,
            // Further agents share one budget. A key or an org with this identity has another `per`.
            None if agents.is_full(&now) => agents.get(of_org, usize::MAX, now, new),
            None => agents.get(id, MAX_AGENTS, now, new),
        }
    }

    /// The place that processes share.
    #[cfg(feature = "testing")]
    pub(crate) fn place(&self) -> &dyn SharedBudgets {
        &*self.link.settings().place
    }

    /// Gives back all that is not spent.
    pub(super) async fn close(&self) {
        self.link.give_back(true).await;
    }
}

impl LeasedBudget {
    /// Whether one purchase can buy from both.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.link(), other.link())
    }
}

impl BudgetMap {
    fn new() -> Self {
        Self { budgets: papaya::HashMap::new(), sweep: Mutex::new(NextSweep { at: MIN_BUDGETS, not_before: 0 }) }
    }

    fn known(&self, id: BudgetId) -> Option<Arc<LeasedBudget>> {
        self.budgets.pin().get(&id).cloned()
    }

    /// Whether an org has as many agents as may have a budget each.
    fn is_full(&self, now: impl Fn() -> u64) -> bool {
        self.sweep(MAX_AGENTS, now);
        self.budgets.len() >= MAX_AGENTS
    }

    fn get(
        &self,
        id: BudgetId,
        most: usize,
        now: impl Fn() -> u64,
        new: impl Fn(BudgetId) -> Arc<LeasedBudget>,
    ) -> Arc<LeasedBudget> {
        if let Some(budget) = self.known(id) {
            return budget;
        }
        self.sweep(most, now);
        Arc::clone(self.budgets.pin().get_or_insert_with(id, || new(id)))
    }

    /// Forgets budgets that nobody uses, if there are many.
    fn sweep(&self, most: usize, now: impl Fn() -> u64) {
        let mut next = lock(&self.sweep);
        if self.budgets.len() < next.at {
            return;
        }
        let now = now();
        if now < next.not_before {
            return;
        }
        let budgets = self.budgets.pin();
        budgets.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_forgettable(now));
        let at = MIN_BUDGETS.max(budgets.len() * 2).min(most);
        *next = NextSweep { at, not_before: now.saturating_add(if at == most { SWEEP_PAUSE } else { 0 }) };
    }
}

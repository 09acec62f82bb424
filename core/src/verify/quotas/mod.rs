//! The quotas of keys in one process: requests are taken from what it has bought from the store, and bought when that is spent.

mod budget;
mod seller;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use self::budget::{BudgetKey, QuotaBudget};
use self::seller::Seller;
use crate::clock::Clock;
use crate::error::Error;
use crate::fork::{Process, lock};
use crate::limit::quota::{QuotaCount, QuotaTotals, Span, Take};
use crate::limit::{AmountDue, Charge, ChargedQuota, QuotaOutcome};
use crate::record::{Per, Quota};
use crate::store::{AnyStore, Store};
use crate::wait::block_on;

/// The number of budgets at which the first sweep forgets those that nobody holds.
const MIN_BUDGETS: usize = 1_024;

/// The quotas of one engine in one process.
pub(crate) struct Quotas {
    process: Process,
    store: Arc<AnyStore>,
    clock: Clock,
    seller: Arc<Seller>,
    budgets: Mutex<Budgets>,
}

/// The budgets that some key holds, or that have requests which are not spent.
struct Budgets {
    held: HashMap<BudgetKey, Weak<QuotaBudget>>,
    sweep_at: usize,
}

/// A quota of a key, and the budget from which it is charged.
pub(crate) struct KeyQuota {
    pub(crate) rule: Arc<Quota>,
    budget: Arc<QuotaBudget>,
}

/// The amounts that a request has taken from quotas. They go back unless they are kept: another quota may refuse the request,
/// or its caller may go away while a purchase is under way.
#[derive(Default)]
struct TakenQuotas<'a>(Vec<(&'a KeyQuota, u64, Span)>);

impl Drop for TakenQuotas<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|(quota, cost, span)| quota.budget.put_back(*cost, *span));
    }
}

impl Quotas {
    pub(crate) fn new(store: Arc<AnyStore>, clock: Clock) -> Self {
        let budgets = Budgets { held: HashMap::new(), sweep_at: MIN_BUDGETS };
        let seller = Arc::new(Seller::new(Arc::clone(&store), clock.clone()));
        Self { process: Process::current(), store, clock, seller, budgets: Mutex::new(budgets) }
    }

    /// The quota of a key of an org, with its budget.
    pub(crate) fn key_quota(&self, rule: Arc<Quota>, key_id: &str, org: &str) -> KeyQuota {
        let owner = if rule.per == Per::Key { key_id } else { org };
        let key = BudgetKey::of(&rule, owner);
        let mut budgets = lock(&self.budgets);
        if let Some(budget) = budgets.held.get(&key).and_then(Weak::upgrade) {
            return KeyQuota { rule, budget };
        }
        if budgets.held.len() >= budgets.sweep_at {
            budgets.held.retain(|_, budget| budget.strong_count() > 0);
            budgets.sweep_at = MIN_BUDGETS.max(budgets.held.len() * 2);
        }
        let budget = Arc::new(QuotaBudget::new(key.clone()));
        budgets.held.insert(key, Arc::downgrade(&budget));
        KeyQuota { rule, budget }
    }

    /// Refuses a cost that a quota which applies to the request could never pay.
    pub(crate) fn admit_cost(quotas: &[KeyQuota], first: u32, charge: &Charge<'_>) -> Result<(), Error> {
        applying(quotas, first, charge).try_for_each(|(_, quota, due)| quota.rule.admit_cost(due.cost))
    }

    /// Whether a charge of these quotas needs no purchase. Their indexes start at `first`.
    pub(crate) fn is_known(&self, quotas: &[KeyQuota], first: u32, charge: &Charge<'_>) -> bool {
        applying(quotas, first, charge).all(|(_, quota, due)| {
            let span = quota.rule.span(self.clock.now());
            due.cost == 0 || quota.budget.peek(due.cost, quota.rule.amount, span, &self.clock) != Take::Short
        })
    }

    /// Charges each quota that applies to the request, or none, and buys from the store what is missing.
    pub(crate) async fn charge(
        &self,
        quotas: &[KeyQuota],
        first: u32,
        charge: &Charge<'_>,
    ) -> Result<QuotaOutcome, Error> {
        let mut taken = TakenQuotas::default();
        let mut outcome = QuotaOutcome::default();
        for (_, quota, due) in applying(quotas, first, charge) {
            match self.take(quota, due.cost).await? {
                Some(span) => taken.0.push((quota, due.cost, span)),
                None => {
                    outcome.refused = true;
                    break;
                }
            }
        }
        if outcome.refused {
            drop(taken);
        } else {
            taken.0.clear();
        }
        let now = self.clock.now();
        for (index, quota, due) in applying(quotas, first, charge) {
            let charged = if outcome.refused { due.charged } else { due.total() };
            let totals = quota.budget.totals(quota.rule.amount, quota.rule.span(now));
            outcome.quotas.extend(totals.map(|totals| ChargedQuota { index, charged, totals }));
        }
        Ok(outcome)
    }

    /// The outcome that a charge would have, by the counts in the store.
    pub(crate) async fn dry_run(
        &self,
        quotas: &[KeyQuota],
        first: u32,
        charge: &Charge<'_>,
    ) -> Result<QuotaOutcome, Error> {
        let mut outcome = QuotaOutcome::default();
        for (index, quota, due) in applying(quotas, first, charge) {
            let span = quota.rule.span(self.clock.now());
            let count = self.store.quota_count(&quota.budget.key.id(span)).await?;
            let totals = quota.budget.totals_of(count, quota.rule.amount, span);
            outcome.refused |= totals.left() < due.cost;
            outcome.quotas.push(ChargedQuota { index, charged: due.charged, totals });
        }
        Ok(outcome)
    }

    /// Lets the next request ask the store, because a balance was raised.
    pub(crate) fn ask_again(&self, quota: &Quota, owner: &str) {
        self.budget(quota, owner).iter().for_each(|budget| budget.ask_again());
    }

    /// The totals from the count in the store, without the requests that this process has bought and not spent.
    pub(crate) fn totals_of(&self, count: QuotaCount, quota: &Quota, owner: &str) -> QuotaTotals {
        let span = quota.span(self.clock.now());
        let budget = self.budget(quota, owner).unwrap_or_else(|| QuotaBudget::new(BudgetKey::of(quota, owner)).into());
        budget.totals_of(count, quota.amount, span)
    }

    fn budget(&self, quota: &Quota, owner: &str) -> Option<Arc<QuotaBudget>> {
        lock(&self.budgets).held.get(&BudgetKey::of(quota, owner)).and_then(Weak::upgrade)
    }

    /// Gives back all that was bought and not spent.
    pub(crate) async fn give_back(&self) {
        self.seller.give_back(false).await;
    }

    /// Gives back all that was bought and not spent, and ends the thread.
    pub(crate) async fn close(&self) {
        self.seller.give_back(true).await;
    }

    /// The period in which the cost was taken, `None` if the quota refuses it.
    async fn take(&self, quota: &KeyQuota, cost: u64) -> Result<Option<Span>, Error> {
        loop {
            let span = quota.rule.span(self.clock.now());
            if cost == 0 {
                return Ok(Some(span));
            }
            let amount = quota.rule.amount;
            match quota.budget.take(cost, amount, span, &self.clock) {
                Take::Taken => return Ok(Some(span)),
                Take::Refused => return Ok(None),
                Take::Short => self.seller.buy(&quota.budget, cost, amount, span).await?,
            }
        }
    }
}

impl Drop for Quotas {
    fn drop(&mut self) {
        // A forked child holds a copy of its parent's, and the requests are the parent's.
        if self.process == Process::current() {
            block_on(self.seller.give_back(true));
        }
    }
}

/// The quotas that apply to a request, with their indexes and what is due.
fn applying<'a>(
    quotas: &'a [KeyQuota],
    first: u32,
    charge: &Charge<'_>,
) -> impl Iterator<Item = (u32, &'a KeyQuota, AmountDue)> {
    (first..).zip(quotas).filter_map(|(index, quota)| Some((index, quota, charge.due_of_quota(index, &quota.rule)?)))
}

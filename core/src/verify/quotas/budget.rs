use std::sync::Mutex;

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::error::Error;
use crate::fork::lock;
use crate::limit::quota::{Demand, QuotaCount, QuotaStock, QuotaTotals, Span, Take};
use crate::record::{Per, Period, Quota};
use crate::store::{QuotaId, QuotaSale, QuotaSold};

/// Identifies a budget. Quotas with the same key count the same requests, also with other amounts: those of two tiers, or
/// before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BudgetKey {
    per: Per,
    owner: String,
    name: String,
    every: Option<Period>,
    anchor: Option<u8>,
}

impl BudgetKey {
    pub(super) fn of(quota: &Quota, owner: &str) -> Self {
        let Quota { name, every, anchor, per, .. } = quota;
        Self { per: *per, owner: owner.to_owned(), name: name.clone(), every: *every, anchor: *anchor }
    }

    /// The count in the store for a period.
    pub(super) fn id(&self, span: Span) -> QuotaId {
        QuotaId {
            per: self.per,
            owner: self.owner.clone(),
            name: self.name.clone(),
            every: self.every,
            starts_at: span.starts_at,
        }
    }
}

/// The requests of one quota in the hands of this process, and the callers that wait for more.
pub(super) struct QuotaBudget {
    pub(super) key: BudgetKey,
    state: Mutex<QuotaBudgetState>,
}

#[derive(Default)]
struct QuotaBudgetState {
    stock: QuotaStock,
    /// A caller with another amount or period than the first one waits for the purchase after it.
    wanted: Option<NextPurchase>,
    waiting: Vec<Waiter>,
    /// Whether the seller will give back what is not spent.
    is_kept: bool,
    /// The period of the last purchase.
    bought_in: Option<Span>,
}

/// The needs of the callers that wait.
struct NextPurchase {
    amount: u64,
    least: u64,
    need: u64,
    span: Span,
}

pub(super) type Waiter = oneshot::Sender<Result<(), Error>>;

impl QuotaBudget {
    pub(super) fn new(key: BudgetKey) -> Self {
        Self { key, state: Mutex::default() }
    }

    pub(super) fn take(&self, cost: u64, amount: u64, span: Span, clock: &Clock) -> Take {
        lock(&self.state).stock.take(cost, amount, span, clock.monotonic_micros())
    }

    pub(super) fn peek(&self, cost: u64, amount: u64, span: Span, clock: &Clock) -> Take {
        lock(&self.state).stock.peek(cost, amount, span, clock.monotonic_micros())
    }

    pub(super) fn put_back(&self, cost: u64, span: Span) {
        lock(&self.state).stock.put_back(cost, span);
    }

    pub(super) fn ask_again(&self) {
        lock(&self.state).stock.ask_again();
    }

    pub(super) fn totals(&self, amount: u64, span: Span) -> Option<QuotaTotals> {
        lock(&self.state).stock.totals(amount, span)
    }

    pub(super) fn totals_of(&self, count: QuotaCount, amount: u64, span: Span) -> QuotaTotals {
        lock(&self.state).stock.totals_of(count, amount, span)
    }

    /// Adds a caller to the next purchase. `true` for the first one, which has to order it.
    pub(super) fn wait(&self, cost: u64, amount: u64, span: Span, waiter: Waiter) -> bool {
        let mut state = lock(&self.state);
        state.waiting.push(waiter);
        match &mut state.wanted {
            Some(wanted) => {
                if (wanted.amount, wanted.span) == (amount, span) {
                    wanted.least = wanted.least.min(cost);
                    wanted.need = wanted.need.saturating_add(cost);
                }
                false
            }
            None => {
                state.wanted = Some(NextPurchase { amount, least: cost, need: cost, span });
                true
            }
        }
    }

    /// The purchase for the callers that wait by now, and these callers.
    pub(super) fn start_purchase(&self, clock: &Clock) -> (Option<(QuotaSale, Span)>, Vec<Waiter>) {
        let mut state = lock(&self.state);
        let waiting = std::mem::take(&mut state.waiting);
        let Some(NextPurchase { amount, least, need, span }) = state.wanted.take() else { return (None, waiting) };
        let demand = state.stock.demand(amount, least, need, span, clock.monotonic_micros());
        let is_first = state.bought_in.replace(span) != Some(span);
        (Some((QuotaSale { id: self.key.id(span), demand, is_first }, span)), waiting)
    }

    /// Adds what was sold. `true` if the seller has to keep the budget from now on.
    pub(super) fn end_purchase(&self, sold: QuotaSold, span: Span, clock: &Clock) -> bool {
        let mut state = lock(&self.state);
        state.stock.add(sold.sold, sold.count, span, clock.monotonic_micros());
        sold.sold > 0 && !std::mem::replace(&mut state.is_kept, true)
    }

    /// Whether the seller can stop to keep the budget, because it last bought so long ago. The sale gives back what is unspent.
    pub(super) fn release(&self, kept_for: u64, clock: &Clock) -> (bool, Option<QuotaSale>) {
        let mut state = lock(&self.state);
        if !state.stock.is_idle(kept_for, clock.monotonic_micros()) {
            return (false, None);
        }
        state.is_kept = false;
        let sale = |(span, given_back)| QuotaSale {
            id: self.key.id(span),
            demand: Demand { given_back, ..Demand::default() },
            is_first: false,
        };
        (true, state.stock.take_rest().map(sale))
    }
}

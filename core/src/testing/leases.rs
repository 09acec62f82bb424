//! The lease of a shared limit, for a model checker.

use crate::limit::lease::{
    Backlog, BudgetId, BudgetState, BudgetTerms, Knowledge, LeaseState, LeaseTerms, PlaceTime, Purchase, Sale,
    Settlement, Stock,
};
use crate::limit::{GcraParams, LimitRule};
use crate::record::Limit;

/// The lease of one limit in one process, as the engine runs it. It does no I/O: a model checker plays the shared place, the
/// messages and the clock. Times are microseconds since any origin.
///
/// ```
/// use keywright::testing::{LeasedRequest, ProcessLease, SharedBudget};
/// let (mut lease, mut place) = (ProcessLease::new(60, 5), SharedBudget::new(60, 5));
/// assert_eq!(lease.take(0), LeasedRequest::Lacking);
/// let purchase = lease.buy(0).unwrap();
/// let sale = place.buy(purchase, 700);
/// lease.settle(sale, 0, 2_000);
/// assert_eq!((sale.sold, lease.take(2_000)), (1, LeasedRequest::Lacking));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessLease {
    terms: LeaseTerms,
    stock: Stock,
    knowledge: Knowledge,
    state: LeaseState,
    purchase: Option<Purchase>,
}

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeasedRequest {
    /// It is spent from the stock.
    Spent,
    /// A remembered refusal refuses it.
    Refused,
    /// Only a purchase can tell.
    Lacking,
}

/// A message to the shared place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeasePurchase {
    /// The cost of the request.
    pub need: u64,
    /// The amount that the process would like to buy.
    pub want: u64,
    /// How many unspent requests go back, and when they were sold.
    pub give_back: Option<(u64, u64)>,
}

/// The answer of the shared place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseSale {
    /// How many requests were sold; 0 is a refusal.
    pub sold: u64,
    /// When they were sold, on the clock of the place.
    pub sold_at: u64,
    backlog: Backlog,
}

/// The budget of a limit in the shared place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SharedBudget {
    params: GcraParams,
    arrival: u64,
}

impl ProcessLease {
    /// The lease of a limit in a process that has just started.
    #[must_use]
    pub fn new(rate: u64, burst: u64) -> Self {
        let terms = BudgetTerms::Rate(params(rate, burst));
        Self {
            terms: LeaseTerms { budget: BudgetId([0; 16]), terms, exact: false },
            stock: Stock::EMPTY,
            knowledge: Knowledge::default(),
            state: LeaseState::default(),
            purchase: None,
        }
    }

    /// Takes one request.
    pub fn take(&mut self, now: u64) -> LeasedRequest {
        if let Some(rest) = self.stock.without(1, now) {
            self.stock = rest;
            LeasedRequest::Spent
        } else if self.knowledge.refuses(&self.terms.terms, 1, now) {
            LeasedRequest::Refused
        } else {
            LeasedRequest::Lacking
        }
    }

    /// How many requests are in stock.
    #[must_use]
    pub fn in_stock(&self) -> u64 {
        self.stock.amount()
    }

    /// Sends the purchase for one request. `None` if one is under way.
    pub fn buy(&mut self, now: u64) -> Option<LeasePurchase> {
        if self.purchase.is_some() {
            return None;
        }
        let rest = std::mem::replace(&mut self.stock, Stock::EMPTY);
        let purchase = self.state.buy(&self.terms, self.knowledge, rest, 1, now);
        self.purchase = Some(purchase);
        let give_back = purchase.give_back.map(|unspent| (unspent.amount, unspent.sold_at.0));
        Some(LeasePurchase { need: purchase.need, want: purchase.want, give_back })
    }

    /// Takes the answer to a purchase that was sent at `sent`. Without a purchase it does nothing.
    pub fn settle(&mut self, sale: LeaseSale, sent: u64, now: u64) {
        let Some(purchase) = self.purchase.take() else { return };
        let LeaseSale { sold, sold_at, backlog } = sale;
        let settlement = Settlement {
            sale: Sale { sold, state: BudgetState::Rate(backlog) },
            sold_at: PlaceTime(sold_at),
            is_sold: sold > 0,
        };
        (self.stock, self.knowledge) = self.state.settle(&self.terms, &purchase, settlement, sent, now);
    }

    /// Ends a purchase whose answer is lost.
    pub fn fail(&mut self) {
        self.purchase = None;
    }

    /// Takes out what may no longer be spent, to give it back: how many requests, and when they were sold.
    pub fn unspent(&mut self, now: u64) -> Option<(u64, u64)> {
        if self.purchase.is_some() || self.stock.amount() == 0 || self.stock.is_current(now) {
            return None;
        }
        let rest = std::mem::replace(&mut self.stock, Stock::EMPTY);
        self.state.take_unspent(rest).map(|unspent| (unspent.amount, unspent.sold_at.0))
    }
}

impl SharedBudget {
    /// A full budget.
    #[must_use]
    pub fn new(rate: u64, burst: u64) -> Self {
        Self { params: params(rate, burst), arrival: 0 }
    }

    /// Sells what a purchase wants, at least what it needs, or nothing.
    pub fn buy(&mut self, purchase: LeasePurchase, now: u64) -> LeaseSale {
        if let Some((amount, sold_at)) = purchase.give_back {
            self.arrival = self.params.tat_refunded(self.arrival, amount, now.saturating_sub(sold_at));
        }
        let room = self.params.remaining(self.params.backlog(self.arrival, now));
        let sold = if purchase.need <= room { purchase.want.min(room) } else { 0 };
        self.arrival = self.params.tat_after(self.arrival, sold, now).unwrap_or(self.arrival);
        LeaseSale { sold, sold_at: now, backlog: self.params.backlog(self.arrival, now) }
    }
}

fn params(rate: u64, burst: u64) -> GcraParams {
    LimitRule::new(Limit::new("all", rate).burst(burst)).params
}

//! A budget in a shared place, as one process uses it: requests in stock are spent without a lock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::Notify;

use super::super::gcra::{Backlog, GcraCell};
use super::super::rule::LimitRule;
use super::link::{Creditor, PlaceLink, Unreturned};
use super::purchase::{BudgetId, BudgetState, BudgetTerms, PlaceTime, Purchase, Unspent};
use super::state::{Knowledge, LeaseState, LeaseTerms, Settlement};
use super::stock::Stock;
use crate::error::{Error, UnavailableCause};
use crate::fork::lock;
use crate::record::WhenUnreachable;

/// A budget in a shared place.
pub(crate) struct LeasedBudget {
    lease: LeaseTerms,
    when_unreachable: WhenUnreachable,
    link: Arc<PlaceLink>,
    /// A [`Stock`].
    stock: AtomicU64,
    /// [`Knowledge`], whose words are read apart: a request that is refused by a mixture is asked for a moment later.
    arrival: AtomicU64,
    refuses_until: AtomicU64,
    state: Mutex<LeaseState>,
    /// Tells those who wait that a purchase has ended.
    purchase_ended: Notify,
    /// Whether the link looks after unspent requests of this budget.
    is_held: AtomicBool,
    /// The budget of this process alone, once the place could not be reached.
    local: OnceLock<Arc<GcraCell>>,
}

/// The outcome of taking a cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::limit) enum Taking {
    Taken(Taken),
    Refused,
    /// Only a purchase can tell.
    Lacking,
}

/// A cost that was taken, and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::limit) struct Taken {
    pub(in crate::limit) backlog: Backlog,
    /// Whether it was taken from a budget that processes share.
    pub(in crate::limit) shared: bool,
    pub(in crate::limit) source: Source,
}

/// Where a cost was taken from, and so where it returns to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::limit) enum Source {
    Nothing,
    Stock(Stock),
    /// The budget itself, or that of this process alone.
    Budget,
}

/// A cost that one request has bought. It returns into the stock unless the request spends it.
pub(crate) struct Bought {
    budget: Arc<LeasedBudget>,
    amount: u64,
    from: Stock,
    sold_at: PlaceTime,
}

impl LeasedBudget {
    pub(super) fn new(budget: BudgetId, rule: &LimitRule, link: &Arc<PlaceLink>) -> Arc<Self> {
        let lease = LeaseTerms { budget, terms: BudgetTerms::Rate(rule.params), exact: rule.limit.exact };
        Arc::new(Self {
            lease,
            when_unreachable: rule.limit.when_unreachable,
            link: Arc::clone(link),
            stock: AtomicU64::new(Stock::EMPTY.0),
            arrival: AtomicU64::new(0),
            refuses_until: AtomicU64::new(0),
            state: Mutex::default(),
            purchase_ended: Notify::new(),
            is_held: AtomicBool::new(false),
            local: OnceLock::new(),
        })
    }

    pub(super) fn id(&self) -> BudgetId {
        self.lease.budget
    }

    pub(super) fn link(&self) -> &Arc<PlaceLink> {
        &self.link
    }

    /// Takes the whole cost from the stock, or nothing.
    #[inline]
    pub(super) fn take_from_stock(&self, cost: u64, now: u64) -> Option<Taken> {
        let mut stock = Stock(self.stock.load(Ordering::Acquire));
        loop {
            let rest = stock.without(cost, now)?;
            match self.stock.compare_exchange_weak(stock.0, rest.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let backlog = self.backlog_with(rest, now);
                    return Some(Taken { backlog, shared: true, source: Source::Stock(stock) });
                }
                Err(other) => stock = Stock(other),
            }
        }
    }

    /// Whether a remembered refusal refuses the cost.
    pub(super) fn refuses(&self, cost: u64, now: u64) -> bool {
        self.knowledge().refuses(&self.lease.terms, cost, now)
    }

    /// Takes the cost while the place cannot be reached.
    pub(super) fn take_in_outage(&self, cost: u64, now: u64) -> Result<Taking, Error> {
        let taken = |backlog, source| Ok(Taking::Taken(Taken { backlog, shared: false, source }));
        match self.when_unreachable {
            WhenUnreachable::Local => match self.local(now).take(cost, now) {
                Some(backlog) => taken(backlog, Source::Budget),
                None => Ok(Taking::Refused),
            },
            WhenUnreachable::Allow => taken(Backlog::default(), Source::Nothing),
            WhenUnreachable::Refuse => Err(Error::unavailable(
                UnavailableCause::Io,
                "the place that keeps a shared limit cannot be reached, and the limit refuses requests then",
                "try again in a moment",
            )),
        }
    }

    /// The result that taking the cost would have, as far as this process knows. It takes nothing.
    pub(in crate::limit) fn look(&self, cost: u64, now: u64) -> Taking {
        let is_in_stock = Stock(self.stock.load(Ordering::Acquire)).without(cost, now).is_some();
        if !is_in_stock && self.knowledge().refuses(&self.lease.terms, cost, now) {
            Taking::Refused
        } else if is_in_stock || self.link.is_unreachable() {
            let (backlog, shared) = self.shown(now);
            Taking::Taken(Taken { backlog, shared, source: Source::Nothing })
        } else {
            Taking::Lacking
        }
    }

    /// Returns a cost that was taken at `taken`.
    pub(in crate::limit) fn put_back(self: &Arc<Self>, cost: u64, source: Source, taken: u64, clock: impl Fn() -> u64) {
        match source {
            Source::Stock(from) => self.restock(cost, from, None),
            Source::Budget => self.local(taken).refund(cost, taken, clock),
            Source::Nothing => {}
        }
    }

    /// The backlog as far as it is known, and whether it is that of the shared place.
    pub(in crate::limit) fn shown(&self, now: u64) -> (Backlog, bool) {
        let stock = Stock(self.stock.load(Ordering::Acquire));
        match self.when_unreachable {
            WhenUnreachable::Local if self.link.is_unreachable() => {
                (self.local.get().map_or_else(Backlog::default, |local| local.backlog(now)), false)
            }
            WhenUnreachable::Allow if self.link.is_unreachable() => (Backlog::default(), false),
            _ => (self.backlog_with(stock, now), true),
        }
    }

    /// The backlog of the shared place, as if what is in stock had not been taken.
    fn backlog_with(&self, stock: Stock, now: u64) -> Backlog {
        let arrival = Knowledge { arrival: self.arrival.load(Ordering::Relaxed), refuses_until: 0 };
        let Some(state) = arrival.state(&self.lease.terms, now) else { return Backlog::default() };
        let in_stock = if stock.is_current(now) { stock.amount() } else { 0 };
        match self.lease.terms.plus(state, in_stock) {
            BudgetState::Rate(backlog) => backlog,
        }
    }

    fn knowledge(&self) -> Knowledge {
        let (arrival, refuses_until) = (&self.arrival, &self.refuses_until);
        Knowledge { refuses_until: refuses_until.load(Ordering::Acquire), arrival: arrival.load(Ordering::Acquire) }
    }

    fn local(&self, now: u64) -> &GcraCell {
        let BudgetTerms::Rate(params) = self.lease.terms;
        self.local.get_or_init(|| self.link.local_budget(self.lease.budget, params, now))
    }

    /// Begins a purchase. `false` if one is under way, unless each request buys its own.
    pub(super) fn begin_purchase(&self) -> bool {
        let mut state = lock(&self.state);
        let begins = self.lease.exact || !state.is_buying;
        state.is_buying = !self.lease.exact;
        begins
    }

    pub(super) fn end_purchase(&self) {
        lock(&self.state).is_buying = false;
        self.purchase_ended.notify_waiters();
    }

    /// Waits until the purchase that is under way has ended, as one of those for whom the next one buys.
    pub(super) async fn purchase_ended(&self, cost: u64) {
        let ended = self.purchase_ended.notified();
        {
            let mut state = lock(&self.state);
            if !state.is_buying {
                return;
            }
            state.waiting = state.waiting.saturating_add(cost);
        }
        let _waiting = PurchaseWaiter { budget: self, cost };
        ended.await;
    }

    /// The purchase for a request that costs `need`.
    pub(super) fn plan(&self, need: u64, now: u64) -> Purchase {
        let knowledge = self.knowledge();
        let mut state = lock(&self.state);
        let rest = Stock(self.stock.swap(Stock::EMPTY.0, Ordering::AcqRel));
        state.buy(&self.lease, knowledge, rest, need, now)
    }

    /// Takes over the answer to a purchase. Returns what the request has bought.
    pub(super) fn settle(self: &Arc<Self>, purchase: &Purchase, settlement: Settlement, sent: u64, now: u64) -> Bought {
        let stock = {
            let mut state = lock(&self.state);
            let (stock, Knowledge { arrival, refuses_until }) =
                state.settle(&self.lease, purchase, settlement, sent, now);
            self.arrival.store(arrival, Ordering::Release);
            self.refuses_until.store(refuses_until, Ordering::Release);
            if stock != Stock::EMPTY {
                self.stock.store(stock.0, Ordering::Release);
            }
            stock
        };
        if stock.amount() > 0 {
            self.link.hold(Arc::clone(self) as Arc<dyn Creditor>);
        }
        let amount = purchase.need.min(settlement.sale.sold);
        Bought { budget: Arc::clone(self), amount, from: stock, sold_at: settlement.sold_at }
    }

    /// Returns requests into the stock that they came from. If it has gone, they go back to the shared place.
    fn restock(self: &Arc<Self>, amount: u64, from: Stock, sold_at: Option<PlaceTime>) {
        if amount == 0 {
            return;
        }
        let add = |stock| Stock(stock).with(amount, from).map(|stock| stock.0);
        if self.stock.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_err() {
            let mut state = lock(&self.state);
            let Some(sold_at) = sold_at.or_else(|| state.sold_at_of(from)) else { return };
            state.put_aside(Unspent { amount, sold_at });
        }
        self.link.hold(Arc::clone(self) as Arc<dyn Creditor>);
    }

    /// Whether nothing is lost if this process forgets the budget.
    pub(super) fn is_forgettable(&self, now: u64) -> bool {
        let is_unspent = self.local.get().is_none_or(|local| local.is_unspent(now));
        is_unspent && now >= self.refuses_until.load(Ordering::Relaxed) && !self.is_held.load(Ordering::Relaxed)
    }
}

impl Creditor for LeasedBudget {
    fn unreturned(&self, all: bool, now: u64) -> Unreturned {
        let mut state = lock(&self.state);
        let stock = Stock(self.stock.load(Ordering::Acquire));
        if stock.amount() == 0 && !state.has_returned() {
            return Unreturned::Nothing;
        }
        if state.is_buying || (!all && stock.amount() > 0 && stock.is_current(now)) {
            return Unreturned::Later;
        }
        let rest = Stock(self.stock.swap(Stock::EMPTY.0, Ordering::AcqRel));
        let give_back = state.take_unspent(rest);
        let LeaseTerms { budget, terms, .. } = self.lease;
        Unreturned::Now(Purchase { budget, terms, need: 0, want: 0, give_back })
    }

    fn is_held(&self) -> &AtomicBool {
        &self.is_held
    }
}

/// Counts a request that waits for a purchase.
struct PurchaseWaiter<'a> {
    budget: &'a LeasedBudget,
    cost: u64,
}

impl Drop for PurchaseWaiter<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.budget.state);
        state.waiting = state.waiting.saturating_sub(self.cost);
    }
}

impl Bought {
    /// Spends what was bought.
    pub(in crate::limit) fn spend(mut self) {
        self.amount = 0;
    }
}

impl Drop for Bought {
    fn drop(&mut self) {
        self.budget.restock(self.amount, self.from, Some(self.sold_at));
    }
}

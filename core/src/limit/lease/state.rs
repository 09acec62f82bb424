//! The lease of one budget, without I/O: what a process buys, how long it spends it, and what it remembers of a refusal. A model
//! checker runs it too (`tests/model`).

use super::purchase::{BudgetId, BudgetState, BudgetTerms, LEASE_TIME, PlaceTime, Purchase, Sale, Unspent};
use super::stock::{MAX_STOCK, Stock};

/// The longest time for which a refusal is remembered, in microseconds. A budget may be raised meanwhile.
const LONGEST_REFUSAL: u64 = 1_000_000;

/// The pause between two purchases from a budget that is nearly used up, in microseconds. At a high rate a few requests come
/// back during each round trip, and without a pause each of them would cost one.
const PAUSE: u64 = 50_000;

/// A process buys ahead at most this part of what is left, unless the rate gives more in the time of a lease.
const PART_AHEAD: u64 = 64;

/// The parts of a lease that do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LeaseTerms {
    pub(crate) budget: BudgetId,
    pub(crate) terms: BudgetTerms,
    /// Buys each request of its own.
    pub(crate) exact: bool,
}

/// The state of a budget as a process knows it, in words that atomics can hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Knowledge {
    /// The arrival time of the budget on the clock of this process. 0 stands for a budget of which nothing is known.
    pub(crate) arrival: u64,
    /// Until when a request that does not fit is refused without asking, in microseconds.
    pub(crate) refuses_until: u64,
}

/// The answer to a purchase.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settlement {
    pub(crate) sale: Sale,
    pub(crate) sold_at: PlaceTime,
    /// Whether all purchases of the call were sold.
    pub(crate) is_sold: bool,
}

/// The accounts of a lease. The stock is apart from it, because requests are spent without a lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct LeaseState {
    /// The number of the last purchase.
    purchase: u8,
    /// The requests that the last purchase has put into the stock.
    stocked: u64,
    sold_at: PlaceTime,
    /// The time of the purchase before.
    sold_before: PlaceTime,
    /// Requests that returned too late for their stock.
    returned: Option<Unspent>,
    /// The requests that were spent since `measured`, apart from those in the stock.
    spent: u64,
    /// The requests that were spent in the time of a lease before `measured`.
    demand: u64,
    /// The end of the last purchase.
    measured: u64,
    /// Whether a purchase is under way.
    pub(crate) is_buying: bool,
    /// The cost of the requests that wait for it.
    pub(crate) waiting: u64,
}

impl LeaseState {
    /// The purchase for a request that costs `need`. The rest of the stock goes back with it.
    pub(crate) fn buy(
        &mut self,
        lease: &LeaseTerms,
        knowledge: Knowledge,
        rest: Stock,
        need: u64,
        now: u64,
    ) -> Purchase {
        let LeaseTerms { budget, terms, exact } = *lease;
        let give_back = self.take_unspent(rest);
        self.measure(now);
        let want = if exact { need } else { need.saturating_add(self.waiting.max(self.ahead(&terms, knowledge, now))) };
        Purchase { budget, terms, need, want, give_back }
    }

    /// Takes over what is left of a stock, and all that is to be given back.
    pub(crate) fn take_unspent(&mut self, rest: Stock) -> Option<Unspent> {
        let left = rest.amount();
        self.spent += self.stocked.saturating_sub(left);
        self.stocked = 0;
        let rest = (left > 0).then_some(Unspent { amount: left, sold_at: self.sold_at });
        Unspent::join(rest, self.returned.take())
    }

    /// Adds requests that were not spent and whose stock has gone.
    pub(crate) fn put_aside(&mut self, unspent: Unspent) {
        self.returned = Unspent::join(self.returned, Some(unspent));
    }

    /// When a stock was bought that has gone. `None` if it is older than the last two.
    pub(crate) fn sold_at_of(&self, stock: Stock) -> Option<PlaceTime> {
        match self.purchase.wrapping_sub(stock.purchase()) {
            0 => Some(self.sold_at),
            1 => Some(self.sold_before),
            _ => None,
        }
    }

    pub(crate) fn has_returned(&self) -> bool {
        self.returned.is_some()
    }

    /// Takes over the answer to a purchase that was sent at `sent`. Returns the new stock, and what is known now.
    pub(crate) fn settle(
        &mut self,
        lease: &LeaseTerms,
        purchase: &Purchase,
        Settlement { sale, sold_at, is_sold }: Settlement,
        sent: u64,
        now: u64,
    ) -> (Stock, Knowledge) {
        let is_short = is_sold && sale.sold < purchase.need.saturating_add(self.demand);
        let knowledge = Knowledge::of(lease, purchase, sale, (is_sold, is_short), now);
        let needed = purchase.need.min(sale.sold);
        self.spent += needed;
        // Nothing is spent during a purchase. If its time counted, a slow place would sell little at a time, and often.
        self.measured = now;
        let surplus = sale.sold - needed;
        if lease.exact {
            return (Stock::EMPTY, knowledge);
        }
        self.purchase = self.purchase.wrapping_add(1);
        (self.sold_before, self.sold_at) = (self.sold_at, sold_at);
        self.stocked = surplus.min(MAX_STOCK);
        if surplus > MAX_STOCK {
            self.put_aside(Unspent { amount: surplus - MAX_STOCK, sold_at });
        }
        (Stock::new(self.stocked, self.purchase, Stock::end(sent + LEASE_TIME, now)), knowledge)
    }

    /// Measures how many requests the process spends in the time of a lease. Between two measurements the demand at most doubles,
    /// so that requests that have waited for a slow purchase do not count as if more of them came all the time.
    fn measure(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.measured);
        let (spent, time) = (u128::from(self.spent), u128::from(LEASE_TIME));
        let demand = if elapsed >= LEASE_TIME {
            spent * time / u128::from(elapsed)
        } else {
            spent + u128::from(self.demand) * u128::from(LEASE_TIME - elapsed) / time
        };
        let most = self.demand.max(self.spent.saturating_mul(2));
        (self.demand, self.spent, self.measured) = (u64::try_from(demand).unwrap_or(most).min(most), 0, now);
    }

    /// The number of requests to buy ahead: as many as the process has spent in the time of a lease, and only a part of what
    /// is left, so that other processes find some too.
    fn ahead(&self, terms: &BudgetTerms, knowledge: Knowledge, now: u64) -> u64 {
        let left = knowledge.state(terms, now).map_or(0, |state| terms.left(state));
        let part = terms.per_lease().max(left / PART_AHEAD).min(left / 2);
        self.demand.min(part).min(MAX_STOCK)
    }
}

impl Knowledge {
    /// The state after the answer to a purchase. `is_short`: the process is likely to need more.
    fn of(lease: &LeaseTerms, purchase: &Purchase, sale: Sale, (is_sold, is_short): (bool, bool), now: u64) -> Self {
        match (&lease.terms, sale.state) {
            (BudgetTerms::Rate(params), BudgetState::Rate(backlog)) => {
                let backlog = backlog.min(params.whole_backlog());
                let left = params.remaining(backlog);
                let is_refused = left < purchase.need && !is_sold;
                let is_scarce = is_short && left < params.gained_in(PAUSE).min(params.burst() / 4);
                // A longer pause would leave the budget full for a while.
                let whole = params.wait_micros(backlog, params.burst());
                let pause = if (is_refused || is_scarce) && !lease.exact { PAUSE.min(whole / 2) } else { 0 };
                let refusal =
                    if is_refused { params.wait_micros(backlog, purchase.need).min(LONGEST_REFUSAL) } else { 0 };
                let backlog = if pause > 0 { backlog.max(params.backlog_before(pause)) } else { backlog };
                // 0 stands for a budget of which nothing is known.
                let arrival = params.tat_of(backlog, now).max(1);
                Self { arrival, refuses_until: now.saturating_add(refusal.max(pause)) }
            }
        }
    }

    /// The state of the budget, as far as it is known.
    pub(crate) fn state(self, terms: &BudgetTerms, now: u64) -> Option<BudgetState> {
        match terms {
            BudgetTerms::Rate(params) => {
                (self.arrival != 0).then(|| BudgetState::Rate(params.backlog(self.arrival, now)))
            }
        }
    }

    /// Whether a request is refused without asking.
    pub(crate) fn refuses(self, terms: &BudgetTerms, cost: u64, now: u64) -> bool {
        now < self.refuses_until && self.state(terms, now).is_some_and(|state| terms.left(state) < cost)
    }
}

//! The requests of one quota that a process has bought from the store and not spent. Values in, values out.
//!
//! A process buys what its callers need and, where it bought a moment ago, more in advance, so that a busy key costs about two
//! purchases a second and a slow one buys one request at a time. What it does not spend within [`MAX_KEPT`] goes back. Each
//! request is sold once, and only the process that bought it spends it.

use super::period::Span;

/// How long a process keeps requests that it does not spend, in microseconds. Purchases in advance are made to last half as long.
pub(crate) const MAX_KEPT: u64 = 1_000_000;

/// How long the store's last answer counts before a request is refused by it, in microseconds: after this time the amount may have
/// been raised, or another process may have given requests back.
const ANSWER_COUNTS: u64 = 1_000_000;

/// A process buys in advance at most this part of what is left, so that the last requests are not in the hands of idle processes.
pub(crate) const ADVANCE_PART: u64 = 16;

/// The counts of the store for a quota in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct QuotaCount {
    /// Requests that were sold, less those that came back.
    pub(crate) used: u64,
    /// Requests that a balance was given beyond its amount.
    pub(crate) credited: u64,
}

impl QuotaCount {
    /// Requests that are left of an amount.
    pub(crate) fn left(&self, amount: u64) -> u64 {
        amount.saturating_add(self.credited).saturating_sub(self.used)
    }
}

/// A purchase: what waiting callers need, and what the process wants in advance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) amount: u64,
    /// The need of the caller that needs least. If not even this is left, nothing is sold.
    pub(crate) least: u64,
    /// The needs of all callers.
    pub(crate) need: u64,
    /// The needs, and more in advance.
    pub(crate) want: u64,
    /// Requests that come back.
    pub(crate) given_back: u64,
}

impl Demand {
    /// How many requests are sold, and the count after it. This is the rule of every store.
    pub(crate) fn sell(&self, count: QuotaCount) -> (u64, QuotaCount) {
        let count = QuotaCount { used: count.used.saturating_sub(self.given_back), ..count };
        let left = count.left(self.amount);
        let advance = self.want.min(left / ADVANCE_PART);
        let sold = if left < self.least { 0 } else { left.min(self.need.max(advance)) };
        (sold, QuotaCount { used: count.used.saturating_add(sold), ..count })
    }
}

/// The outcome of [`QuotaStock::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    Taken,
    /// The quota is used up, as far as the store has told within the last second.
    Refused,
    /// Only the store can tell.
    Short,
}

/// The totals of a quota that a process knows after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaTotals {
    pub(crate) span: Span,
    /// The amount, with what a balance was given.
    pub(crate) total: u64,
    pub(crate) used: u64,
}

impl QuotaTotals {
    pub(crate) fn left(&self) -> u64 {
        self.total.saturating_sub(self.used)
    }
}

/// The requests of one quota in the hands of this process, in the period of the last call.
#[derive(Debug, Default)]
pub(crate) struct QuotaStock {
    span: Option<Span>,
    unspent: u64,
    /// The last answer of the store, which counts the unspent requests as used, and its time on the monotonic clock. `None` until
    /// the first one in a period, and after a credit.
    told: Option<(QuotaCount, u64)>,
    /// Requests that the next purchase buys in advance.
    advance: u64,
    /// The time of the last purchase.
    bought_at: Option<u64>,
}

impl QuotaStock {
    /// Takes the whole cost, or nothing. `now` is monotonic.
    pub(crate) fn take(&mut self, cost: u64, amount: u64, span: Span, now: u64) -> Take {
        let take = self.peek(cost, amount, span, now);
        self.enter(span);
        if take == Take::Taken {
            self.unspent -= cost;
        }
        take
    }

    /// The answer that [`take`](Self::take) would give.
    pub(crate) fn peek(&self, cost: u64, amount: u64, span: Span, now: u64) -> Take {
        // An amount that was lowered counts also for requests that were bought before.
        let Some((count, told_at)) = self.told.filter(|_| self.span == Some(span)) else { return Take::Short };
        let is_within = cost <= self.totals_of(count, amount, span).left();
        if is_within && cost <= self.unspent {
            Take::Taken
        } else if !is_within && now.saturating_sub(told_at) < ANSWER_COUNTS {
            Take::Refused
        } else {
            Take::Short
        }
    }

    /// Returns requests that were taken in a period and not used. Those of a period that is over are lost with it.
    pub(crate) fn put_back(&mut self, cost: u64, span: Span) {
        if self.span == Some(span) {
            self.unspent += cost;
        }
    }

    /// The totals that the process knows; `None` before the first answer of the store in a period.
    pub(crate) fn totals(&self, amount: u64, span: Span) -> Option<QuotaTotals> {
        let (count, _) = self.told.filter(|_| self.span == Some(span))?;
        Some(self.totals_of(count, amount, span))
    }

    /// The totals for this process, which holds some unspent requests, from the count in the store.
    pub(crate) fn totals_of(&self, count: QuotaCount, amount: u64, span: Span) -> QuotaTotals {
        let unspent = if self.span == Some(span) { self.unspent } else { 0 };
        QuotaTotals { span, total: amount.saturating_add(count.credited), used: count.used.saturating_sub(unspent) }
    }

    /// Forgets the answer of the store, because a balance was raised since.
    pub(crate) fn ask_again(&mut self) {
        self.told = None;
    }

    /// The purchase for callers whose needs sum up to `need`, of which the smallest is `least`.
    pub(crate) fn demand(&mut self, amount: u64, least: u64, need: u64, span: Span, now: u64) -> Demand {
        self.enter(span);
        self.advance = match self.bought_at.map(|at| now.saturating_sub(at)) {
            Some(since) if since < MAX_KEPT / 2 => self.advance.saturating_mul(2).saturating_add(1),
            Some(since) if since > MAX_KEPT => self.advance / 2,
            _ => self.advance,
        };
        let [least, need] = [least, need].map(|cost| cost.saturating_sub(self.unspent));
        Demand { amount, least, need, want: need.saturating_add(self.advance), given_back: 0 }
    }

    /// Adds what was sold. What was sold in a period that is over is lost with it.
    pub(crate) fn add(&mut self, sold: u64, count: QuotaCount, span: Span, now: u64) {
        if self.span == Some(span) {
            self.unspent += sold;
            self.told = Some((count, now));
            if sold > 0 {
                self.bought_at = Some(now);
            }
        }
    }

    /// Whether the last purchase was so long ago.
    pub(crate) fn is_idle(&self, kept_for: u64, now: u64) -> bool {
        self.bought_at.is_none_or(|at| now.saturating_sub(at) >= kept_for)
    }

    /// Takes all unspent requests, to give them back.
    pub(crate) fn take_rest(&mut self) -> Option<(Span, u64)> {
        let span = self.span.filter(|_| self.unspent > 0)?;
        let rest = std::mem::take(&mut self.unspent);
        if let Some((count, _)) = &mut self.told {
            count.used = count.used.saturating_sub(rest);
        }
        Some((span, rest))
    }

    fn enter(&mut self, span: Span) {
        if self.span != Some(span) {
            *self = Self { span: Some(span), advance: self.advance, bought_at: self.bought_at, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPAN: Span = Span { starts_at: 0, ends_at: 10 };

    fn demand(amount: u64, least: u64, need: u64, want: u64) -> Demand {
        Demand { amount, least, need, want, given_back: 0 }
    }

    fn used(used: u64) -> QuotaCount {
        QuotaCount { used, credited: 0 }
    }

    #[test]
    fn a_sale_serves_needs_first_and_keeps_rests_for_others() {
        let sold = |demand: Demand, before| demand.sell(used(before)).0;
        assert_eq!(sold(demand(1_600, 1, 1, 500), 0), 100, "a part in advance");
        assert_eq!(sold(demand(1_600, 1, 1, 50), 0), 50);
        assert_eq!(sold(demand(10, 1, 4, 500), 3), 4);
        assert_eq!(sold(demand(10, 1, 4, 500), 7), 3, "the rest serves some of the callers");
        assert_eq!((sold(demand(10, 4, 4, 4), 7), sold(demand(10, 1, 1, 9), 12)), (0, 0));
        let back = Demand { given_back: 5, ..Demand::default() };
        assert_eq!((back.sell(used(7)), back.sell(used(3))), ((0, used(2)), (0, used(0))));
        let balance = QuotaCount { used: 10, credited: 7 };
        assert_eq!(demand(5, 1, 1, 1).sell(balance), (1, QuotaCount { used: 11, credited: 7 }));
    }

    /// Buys for one caller.
    fn buy(stock: &mut QuotaStock, cost: u64, amount: u64, count: &mut QuotaCount, now: u64) -> u64 {
        let demand = stock.demand(amount, cost, cost, SPAN, now);
        let (sold, after) = demand.sell(*count);
        *count = after;
        stock.add(sold, after, SPAN, now);
        sold
    }

    #[test]
    fn a_slow_key_buys_one_at_a_time_and_a_busy_one_in_advance() {
        let (mut stock, mut count) = (QuotaStock::default(), QuotaCount::default());
        for second in 2..12 {
            let now = second * 2 * MAX_KEPT;
            assert_eq!(stock.take(1, 1_000_000, SPAN, now), Take::Short);
            assert_eq!(buy(&mut stock, 1, 1_000_000, &mut count, now), 1);
            assert_eq!(stock.take(1, 1_000_000, SPAN, now), Take::Taken);
        }
        // A request every ten microseconds.
        let mut purchases = 0;
        for request in 0..200_000 {
            let now = 30 * MAX_KEPT + request * 10;
            if stock.take(1, 1_000_000, SPAN, now) == Take::Short {
                purchases += 1;
                buy(&mut stock, 1, 1_000_000, &mut count, now);
                assert_eq!(stock.take(1, 1_000_000, SPAN, now), Take::Taken);
            }
        }
        assert!(purchases < 40, "{purchases}");
        assert_eq!(stock.totals(1_000_000, SPAN).unwrap().used, 200_010);
    }

    #[test]
    fn a_refusal_counts_for_a_second_unless_the_amount_is_raised() {
        let (mut stock, mut count) = (QuotaStock::default(), used(9));
        assert_eq!(buy(&mut stock, 2, 10, &mut count, 5), 0);
        assert_eq!(stock.take(2, 10, SPAN, 5), Take::Refused);
        assert_eq!(stock.take(1, 10, SPAN, 5), Take::Short, "one may be left");
        assert_eq!(stock.take(2, 10, SPAN, 5 + ANSWER_COUNTS), Take::Short);
        assert_eq!(stock.take(2, 11, SPAN, 5), Take::Short);
        stock.ask_again();
        assert_eq!((stock.take(2, 10, SPAN, 5), stock.totals(10, SPAN)), (Take::Short, None));
        let next = Span { starts_at: 10, ends_at: 20 };
        assert_eq!((stock.take(2, 10, next, 5), stock.totals(10, next)), (Take::Short, None));
    }

    #[test]
    fn a_lowered_amount_counts_for_what_is_in_hand() {
        let (mut stock, mut count) = (QuotaStock::default(), QuotaCount::default());
        let (sold, after) = demand(100, 5, 5, 5).sell(count);
        stock.enter(SPAN);
        stock.add(sold, after, SPAN, 1);
        assert_eq!((stock.take(1, 2, SPAN, 1), stock.take(1, 2, SPAN, 1)), (Take::Taken, Take::Taken));
        assert_eq!((stock.take(1, 2, SPAN, 1), stock.take(1, 3, SPAN, 1)), (Take::Refused, Take::Taken));
        assert!(stock.is_idle(0, 1) && !stock.is_idle(1, 1));
        assert_eq!((stock.take_rest(), stock.take_rest()), (Some((SPAN, 2)), None));
        count.used = 3;
        assert_eq!(stock.totals(2, SPAN).map(|totals| (totals.used, totals.left())), Some((count.used, 0)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Wait(u64),
        Take(usize, u64),
        /// The result of the last taking of a process comes back.
        PutBack(usize),
        GiveBack(usize),
        /// The process ends without giving anything back.
        Kill(usize),
        Amount(u64),
        Credit(u64),
        NextPeriod,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => prop_oneof![0..1_000_u64, 0..3 * MAX_KEPT].prop_map(Step::Wait),
            8 => (0..3_usize, prop_oneof![Just(1), 1..6_u64]).prop_map(|(process, cost)| Step::Take(process, cost)),
            1 => (0..3_usize).prop_map(Step::PutBack),
            1 => (0..3_usize).prop_map(Step::GiveBack),
            1 => (0..3_usize).prop_map(Step::Kill),
            1 => prop_oneof![0..40_u64, 900..1_100_u64].prop_map(Step::Amount),
            1 => (1..30_u64).prop_map(Step::Credit),
            1 => Just(Step::NextPeriod),
        ]
    }

    proptest! {
        /// Three processes on one count: what they spent, have in hand and have lost is what was sold; it never exceeds the
        /// largest amount of the period; and a refusal means that less was left than the cost.
        #[test]
        fn nothing_is_sold_twice(start in 0..1_100_u64, steps in prop::collection::vec(step(), 1..200)) {
            let (mut amount, mut most, mut now, mut period) = (start, start, 10 * MAX_KEPT, 0);
            let mut stocks: [QuotaStock; 3] = Default::default();
            let (mut count, mut spent, mut lost, mut last) = (QuotaCount::default(), 0_u64, 0_u64, [None; 3]);
            for step in steps {
                let span = Span { starts_at: period, ends_at: period + 1 };
                match step {
                    Step::Wait(time) => now += time,
                    Step::Amount(other) => amount = other,
                    Step::Credit(more) => {
                        count.credited += more;
                        stocks.iter_mut().for_each(QuotaStock::ask_again);
                    }
                    Step::NextPeriod => {
                        (period, count, spent, lost, most, last) = (period + 1, QuotaCount::default(), 0, 0, amount, [None; 3]);
                    }
                    Step::Take(process, cost) => {
                        let stock = &mut stocks[process];
                        let mut take = stock.take(cost, amount, span, now);
                        if take == Take::Short {
                            let (sold, after) = stock.demand(amount, cost, cost, span, now).sell(count);
                            count = after;
                            stock.add(sold, after, span, now);
                            take = stock.take(cost, amount, span, now);
                            prop_assert_ne!(take, Take::Short, "one purchase is enough");
                            if take == Take::Refused {
                                prop_assert!(stock.totals_of(count, amount, span).left() < cost);
                            }
                        }
                        if take == Take::Taken {
                            spent += cost;
                            last[process] = Some(cost);
                        }
                    }
                    Step::PutBack(process) => if let Some(cost) = last[process].take() {
                        stocks[process].put_back(cost, span);
                        spent -= cost;
                    }
                    // A rest of an earlier period goes back to that one.
                    Step::GiveBack(process) => if let Some((_, rest)) = stocks[process].take_rest().filter(|(of, _)| *of == span) {
                        count = Demand { given_back: rest, ..Demand::default() }.sell(count).1;
                    }
                    Step::Kill(process) => {
                        let stock = std::mem::take(&mut stocks[process]);
                        lost += if stock.span == Some(span) { stock.unspent } else { 0 };
                        last[process] = None;
                    }
                }
                most = most.max(amount + count.credited);
                let span = Span { starts_at: period, ends_at: period + 1 };
                let held: u64 = stocks.iter().filter(|stock| stock.span == Some(span)).map(|stock| stock.unspent).sum();
                prop_assert_eq!(count.used, spent + held + lost);
                prop_assert!(count.used <= most);
            }
        }
    }
}

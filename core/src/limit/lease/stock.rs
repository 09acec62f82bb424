//! The requests that a process has bought and not spent, in one word, which an atomic can hold.

/// The bits of the number of requests.
const AMOUNT_BITS: u32 = 20;

/// The bits of the number of the purchase, above those.
const PURCHASE_BITS: u32 = 8;

/// The bits of a microsecond that the end of a stock leaves out: it ends up to 4.1 ms early.
const STEP_BITS: u32 = 12;

/// The most requests in a stock. In the time of a lease a process spends fewer.
pub(super) const MAX_STOCK: u64 = (1 << AMOUNT_BITS) - 1;

/// The requests of one purchase that are not spent: their number, and the time at which they end. The time and the number of
/// the purchase tell one stock from another, so that requests never return into a later one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stock(pub(crate) u64);

impl Stock {
    pub(crate) const EMPTY: Self = Self(0);

    /// A stock that ends at `until`, in microseconds. It holds at most [`MAX_STOCK`].
    pub(crate) fn new(amount: u64, purchase: u8, until: u64) -> Self {
        let purchase = u64::from(purchase) << AMOUNT_BITS;
        Self((until >> STEP_BITS) << (AMOUNT_BITS + PURCHASE_BITS) | purchase | amount.min(MAX_STOCK))
    }

    pub(crate) fn amount(self) -> u64 {
        self.0 & MAX_STOCK
    }

    /// The number of the purchase.
    pub(crate) fn purchase(self) -> u8 {
        u8::try_from(self.0 >> AMOUNT_BITS & 0xFF).unwrap_or_default()
    }

    /// Whether its requests may still be spent.
    pub(crate) fn is_current(self, now: u64) -> bool {
        now >> STEP_BITS < self.0 >> (AMOUNT_BITS + PURCHASE_BITS)
    }

    /// The stock without `cost`, `None` if it does not have as much.
    pub(crate) fn without(self, cost: u64, now: u64) -> Option<Self> {
        (cost <= self.amount() && self.is_current(now)).then(|| Self(self.0 - cost))
    }

    /// The stock with requests that were taken from `from`. `None` if that was another stock.
    pub(crate) fn with(self, amount: u64, from: Self) -> Option<Self> {
        let is_same = self.0 >> AMOUNT_BITS == from.0 >> AMOUNT_BITS && from != Self::EMPTY;
        (is_same && amount <= MAX_STOCK - self.amount()).then(|| Self(self.0 + amount))
    }

    /// The end of a stock that is bought at `now` and cannot be spent later than `until`: those who wait for it get it in any
    /// case.
    pub(crate) fn end(until: u64, now: u64) -> u64 {
        until.max(now + (1 << STEP_BITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_is_spent_until_its_end_and_takes_back_its_own() {
        let stock = Stock::new(10, 7, 100_000);
        assert_eq!((stock.amount(), stock.is_current(98_303), stock.is_current(98_304)), (10, true, false));
        let rest = stock.without(4, 50_000).unwrap();
        assert_eq!((rest.amount(), rest.without(7, 50_000), rest.without(6, 98_304)), (6, None, None));
        assert_eq!(rest.with(4, stock), Some(stock));
        let next = Stock::new(1, 8, 100_000);
        assert_eq!(
            (next.with(4, stock), Stock::EMPTY.with(1, Stock::EMPTY), Stock::EMPTY.with(1, stock)),
            (None, None, None)
        );
        let full = Stock::new(u64::MAX, 255, u64::MAX >> 1);
        assert_eq!((full.amount(), full.with(1, full), full.is_current(1)), (MAX_STOCK, None, true));
        assert_eq!(rest.without(6, 0).map(Stock::amount), Some(0));
        assert!(Stock::new(1, 0, Stock::end(5, 5)).is_current(5));
    }
}

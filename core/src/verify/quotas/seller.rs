//! The thread that buys for all quotas of an engine in one process, and gives back what is not spent. A purchase runs to its end
//! even if its caller has gone: what was sold is spent by the next one.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::budget::{QuotaBudget, Waiter};
use crate::clock::Clock;
use crate::error::Error;
use crate::fork::lock;
use crate::limit::quota::{MAX_KEPT, Span};
use crate::store::{AnyStore, QuotaSale, Store};
use crate::wait::block_on;
use crate::worker::stopped;

/// How many sales one call of the store makes at most.
const MAX_TOGETHER: usize = 256;

pub(super) struct Seller {
    store: Arc<AnyStore>,
    clock: Clock,
    state: Mutex<SellerState>,
    wake: Condvar,
}

#[derive(Default)]
struct SellerState {
    /// The budgets with callers that wait for a purchase.
    orders: Vec<Arc<QuotaBudget>>,
    /// The budgets that bought a moment ago, and may have requests that are not spent.
    kept: Vec<Arc<QuotaBudget>>,
    /// The callers that wait until everything is given back.
    returns: Vec<oneshot::Sender<()>>,
    runs: bool,
    closed: bool,
}

/// The next task of the thread.
struct SellerWork {
    orders: Vec<Arc<QuotaBudget>>,
    kept: Vec<Arc<QuotaBudget>>,
    returns: Vec<oneshot::Sender<()>>,
}

/// One sale of a call of the store.
struct Item {
    sale: QuotaSale,
    /// The budget that buys, in this period.
    buyer: Option<(Arc<QuotaBudget>, Span)>,
}

impl Seller {
    pub(super) fn new(store: Arc<AnyStore>, clock: Clock) -> Self {
        Self { store, clock, state: Mutex::default(), wake: Condvar::new() }
    }

    /// Buys for a caller, together with all that wait for the same budget.
    pub(super) async fn buy(
        self: &Arc<Self>,
        budget: &Arc<QuotaBudget>,
        cost: u64,
        amount: u64,
        span: Span,
    ) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        if budget.wait(cost, amount, span, reply) {
            self.order(budget);
        }
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn order(self: &Arc<Self>, budget: &Arc<QuotaBudget>) {
        let mut state = lock(&self.state);
        if state.closed || !self.start(&mut state) {
            let error = if state.closed { Error::Closed } else { stopped() };
            drop(state);
            let (_, waiting) = budget.start_purchase(&self.clock);
            return answer(waiting, &Err(error));
        }
        state.orders.push(Arc::clone(budget));
        self.wake.notify_one();
    }

    /// Gives back all that was bought and not spent. `close` refuses purchases from then on, and ends the thread.
    pub(super) async fn give_back(&self, close: bool) {
        let (reply, done) = oneshot::channel();
        {
            let mut state = lock(&self.state);
            state.closed |= close;
            if !state.runs {
                return;
            }
            state.returns.push(reply);
            self.wake.notify_one();
        }
        let _ = done.await;
    }

    /// Starts the thread, unless it runs. `false` if there is none.
    fn start(self: &Arc<Self>, state: &mut SellerState) -> bool {
        if !state.runs {
            let seller = Arc::clone(self);
            let thread = std::thread::Builder::new().name("keywright-quotas".into());
            state.runs = thread.spawn(move || seller.run()).is_ok();
        }
        state.runs
    }

    fn run(&self) {
        let mut looked = Instant::now();
        while let Some(task) = self.next(&mut looked) {
            self.work(task);
        }
    }

    /// Waits for the next task; `None` once the seller is closed and has nothing left to do. `looked` is the time at which the
    /// kept budgets were last part of a task: they are too many for each purchase.
    fn next(&self, looked: &mut Instant) -> Option<SellerWork> {
        let mut state = lock(&self.state);
        loop {
            let left = Duration::from_micros(MAX_KEPT).saturating_sub(looked.elapsed());
            let is_due = !state.returns.is_empty() || left.is_zero() && !state.kept.is_empty();
            if is_due || !state.orders.is_empty() {
                if is_due {
                    *looked = Instant::now();
                }
                return Some(SellerWork {
                    orders: std::mem::take(&mut state.orders),
                    kept: if is_due { std::mem::take(&mut state.kept) } else { Vec::new() },
                    returns: std::mem::take(&mut state.returns),
                });
            }
            if state.closed {
                state.runs = false;
                return None;
            }
            if state.kept.is_empty() {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                (state, _) = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn work(&self, SellerWork { orders, kept, returns }: SellerWork) {
        let (mut items, mut waiting) = (Vec::new(), Vec::new());
        for budget in orders {
            let (purchase, callers) = budget.start_purchase(&self.clock);
            waiting.extend(callers);
            items.extend(purchase.map(|(sale, span)| Item { sale, buyer: Some((budget, span)) }));
        }
        let kept_for = if returns.is_empty() { MAX_KEPT } else { 0 };
        let mut still_kept = Vec::new();
        for budget in kept {
            let (is_released, rest) = budget.release(kept_for, &self.clock);
            items.extend(rest.map(|sale| Item { sale, buyer: None }));
            if !is_released {
                still_kept.push(budget);
            }
        }
        lock(&self.state).kept.append(&mut still_kept);
        let mut outcome = Ok(());
        while !items.is_empty() {
            let batch: Vec<Item> = items.drain(..MAX_TOGETHER.min(items.len())).collect();
            outcome = self.sell(batch).and(outcome);
        }
        answer(waiting, &outcome);
        for reply in returns {
            // If the caller has gone, the requests were still given back.
            let _ = reply.send(());
        }
    }

    /// Makes sales. What a failed one was to give back counts as used: it may have been given back.
    fn sell(&self, items: Vec<Item>) -> Result<(), Error> {
        let (sales, buyers): (Vec<_>, Vec<_>) = items.into_iter().map(|item| (item.sale, item.buyer)).unzip();
        let sold = block_on(self.store.sell(sales.into()))?;
        for (buyer, sold) in buyers.into_iter().zip(sold) {
            if let Some((budget, span)) = buyer
                && budget.end_purchase(sold, span, &self.clock)
            {
                lock(&self.state).kept.push(budget);
            }
        }
        Ok(())
    }
}

fn answer(waiting: Vec<Waiter>, outcome: &Result<(), Error>) {
    for waiter in waiting {
        // If a caller has gone, the next one spends what it wanted.
        let _ = waiter.send(outcome.clone());
    }
}

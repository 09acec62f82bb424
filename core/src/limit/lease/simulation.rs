//! A shared place without I/O, and the tasks on it, for tests: each purchase takes effect and is answered when the test says so.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::error::{Error, UnavailableCause};
use crate::wait::Boxed;

/// A shared place whose clock the test moves.
#[derive(Default)]
pub(super) struct SimulatedPlace {
    /// Microseconds.
    now: AtomicU64,
    budgets: Mutex<BTreeMap<BudgetId, u64>>,
    pub(super) fails: AtomicBool,
    pub(super) loses_answers: AtomicBool,
    pub(super) trips: AtomicUsize,
    /// The longest time from a sale to its answer.
    slowest: AtomicU64,
}

/// The connection of one process to the place, with the tasks that run on it.
pub(super) struct SimulatedConnection {
    place: Arc<SimulatedPlace>,
    tasks: Mutex<Vec<Boxed<()>>>,
    pub(super) sold: AtomicU64,
    pub(super) given_back: AtomicU64,
}

impl SimulatedPlace {
    pub(super) fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    pub(super) fn advance(&self, micros: u64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }

    pub(super) fn slowest(&self) -> u64 {
        self.slowest.load(Ordering::SeqCst)
    }

    pub(super) fn connect(self: &Arc<Self>) -> Arc<SimulatedConnection> {
        Arc::new(SimulatedConnection {
            place: Arc::clone(self),
            tasks: Mutex::default(),
            sold: AtomicU64::new(0),
            given_back: AtomicU64::new(0),
        })
    }

    /// The rules of [`SharedBudgets::buy`].
    fn sell(&self, purchases: &[Purchase]) -> Result<Sales, Error> {
        self.trips.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(is_down());
        }
        let (now, mut budgets) = (self.now(), lock(&self.budgets));
        let mut states = Vec::new();
        for Purchase { budget, terms: BudgetTerms::Rate(params), give_back, .. } in purchases {
            let mut tat = budgets.get(budget).copied().unwrap_or(0);
            if let Some(Unspent { amount, sold_at }) = give_back
                && sold_at.0 <= now
            {
                tat = params.tat_refunded(tat, *amount, now - sold_at.0);
                budgets.insert(*budget, tat);
            }
            states.push(params.backlog(tat, now));
        }
        let room = |(purchase, backlog): (&Purchase, &Backlog)| {
            let BudgetTerms::Rate(params) = purchase.terms;
            params.remaining(*backlog)
        };
        let pairs = || purchases.iter().zip(&states);
        let refused = pairs().position(|(purchase, backlog)| room((purchase, backlog)) < purchase.need);
        let sell = |(purchase, backlog): (&Purchase, &Backlog)| {
            let BudgetTerms::Rate(params) = purchase.terms;
            let sold = if refused.is_none() { purchase.want.min(room((purchase, backlog))) } else { 0 };
            let backlog = Backlog::from_ticks(backlog.ticks() + sold * params.emission_interval());
            (sold, backlog, params.tat_of(backlog, now))
        };
        let mut sales = Vec::new();
        for (purchase, backlog) in pairs() {
            let (sold, backlog, tat) = sell((purchase, backlog));
            if sold > 0 {
                budgets.insert(purchase.budget, tat);
            }
            sales.push(Sale { sold, state: BudgetState::Rate(backlog) });
        }
        Ok(Sales { at: PlaceTime(now), refused, sales })
    }
}

impl SimulatedConnection {
    /// Runs each task until it waits.
    pub(super) fn run_tasks(&self) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        let mut context = Context::from_waker(Waker::noop());
        for mut task in tasks {
            if task.as_mut().poll(&mut context).is_pending() {
                lock(&self.tasks).push(task);
            }
        }
    }

    /// Drops all tasks, as the end of a process does.
    pub(super) fn end(&self) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        drop(tasks);
    }
}

impl SharedBudgets for SimulatedConnection {
    /// Takes effect at the first poll, and is answered at the second.
    fn buy<'a>(&'a self, purchases: &'a [Purchase]) -> Buying<'a> {
        let mut answer = None;
        Box::pin(poll_fn(move |context| match answer.take() {
            None => {
                let sales = self.place.sell(purchases);
                let returned = purchases.iter().filter_map(|purchase| purchase.give_back).map(|it| it.amount).sum();
                self.given_back.fetch_add(returned, Ordering::SeqCst);
                let sold = sales.iter().flat_map(|sales| &sales.sales).map(|sale| sale.sold).sum();
                self.sold.fetch_add(sold, Ordering::SeqCst);
                answer = Some((sales, self.place.now()));
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some((sales, at)) => {
                self.place.slowest.fetch_max(self.place.now() - at, Ordering::SeqCst);
                let is_lost = self.place.loses_answers.load(Ordering::SeqCst);
                Poll::Ready(if is_lost { Err(is_down()) } else { sales })
            }
        }))
    }

    fn spawn(&self, task: Boxed<()>) -> Result<(), Error> {
        lock(&self.tasks).push(task);
        Ok(())
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        let place = Arc::clone(&self.place);
        let until = place.now() + u64::try_from(time.as_micros()).unwrap();
        Box::pin(poll_fn(move |_| if place.now() >= until { Poll::Ready(()) } else { Poll::Pending }))
    }
}

fn is_down() -> Error {
    Error::unavailable(UnavailableCause::Io, "the place is down", "wait")
}

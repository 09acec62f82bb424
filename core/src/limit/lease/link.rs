//! The link of one process to a shared place: outages, and what goes back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::gcra::{GcraCell, GcraParams};
use super::super::process::ProcessLimiter;
use super::LeaseSettings;
use super::purchase::{BudgetId, LEASE_TIME, Purchase};
use crate::error::Error;
use crate::fork::lock;

/// How long the place is not asked after a failure, in microseconds.
const OUTAGE: u64 = 1_000_000;

/// An outage within this time after the last report is not reported again, in microseconds.
const REPORT_AFTER: u64 = 60_000_000;

/// The pause between two looks at what goes back.
const LOOK_PAUSE: Duration = Duration::from_micros(LEASE_TIME / 2);

/// The most budgets in one call that gives back.
const MAX_RETURNS: usize = 64;

/// The link of one process to a shared place.
pub(super) struct PlaceLink {
    settings: LeaseSettings,
    /// When the place is asked again after a failure; 0 while it can be reached.
    asks_at: AtomicU64,
    reported_at: Mutex<Option<u64>>,
    holding: Mutex<Holding>,
    local: ProcessLimiter,
}

/// The budgets that have something to give back.
#[derive(Default)]
struct Holding {
    budgets: Vec<Arc<dyn Creditor>>,
    /// Whether a task looks after them.
    is_watched: bool,
}

/// Requests that a budget may return to its shared place.
pub(super) enum Unreturned {
    Nothing,
    /// Something that may still be spent.
    Later,
    Now(Purchase),
}

/// A budget that may have something for its shared place.
pub(super) trait Creditor: Send + Sync {
    /// The requests that go back. `all` takes also those that may still be spent.
    fn unreturned(&self, all: bool, now: u64) -> Unreturned;

    /// Whether the link looks after it.
    fn is_held(&self) -> &AtomicBool;
}

/// Whether the place can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Works,
    Fails,
    /// It fails, and this caller is the one to ask it again.
    Asks,
}

impl PlaceLink {
    pub(super) fn new(settings: LeaseSettings) -> Self {
        Self {
            settings,
            asks_at: AtomicU64::new(0),
            reported_at: Mutex::new(None),
            holding: Mutex::default(),
            local: ProcessLimiter::new(),
        }
    }

    pub(super) fn settings(&self) -> &LeaseSettings {
        &self.settings
    }

    pub(super) fn local(&self) -> &ProcessLimiter {
        &self.local
    }

    /// The budget of this process alone.
    pub(super) fn local_budget(&self, BudgetId(id): BudgetId, params: GcraParams, now: u64) -> Arc<GcraCell> {
        // The id is a hash.
        let slot = id.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.local.budget_in(slot, params, || now)
    }

    pub(super) fn now(&self) -> u64 {
        self.settings.clock.monotonic_micros()
    }

    pub(super) fn reach(&self, now: u64) -> Reach {
        let asks_at = self.asks_at.load(Ordering::Relaxed);
        if asks_at == 0 {
            return Reach::Works;
        }
        let next = now.saturating_add(OUTAGE);
        let asks = now >= asks_at
            && self.asks_at.compare_exchange(asks_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if asks { Reach::Asks } else { Reach::Fails }
    }

    pub(super) fn is_unreachable(&self) -> bool {
        self.asks_at.load(Ordering::Relaxed) != 0
    }

    pub(super) fn note_success(&self) {
        self.asks_at.store(0, Ordering::Relaxed);
    }

    /// Notes that the place could not be reached, and tells the operator once.
    pub(super) fn note_failure(&self, error: Error) {
        let now = self.now();
        self.asks_at.store(now.saturating_add(OUTAGE), Ordering::Relaxed);
        let mut reported_at = lock(&self.reported_at);
        if reported_at.is_none_or(|at| now.saturating_sub(at) >= REPORT_AFTER) {
            self.settings.health.report_unshared_limits(error);
        }
        *reported_at = Some(now);
    }

    /// Looks after a budget that has something to give back.
    pub(super) fn hold(self: &Arc<Self>, budget: Arc<dyn Creditor>) {
        let mut holding = lock(&self.holding);
        if !budget.is_held().swap(true, Ordering::Relaxed) {
            holding.budgets.push(budget);
        }
        if !holding.is_watched {
            holding.is_watched = self.settings.place.spawn(Box::pin(Arc::clone(self).watch())).is_ok();
        }
    }

    /// Gives back what is not spent in time, until there is nothing more.
    async fn watch(self: Arc<Self>) {
        loop {
            self.settings.place.sleep(LOOK_PAUSE).await;
            self.give_back(false).await;
            let mut holding = lock(&self.holding);
            if holding.budgets.is_empty() {
                holding.is_watched = false;
                return;
            }
        }
    }

    /// Gives back what may no longer be spent. `all` gives back the rest too.
    pub(super) async fn give_back(&self, all: bool) {
        let now = self.now();
        // After a failure it is kept until the place can be reached again.
        if self.asks_at.load(Ordering::Relaxed) > now && !all {
            return;
        }
        let mut due = Vec::new();
        lock(&self.holding).budgets.retain(|budget| {
            let left = budget.unreturned(all, now);
            let is_held = matches!(left, Unreturned::Later);
            budget.is_held().store(is_held, Ordering::Relaxed);
            if let Unreturned::Now(purchase) = left {
                due.push(purchase);
            }
            is_held
        });
        for purchases in due.chunks(MAX_RETURNS) {
            match self.settings.place.buy(purchases).await {
                Ok(_) => self.note_success(),
                Err(error) => self.note_failure(error),
            }
        }
    }
}

//! Taking a cost from a budget in a shared place, and the purchases of what is not in stock.

use std::sync::Arc;

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::budget::{Bought, LeasedBudget, Taking};
use super::link::{PlaceLink, Reach};
use super::purchase::{Purchase, Sales};
use super::state::Settlement;
use crate::error::{Error, UnavailableCause};

/// The outcome of a purchase.
pub(in crate::limit) enum PurchaseOutcome {
    /// The amount that each budget has sold.
    Bought(Vec<Bought>),
    /// The place of the budget that refuses.
    Refused(usize),
    /// Another purchase has ended, or the place cannot be reached.
    TryAgain,
}

/// A cost of one budget.
pub(in crate::limit) type Wanted = (Arc<LeasedBudget>, u64);

/// Takes the whole cost from the stock, or nothing.
///
/// # Errors
/// `unavailable` if the place cannot be reached and the limit refuses requests then.
#[inline]
pub(in crate::limit) fn take(budget: &Arc<LeasedBudget>, cost: u64, now: u64) -> Result<Taking, Error> {
    match budget.take_from_stock(cost, now) {
        Some(taken) => Ok(Taking::Taken(taken)),
        None => take_without_stock(budget, cost, now),
    }
}

#[cold]
fn take_without_stock(budget: &Arc<LeasedBudget>, cost: u64, now: u64) -> Result<Taking, Error> {
    if budget.refuses(cost, now) {
        return Ok(Taking::Refused);
    }
    match budget.link().reach(now) {
        Reach::Works => return Ok(Taking::Lacking),
        Reach::Asks => ask_again(budget, cost),
        Reach::Fails => {}
    }
    budget.take_in_outage(cost, now)
}

/// Buys for one request from budgets of one place.
pub(in crate::limit) async fn buy(wanted: &[Wanted]) -> PurchaseOutcome {
    if let Err((budget, cost)) = begin(wanted) {
        budget.purchase_ended(*cost).await;
        return PurchaseOutcome::TryAgain;
    }
    let (answer, outcome) = oneshot::channel();
    start(wanted, Some(answer));
    match (outcome.await, wanted.first()) {
        (Ok(outcome), _) => outcome,
        (Err(_), first) => {
            // The task was dropped.
            first.into_iter().for_each(|(budget, _)| budget.link().note_failure(stopped()));
            PurchaseOutcome::TryAgain
        }
    }
}

/// Buys the cost of a request that does not wait, to see whether the place can be reached again.
fn ask_again(budget: &Arc<LeasedBudget>, cost: u64) {
    let wanted = [(Arc::clone(budget), cost)];
    if begin(&wanted).is_ok() {
        start(&wanted, None);
    }
}

/// Starts a purchase that has begun. It ends also if nobody waits for it.
fn start(wanted: &[Wanted], answer: Option<oneshot::Sender<PurchaseOutcome>>) {
    let Some(link) = wanted.first().map(|(budget, _)| Arc::clone(budget.link())) else { return };
    let sent = link.now();
    let purchases = wanted.iter().map(|(budget, cost)| budget.plan(*cost, sent)).collect();
    let budgets = wanted.iter().map(|(budget, _)| Arc::clone(budget)).collect();
    let open = OpenPurchase { link: Arc::clone(&link), budgets, purchases, sent };
    if let Err(error) = link.settings().place.spawn(Box::pin(open.run(answer))) {
        link.note_failure(error);
    }
}

/// Begins the purchase of all, or of none: then it names the budget from which another purchase buys.
fn begin(wanted: &[Wanted]) -> Result<(), &Wanted> {
    // In one order, so that two requests do not wait for each other.
    let mut in_order: SmallVec<[&Wanted; 4]> = wanted.iter().collect();
    in_order.sort_unstable_by_key(|(budget, _)| budget.id());
    for (begun, busy) in in_order.iter().enumerate() {
        if !busy.0.begin_purchase() {
            in_order.iter().take(begun).for_each(|(budget, _)| budget.end_purchase());
            return Err(busy);
        }
    }
    Ok(())
}

/// A purchase under way. It ends also when its task is dropped.
struct OpenPurchase {
    link: Arc<PlaceLink>,
    budgets: Vec<Arc<LeasedBudget>>,
    purchases: Vec<Purchase>,
    sent: u64,
}

impl OpenPurchase {
    async fn run(self, answer: Option<oneshot::Sender<PurchaseOutcome>>) {
        let sales = self.link.settings().place.buy(&self.purchases).await;
        let now = self.link.now();
        let outcome = match sales.and_then(|sales| sales.checked(&self.purchases)) {
            Ok(sales) => {
                self.link.note_success();
                self.settle(&sales, now)
            }
            Err(error) => {
                self.link.note_failure(error);
                PurchaseOutcome::TryAgain
            }
        };
        // If nobody waits, what was bought goes into the stock.
        let _ = answer.map(|answer| answer.send(outcome));
    }

    fn settle(&self, Sales { at, refused, sales }: &Sales, now: u64) -> PurchaseOutcome {
        let parts = self.budgets.iter().zip(self.purchases.iter().zip(sales));
        let bought = parts
            .map(|(budget, (purchase, sale))| {
                let settlement = Settlement { sale: *sale, sold_at: *at, is_sold: refused.is_none() };
                budget.settle(purchase, settlement, self.sent, now)
            })
            .collect();
        refused.map_or(PurchaseOutcome::Bought(bought), PurchaseOutcome::Refused)
    }
}

impl Drop for OpenPurchase {
    fn drop(&mut self) {
        self.budgets.iter().for_each(|budget| budget.end_purchase());
    }
}

fn stopped() -> Error {
    Error::unavailable(
        UnavailableCause::Io,
        "the connections to the place that keeps shared limits have ended",
        "open Keywright again",
    )
}

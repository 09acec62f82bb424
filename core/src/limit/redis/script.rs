//! The script that sells requests: its arguments, and the answer to it.

use std::sync::LazyLock;

use redis::{Cmd, Script, Value};

use super::error;
use crate::error::Error;
use crate::limit::gcra::GcraParams;
use crate::limit::lease::{Backlog, BudgetId, BudgetState, BudgetTerms, PlaceTime, Purchase, Sale, Sales};

const CODE: &str = include_str!("purchase.lua");
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(CODE));

/// The most requests that one purchase names. No limit allows more at once.
const MOST: u64 = 1 << 31;

/// The numbers that the script takes for each budget.
fn arguments(purchase: &Purchase) -> [u64; 8] {
    let BudgetTerms::Rate(params) = purchase.terms;
    let (unit, interval) = (params.ticks(), params.emission_interval());
    let [need, want] = [purchase.need, purchase.want].map(|requests| requests.min(MOST));
    let (back, back_at) = purchase.give_back.map_or((0, 0), |it| (it.amount.min(MOST), it.sold_at.0));
    [unit, interval / unit, interval % unit, params.burst(), need, want, back, back_at]
}

/// The backlog that the script tells: requests, and a rest in microseconds and ticks. `None` if no budget of these terms can
/// have it.
fn backlog(terms: BudgetTerms, [requests, rest, ticks]: [u64; 3]) -> Option<Backlog> {
    let BudgetTerms::Rate(params) = terms;
    let rest = rest.checked_mul(params.ticks())?.checked_add(ticks)?;
    let backlog = requests.checked_mul(params.emission_interval())?.checked_add(rest)?;
    (rest < params.emission_interval() && backlog <= params.tolerance()).then(|| Backlog::from_ticks(backlog))
}

/// The command that makes the purchases, with the script by its hash or in full.
pub(super) fn command(prefix: &str, purchases: &[Purchase], in_full: bool) -> Cmd {
    let mut command = redis::cmd(if in_full { "EVAL" } else { "EVALSHA" });
    command.arg(if in_full { CODE } else { SCRIPT.get_hash() }).arg(purchases.len());
    for purchase in purchases {
        command.arg(key(prefix, purchase.budget));
    }
    for purchase in purchases {
        for number in arguments(purchase) {
            command.arg(number);
        }
    }
    command
}

/// The key of a budget. The braces put all keys of a prefix into one slot of a cluster, because the budgets of one purchase
/// change together.
fn key(prefix: &str, budget: BudgetId) -> String {
    format!("{{{prefix}}}:{:032x}", u128::from_be_bytes(budget.0))
}

/// Reads the answer. An answer that the script cannot give is an error.
pub(super) fn answer(value: &Value, purchases: &[Purchase]) -> Result<Sales, Error> {
    read(value, purchases).and_then(|sales| sales.checked(purchases).ok()).ok_or_else(error::nonsense)
}

fn read(value: &Value, purchases: &[Purchase]) -> Option<Sales> {
    let Value::Array(items) = value else { return None };
    let number = |item: &Value| match item {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let numbers = items.iter().map(number).collect::<Option<Vec<u64>>>()?;
    let [at, refused, rest @ ..] = numbers.as_slice() else { return None };
    let (states, leftover) = rest.as_chunks::<4>();
    if *at == 0 || !leftover.is_empty() || states.len() != purchases.len() {
        return None;
    }
    let refused = usize::try_from(*refused).ok()?.checked_sub(1);
    let sale = |(purchase, [sold, state @ ..]): (&Purchase, &[u64; 4])| {
        Some(Sale { sold: *sold, state: BudgetState::Rate(backlog(purchase.terms, *state)?) })
    };
    let sales = purchases.iter().zip(states).map(sale).collect::<Option<Vec<_>>>()?;
    Some(Sales { at: PlaceTime(*at), refused, sales })
}

/// A purchase that writes a key for a millisecond. It shows whether the server runs the script and takes changes.
pub(super) fn trial() -> Purchase {
    let terms = BudgetTerms::Rate(GcraParams::new(u64::MAX, 1));
    Purchase { budget: BudgetId([0; 16]), terms, need: 1, want: 1, give_back: None }
}

//! The rules that every shared place keeps, checked on a place that is empty.

use std::thread;

use super::{Backlog, BudgetId, BudgetState, BudgetTerms, PlaceTime, Purchase, Sales, SharedBudgets, Unspent};
use crate::limit::gcra::GcraParams;
use crate::wait::block_on;

type PlaceCheck = fn(&dyn SharedBudgets) -> Result<(), String>;

/// One request a minute: nothing comes back while a check runs.
const SLOW: u64 = 1;

/// Runs all checks. Returns their names.
pub(crate) fn check(place: &dyn SharedBudgets) -> Result<Vec<&'static str>, String> {
    let checks: [(&str, PlaceCheck); 6] = [
        ("a new budget is full, and sells what there is", sells_what_there_is),
        ("all needs are sold, or nothing", all_or_nothing),
        ("what goes back can be bought again", takes_back),
        ("what goes back late or to nobody changes nothing", takes_back_no_more),
        ("no digit is lost", keeps_every_tick),
        ("many buyers get a budget once", sells_once),
    ];
    for (name, check) in checks {
        check(place).map_err(|problem| format!("{name}: {problem}"))?;
    }
    Ok(checks.map(|it| it.0).to_vec())
}

fn terms(rate: u64, burst: u64) -> GcraParams {
    GcraParams::new(rate, burst)
}

fn purchase(budget: u8, params: GcraParams, need: u64, want: u64) -> Purchase {
    let mut id = [7; 16];
    if let Some(first) = id.first_mut() {
        *first = budget;
    }
    Purchase { budget: BudgetId(id), terms: BudgetTerms::Rate(params), need, want, give_back: None }
}

fn buy(place: &dyn SharedBudgets, purchases: &[Purchase]) -> Result<Sales, String> {
    let sales = block_on(place.buy(purchases)).map_err(|error| error.to_string())?;
    sales.checked(purchases).map_err(|error| error.to_string())
}

/// Buys, and compares what was sold and who refused.
fn sells(
    place: &dyn SharedBudgets,
    purchases: &[Purchase],
    sold: &[u64],
    refused: Option<usize>,
) -> Result<Sales, String> {
    let sales = buy(place, purchases)?;
    let found: Vec<u64> = sales.sales.iter().map(|sale| sale.sold).collect();
    if (found.as_slice(), sales.refused) == (sold, refused) {
        Ok(sales)
    } else {
        Err(format!("{purchases:?} sold {found:?} and was refused by {:?}", sales.refused))
    }
}

fn sells_what_there_is(place: &dyn SharedBudgets) -> Result<(), String> {
    let params = terms(SLOW, 5);
    sells(place, &[purchase(1, params, 2, 3)], &[3], None)?;
    sells(place, &[purchase(1, params, 1, 10)], &[2], None)?;
    let sales = sells(place, &[purchase(1, params, 1, 1)], &[0], Some(0))?;
    let left = sales.sales.iter().map(|sale| match sale.state {
        BudgetState::Rate(backlog) => params.wait_seconds(backlog, 1),
    });
    match left.collect::<Vec<_>>().as_slice() {
        [Some(1..=60)] => Ok(()),
        other => Err(format!("a refusal says to wait {other:?}")),
    }
}

fn all_or_nothing(place: &dyn SharedBudgets) -> Result<(), String> {
    let (wide, narrow) = (terms(SLOW, 9), terms(SLOW, 2));
    sells(place, &[purchase(11, wide, 1, 1), purchase(10, narrow, 2, 2)], &[1, 2], None)?;
    sells(
        place,
        &[purchase(11, wide, 1, 5), purchase(10, narrow, 1, 1), purchase(12, narrow, 3, 3)],
        &[0, 0, 0],
        Some(1),
    )?;
    sells(place, &[purchase(11, wide, 8, 9), purchase(12, narrow, 2, 2)], &[8, 2], None).map(drop)
}

fn takes_back(place: &dyn SharedBudgets) -> Result<(), String> {
    let params = terms(SLOW, 5);
    let sales = sells(place, &[purchase(20, params, 5, 5)], &[5], None)?;
    let back = |need, amount| Purchase {
        give_back: Some(Unspent { amount, sold_at: sales.at }),
        ..purchase(20, params, need, need)
    };
    // Requests that go back are in the budget again, also if nothing is bought then. Each time, the place keeps what has come
    // back by itself since the sale, which is less than one request.
    sells(place, &[back(4, 2)], &[0], Some(0))?;
    sells(place, &[back(2, 1)], &[2], None)?;
    sells(place, &[back(0, 1)], &[0], None)?;
    sells(place, &[purchase(20, params, 1, 1)], &[1], None).map(drop)
}

fn takes_back_no_more(place: &dyn SharedBudgets) -> Result<(), String> {
    let params = terms(SLOW, 5);
    let sales = sells(place, &[purchase(30, params, 5, 5)], &[5], None)?;
    let back = |budget, sold_at| Purchase {
        give_back: Some(Unspent { amount: 3, sold_at }),
        ..purchase(budget, params, 1, 1)
    };
    // They have long come back by themselves.
    let long_ago = PlaceTime(sales.at.0.saturating_sub(3_600_000_000));
    sells(place, &[back(30, long_ago)], &[0], Some(0))?;
    // The clock of the place has gone back since.
    sells(place, &[back(30, PlaceTime(sales.at.0 + 3_600_000_000))], &[0], Some(0))?;
    sells(place, &[back(31, sales.at)], &[1], None)?;
    sells(place, &[purchase(31, params, 1, 5)], &[4], None).map(drop)
}

fn keeps_every_tick(place: &dyn SharedBudgets) -> Result<(), String> {
    for (budget, (rate, burst)) in
        [(40, (1_000_000_007, 1_000_000_000)), (41, (7, 1_000_000_000)), (42, (1_000_000_000, 1))]
    {
        let params = terms(rate, burst);
        let all = params.burst();
        let sales = sells(place, &[purchase(budget, params, all, all)], &[all], None)?;
        let [sale] = sales.sales.as_slice() else { return Err("one answer was expected".to_owned()) };
        if sale.state != BudgetState::Rate(Backlog::from_ticks(params.tolerance())) {
            return Err(format!("{params:?} has {:?} after all was sold", sale.state));
        }
    }
    Ok(())
}

fn sells_once(place: &dyn SharedBudgets) -> Result<(), String> {
    const BUYERS: usize = 4;
    let params = terms(SLOW, 60);
    let buyer = |number: usize| -> Result<u64, String> {
        let mut got = 0;
        for turn in 0..25 {
            let pair = [purchase(50, params, 1, 1), purchase(51, params, 1, 1)];
            let pair = if (turn + number).is_multiple_of(2) { pair } else { [pair[1], pair[0]] };
            got += u64::from(buy(place, &pair)?.refused.is_none());
        }
        Ok(got)
    };
    let sold: Result<Vec<u64>, String> = thread::scope(|scope| {
        let buyers: Vec<_> = (0..BUYERS).map(|number| scope.spawn(move || buyer(number))).collect();
        buyers.into_iter().map(|it| it.join().map_err(|_| "a buyer ended".to_owned())?).collect()
    });
    match sold?.iter().sum::<u64>() {
        60 => Ok(()),
        other => Err(format!("{other} of 60 were sold")),
    }
}

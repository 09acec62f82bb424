//! Counts of quotas.

use std::sync::Arc;

use super::{Check, NOW, clock, draft, hold, made, message, one};
use crate::error::Error;
use crate::limit::quota::{Demand, MAX_AMOUNT, QuotaCount};
use crate::record::{Per, Period};
use crate::store::{AnyStore, CreditBalance, QuotaId, QuotaSale, QuotaSold, Store};
use crate::wait::join;

fn id(owner: &str, every: Option<Period>, starts_at: i64) -> QuotaId {
    QuotaId { per: Per::Key, owner: owner.to_owned(), name: "q".to_owned(), every, starts_at }
}

fn sale(id: &QuotaId, demand: Demand) -> QuotaSale {
    QuotaSale { id: id.clone(), demand, is_first: false }
}

async fn sell(store: &AnyStore, sales: Vec<QuotaSale>) -> Result<Vec<QuotaSold>, String> {
    store.sell(Arc::from(sales)).await.map_err(message)
}

/// Every store sells by the rule of [`Demand::sell`].
pub(super) async fn sales_follow_the_rule(store: &AnyStore) -> Check {
    let id = id("quotas-1", Some(Period::Day), -86_400_000);
    let mut count = QuotaCount::default();
    let numbers = [0, 1, 2, 7, 40, 1_000];
    for (step, amount) in numbers.iter().cycle().take(60).enumerate() {
        let at =
            |place: usize| numbers.iter().copied().cycle().nth(step * 7 + place * 3 + step / 6).unwrap_or_default();
        let (least, need) = (at(1).min(at(2)), at(1).max(at(2)));
        let demand = Demand { amount: *amount, least, need, want: need + at(3), given_back: at(4) / 3 };
        let wanted = demand.sell(count);
        let sold = sell(store, vec![sale(&id, demand)]).await?;
        count = wanted.1;
        hold(sold == [QuotaSold { sold: wanted.0, count }], "a sale does not follow the rule")?;
        hold(store.quota_count(&id).await == Ok(count), "a count is not what was sold")?;
    }
    let most = Demand { amount: MAX_AMOUNT, least: 1, need: MAX_AMOUNT, want: MAX_AMOUNT, given_back: count.used };
    let sold = sell(store, vec![sale(&id, most)]).await?;
    let all = QuotaSold { sold: MAX_AMOUNT, count: QuotaCount { used: MAX_AMOUNT, credited: 0 } };
    hold(sold == [all], "the largest amount cannot be sold")
}

pub(super) async fn nothing_is_oversold_at_the_same_time(store: &AnyStore) -> Check {
    let id = id("quotas-2", Some(Period::Hour), NOW);
    let demand = Demand { amount: 20, least: 1, need: 3, want: 3, given_back: 0 };
    let buy = || async { sell(store, vec![sale(&id, demand), sale(&id, demand)]).await };
    let ((first, second), (third, fourth)) = join(join(buy(), buy()), join(buy(), buy())).await;
    let mut sold = 0;
    for sales in [first, second, third, fourth] {
        sold += sales?.iter().map(|sale| sale.sold).sum::<u64>();
    }
    let used = store.quota_count(&id).await.map_err(message)?.used;
    hold((used, sold) == (20, 20), "a quota is oversold, or not sold whole")
}

pub(super) async fn periods_that_are_long_over_are_forgotten(store: &AnyStore) -> Check {
    let period = |starts_at| id("quotas-3", Some(Period::Hour), starts_at);
    let demand = Demand { amount: 9, least: 1, need: 1, want: 1, given_back: 0 };
    // A clock that went ahead, and came back.
    for starts_at in [9, 1, 2, 3, 4, 5] {
        sell(store, vec![QuotaSale { is_first: true, ..sale(&period(starts_at), demand) }]).await?;
    }
    let mut used = Vec::new();
    for starts_at in [1, 2, 3, 4, 5, 9] {
        used.push(store.quota_count(&period(starts_at)).await.map_err(message)?.used);
    }
    hold(used == [0, 0, 1, 1, 1, 1], "a period is forgotten too early, or not at all")
}

pub(super) async fn a_balance_is_credited_with_its_audit(store: &AnyStore) -> Check {
    made(store, "quotas-4", "quotas").await?;
    let balance = id("quotas-4", None, 0);
    let credit = |amount, fails: bool| {
        let rule = move |_: &_, _| {
            let refused = || Error::conflict("id", "is not credited", "try another");
            if fails { Err(refused()) } else { Ok(draft("key.credit", "quotas", "quotas-4")) }
        };
        store.run(CreditBalance {
            tenant: one("quotas"),
            key_id: "quotas-4".to_owned(),
            clock: clock(),
            balance: balance.clone(),
            amount,
            rule: Box::new(rule),
            authority: None,
        })
    };
    hold(credit(5, true).await.is_err(), "a rule that fails credits")?;
    hold(credit(5, false).await.map_err(message)?.is_some(), "a key is not found")?;
    let demand = Demand { amount: 2, least: 6, need: 6, want: 6, given_back: 0 };
    let sold = sell(store, vec![sale(&balance, demand)]).await?;
    let count = QuotaCount { used: 6, credited: 5 };
    hold(sold == [QuotaSold { sold: 6, count }], "a credit does not count")?;
    credit(MAX_AMOUNT, false).await.map_err(message)?;
    let count = store.quota_count(&balance).await.map_err(message)?;
    hold(count == QuotaCount { used: 6, credited: MAX_AMOUNT }, "credits go beyond their bound, or sales are lost")
}

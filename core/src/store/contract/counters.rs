//! Counters, and the claim of a day.

use super::{Check, NOW, got, hold, key, lookup, made, message, next_flush, one};
use crate::store::{AgentCounts, AnyStore, Counts, MOST_AGENTS, OTHER_AGENTS, Store, UsageDelta};

pub(super) async fn counters_add_up(store: &AnyStore) -> Check {
    made(store, "counts-1", "counts").await?;
    let add = |usage_count, last_used_at| {
        let counts = Counts { usage_count, denied_count: 2, last_used_at };
        let (key_id, lookup) = ("counts-1".to_owned(), lookup("counts-1"));
        store.add_usage(
            next_flush(),
            [UsageDelta { key_id, lookup, counts, agents: Vec::new(), grace_over: false }].into(),
            NOW,
        )
    };
    let counted = async || Ok::<_, String>(got(store, &one("counts"), "counts-1").await?);
    add(3, Some(NOW + 5)).await.map_err(message)?;
    add(4, Some(NOW)).await.map_err(message)?;
    add(0, None).await.map_err(message)?;
    let view = counted().await?;
    let wanted = Counts { usage_count: 7, denied_count: 6, last_used_at: Some(NOW + 5) };
    let last_used: Vec<_> = view.secrets.iter().map(|secret| secret.last_used_at).collect();
    hold(view.usage == wanted && last_used == [Some(NOW + 5)], "counters do not add up")?;
    hold(view.key == key("counts-1", "counts"), "a count changed the key")?;
    for _ in 0..2 {
        add(u64::MAX, None).await.map_err(message)?;
    }
    hold(counted().await?.usage.usage_count == i64::MAX.unsigned_abs(), "a counter goes beyond its bound")
}

pub(super) async fn agents_are_counted_up_to_a_bound(store: &AnyStore) -> Check {
    made(store, "agents-1", "agents").await?;
    let counts = |it: u64| Counts { usage_count: it, denied_count: 1, last_used_at: Some(NOW) };
    let agent = |name: &str, it: u64| AgentCounts { agent: name.into(), counts: counts(it) };
    let add = |agents: Vec<AgentCounts>| {
        let used = UsageDelta {
            key_id: "agents-1".into(),
            lookup: lookup("agents-1"),
            counts: counts(0),
            agents,
            grace_over: false,
        };
        store.add_usage(next_flush(), [used].into(), NOW)
    };
    add(vec![agent("a", 2), agent("b", 3)]).await.map_err(message)?;
    add((0..MOST_AGENTS).map(|it| agent(&it.to_string(), 1)).collect()).await.map_err(message)?;
    add(vec![agent("a", 2), agent("z", 5)]).await.map_err(message)?;
    let found = store.agents("agents-1").await.map_err(message)?;
    let of = |name: &str| found.iter().find(|it| &*it.agent == name).map(|it| it.counts.usage_count);
    hold(found.len() == MOST_AGENTS + 1, "a key has more agents than it may, or fewer")?;
    hold((of("a"), of("b"), of("z")) == (Some(4), Some(3), None), "an agent was counted wrongly")?;
    hold(of(OTHER_AGENTS) == Some(2 + 5), "agents beyond the bound were lost")?;
    hold(store.agents("agents-2").await.map_err(message)?.is_empty(), "a key without agents has some")
}

pub(super) async fn a_day_is_claimed_once(store: &AnyStore) -> Check {
    let claim = |day| store.claim_day(day);
    let claims = (claim(7).await, claim(7).await, claim(6).await, claim(8).await);
    hold(claims == (Ok(true), Ok(false), Ok(false), Ok(true)), "a day was claimed twice, or not at all")
}

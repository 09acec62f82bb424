//! Endpoints of webhooks, and their deliveries.

use std::sync::Arc;

use super::{Check, NOW, hold, made, message};
use crate::clock::Millis;
use crate::store::{
    AnyStore, ClaimedDelivery, DeliveryOutcome, EndpointChange, EndpointRow, EndpointState, SettledBatch,
    SettledDelivery, Store,
};
use crate::wait::join;

const LEASE: Millis = 60_000;

fn endpoint(id: &str, actions: &str) -> EndpointRow {
    EndpointRow {
        id: id.to_owned(),
        url: "https://hooks.example/…".to_owned(),
        actions: actions.to_owned(),
        created_at: NOW,
        kept_until: NOW + 1_000,
    }
}

async fn register(store: &AnyStore, rows: &[EndpointRow]) -> Check {
    store.register_webhooks(Arc::from(rows)).await.map_err(message)
}

async fn claim(store: &AnyStore, id: &str, now: Millis, limit: usize) -> Result<Vec<ClaimedDelivery>, String> {
    store.claim_deliveries(id, now, now + LEASE, limit).await.map_err(message)
}

async fn settle(store: &AnyStore, id: &str, leased_at: Millis, seq: u64, outcome: DeliveryOutcome) -> Check {
    let deliveries = vec![SettledDelivery { seq, outcome }];
    let batch = SettledBatch { endpoint: id.to_owned(), leased_until: leased_at + LEASE, at: leased_at, deliveries };
    store.settle_deliveries(batch).await.map_err(message)
}

async fn state(store: &AnyStore, id: &str) -> Result<EndpointState, String> {
    let all = store.webhook_endpoints().await.map_err(message)?;
    all.into_iter().find(|it| it.id == id).ok_or_else(|| format!("{id} is not there"))
}

async fn change(store: &AnyStore, id: &str, change: EndpointChange) -> Result<bool, String> {
    store.change_webhook(id, change).await.map_err(message)
}

fn failed(next_at: Option<Millis>) -> DeliveryOutcome {
    DeliveryOutcome::Failed { next_at, body: "the body".to_owned(), failure: "answered 500".to_owned() }
}

pub(super) async fn a_change_queues_for_each_endpoint_that_hears_of_it(store: &AnyStore) -> Check {
    made(store, "hooks-1", "hooks").await?;
    register(store, &[endpoint("we-1", "key.create org.create"), endpoint("we-2", "key.revoke")]).await?;
    made(store, "hooks-2", "hooks").await?;
    hold(
        state(store, "we-1").await?.pending == 1 && state(store, "we-2").await?.pending == 0,
        "an action is mistaken",
    )?;
    let ids = ["we-2".to_owned(), "we-1".to_owned(), "we-3".to_owned()];
    let due = store.due_webhooks(&ids, NOW).await.map_err(message)?;
    hold(due == ["we-1"], "what is due is not told")?;
    let claimed = claim(store, "we-1", NOW, 10).await?;
    let [delivery] = claimed.as_slice() else { return Err("not one delivery is claimed".into()) };
    let audit = store.audit_scan(delivery.seq - 1, 1).await.map_err(message)?;
    let entry = audit.first().map(|row| &row.entry).ok_or("the entry is not there")?;
    let id = format!("msg_{}", entry.hash.get(..32).unwrap_or_default());
    let whole = (&*delivery.message, &*delivery.action, delivery.target.as_deref(), delivery.actor.as_deref());
    hold(whole == (&id, "key.create", Some("hooks-2"), Some("alice")), "an entry is queued wrongly")?;
    hold((delivery.at, delivery.attempts, &delivery.body) == (NOW, 0, &None), "a new delivery is not new")?;
    settle(store, "we-1", NOW, delivery.seq, DeliveryOutcome::Delivered).await?;
    // Nobody registers it again.
    register(store, &[EndpointRow { kept_until: NOW, ..endpoint("we-3", "key.create") }]).await?;
    made(store, "hooks-3", "hooks").await?;
    hold(state(store, "we-3").await?.pending == 0, "an endpoint outlives its registration")?;
    for id in ["we-1", "we-2", "we-3"] {
        hold(change(store, id, EndpointChange::Remove).await?, "an endpoint is not there")?;
    }
    made(store, "hooks-4", "hooks").await?;
    hold(store.webhook_endpoints().await == Ok(Vec::new()), "an endpoint is still there")?;
    hold(claim(store, "we-1", NOW, 10).await?.is_empty(), "what was queued is still there")
}

pub(super) async fn a_delivery_has_one_claim_at_a_time(store: &AnyStore) -> Check {
    register(store, &[endpoint("we-4", "key.create")]).await?;
    for number in 0..12 {
        made(store, &format!("hooks-4{number}"), "hooks").await?;
    }
    let ((one, two), (three, four)) = join(
        join(claim(store, "we-4", NOW, 5), claim(store, "we-4", NOW, 5)),
        join(claim(store, "we-4", NOW, 5), claim(store, "we-4", NOW, 5)),
    )
    .await;
    let mut seqs = Vec::new();
    for claimed in [one?, two?, three?, four?] {
        seqs.extend(claimed.iter().map(|it| it.seq));
    }
    seqs.sort_unstable();
    let mut distinct = seqs.clone();
    distinct.dedup();
    hold(seqs.len() == 12 && distinct == seqs, "a delivery is claimed twice, or not at all")?;
    hold(claim(store, "we-4", NOW + LEASE - 1, 20).await?.is_empty(), "a claim ends too early")?;
    let again = claim(store, "we-4", NOW + LEASE, 20).await?;
    hold(again.len() == 12, "a claim never ends")?;
    let seq = again.first().map(|it| it.seq).unwrap_or_default();
    settle(store, "we-4", NOW, seq, DeliveryOutcome::Delivered).await?;
    hold(state(store, "we-4").await?.pending == 12, "an old claim is still worth something")?;
    settle(store, "we-4", NOW + LEASE, seq, DeliveryOutcome::Delivered).await?;
    hold(state(store, "we-4").await?.pending == 11, "a delivery is not done")?;
    change(store, "we-4", EndpointChange::Remove).await.map(drop)
}

pub(super) async fn failures_wait_die_and_come_back(store: &AnyStore) -> Check {
    register(store, &[endpoint("we-5", "key.create")]).await?;
    made(store, "hooks-5", "hooks").await?;
    let mut now = NOW;
    let mut seq = claim(store, "we-5", now, 1).await?.first().map(|it| it.seq).unwrap_or_default();
    settle(store, "we-5", now, seq, failed(Some(now + 5_000))).await?;
    hold(claim(store, "we-5", now + 4_999, 1).await?.is_empty(), "a failure does not wait")?;
    now += 5_000;
    let claimed = claim(store, "we-5", now, 1).await?;
    let [delivery] = claimed.as_slice() else { return Err("a failure waits too long".into()) };
    hold((delivery.attempts, delivery.body.as_deref()) == (1, Some("the body")), "an attempt is forgotten")?;
    settle(store, "we-5", now, delivery.seq, failed(None)).await?;
    let dead = state(store, "we-5").await?;
    hold(
        (dead.pending, dead.dead, dead.failure.as_deref()) == (0, 1, Some("answered 500")),
        "a delivery does not die",
    )?;
    hold(claim(store, "we-5", now + 10 * LEASE, 1).await?.is_empty(), "a dead delivery is claimed")?;
    store.forget_deliveries(now).await.map_err(message)?;
    hold(change(store, "we-5", EndpointChange::Retry { at: now }).await?, "an endpoint is not there")?;
    seq = claim(store, "we-5", now, 1).await?.first().map(|it| it.seq).unwrap_or_default();
    settle(store, "we-5", now, seq, failed(None)).await?;
    store.forget_deliveries(now + 1).await.map_err(message)?;
    hold(state(store, "we-5").await?.dead == 0, "a dead delivery is kept for ever")?;
    made(store, "hooks-6", "hooks").await?;
    let gone = EndpointChange::Disable { at: now, reason: "gone".to_owned() };
    hold(change(store, "we-5", gone).await?, "an endpoint is not there")?;
    made(store, "hooks-7", "hooks").await?;
    let disabled = state(store, "we-5").await?;
    hold((disabled.pending, disabled.dead, disabled.disabled_at) == (0, 1, Some(now)), "a disabled endpoint hears")?;
    change(store, "we-5", EndpointChange::Enable).await?;
    made(store, "hooks-8", "hooks").await?;
    let enabled = state(store, "we-5").await?;
    hold((enabled.pending, enabled.disabled_at, enabled.reason) == (1, None, None), "an endpoint is not enabled")?;
    hold(!change(store, "we-6", EndpointChange::Enable).await?, "an unknown endpoint is changed")?;
    change(store, "we-5", EndpointChange::Remove).await.map(drop)
}

pub(super) async fn retries_and_new_messages_take_turns(store: &AnyStore) -> Check {
    register(store, &[endpoint("we-6", "key.create")]).await?;
    for number in 0..3 {
        made(store, &format!("hooks-6{number}"), "hooks").await?;
    }
    let failed_once: Vec<u64> = claim(store, "we-6", NOW, 3).await?.iter().map(|it| it.seq).collect();
    for (seq, due) in failed_once.iter().rev().zip([1, 2, 3]) {
        settle(store, "we-6", NOW, *seq, failed(Some(NOW + due))).await?;
    }
    for number in 3..9 {
        made(store, &format!("hooks-6{number}"), "hooks").await?;
    }
    let now = NOW + 10;
    let seqs = |claimed: Vec<ClaimedDelivery>| {
        let mut seqs: Vec<_> = claimed.iter().map(|it| (it.attempts, it.seq)).collect();
        seqs.sort_unstable();
        seqs
    };
    let first = seqs(claim(store, "we-6", now, 4).await?);
    let is_again = |(attempts, _): &&(u64, u64)| *attempts == 1;
    let mut again: Vec<u64> = first.iter().filter(is_again).map(|it| it.1).collect();
    again.sort_unstable();
    hold(failed_once.get(1..) == Some(again.as_slice()), "the retries that are due first have no share")?;
    hold(first.windows(2).all(|two| two.first() < two.last()), "a delivery is claimed twice")?;
    // A share that nobody needs is for the others.
    let second = seqs(claim(store, "we-6", now, 4).await?);
    hold(second.len() == 4 && second.iter().filter(is_again).count() == 1, "a share is left unused")?;
    let third = seqs(claim(store, "we-6", now, 4).await?);
    hold(third.len() == 1, "a delivery is left, or claimed twice")?;
    // Neither do new messages wait for all that an operator lets attempt again.
    for (_, seq) in &second {
        settle(store, "we-6", now, *seq, failed(None)).await?;
    }
    hold(change(store, "we-6", EndpointChange::Retry { at: now }).await?, "an endpoint is not there")?;
    made(store, "hooks-69", "hooks").await?;
    let fourth = claim(store, "we-6", now, 2).await?;
    hold(fourth.iter().filter(|it| it.body.is_none()).count() == 1, "a new delivery waits for old ones")?;
    change(store, "we-6", EndpointChange::Remove).await.map(drop)
}

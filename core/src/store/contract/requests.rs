//! Idempotent requests.

use super::{Check, NOW, chain, change, edit, hold, made, message, next_flush, one};
use crate::clock::Millis;
use crate::error::Error;
use crate::idempotency::{
    IdempotentRequest, LEASE_DURATION, MAX_BYTES_PER_CALLER, RETENTION, RequestLease, RequestOutcome, SWEEP_INTERVAL,
    StoredResponse,
};
use crate::store::{AnyStore, BeginRequest, FinishRequest, KeyView, Store};

fn attempt(org: &str, key: &str, at: Millis) -> IdempotentRequest {
    IdempotentRequest::new(org, ["key", "k1", ""], key, [b"host", b"POST", b"/v1/deals", b"{}"], at)
}

async fn remembered(store: &AnyStore, attempt: &IdempotentRequest) -> Result<Option<RequestOutcome>, String> {
    Ok(store.stored_outcome(attempt).await.map_err(message)?.map(|it| it.outcome))
}

pub(super) async fn a_request_runs_once_at_a_time(store: &AnyStore) -> Check {
    let first = attempt("turns", "k", NOW);
    let lease =
        |token| RequestLease { org: first.org.clone(), name: first.name, caller: first.caller, token: [token; 16] };
    let begin = |attempt: IdempotentRequest, token| async move {
        store.run(BeginRequest { request: attempt, token: [token; 16] }).await.map_err(message)
    };
    hold(remembered(store, &first).await?.is_none(), "a name was remembered before it was used")?;
    hold(begin(first.clone(), 1).await?.is_none(), "the first request got no lease")?;
    hold(begin(first.clone(), 2).await?.is_some(), "the second request got a lease as well")?;
    hold(begin(attempt("others", "k", NOW), 1).await?.is_none(), "a name crossed a tenant")?;
    let late = attempt("turns", "k", NOW + LEASE_DURATION);
    hold(begin(late.clone(), 3).await?.is_none(), "an expired lease still holds")?;
    let kept = |status| StoredResponse { status, headers: "{}".to_owned(), body: Some(vec![0, 255]) };
    store.run(FinishRequest { lease: lease(1), response: Some(kept(201)), now: late.at }).await.map_err(message)?;
    store.run(FinishRequest { lease: lease(1), response: None, now: late.at }).await.map_err(message)?;
    hold(remembered(store, &late).await? == Some(RequestOutcome::Running), "an expired lease ended a later one")?;
    store.run(FinishRequest { lease: lease(3), response: Some(kept(202)), now: late.at }).await.map_err(message)?;
    let answered = Some(RequestOutcome::Answered(kept(202)));
    let end = late.at + RETENTION;
    hold(remembered(store, &attempt("turns", "k", end - 1)).await? == answered, "an answer was not kept")?;
    hold(remembered(store, &attempt("turns", "k", end)).await?.is_none(), "an answer is kept too long")?;
    store.add_usage(next_flush(), [].into(), end - 1).await.map_err(message)?;
    hold(remembered(store, &attempt("turns", "k", end - 1)).await?.is_some(), "an answer was forgotten too soon")?;
    store.add_usage(next_flush(), [].into(), end - 1 + SWEEP_INTERVAL).await.map_err(message)?;
    hold(remembered(store, &attempt("turns", "k", end - 1)).await?.is_none(), "an expired answer is still there")?;
    let freed = attempt("turns", "freed", NOW);
    hold(begin(freed.clone(), 4).await?.is_none(), "a new request got no lease")?;
    store
        .run(FinishRequest { lease: RequestLease { name: freed.name, ..lease(4) }, response: None, now: NOW })
        .await
        .map_err(message)?;
    hold(remembered(store, &freed).await?.is_none(), "a name that was freed is remembered")
}

pub(super) async fn answers_of_one_caller_are_bounded(store: &AnyStore) -> Check {
    let most = usize::try_from(MAX_BYTES_PER_CALLER).map_err(|it| it.to_string())?;
    // Returns the length of the stored body.
    let keep = async |attempt: IdempotentRequest, length: usize| {
        let lease =
            RequestLease { org: attempt.org.clone(), name: attempt.name, caller: attempt.caller, token: [9; 16] };
        store.run(BeginRequest { request: attempt.clone(), token: lease.token }).await.map_err(message)?;
        let kept = StoredResponse { status: 200, headers: "{}".to_owned(), body: Some(vec![0; length]) };
        store.run(FinishRequest { lease, response: Some(kept), now: attempt.at }).await.map_err(message)?;
        match remembered(store, &attempt).await? {
            Some(RequestOutcome::Answered(kept)) => Ok(kept.body.map(|body| body.len())),
            _ => Err("an answer was forgotten".to_owned()),
        }
    };
    let first = attempt("bounded", "first", NOW);
    hold(keep(first.clone(), most - 5).await? == Some(most - 5), "an answer within the bound is not kept")?;
    hold(keep(attempt("bounded", "beyond", NOW), 2).await?.is_none(), "an answer beyond the bound is kept")?;
    hold(keep(attempt("bounded", "fits", NOW), 1).await? == Some(1), "an answer up to the bound is not kept")?;
    hold(keep(attempt("bounded", "none", NOW), 0).await?.is_none(), "its headers go beyond the bound")?;
    let other = IdempotentRequest { caller: [1; 32], ..attempt("bounded", "other", NOW) };
    hold(keep(other, 2).await? == Some(2), "the bound of one caller holds for another")?;
    hold(keep(attempt("unbounded", "first", NOW), 2).await? == Some(2), "the bound of a caller crossed a tenant")?;
    let later = attempt("bounded", "later", NOW + RETENTION);
    hold(keep(later, 2).await? == Some(2), "what is over takes room")
}

pub(super) async fn a_change_is_remembered_with_its_request(store: &AnyStore) -> Check {
    made(store, "again-1", "again").await?;
    let (tenant, before) = (one("again"), chain(store).await?);
    let rename = |attempt: IdempotentRequest, fails: bool| {
        let rule = move |view: &KeyView, _| {
            if fails { Err(Error::conflict("id", "no", "never")) } else { Ok(Some(edit(view, |it| it.name.push('!')))) }
        };
        let tenant = tenant.clone();
        async move { store.run_once(change(&tenant, "again-1", Box::new(rule)), Some(attempt)).await }
    };
    let first = attempt("again", "k", NOW);
    hold(rename(first.clone(), true).await.is_err(), "a failing rule passed")?;
    hold(remembered(store, &first).await?.is_none(), "what failed is remembered")?;
    rename(first.clone(), false).await.map_err(message)?;
    let changed = Some(RequestOutcome::Changed("again-1".to_owned()));
    hold(remembered(store, &first).await? == changed, "a change is not remembered")?;
    let again = rename(first.clone(), false).await.err().map(|it| it.code());
    hold(again == Some("in_progress") && chain(store).await?.len() == before.len() + 1, "a change was made twice")
}

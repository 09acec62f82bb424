//! The contract of a store: one suite of checks, which every store passes on a new database.

use crate::audit::AuditDraft;
use crate::clock::{Clock, ManualClock, Millis, time};
use crate::error::Error;
use crate::idempotency::{
    IdempotentRequest, LEASE_DURATION, MAX_BYTES_PER_CALLER, RETENTION, RequestLease, RequestOutcome, StoredResponse,
};
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::record::Status;
use crate::store::{
    AgentCounts, AnyStore, AppendAudit, AuditFilter, BeginRequest, ChangeKey, ChangeOrg, Counts, CreateKey,
    FinishRequest, KeyEdit, KeyFilter, KeyRow, KeyRule, KeyView, MOST_AGENTS, OTHER_AGENTS, OrgEdit, OrgRow,
    PageCursor, PruneAudit, ReplaceVerifier, RevokeKeys, SecretRow, StatusFilter, Store, Tenant, UsageDelta,
};

/// Runs the checks on a store whose database is new, and returns the names of those that passed.
pub(crate) async fn contract(store: &AnyStore) -> Result<Vec<&'static str>, String> {
    let mut passed = Vec::new();
    macro_rules! run {
        ($($check:ident),* $(,)?) => {
            $($check(store).await.map_err(|it| format!("{}: {it}", stringify!($check)))?; passed.push(stringify!($check));)*
        };
    }
    run!(
        what_is_created_is_found,
        a_taken_id_or_lookup_creates_nothing,
        a_tenant_sees_its_own,
        a_rule_that_fails_changes_nothing,
        a_change_is_one_transaction,
        entries_about_a_key_are_one_transaction,
        agents_are_counted_up_to_a_bound,
        a_day_is_claimed_once,
        children_are_found_by_the_revocation_that_took_them,
        a_revocation_is_final,
        a_grace_that_was_over_stays_over,
        statuses_agree_with_the_lifecycle,
        pages_are_whole_and_in_order,
        a_prefix_finds_its_key,
        a_verifier_is_replaced_only_while_it_stands,
        changes_of_one_key_follow_each_other,
        a_request_runs_once_at_a_time,
        answers_of_one_caller_are_bounded,
        a_change_is_remembered_with_its_request,
        orgs_are_kept,
        the_chain_has_no_gap,
        pruning_leaves_a_checkpoint,
    );
    Ok(passed)
}

type Check = Result<(), String>;

/// The time of the checks. None depends on it.
const NOW: Millis = 1_800_000_000_000;

fn clock() -> Clock {
    ManualClock::new(time(NOW)).into()
}

fn hold(holds: bool, what: &str) -> Check {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn message(error: Error) -> String {
    error.to_string()
}

fn one(org: &str) -> Tenant {
    Tenant::One(org.to_owned())
}

fn key(id: &str, org: &str) -> KeyRow {
    KeyRow::sample(id, org, NOW)
}

fn secret(lookup: &str) -> SecretRow {
    SecretRow {
        lifetime: SecretLifetime { lookup: lookup.to_owned(), grace_ends_at: None },
        prefix: format!("liq_live_{lookup}"),
        format: "liq_{env}_{lookup:12}_{secret:32}{checksum:6}".to_owned(),
        verifier: format!("verifier of {lookup}"),
        filter: Some(vec![0, 1, 255]),
        created_at: NOW,
    }
}

fn draft(action: &'static str, org: &str, target: &str) -> AuditDraft {
    AuditDraft {
        at: NOW,
        org: Some(org.to_owned()),
        actor: Some("alice".to_owned()),
        action,
        target: Some(target.to_owned()),
        reason: None,
        details: serde_json::Map::new(),
    }
}

fn edit(view: &KeyView, change: impl FnOnce(&mut KeyRow)) -> KeyEdit {
    let mut key = view.key.clone();
    change(&mut key);
    KeyEdit { audit: draft("key.update", &key.org, &key.id), key, grace_ends: Vec::new(), new_secret: None }
}

async fn create(store: &AnyStore, key: KeyRow, secret: SecretRow, audit: AuditDraft) -> Result<bool, String> {
    store.run(CreateKey { key, secret, audit, authority: None }).await.map_err(message)
}

/// A change of a key by a rule.
fn change(tenant: &Tenant, id: &str, rule: KeyRule) -> ChangeKey {
    ChangeKey { tenant: tenant.clone(), id: id.to_owned(), clock: clock(), rule, authority: None }
}

/// A key whose lookup is its id, padded to the shortest one.
async fn made(store: &AnyStore, id: &str, org: &str) -> Result<(), String> {
    let made = create(store, key(id, org), secret(&lookup(id)), draft("key.create", org, id)).await?;
    hold(made, "a free id and lookup were taken for taken")
}

fn lookup(id: &str) -> String {
    format!("{:x>12}", id.replace('-', ""))
}

async fn got(store: &AnyStore, tenant: &Tenant, id: &str) -> Result<KeyView, String> {
    store.get(tenant, id, NOW).await.map_err(message)?.ok_or_else(|| format!("{id} is not there"))
}

async fn what_is_created_is_found(store: &AnyStore) -> Check {
    made(store, "found-1", "found").await?;
    let view = got(store, &one("found"), "found-1").await?;
    hold(view.key == key("found-1", "found"), "the key came back changed")?;
    hold(view.secrets == vec![secret(&lookup("found-1")).view()], "the secret came back changed")?;
    let found = store.find(&lookup("found-1"), NOW).await.map_err(message)?.ok_or("the lookup found nothing")?;
    hold(found.secret == secret(&lookup("found-1")) && found.view == view, "the lookup found something else")?;
    hold(!found.org_disabled && found.org_networks.is_none(), "a new org restricts")?;
    hold(store.find("unknown00000", NOW).await.map_err(message)?.is_none(), "an unknown lookup found something")
}

async fn a_taken_id_or_lookup_creates_nothing(store: &AnyStore) -> Check {
    made(store, "taken-1", "taken").await?;
    let before = chain(store).await?;
    for (id, lookup) in [("taken-1", "fresh0000000"), ("taken-2", lookup("taken-1").as_str())] {
        let made = create(store, key(id, "new-org"), secret(lookup), draft("key.create", "new-org", id)).await?;
        hold(!made, "a taken id or lookup was used again")?;
    }
    hold(store.org("new-org").await.map_err(message)?.is_none(), "an org was left behind")?;
    hold(chain(store).await? == before, "an audit entry was left behind")
}

async fn a_tenant_sees_its_own(store: &AnyStore) -> Check {
    made(store, "mine-1", "mine").await?;
    let theirs = one("theirs");
    hold(store.get(&theirs, "mine-1", NOW).await.map_err(message)?.is_none(), "get crossed a tenant")?;
    let prefix = secret(&lookup("mine-1")).prefix;
    hold(store.by_prefix(&theirs, &prefix, NOW).await.map_err(message)?.is_none(), "by_prefix crossed a tenant")?;
    let listed = store.list(&theirs, &KeyFilter::default(), None, 10, NOW).await.map_err(message)?;
    hold(listed.is_empty(), "list crossed a tenant")?;
    let rule = Box::new(|view: &KeyView, _| Ok(Some(edit(view, |it| it.name = "taken over".to_owned()))));
    hold(store.run(change(&theirs, "mine-1", rule)).await.map_err(message)?.is_none(), "change crossed a tenant")?;
    let seen = store.audit(&theirs, &AuditFilter::default(), None, 10).await.map_err(message)?;
    hold(seen.is_empty(), "audit crossed a tenant")?;
    got(store, &Tenant::Every, "mine-1")
        .await
        .and_then(|it| hold(it.key == key("mine-1", "mine"), "the key was changed"))
}

async fn a_rule_that_fails_changes_nothing(store: &AnyStore) -> Check {
    made(store, "rule-1", "rule").await?;
    let before = chain(store).await?;
    let refuse = Box::new(|_: &KeyView, _| Err(Error::conflict("id", "no", "never")));
    hold(store.run(change(&one("rule"), "rule-1", refuse)).await.is_err(), "a failing rule passed")?;
    let nothing = Box::new(|_: &KeyView, _| Ok(None));
    let kept = store.run(change(&one("rule"), "rule-1", nothing)).await.map_err(message)?.ok_or("the key is gone")?;
    hold(kept.key == key("rule-1", "rule") && chain(store).await? == before, "no change changed something")
}

async fn a_change_is_one_transaction(store: &AnyStore) -> Check {
    made(store, "whole-1", "whole").await?;
    made(store, "whole-2", "whole").await?;
    let before = chain(store).await?;
    // The second part meets a lookup that is taken, so the first must not stay.
    let rule = Box::new(|view: &KeyView, _| {
        let change = edit(view, |it| it.name = "half".to_owned());
        Ok(Some(KeyEdit { new_secret: Some(secret(&lookup("whole-2"))), ..change }))
    });
    hold(store.run(change(&one("whole"), "whole-1", rule)).await.is_err(), "a taken lookup was used again")?;
    let view = got(store, &one("whole"), "whole-1").await?;
    hold(view.key == key("whole-1", "whole") && chain(store).await? == before, "half a change stayed")
}

async fn entries_about_a_key_are_one_transaction(store: &AnyStore) -> Check {
    made(store, "told-1", "told").await?;
    let before = chain(store).await?;
    let append = |tenant: &str, actions: &'static [&'static str], fails: bool| {
        let rule = move |view: &KeyView, _| {
            let drafts = actions.iter().map(|it| draft(it, &view.key.org, &view.key.id)).collect();
            if fails { Err(Error::conflict("id", "no", "never")) } else { Ok(drafts) }
        };
        let (tenant, clock) = (one(tenant), clock());
        let id = "told-1".to_owned();
        let script = AppendAudit { tenant, id, clock, rule: Box::new(rule), authority: None };
        async move { store.run(script).await }
    };
    hold(append("theirs", &["a"], false).await.map_err(message)?.is_none(), "append_audit crossed a tenant")?;
    hold(
        append("told", &["a"], true).await.is_err() && chain(store).await? == before,
        "a failing rule appended an entry",
    )?;
    let rows = append("told", &["a", "b"], false).await.map_err(message)?.ok_or("the key is gone")?;
    let actions: Vec<&str> = rows.iter().map(|it| it.entry.action.as_str()).collect();
    hold(actions == ["a", "b"] && chain(store).await?.len() == before.len() + 2, "entries are out of order")
}

async fn agents_are_counted_up_to_a_bound(store: &AnyStore) -> Check {
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
        store.add_usage([used].into(), NOW)
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

async fn a_day_is_claimed_once(store: &AnyStore) -> Check {
    let claim = |day| store.claim_day(day);
    let claims = (claim(7).await, claim(7).await, claim(6).await, claim(8).await);
    hold(claims == (Ok(true), Ok(false), Ok(false), Ok(true)), "a day was claimed twice, or not at all")
}

async fn children_are_found_by_the_revocation_that_took_them(store: &AnyStore) -> Check {
    for (id, parent) in [("line-1", None), ("line-2", Some("line-1")), ("line-3", Some("line-2")), ("line-4", None)] {
        let key = KeyRow { parent: parent.map(str::to_owned), ..key(id, "line") };
        create(store, key, secret(&lookup(id)), draft("key.create", "line", id)).await?;
    }
    let revoke = |id: &'static str, at| {
        let rule = Box::new(move |view: &KeyView, _| Ok(Some(edit(view, |it| it.life.revoked_at = Some(at)))));
        async move { store.run(change(&one("line"), id, rule)).await.map_err(message) }
    };
    revoke("line-3", NOW - 1).await?;
    revoke("line-1", NOW).await?;
    let found = store.revoked_with("line-1", NOW).await.map_err(message)?;
    let ids: Vec<&str> = found.iter().map(|it| it.key.id.as_str()).collect();
    hold(ids == ["line-2"], "another revocation was taken for this one")
}

async fn a_revocation_is_final(store: &AnyStore) -> Check {
    made(store, "final-1", "final").await?;
    let tenant = one("final");
    let revoke = Box::new(|view: &KeyView, _| Ok(Some(edit(view, |it| it.life.revoked_at = Some(NOW)))));
    store.run(change(&tenant, "final-1", revoke)).await.map_err(message)?;
    for other in [None, Some(NOW + 1), Some(NOW - 1)] {
        let rule = Box::new(move |view: &KeyView, _| Ok(Some(edit(view, |it| it.life.revoked_at = other))));
        hold(store.run(change(&tenant, "final-1", rule)).await.is_err(), "a revocation was taken back or moved")?;
    }
    let view = got(store, &tenant, "final-1").await?;
    hold(view.key.life.revoked_at == Some(NOW), "the revocation is gone")
}

async fn a_grace_that_was_over_stays_over(store: &AnyStore) -> Check {
    made(store, "grace-1", "grace").await?;
    let (tenant, former) = (one("grace"), lookup("grace-1"));
    let until = |end: Option<Millis>| {
        let ends = vec![SecretLifetime { lookup: former.clone(), grace_ends_at: end }];
        let rule =
            Box::new(move |view: &KeyView, _| Ok(Some(KeyEdit { grace_ends: ends.clone(), ..edit(view, |_| ()) })));
        let tenant = tenant.clone();
        async move { store.run(change(&tenant, "grace-1", rule)).await.map_err(message) }
    };
    until(Some(NOW + 5)).await?;
    hold(until(Some(NOW + 6)).await.is_err() && until(None).await.is_err(), "a grace got longer")?;
    let (key_id, lookup) = ("grace-1".to_owned(), former.clone());
    let used = UsageDelta { key_id, lookup, counts: Counts::default(), agents: Vec::new(), grace_over: true };
    let before = chain(store).await?.len();
    for _ in 0..2 {
        store.add_usage([used.clone()].into(), NOW + 5).await.map_err(message)?;
    }
    let found = store.find(&former, NOW).await.map_err(message)?.ok_or("the lookup found nothing")?;
    hold(found.secret.lifetime.is_over(0), "a clock that steps back brings a former secret back")?;
    hold(chain(store).await?.len() == before + 1, "the end of a grace has not one entry")?;
    hold(until(Some(NOW + 5)).await.is_err(), "the end of a grace was taken back")
}

async fn statuses_agree_with_the_lifecycle(store: &AnyStore) -> Check {
    let tenant = one("states");
    let times = [None, Some(NOW - 1), Some(NOW), Some(NOW + 1)];
    for (index, (expires_at, gone)) in times.iter().flat_map(|it| (0..4).map(move |gone| (*it, gone))).enumerate() {
        let id = format!("states-{index}");
        made(store, &id, "states").await?;
        let life = Lifecycle {
            expires_at,
            disabled_at: (gone & 1 == 1).then_some(NOW - 5),
            revoked_at: (gone & 2 == 2).then_some(NOW - 5),
        };
        let rule = Box::new(move |view: &KeyView, _| Ok(Some(edit(view, |it| it.life = life))));
        store.run(change(&tenant, &id, rule)).await.map_err(message)?;
    }
    let list = |status| {
        let filter = KeyFilter { status, ..KeyFilter::default() };
        let tenant = tenant.clone();
        async move { store.list(&tenant, &filter, None, 100, NOW).await.map_err(message) }
    };
    let all = list(StatusFilter::All).await?;
    hold(all.len() == 16, "not all keys are listed")?;
    for (filter, status) in [
        (StatusFilter::Active, Status::Active),
        (StatusFilter::Disabled, Status::Disabled),
        (StatusFilter::Expired, Status::Expired),
        (StatusFilter::Revoked, Status::Revoked),
    ] {
        let wanted = all.iter().filter(|it| it.key.life.status(NOW) == status).cloned().collect::<Vec<_>>();
        hold(!wanted.is_empty() && list(filter).await? == wanted, status.as_str())?;
    }
    let living = all.iter().filter(|it| it.key.life.status(NOW) != Status::Revoked).count();
    hold(list(StatusFilter::NotRevoked).await?.len() == living, "the standard list")
}

async fn pages_are_whole_and_in_order(store: &AnyStore) -> Check {
    for index in 0..7 {
        let id = format!("page-{index}");
        let key = KeyRow { created_at: NOW + i64::from(index / 2), ..key(&id, "pages") };
        create(store, key, secret(&lookup(&id)), draft("key.create", "pages", &id)).await?;
    }
    let (mut seen, mut after): (Vec<PageCursor>, Option<PageCursor>) = (Vec::new(), None);
    loop {
        let page = store.list(&one("pages"), &KeyFilter::default(), after.as_ref(), 3, NOW).await.map_err(message)?;
        seen.extend(page.iter().map(|it| PageCursor { at: it.key.created_at, id: it.key.id.clone() }));
        after = seen.last().cloned();
        if page.len() < 3 {
            break;
        }
    }
    let ordered = seen.windows(2).all(|it| matches!(it, [a, b] if (a.at, &a.id) > (b.at, &b.id)));
    hold(seen.len() == 7 && ordered, "keys are missing, twice, or out of order")
}

async fn a_prefix_finds_its_key(store: &AnyStore) -> Check {
    made(store, "prefix-1", "prefix").await?;
    let prefix = secret(&lookup("prefix-1")).prefix;
    let found = store.by_prefix(&one("prefix"), &prefix, NOW).await.map_err(message)?;
    hold(found.is_some_and(|it| it.key.id == "prefix-1"), "the prefix found nothing")?;
    for other in [format!("x{prefix}"), lookup("prefix-1"), "%".to_owned(), String::new()] {
        hold(
            store.by_prefix(&one("prefix"), &other, NOW).await.map_err(message)?.is_none(),
            "half a prefix found a key",
        )?;
    }
    Ok(())
}

async fn a_verifier_is_replaced_only_while_it_stands(store: &AnyStore) -> Check {
    made(store, "verifier-1", "verifier").await?;
    let (lookup, first) = (lookup("verifier-1"), secret(&lookup("verifier-1")).verifier);
    let replace = async |from: &str, to: &str| {
        let (lookup, from, to) = (lookup.clone(), from.to_owned(), to.to_owned());
        store.run(ReplaceVerifier { lookup, from, to, filter: None }).await.map_err(message)
    };
    replace("another", "stolen").await?;
    replace(&first, "second").await?;
    let found = store.find(&lookup, NOW).await.map_err(message)?.ok_or("the secret is gone")?;
    hold(found.secret.verifier == "second" && found.secret.filter.is_none(), "the wrong verifier was replaced")
}

async fn changes_of_one_key_follow_each_other(store: &AnyStore) -> Check {
    made(store, "turns-1", "turns").await?;
    let tenant = one("turns");
    let add = || {
        let rule = Box::new(|view: &KeyView, _| Ok(Some(edit(view, |it| it.name.push('x')))));
        store.run(change(&tenant, "turns-1", rule))
    };
    let mut waiting: Vec<_> = (0..20).map(|_| Box::pin(add())).collect();
    // All are queued before the first is awaited.
    for turn in &mut waiting {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = turn.as_mut().poll(&mut context);
    }
    for turn in waiting {
        turn.await.map_err(message)?;
    }
    let added = got(store, &tenant, "turns-1").await?.key.name.matches('x').count();
    hold(added == 20, "a change was lost")
}

fn attempt(org: &str, key: &str, at: Millis) -> IdempotentRequest {
    IdempotentRequest::new(org, ["key", "k1", ""], key, [b"host", b"POST", b"/v1/deals", b"{}"], at)
}

async fn remembered(store: &AnyStore, attempt: &IdempotentRequest) -> Result<Option<RequestOutcome>, String> {
    Ok(store.stored_outcome(attempt).await.map_err(message)?.map(|it| it.outcome))
}

async fn a_request_runs_once_at_a_time(store: &AnyStore) -> Check {
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
    store.add_usage([].into(), end - 1).await.map_err(message)?;
    hold(remembered(store, &attempt("turns", "k", end - 1)).await?.is_some(), "an answer was forgotten too soon")?;
    store.add_usage([].into(), end).await.map_err(message)?;
    hold(remembered(store, &attempt("turns", "k", end - 1)).await?.is_none(), "an expired answer is still there")?;
    let freed = attempt("turns", "freed", NOW);
    hold(begin(freed.clone(), 4).await?.is_none(), "a new request got no lease")?;
    store
        .run(FinishRequest { lease: RequestLease { name: freed.name, ..lease(4) }, response: None, now: NOW })
        .await
        .map_err(message)?;
    hold(remembered(store, &freed).await?.is_none(), "a name that was freed is remembered")
}

async fn answers_of_one_caller_are_bounded(store: &AnyStore) -> Check {
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

async fn a_change_is_remembered_with_its_request(store: &AnyStore) -> Check {
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

async fn orgs_are_kept(store: &AnyStore) -> Check {
    made(store, "orgs-1", "orgs").await?;
    let rule = Box::new(|org: &OrgRow| {
        let org = OrgRow {
            disabled_at: Some(NOW),
            networks: Some(Vec::new()),
            reason: Some("unpaid".to_owned()),
            ..org.clone()
        };
        Ok(Some(OrgEdit { org, audit: draft("org.disable", "orgs", "orgs") }))
    });
    let changed =
        store.run(ChangeOrg { id: "orgs".to_owned(), rule }).await.map_err(message)?.ok_or("the org is gone")?;
    hold(store.org("orgs").await.map_err(message)? == Some(changed), "the org came back changed")?;
    let found = store.find(&lookup("orgs-1"), NOW).await.map_err(message)?.ok_or("the secret is gone")?;
    hold(found.org_disabled && found.org_networks == Some(Vec::new()), "a verification does not see its org")?;
    let nobody = store
        .run(RevokeKeys { org: "nobody".to_owned(), reason: None, audit: draft("org.revoke_keys", "nobody", "nobody") })
        .await
        .map_err(message)?;
    let revoke = || {
        store.run(RevokeKeys {
            org: "orgs".to_owned(),
            reason: Some("closed".to_owned()),
            audit: draft("org.revoke_keys", "orgs", "orgs"),
        })
    };
    let counts = (nobody, revoke().await.map_err(message)?, revoke().await.map_err(message)?);
    hold(counts == (None, Some(1), Some(0)), "revoking the keys of an org")?;
    let everyone = store.orgs(None, 100).await.map_err(message)?;
    hold(everyone.iter().any(|it| it.id == "orgs"), "the org is not listed")
}

async fn chain(store: &AnyStore) -> Result<Vec<u64>, String> {
    let rows = store.audit_scan(0, 10_000).await.map_err(message)?;
    Ok(rows.iter().map(|it| it.entry.seq).collect())
}

async fn the_chain_has_no_gap(store: &AnyStore) -> Check {
    let chain = chain(store).await?;
    let wanted = (1..=u64::try_from(chain.len()).unwrap_or_default()).collect::<Vec<_>>();
    hold(!chain.is_empty() && chain == wanted, "the sequence has a gap")
}

async fn pruning_leaves_a_checkpoint(store: &AnyStore) -> Check {
    let before = chain(store).await?;
    let last = before.last().copied().unwrap_or_default();
    // No other check makes an entry as late as this.
    let later = NOW + 10;
    let prune = |before| {
        store.run(PruneAudit { before, audit: AuditDraft { at: later, ..draft("audit.prune", "orgs", "orgs") } })
    };
    hold(prune(NOW).await.map_err(message)? == 0, "entries of that very time were pruned")?;
    hold(chain(store).await? == before, "pruning nothing left an entry")?;
    let pruned = prune(later).await.map_err(message)?;
    hold(pruned == last && chain(store).await? == vec![last + 1], "the checkpoint does not follow what was pruned")
}

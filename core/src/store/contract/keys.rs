//! Keys and their secrets.

use super::{
    Check, NOW, chain, change, create, draft, edit, got, hold, key, lookup, made, message, next_flush, one, secret,
};
use crate::clock::Millis;
use crate::error::Error;
use crate::lifecycle::SecretLifetime;
use crate::store::{
    AnyStore, AuditFilter, Counts, KeyEdit, KeyFilter, KeyRow, KeyView, ReplaceVerifier, Store, Tenant, UsageDelta,
};

pub(super) async fn what_is_created_is_found(store: &AnyStore) -> Check {
    made(store, "found-1", "found").await?;
    let view = got(store, &one("found"), "found-1").await?;
    hold(view.key == key("found-1", "found"), "the key came back changed")?;
    hold(view.secrets == vec![secret(&lookup("found-1")).view()], "the secret came back changed")?;
    let found = store.find(&lookup("found-1"), NOW).await.map_err(message)?.ok_or("the lookup found nothing")?;
    hold(found.secret == secret(&lookup("found-1")) && found.view == view, "the lookup found something else")?;
    hold(!found.org_disabled && found.org_networks.is_none(), "a new org restricts")?;
    hold(store.find("unknown00000", NOW).await.map_err(message)?.is_none(), "an unknown lookup found something")
}

pub(super) async fn a_taken_id_or_lookup_creates_nothing(store: &AnyStore) -> Check {
    made(store, "taken-1", "taken").await?;
    let before = chain(store).await?;
    for (id, lookup) in [("taken-1", "fresh0000000"), ("taken-2", lookup("taken-1").as_str())] {
        let made = create(store, key(id, "new-org"), secret(lookup), draft("key.create", "new-org", id)).await?;
        hold(!made, "a taken id or lookup was used again")?;
    }
    hold(store.org("new-org").await.map_err(message)?.is_none(), "an org was left behind")?;
    hold(chain(store).await? == before, "an audit entry was left behind")
}

pub(super) async fn a_tenant_sees_its_own(store: &AnyStore) -> Check {
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

pub(super) async fn a_rule_that_fails_changes_nothing(store: &AnyStore) -> Check {
    made(store, "rule-1", "rule").await?;
    let before = chain(store).await?;
    let refuse = Box::new(|_: &KeyView, _| Err(Error::conflict("id", "no", "never")));
    hold(store.run(change(&one("rule"), "rule-1", refuse)).await.is_err(), "a failing rule passed")?;
    let nothing = Box::new(|_: &KeyView, _| Ok(None));
    let kept = store.run(change(&one("rule"), "rule-1", nothing)).await.map_err(message)?.ok_or("the key is gone")?;
    hold(kept.key == key("rule-1", "rule") && chain(store).await? == before, "no change changed something")
}

pub(super) async fn a_change_is_one_transaction(store: &AnyStore) -> Check {
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

pub(super) async fn children_are_found_by_the_revocation_that_took_them(store: &AnyStore) -> Check {
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

pub(super) async fn a_revocation_is_final(store: &AnyStore) -> Check {
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

pub(super) async fn a_grace_that_was_over_stays_over(store: &AnyStore) -> Check {
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
        store.add_usage(next_flush(), [used.clone()].into(), NOW + 5).await.map_err(message)?;
    }
    let found = store.find(&former, NOW).await.map_err(message)?.ok_or("the lookup found nothing")?;
    hold(found.secret.lifetime.is_over(0), "a clock that steps back brings a former secret back")?;
    hold(chain(store).await?.len() == before + 1, "the end of a grace has not one entry")?;
    hold(until(Some(NOW + 5)).await.is_err(), "the end of a grace was taken back")
}

pub(super) async fn a_verifier_is_replaced_only_while_it_stands(store: &AnyStore) -> Check {
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

pub(super) async fn changes_of_one_key_follow_each_other(store: &AnyStore) -> Check {
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

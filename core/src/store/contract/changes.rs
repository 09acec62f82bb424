//! Checks that memory learns of each change, and that writes at the same time keep their outcomes.

use super::{Check, NOW, change, clock, create, draft, edit, got, hold, key, lookup, made, message, one, secret};
use crate::error::Error;
use crate::store::{AnyStore, AppendAudit, KeyView, Store};

pub(super) async fn a_change_shows_before_it_is_acknowledged(store: &AnyStore) -> Check {
    let ask = async || store.confirm(NOW).await.map_err(message);
    let since = async |cursor| store.changes(cursor).await.map_err(message);
    made(store, "fresh-1", "fresh").await?;
    let before = ask().await?;
    let first = since(None).await?;
    hold(first.all, "nothing is known before the first question")?;
    hold(store.freshness(NOW).is_none_or(|now| now == before), "something changed by itself")?;
    hold(ask().await? == before, "a question looks like a change")?;
    let nothing = since(Some(first.cursor)).await?;
    hold(!nothing.all && nothing.keys.is_empty() && nothing.orgs.is_empty(), "something changed by itself")?;
    let rename = Box::new(|view: &KeyView, _| Ok(Some(edit(view, |key| key.name = "renamed".to_owned()))));
    store.run(change(&one("fresh"), "fresh-1", rename)).await.map_err(message)?;
    hold(store.freshness(NOW) != Some(before), "a change that is acknowledged does not show")?;
    hold(ask().await? != before, "a change does not show in the question")?;
    let second = since(Some(first.cursor)).await?;
    hold(second.all || second.keys.iter().any(|id| id == "fresh-1"), "the change of a key is missing")?;
    hold(second.cursor != first.cursor, "the cursor stays")
}

pub(super) async fn writes_at_the_same_time_have_their_own_outcomes(store: &AnyStore) -> Check {
    made(store, "group-1", "group").await?;
    let append = |action: &'static str, fails: bool| {
        let rule = Box::new(move |view: &KeyView, _| match fails {
            true => Err(Error::conflict("id", "no", "never")),
            false => Ok(vec![draft(action, &view.key.org, &view.key.id)]),
        });
        let (tenant, id) = (one("group"), "group-1".to_owned());
        store.run(AppendAudit { tenant, id, clock: clock(), rule, authority: None })
    };
    // The second and the last one meet what the first ones wrote.
    let ids = ["group-2", "group-2", "group-3", "group-4", "group-1"];
    let creates = ids.map(|id| {
        let audit = draft("key.create", "group-of-a-new-org", id);
        Box::pin(create(store, key(id, "group-of-a-new-org"), secret(&lookup(id)), audit))
    });
    let mut creates = Vec::from(creates);
    let (mut good, mut bad) = (Box::pin(append("a", false)), Box::pin(append("b", true)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for create in &mut creates {
        let _ = create.as_mut().poll(&mut context);
    }
    let _ = (bad.as_mut().poll(&mut context), good.as_mut().poll(&mut context));
    let mut made = Vec::new();
    for create in creates {
        made.push(create.await?);
    }
    made.sort_unstable();
    hold(made == [false, false, true, true, true], "a taken id was used twice, or a free one not at all")?;
    hold(bad.await.is_err(), "a failing rule passed")?;
    hold(good.await.map_err(message)?.is_some_and(|rows| rows.len() == 1), "another's failure failed a write")?;
    got(store, &one("group-of-a-new-org"), "group-4").await?;
    let entries = store.audit_scan(0, 10_000).await.map_err(message)?;
    let told = |action: &str, org: &str| {
        let own = |entry: &&crate::record::AuditEntry| entry.action == action && entry.org.as_deref() == Some(org);
        entries.iter().map(|row| &row.entry).filter(own).count()
    };
    let counts = (told("org.create", "group-of-a-new-org"), told("key.create", "group-of-a-new-org"));
    hold(counts == (1, 3) && told("a", "group") == 1 && told("b", "group") == 0, "the audit tells something else")
}

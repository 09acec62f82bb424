//! Reads of many keys.

use super::{Check, NOW, change, create, draft, edit, hold, key, lookup, made, message, one, secret};
use crate::lifecycle::Lifecycle;
use crate::record::Status;
use crate::store::{AnyStore, KeyFilter, KeyRow, KeyView, PageCursor, StatusFilter, Store};

pub(super) async fn statuses_agree_with_the_lifecycle(store: &AnyStore) -> Check {
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

pub(super) async fn pages_are_whole_and_in_order(store: &AnyStore) -> Check {
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

pub(super) async fn a_prefix_finds_its_key(store: &AnyStore) -> Check {
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

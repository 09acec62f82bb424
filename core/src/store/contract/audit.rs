//! The audit chain.

use super::{Check, NOW, chain, clock, draft, hold, made, message, one};
use crate::audit::AuditDraft;
use crate::error::Error;
use crate::store::{AnyStore, AppendAudit, KeyView, PruneAudit, Store};

pub(super) async fn entries_about_a_key_are_one_transaction(store: &AnyStore) -> Check {
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

pub(super) async fn the_chain_has_no_gap(store: &AnyStore) -> Check {
    let chain = chain(store).await?;
    let wanted = (1..=u64::try_from(chain.len()).unwrap_or_default()).collect::<Vec<_>>();
    hold(!chain.is_empty() && chain == wanted, "the sequence has a gap")
}

pub(super) async fn pruning_leaves_a_checkpoint(store: &AnyStore) -> Check {
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

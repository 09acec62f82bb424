//! Orgs.

use super::{Check, NOW, draft, hold, lookup, made, message};
use crate::store::{AnyStore, ChangeOrg, OrgEdit, OrgRow, RevokeKeys, Store};

pub(super) async fn orgs_are_kept(store: &AnyStore) -> Check {
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

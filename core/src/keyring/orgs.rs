use std::sync::Arc;

use super::arguments::{Change, ListOrgs, OrgUpdate};
use super::audit::draft;
use super::{Engine, cursor};
use crate::clock::{Millis, time};
use crate::error::Error;
use crate::events::Event;
use crate::idempotency::IdempotentRequest;
use crate::input::identifier;
use crate::record::{OrgRecord, Page};
use crate::store::{ChangeOrg, OrgEdit, OrgRow, PageCursor, RevokeKeys, Store};

const LIST: &str = "orgs";

/// Manages the orgs. The first key of an org creates it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// assert_eq!(kw.orgs().get("default").await?.networks, None);
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Orgs {
    engine: Arc<Engine>,
    /// The idempotent request whose outcome is stored together with the change.
    request: Option<IdempotentRequest>,
}

impl Orgs {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, request: None }
    }

    /// See [`Keys::for_request`](super::Keys::for_request).
    pub(crate) fn for_request(self, request: Option<IdempotentRequest>) -> Self {
        Self { request, ..self }
    }

    /// Returns one org.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.orgs().get("default").await?.id, "default");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found` for an org that has never had a key.
    pub async fn get(&self, id: &str) -> Result<OrgRecord, Error> {
        check_id("id", id)?;
        Ok(self.engine.store().org(id).await?.ok_or_else(unknown_org)?.into_record())
    }

    /// Lists orgs, newest first, one page per call.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.orgs().list(keywright::ListOrgs::new()).await?.data.len(), 1);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` for a limit out of 1..=1,000 or a cursor of another list.
    pub async fn list(&self, query: ListOrgs) -> Result<Page<OrgRecord>, Error> {
        query.limit.check()?;
        let store = self.engine.store();
        let secret = &store.info().cursor_key;
        let after = query.cursor.map(|text| cursor::read(secret, LIST, &text)).transpose()?;
        let limit = query.limit.get();
        let mut found = store.orgs(after.as_ref(), limit + 1).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let next_cursor =
            last.map(|org| cursor::write(secret, LIST, &PageCursor { at: org.created_at, id: org.id.clone() }));
        Ok(Page { data: found.into_iter().map(OrgRow::into_record).collect(), has_more, next_cursor })
    }

    /// Changes the fields of an org that the update names.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::OrgUpdate;
    /// let office = OrgUpdate::new().networks(Some(vec!["203.0.113.0/24".into()]))?;
    /// assert!(kw.orgs().update("default", office).await?.networks.is_some());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn update(&self, id: &str, update: OrgUpdate) -> Result<OrgRecord, Error> {
        let OrgUpdate { networks, change } = update;
        self.change(id, "org.update", change, move |org, _, _| {
            networks.clone().map(|networks| OrgRow { networks, ..org.clone() })
        })
        .await
    }

    /// Disables an org: all its keys are denied as `disabled`.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert!(kw.orgs().disable("default", ()).await?.disabled_at.is_some());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn disable(&self, id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error> {
        self.change(id, "org.disable", change.into(), |org, change, now| {
            let off = OrgRow { disabled_at: Some(now), reason: change.reason.clone(), ..org.clone() };
            org.disabled_at.is_none().then_some(off)
        })
        .await
    }

    /// Enables a disabled org.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.orgs().disable("default", ()).await?;
    /// assert!(kw.orgs().enable("default", ()).await?.disabled_at.is_none());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn enable(&self, id: &str, change: impl Into<Change>) -> Result<OrgRecord, Error> {
        self.change(id, "org.enable", change.into(), |org, _, _| {
            org.disabled_at.is_some().then(|| OrgRow { disabled_at: None, reason: None, ..org.clone() })
        })
        .await
    }

    /// Revokes every key of an org in one transaction, and returns how many it revoked.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.orgs().revoke_keys("default", ()).await?, 1);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn revoke_keys(&self, id: &str, change: impl Into<Change>) -> Result<u64, Error> {
        let change = self.checked_change(id, change.into())?;
        let audit = draft("org.revoke_keys", id, id, &change, self.engine.now());
        let (at, actor) = (audit.at, change.actor);
        let script = RevokeKeys { org: id.to_owned(), reason: change.reason, audit };
        let revoked = self.engine.store().run_once(script, self.request.clone()).await?.ok_or_else(unknown_org)?;
        if revoked > 0 {
            self.engine.emit(|| Event::of_org(id, revoked, time(at)).by(actor));
        }
        Ok(revoked)
    }

    async fn change(
        &self,
        id: &str,
        action: &'static str,
        change: Change,
        step: impl Fn(&OrgRow, &Change, Millis) -> Option<OrgRow> + Send + Sync + 'static,
    ) -> Result<OrgRecord, Error> {
        let (change, now) = (self.checked_change(id, change)?, self.engine.now());
        let rule = move |before: &OrgRow| {
            let after = step(before, &change, now).filter(|after| after != before);
            Ok(after.map(|org| OrgEdit {
                audit: draft(action, &org.id, &org.id, &change, now),
                org: OrgRow { updated_at: now, ..org },
            }))
        };
        let script = ChangeOrg { id: id.to_owned(), rule: Box::new(rule) };
        let changed = self.engine.store().run_once(script, self.request.clone()).await?;
        Ok(changed.ok_or_else(unknown_org)?.into_record())
    }

    fn checked_change(&self, id: &str, change: Change) -> Result<Change, Error> {
        check_id("id", id)?;
        change.check()?;
        self.engine.refuse_api_key("reason", change.reason.as_deref())?;
        self.engine.refuse_api_key("actor", change.actor.as_deref())?;
        Ok(change)
    }
}

pub(super) fn check_id(field: &str, id: &str) -> Result<(), Error> {
    identifier(field, id, "is no id of an org")
}

fn unknown_org() -> Error {
    Error::not_found("id", "belongs to no org here", "an org is made with its first key")
}

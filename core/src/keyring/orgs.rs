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
use crate::store::{OrgEdit, OrgRow, PageCursor, Store};

const LIST: &str = "orgs";

/// The tenants themselves. An org is made on the first use of a key in it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// assert_eq!(kw.orgs().get("default").await?.networks, None);
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Orgs {
    engine: Arc<Engine>,
    /// The request under which this handle makes one change.
    attempt: Option<IdempotentRequest>,
}

impl Orgs {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, attempt: None }
    }

    /// See [`Keys::under`](super::Keys::under).
    pub(crate) fn under(self, attempt: Option<IdempotentRequest>) -> Self {
        Self { attempt, ..self }
    }

    /// One org.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.orgs().get("default").await?.id, "default");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found` for one that has had no key yet.
    pub async fn get(&self, id: &str) -> Result<OrgRecord, Error> {
        check_id("id", id)?;
        Ok(self.engine.store().org(id).await?.ok_or_else(unknown)?.into_record())
    }

    /// A page of orgs, newest first.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.orgs().list(keywright::ListOrgs::new()).await?.data.len(), 1);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` for a limit out of 1..=1,000 or a foreign cursor.
    pub async fn list(&self, query: ListOrgs) -> Result<Page<OrgRecord>, Error> {
        query.limit.check()?;
        let store = self.engine.store();
        let secret = &store.info().cursor_key;
        let after = query.cursor.map(|it| cursor::read(secret, LIST, &it)).transpose()?;
        let limit = query.limit.get();
        let mut found = store.orgs(after.as_ref(), limit + 1).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let next_cursor =
            last.map(|it| cursor::write(secret, LIST, &PageCursor { at: it.created_at, id: it.id.clone() }));
        Ok(Page { data: found.into_iter().map(OrgRow::into_record).collect(), has_more, next_cursor })
    }

    /// Changes what is named of an org.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
            networks.map(|networks| OrgRow { networks, ..org.clone() })
        })
        .await
    }

    /// Switches an org off: all its keys are denied as `disabled`.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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

    /// Switches a disabled org on again.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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

    /// Revokes every key of an org in one transaction, and says how many were not revoked before.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
        let change = self.allowed(id, change.into())?;
        let audit = draft("org.revoke_keys", id, id, &change, self.engine.now());
        let (at, actor) = (audit.at, change.actor);
        let revoked = self
            .engine
            .store()
            .revoke_keys(id, change.reason, audit, self.attempt.clone())
            .await?
            .ok_or_else(unknown)?;
        if revoked > 0 {
            self.engine.tell(|| Event::of_org(id, revoked, time(at)).by(actor));
        }
        Ok(revoked)
    }

    async fn change(
        &self,
        id: &str,
        action: &'static str,
        change: Change,
        step: impl FnOnce(&OrgRow, &Change, Millis) -> Option<OrgRow> + Send + 'static,
    ) -> Result<OrgRecord, Error> {
        let (change, now) = (self.allowed(id, change)?, self.engine.now());
        let rule = move |before: &OrgRow| {
            let after = step(before, &change, now).filter(|it| it != before);
            Ok(after.map(|org| OrgEdit {
                audit: draft(action, &org.id, &org.id, &change, now),
                org: OrgRow { updated_at: now, ..org },
            }))
        };
        let store = self.engine.store();
        Ok(store.change_org(id, Box::new(rule), self.attempt.clone()).await?.ok_or_else(unknown)?.into_record())
    }

    fn allowed(&self, id: &str, change: Change) -> Result<Change, Error> {
        check_id("id", id)?;
        change.check()?;
        self.engine.harmless("reason", change.reason.as_deref())?;
        self.engine.harmless("actor", change.actor.as_deref())?;
        Ok(change)
    }
}

pub(super) fn check_id(field: &str, id: &str) -> Result<(), Error> {
    identifier(field, id, "is no id of an org")
}

fn unknown() -> Error {
    Error::not_found("id", "belongs to no org here", "an org is made with its first key")
}

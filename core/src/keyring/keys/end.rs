use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Keys, draft};
use crate::clock::Millis;
use crate::error::Error;
use crate::events::{Event, EventKind};
use crate::keyring::Engine;
use crate::keyring::arguments::Change;
use crate::lifecycle::Lifecycle;
use crate::record::{Key, KeyId};
use crate::store::{KeyEdit, KeyRow, Store};

impl Keys {
    /// Revokes a key and all its secrets for good. Revoking it again changes nothing.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::{Change, Status};
    /// let key = kw.keys().revoke(&new.id, Change::because("left the company").actor("alice")).await?;
    /// assert_eq!(key.status, Status::Revoked);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn revoke(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        let (change, is_new) = (change.into(), Arc::new(AtomicBool::new(false)));
        let (actor, noted) = (change.actor.clone(), Arc::clone(&is_new));
        let step = move |life: Lifecycle, now| {
            let revoked = life.revoked(now);
            noted.store(revoked.is_some(), Ordering::Release);
            Ok(revoked)
        };
        let key = self.change_life(id.into(), "key.revoke", change, step).await?;
        if is_new.load(Ordering::Acquire) {
            self.engine.tell_revoked(&key, &actor).await;
        }
        Ok(key)
    }

    /// Disables a key until [`enable`](Self::enable).
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.keys().disable(&new.id, ()).await?;
    /// assert_eq!(kw.keys().enable(&new.id, ()).await?.status, keywright::Status::Active);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key.
    pub async fn disable(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.change_life(id.into(), "key.disable", change.into(), |life, now| life.disabled(now)).await
    }

    /// Enables a disabled key.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.keys().disable(&new.id, ()).await?;
    /// assert!(kw.keys().enable(&new.id, ()).await?.disabled_at.is_none());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key.
    pub async fn enable(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.change_life(id.into(), "key.enable", change.into(), |life, now| life.enabled(now)).await
    }

    /// Wipes the fields of a key that can name a person: name, description, metadata, creator and reason. The key must have
    /// been revoked over 30 days ago. Its id, lookup and revocation stay, and so do actors and reasons in the audit until that
    /// is pruned.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.keys().revoke(&new.id, ()).await?;
    /// assert_eq!(kw.keys().purge(&new.id, ()).await.unwrap_err().code(), "conflict"); // 30 days too early
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a key that is not revoked, or not long enough.
    pub async fn purge(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        let change = self.checked_change(change.into())?;
        self.change(id.into(), change.authority.clone(), move |view, now| {
            view.key.life.may_purge(now)?;
            let key = view.key.clone().purged();
            if key == view.key {
                return Ok(None);
            }
            let key = KeyRow { updated_at: now, ..key };
            let audit = draft("key.purge", &key, &change, now);
            Ok(Some(KeyEdit { key, grace_ends: Vec::new(), new_secret: None, audit }))
        })
        .await
    }

    /// Changes the times that decide a key's state, and nothing else.
    async fn change_life(
        &self,
        id: KeyId,
        action: &'static str,
        change: Change,
        step: impl Fn(Lifecycle, Millis) -> Result<Option<Lifecycle>, Error> + Send + Sync + 'static,
    ) -> Result<Key, Error> {
        let change = self.checked_change(change)?;
        self.change(id, change.authority.clone(), move |view, now| {
            let Some(life) = step(view.key.life, now)? else { return Ok(None) };
            let ended = life.disabled_at.is_some() || life.revoked_at.is_some();
            let reason = if ended { change.reason.clone().or(view.key.reason.clone()) } else { None };
            let key = KeyRow { life, reason, updated_at: now, ..view.key.clone() };
            let audit = draft(action, &key, &change, now);
            Ok(Some(KeyEdit { key, grace_ends: Vec::new(), new_secret: None, audit }))
        })
        .await
    }
}

impl Engine {
    /// Emits an event for a revoked key, and for each key that was revoked with it.
    async fn tell_revoked(&self, key: &Key, actor: &Option<String>) {
        if self.verifier.runtime.process().events.is_none() {
            return;
        }
        let now = self.now();
        let children = self.store().revoked_with(&key.id.to_string(), now).await.unwrap_or_default();
        let children = children.into_iter().map(|it| it.into_record(self.integer_ids(), now));
        for key in [key.clone()].into_iter().chain(children) {
            let at = key.revoked_at.unwrap_or(key.updated_at);
            self.emit(|| Event::of(EventKind::Revoked, &key, at).by(actor.clone()));
        }
    }
}

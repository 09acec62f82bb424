use super::{Keys, admitted, draft, note, unknown_key};
use crate::clock::{self, Millis};
use crate::error::Error;
use crate::events::{Event, EventKind};
use crate::keyring::arguments::{Change, Rotation};
use crate::lifecycle;
use crate::record::{self, IssuedKey, Key, KeyId};
use crate::store::{KeyEdit, KeyRow, KeyView, Store};

impl Keys {
    /// Gives a key a new secret; its id, name and rights stay. The former secret verifies until the grace ends.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::{Request, Rotation};
    /// let second = kw.keys().rotate(&new.id, Rotation::grace("24h")?).await?;
    /// assert!(kw.verify(new.api_key.reveal(), &Request::new()).await.is_allowed());
    /// assert_eq!(second.id, new.id);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked, expired or disabled key, and for a key in a grace, unless the rotation ends all former secrets
    /// at once or replaces the current one.
    pub async fn rotate(&self, id: impl Into<KeyId>, rotation: Rotation) -> Result<IssuedKey, Error> {
        let engine = &self.engine;
        rotation.check()?;
        engine.refuse_api_key("reason", rotation.change.reason.as_deref())?;
        engine.refuse_api_key("actor", rotation.change.actor.as_deref())?;
        let id = engine.id_text("id", &id.into())?.ok_or_else(unknown_key)?;
        let (mode, now) = (rotation.mode(), engine.now());
        let view = engine.store().get(&self.tenant, &id, now).await?.ok_or_else(unknown_key)?;
        // The rule below decides. This check saves a slow hash for a key that cannot rotate.
        lifecycle::rotate(view.key.life, &view.secret_lifetimes(), mode, now)?;
        let secret = engine.new_secret(&id, &view.key.environment, now).await?;
        let actor = rotation.change.actor.clone();
        let (row, change, bounds) = (secret.row, rotation.change, self.bounds.clone());
        let authority = change.authority.clone();
        let rule = move |view: &KeyView, now: Millis| {
            admitted(bounds.as_deref(), &view.key)?;
            let ends = lifecycle::rotate(view.key.life, &view.secret_lifetimes(), mode, now)?;
            let key = KeyRow { updated_at: now, ..view.key.clone() };
            let mut draft = draft("key.rotate", &key, &change, now);
            note(&mut draft, "prefix", row.prefix.as_str());
            let end = ends.iter().filter_map(|it| it.grace_ends_at).max().map(|it| it.max(now));
            note(&mut draft, "grace_ends_at", end.map(|it| record::wire_time(&clock::time(it))));
            Ok(Some(KeyEdit { key, grace_ends: ends, new_secret: Some(row.clone()), audit: draft }))
        };
        let view = self.write(id, authority, Box::new(rule)).await?;
        let key = view.into_record(engine.integer_ids(), engine.now());
        engine.emit(|| Event::of(EventKind::Rotated, &key, key.updated_at).by(actor));
        Ok(IssuedKey { key, api_key: secret.api_key })
    }

    /// Ends the grace of a former secret now. Does nothing when there is none.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::Rotation;
    /// kw.keys().rotate(&new.id, Rotation::grace("24h")?).await?;
    /// assert_eq!(kw.keys().end_grace(&new.id, ()).await?.secrets.len(), 1);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key.
    pub async fn end_grace(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        let change = self.checked_change(change.into())?;
        self.change(id.into(), change.authority.clone(), move |view, now| {
            let ends = lifecycle::end_grace(view.key.life, &view.secret_lifetimes(), now)?;
            if ends.is_empty() {
                return Ok(None);
            }
            let key = KeyRow { updated_at: now, ..view.key.clone() };
            let audit = draft("key.end_grace", &key, &change, now);
            Ok(Some(KeyEdit { key, grace_ends: ends, new_secret: None, audit }))
        })
        .await
    }
}

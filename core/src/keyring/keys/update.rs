use super::{Keys, draft, note, note_rights};
use crate::error::Error;
use crate::keyring::Engine;
use crate::keyring::arguments::{KeySettings, KeyUpdate};
use crate::record::{Key, KeyId};
use crate::store::KeyEdit;

impl Keys {
    /// Changes the fields of a key that the update names.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::KeyUpdate;
    /// let key = kw.keys().update(&new.id, KeyUpdate::new().name("CI of team 7").scopes("deals:*")?).await?;
    /// assert_eq!(key.scopes, ["deals:*"]);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key and for a new expiry of an expired key; the others as [`create`](Self::create).
    pub async fn update(&self, id: impl Into<KeyId>, update: KeyUpdate) -> Result<Key, Error> {
        let engine = &self.engine;
        update.check()?;
        engine.refuse_api_key("actor", update.change.actor.as_deref())?;
        engine.admit_settings(&update.settings)?;
        let KeyUpdate { settings, change } = update;
        self.change(id.into(), change.authority.clone(), move |view, now| {
            view.key.life.may_update(now)?;
            let mut key = view.key.clone();
            let changed = settings.clone().apply(&mut key, now)?;
            if changed.is_empty() {
                return Ok(None);
            }
            key.updated_at = now;
            let mut draft = draft("key.update", &key, &change, now);
            note(&mut draft, "changed", changed);
            note_rights(&mut draft, &key);
            Ok(Some(KeyEdit { key, grace_ends: Vec::new(), new_secret: None, audit: draft }))
        })
        .await
    }
}

impl Engine {
    /// Refuses settings that this engine does not allow: an API key in a text, an unknown scope or tier, a limit in the way of
    /// its own.
    pub(super) fn admit_settings(&self, settings: &KeySettings) -> Result<(), Error> {
        for (field, text) in settings.free_texts() {
            self.refuse_api_key(field, Some(&text))?;
        }
        if let (Some(catalogue), Some(scopes)) = (&self.verifier.catalogue, &settings.scopes) {
            catalogue.admit(scopes)?;
        }
        let limits = &self.verifier.rules.limits;
        settings.tier.iter().flatten().try_for_each(|tier| limits.admit_tier(tier))?;
        limits.admit_own_limits(settings.limits.as_deref().unwrap_or_default())?;
        limits.admit_own_quotas(settings.quotas.as_deref().unwrap_or_default())
    }
}

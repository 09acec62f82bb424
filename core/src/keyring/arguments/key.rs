use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::expiry::Expiry;
use super::metadata::Metadata;
use super::settings::KeySettings;
use super::{Change, MAX_NAME};
use crate::error::Error;
use crate::input::{Fields, plain};
use crate::network;
use crate::record::{Level, Limit};
use crate::rights::{ChangeAuthority, Rights};
use crate::scope::IntoScopes;

/// The arguments of `keys.create`.
///
/// ```
/// use keywright::NewKey;
/// let new = NewKey::named("Production Integration").scopes("deals:read,deals:write")?.expires_in_days(365);
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewKey {
    pub(crate) settings: KeySettings,
    pub(crate) environment: Option<String>,
    pub(crate) created_by: Option<String>,
    /// The agent on whose behalf the key is created.
    pub(crate) agent: Option<String>,
    /// The rights of the key that creates this one, if a key does.
    pub(crate) authority: Option<Arc<ChangeAuthority>>,
}

impl NewKey {
    /// The names of the arguments that every caller may give. `created_by` is for the host alone.
    pub(crate) const NAMES: &'static [&'static str] = KeySettings::NAMES;

    /// A key with a name (1 to 200 characters), without scopes and without an expiry.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        let settings = KeySettings { name: Some(name.into()), ..KeySettings::default() };
        Self { settings, environment: None, created_by: None, agent: None, authority: None }
    }

    /// Free text about the key: up to 1,000 characters on one or more lines.
    ///
    /// ```
    /// let new = keywright::NewKey::named("CI").description("Publishes the nightly builds.\nAsk the platform team.");
    /// ```
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        Self { settings: KeySettings { description: Some(Some(text.into())), ..self.settings }, ..self }
    }

    /// The scopes to grant: up to 100, as `"deals:read,deals:write"` or a list.
    pub fn scopes(self, scopes: impl IntoScopes) -> Result<Self, Error> {
        let settings = KeySettings { scopes: Some(scopes.into_scopes()?), ..self.settings };
        Ok(Self { settings, ..self })
    }

    /// The permission level: the HTTP methods that the key allows.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { settings: KeySettings { level: Some(Some(level)), ..self.settings }, ..self }
    }

    /// The tier: one of the engine's, whose limits the key has.
    #[must_use]
    pub fn tier(self, tier: impl Into<String>) -> Self {
        Self { settings: KeySettings { tier: Some(Some(tier.into())), ..self.settings }, ..self }
    }

    /// A limit of this key alone, beside those of every key and of its tier, with another name. Each call adds one, up to 8. If the
    /// engine has limits by operation, the operation of this limit is one of theirs.
    ///
    /// ```
    /// use keywright::{Limit, NewKey};
    /// let new = NewKey::named("Import").tier("premium").limit(Limit::new("import", 10).burst(2));
    /// ```
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.settings.limits.get_or_insert_default().push(limit);
        self
    }

    /// The networks from which the key verifies, up to 100; an empty list allows none.
    pub fn networks<T: Into<String>>(self, networks: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let networks = network::parse(networks.into_iter().map(Into::into).collect())?;
        let settings = KeySettings { networks: Some(Some(networks)), ..self.settings };
        Ok(Self { settings, ..self })
    }

    /// Data of the host: up to 16 KiB of JSON, eight levels deep.
    #[must_use]
    pub fn metadata(self, metadata: Metadata) -> Self {
        Self { settings: KeySettings { metadata: Some(metadata), ..self.settings }, ..self }
    }

    /// The environment of the key, in place of the engine's own.
    #[must_use]
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { environment: Some(environment.into()), ..self }
    }

    /// The key expires after so many days of 24 hours: 1 to 36,500.
    #[must_use]
    pub fn expires_in_days(self, days: i64) -> Self {
        let expiry = Some(Expiry::InDays(days));
        Self { settings: KeySettings { expiry, ..self.settings }, ..self }
    }

    /// The key expires at a time in the future, with a precision of a millisecond.
    #[must_use]
    pub fn expires_at(self, at: DateTime<Utc>) -> Self {
        let expiry = Some(Expiry::At(at.timestamp_millis()));
        Self { settings: KeySettings { expiry, ..self.settings }, ..self }
    }

    /// The actor that creates the key (1 to 200 characters).
    #[must_use]
    pub fn created_by(self, actor: impl Into<String>) -> Self {
        Self { created_by: Some(actor.into()), ..self }
    }

    pub(crate) fn by(self, change: Change) -> Self {
        Self { created_by: change.actor, agent: change.agent, authority: change.authority, ..self }
    }

    /// Takes the rights that the caller left out from the key that creates this one.
    pub(crate) fn inheriting(self, rights: &Rights) -> Self {
        let Self { settings, .. } = self;
        let expiry = match (settings.expiry, rights.expires_at) {
            (None | Some(Expiry::Never), Some(at)) => Some(Expiry::At(at)),
            (expiry, _) => expiry,
        };
        let limits = settings.limits.filter(|limits| !limits.is_empty());
        let settings = KeySettings {
            level: Some(settings.level.flatten().or(rights.level)),
            tier: Some(settings.tier.flatten().or_else(|| rights.tier.clone())),
            limits: Some(limits.unwrap_or_else(|| rights.limits.clone())),
            networks: Some(settings.networks.flatten().or_else(|| rights.networks.clone())),
            expiry,
            ..settings
        };
        Self { settings, environment: self.environment.or_else(|| Some(rights.environment.clone())), ..self }
    }

    /// Reads the arguments of a `create` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[Self::NAMES, &["created_by"]].concat())?;
        fields.omit_null("scopes");
        let settings = KeySettings::take(&mut fields)?;
        if settings.name.is_none() {
            return Err(Error::invalid_request("name", "is missing", "say what the key is for"));
        }
        let (environment, created_by) = (fields.text("environment")?, fields.text("created_by")?);
        let new = Self { settings, environment, created_by, agent: None, authority: None };
        new.check()?;
        Ok(new)
    }

    /// Checks what the types of the arguments do not rule out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings.check()?;
        self.created_by.as_deref().map_or(Ok(()), |actor| plain("created_by", actor, MAX_NAME))
    }
}

/// The arguments of `keys.update`. A field that is not set stays as it is.
///
/// ```
/// let update = keywright::KeyUpdate::new().name("CI").expires_at(None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeyUpdate {
    pub(crate) settings: KeySettings,
    pub(crate) change: Change,
}

impl KeyUpdate {
    /// The names of the arguments that every caller may give. `actor` is for the host alone.
    pub(crate) const NAMES: &'static [&'static str] = match KeySettings::NAMES.split_last() {
        Some((_environment, names)) => names,
        None => &[],
    };

    /// An update without a change.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { settings: KeySettings { name: Some(name.into()), ..self.settings }, ..self }
    }

    /// A new description; `None` clears it.
    #[must_use]
    pub fn description(self, text: Option<String>) -> Self {
        Self { settings: KeySettings { description: Some(text), ..self.settings }, ..self }
    }

    /// New scopes, in place of all former ones.
    pub fn scopes(self, scopes: impl IntoScopes) -> Result<Self, Error> {
        let settings = KeySettings { scopes: Some(scopes.into_scopes()?), ..self.settings };
        Ok(Self { settings, ..self })
    }

    /// A new permission level; `None` allows every HTTP method.
    #[must_use]
    pub fn level(self, level: Option<Level>) -> Self {
        Self { settings: KeySettings { level: Some(level), ..self.settings }, ..self }
    }

    /// A new tier; `None` clears it.
    #[must_use]
    pub fn tier(self, tier: Option<String>) -> Self {
        Self { settings: KeySettings { tier: Some(tier), ..self.settings }, ..self }
    }

    /// New limits of this key alone, in place of all former ones; see [`NewKey::limit`].
    ///
    /// ```
    /// use keywright::{KeyUpdate, Limit};
    /// let update = KeyUpdate::new().tier(Some("basic".into())).limits([Limit::new("import", 10)]);
    /// ```
    #[must_use]
    pub fn limits(self, limits: impl IntoIterator<Item = Limit>) -> Self {
        let limits = Some(limits.into_iter().collect());
        Self { settings: KeySettings { limits, ..self.settings }, ..self }
    }

    /// New networks; `None` lifts the restriction.
    pub fn networks(self, networks: Option<Vec<String>>) -> Result<Self, Error> {
        let networks = Some(networks.map(network::parse).transpose()?);
        Ok(Self { settings: KeySettings { networks, ..self.settings }, ..self })
    }

    /// New metadata, in place of the former.
    #[must_use]
    pub fn metadata(self, metadata: Metadata) -> Self {
        Self { settings: KeySettings { metadata: Some(metadata), ..self.settings }, ..self }
    }

    /// The key expires so many days from now. An expired key refuses this.
    #[must_use]
    pub fn expires_in_days(self, days: i64) -> Self {
        let expiry = Some(Expiry::InDays(days));
        Self { settings: KeySettings { expiry, ..self.settings }, ..self }
    }

    /// The key expires at a new time; `None` is never. An expired key refuses this.
    #[must_use]
    pub fn expires_at(self, at: Option<DateTime<Utc>>) -> Self {
        let expiry = Some(at.map_or(Expiry::Never, |at| Expiry::At(at.timestamp_millis())));
        Self { settings: KeySettings { expiry, ..self.settings }, ..self }
    }

    /// The actor of the change (1 to 200 characters).
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, change: Change) -> Self {
        Self { change: self.change.by(change), ..self }
    }

    /// Reads the arguments of an `update` call; null clears every field but name and scopes.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[Self::NAMES, &["actor"]].concat())?;
        let settings = KeySettings::take(&mut fields)?;
        let change = Change { actor: fields.text("actor")?, ..Change::default() };
        let update = Self { settings, change };
        update.check()?;
        Ok(update)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings.check()?;
        self.change.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Casing, Value};

    fn fields(entries: &[(&str, Value)]) -> Fields {
        Fields::new(Casing::Snake, entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    #[test]
    fn both_expiries_are_refused_and_null_clears_one() {
        let both = fields(&[
            ("name", Value::Text("x".into())),
            ("expires_in_days", Value::Integer(1)),
            ("expires_at", Value::Time(Utc::now())),
        ]);
        assert_eq!(NewKey::read(both).unwrap_err().code(), "invalid_request");
        assert_eq!(
            KeyUpdate::read(fields(&[("expires_at", Value::Null)])).unwrap().settings.expiry,
            Some(Expiry::Never)
        );
        assert_eq!(KeyUpdate::read(fields(&[])).unwrap().settings.expiry, None);
    }
}

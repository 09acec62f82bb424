use super::expiry::Expiry;
use super::settings::{KeySettings, KeyUpdate, NewKey};
use super::{Change, MAX_NAME};
use crate::error::Error;
use crate::input::{Fields, FromFields, plain};
use crate::rights::Rights;

impl NewKey {
    /// The names of the arguments that every caller may give. `created_by` is for the host alone.
    pub(crate) const NAMES: &'static [&'static str] = KeySettings::NAMES;

    /// A key with a name (1 to 200 characters), without scopes and without an expiry.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        let settings = KeySettings { name: Some(name.into()), ..KeySettings::default() };
        Self { settings, environment: None, created_by: None, agent: None, authority: None }
    }

    /// The environment of the key, in place of the engine's own.
    #[must_use]
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { environment: Some(environment.into()), ..self }
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
        let expiry = match (settings.expires_at, rights.expires_at) {
            (None | Some(Expiry::Never), Some(at)) => Some(Expiry::At(at)),
            (expiry, _) => expiry,
        };
        let limits = settings.limits.filter(|limits| !limits.is_empty());
        let quotas = settings.quotas.filter(|quotas| !quotas.is_empty());
        let settings = KeySettings {
            level: Some(settings.level.flatten().or(rights.level)),
            tier: Some(settings.tier.flatten().or_else(|| rights.tier.clone())),
            limits: Some(limits.unwrap_or_else(|| rights.limits.clone())),
            quotas: Some(quotas.unwrap_or_else(|| rights.quotas.clone())),
            networks: Some(settings.networks.flatten().or_else(|| rights.networks.clone())),
            expires_at: expiry,
            ..settings
        };
        Self { settings, environment: self.environment.or_else(|| Some(rights.environment.clone())), ..self }
    }

    /// Checks what the types of the arguments do not rule out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings.check()?;
        self.created_by.as_deref().map_or(Ok(()), |actor| plain("created_by", actor, MAX_NAME))
    }
}

/// Reads the arguments of a `create` call.
impl FromFields for NewKey {
    fn read(fields: Fields) -> Result<Self, Error> {
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

    /// The actor of the change (1 to 200 characters).
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, change: Change) -> Self {
        Self { change: self.change.by(change), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings.check()?;
        self.change.check()
    }
}

/// Reads the arguments of an `update` call; null clears every field but name and scopes.
impl FromFields for KeyUpdate {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[Self::NAMES, &["actor"]].concat())?;
        let settings = KeySettings::take(&mut fields)?;
        let change = Change { actor: fields.text("actor")?, ..Change::default() };
        let update = Self { settings, change };
        update.check()?;
        Ok(update)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;

    use crate::casing::Casing;
    use crate::input::Value;

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
            KeyUpdate::read(fields(&[("expires_at", Value::Null)])).unwrap().settings.expires_at,
            Some(Expiry::Never)
        );
        assert_eq!(KeyUpdate::read(fields(&[])).unwrap().settings.expires_at, None);
    }
}

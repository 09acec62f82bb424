use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::expiry::Expiry;
use super::metadata::{self, Metadata};
use super::{Change, LONGEST_NAME, read_networks};
use crate::error::Error;
use crate::input::{Fields, Value, plain};
use crate::limit::rule;
use crate::record::{Level, Limit};
use crate::rights::Mandate;
use crate::rights::Rights;
use crate::scope::{self, IntoScopes};
use crate::{level, network};

/// A key to be made: `keys.create`.
///
/// ```
/// use keywright::NewKey;
/// let new = NewKey::named("Production Integration").scopes("deals:read,deals:write")?.expires_in_days(365);
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NewKey {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) level: Option<Level>,
    pub(crate) tier: Option<String>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) networks: Option<Vec<String>>,
    pub(crate) metadata: Metadata,
    pub(crate) environment: Option<String>,
    pub(crate) expiry: Expiry,
    pub(crate) created_by: Option<String>,
    /// The agent that it is made on behalf of.
    pub(crate) agent: Option<String>,
    /// On what it stands, where a key makes it.
    pub(crate) mandate: Option<Arc<Mandate>>,
}

impl NewKey {
    /// What may be said of it, by whoever makes it.
    pub(crate) const NAMES: [&'static str; 10] = [
        "name",
        "scopes",
        "level",
        "tier",
        "limits",
        "networks",
        "metadata",
        "environment",
        "expires_in_days",
        "expires_at",
    ];

    /// A key of that name (1 to 200 characters) that may do nothing yet and never expires.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            scopes: Vec::new(),
            level: None,
            tier: None,
            limits: Vec::new(),
            networks: None,
            metadata: Metadata::new(),
            environment: None,
            expiry: Expiry::Never,
            created_by: None,
            agent: None,
            mandate: None,
        }
    }

    /// What it may do: up to 100 scopes, as `"deals:read,deals:write"` or a list.
    pub fn scopes(self, scopes: impl IntoScopes) -> Result<Self, Error> {
        Ok(Self { scopes: scopes.into_scopes()?, ..self })
    }

    /// Which HTTP methods it may use.
    #[must_use]
    pub fn level(self, level: Level) -> Self {
        Self { level: Some(level), ..self }
    }

    /// The tier whose limits it has, one of the engine's.
    #[must_use]
    pub fn tier(self, tier: impl Into<String>) -> Self {
        Self { tier: Some(tier.into()), ..self }
    }

    /// A limit of its own, beside those of every key and of its tier, and named unlike them. Called again it adds one,
    /// up to 8. It counts this key alone; where the engine has limits by operation, its operation is one of theirs.
    ///
    /// ```
    /// use keywright::{Limit, NewKey};
    /// let new = NewKey::named("Import").tier("premium").limit(Limit::new("import", 10).burst(2));
    /// ```
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.push(limit);
        self
    }

    /// The networks it may be used from, up to 100; none of them means from nowhere.
    pub fn networks<T: Into<String>>(self, networks: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let networks = network::parse(networks.into_iter().map(Into::into).collect())?;
        Ok(Self { networks: Some(networks), ..self })
    }

    /// Data of the host: up to 16 KiB of JSON, eight levels deep.
    #[must_use]
    pub fn metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// The environment it works in, instead of the engine's own.
    #[must_use]
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { environment: Some(environment.into()), ..self }
    }

    /// Expires after so many days of 24 hours: 1 to 36,500.
    #[must_use]
    pub fn expires_in_days(self, days: i64) -> Self {
        Self { expiry: Expiry::InDays(days), ..self }
    }

    /// Expires at a time ahead, to the millisecond.
    #[must_use]
    pub fn expires_at(self, at: DateTime<Utc>) -> Self {
        Self { expiry: Expiry::At(at.timestamp_millis()), ..self }
    }

    /// Who makes it.
    #[must_use]
    pub fn created_by(self, actor: impl Into<String>) -> Self {
        Self { created_by: Some(actor.into()), ..self }
    }

    pub(crate) fn by(self, who: Change) -> Self {
        Self { created_by: who.actor, agent: who.agent, mandate: who.mandate, ..self }
    }

    /// With what it does not say taken from the key that makes it.
    pub(crate) fn inheriting(self, rights: &Rights) -> Self {
        let expiry = match (self.expiry, rights.expires_at) {
            (Expiry::Never, Some(at)) => Expiry::At(at),
            (expiry, _) => expiry,
        };
        Self {
            level: self.level.or(rights.level),
            tier: self.tier.or_else(|| rights.tier.clone()),
            limits: if self.limits.is_empty() { rights.limits.clone() } else { self.limits },
            networks: self.networks.or_else(|| rights.networks.clone()),
            environment: self.environment.or_else(|| Some(rights.environment.clone())),
            expiry,
            ..self
        }
    }

    /// Reads the arguments of a `create` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[&Self::NAMES[..], &["created_by"]].concat())?;
        let name = fields
            .take("name")
            .ok_or_else(|| Error::invalid_request("name", "is missing", "say what the key is for"))?;
        let mut new = Self::named(name.into_text("name")?);
        if let Some(value) = fields.given("scopes") {
            new.scopes = scope::read(value)?;
        }
        new.level = fields.given("level").map(read_level).transpose()?;
        new.tier = fields.text("tier")?;
        new.limits = fields.given("limits").map_or(Ok(vec![]), |it| rule::read("limits", it))?;
        new.networks = fields.given("networks").map(read_networks).transpose()?;
        new.metadata =
            fields.given("metadata").map(|it| metadata::read("metadata", it)).transpose()?.unwrap_or_default();
        new.environment = fields.text("environment")?;
        new.expiry = Expiry::take(&mut fields)?.unwrap_or(Expiry::Never);
        new.created_by = fields.text("created_by")?;
        new.check()?;
        Ok(new)
    }

    /// What no type rules out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        plain("name", &self.name, LONGEST_NAME)?;
        metadata::check("metadata", &self.metadata)?;
        rule::check_own(&self.limits)?;
        match &self.created_by {
            Some(actor) => plain("created_by", actor, LONGEST_NAME),
            None => Ok(()),
        }
    }
}

/// What to change of a key: `keys.update`. What is not named stays.
///
/// ```
/// let update = keywright::KeyUpdate::new().name("CI").expires_at(None);
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeyUpdate {
    pub(crate) name: Option<String>,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) level: Option<Option<Level>>,
    pub(crate) tier: Option<Option<String>>,
    pub(crate) limits: Option<Vec<Limit>>,
    pub(crate) networks: Option<Option<Vec<String>>>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) change: Change,
}

impl KeyUpdate {
    /// What may be changed of a key, by whoever changes it.
    pub(crate) const NAMES: [&'static str; 9] =
        ["name", "scopes", "level", "tier", "limits", "networks", "metadata", "expires_in_days", "expires_at"];

    /// A change of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Other scopes in place of all it has.
    pub fn scopes(self, scopes: impl IntoScopes) -> Result<Self, Error> {
        Ok(Self { scopes: Some(scopes.into_scopes()?), ..self })
    }

    /// Another level, or `None` to judge methods no longer.
    #[must_use]
    pub fn level(self, level: Option<Level>) -> Self {
        Self { level: Some(level), ..self }
    }

    /// Another tier, or `None` for none.
    #[must_use]
    pub fn tier(self, tier: Option<String>) -> Self {
        Self { tier: Some(tier), ..self }
    }

    /// Other limits in place of all of its own; see [`NewKey::limit`].
    ///
    /// ```
    /// use keywright::{KeyUpdate, Limit};
    /// let update = KeyUpdate::new().tier(Some("basic".into())).limits([Limit::new("import", 10)]);
    /// ```
    #[must_use]
    pub fn limits(self, limits: impl IntoIterator<Item = Limit>) -> Self {
        Self { limits: Some(limits.into_iter().collect()), ..self }
    }

    /// Other networks, or `None` for no restriction.
    pub fn networks(self, networks: Option<Vec<String>>) -> Result<Self, Error> {
        Ok(Self { networks: Some(networks.map(network::parse).transpose()?), ..self })
    }

    /// Other metadata in place of all it has.
    #[must_use]
    pub fn metadata(self, metadata: Metadata) -> Self {
        Self { metadata: Some(metadata), ..self }
    }

    /// Expires so many days from now. Refused once it has expired.
    #[must_use]
    pub fn expires_in_days(self, days: i64) -> Self {
        Self { expiry: Some(Expiry::InDays(days)), ..self }
    }

    /// Expires at another time, or `None` for never. Refused once it has expired.
    #[must_use]
    pub fn expires_at(self, at: Option<DateTime<Utc>>) -> Self {
        let expiry = at.map_or(Expiry::Never, |it| Expiry::At(it.timestamp_millis()));
        Self { expiry: Some(expiry), ..self }
    }

    /// Who changes it.
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    pub(crate) fn by(self, who: Change) -> Self {
        Self { change: self.change.by(who), ..self }
    }

    /// Reads the arguments of an `update` call; null clears level, tier, limits, networks, metadata and expiry.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[&Self::NAMES[..], &["actor"]].concat())?;
        let clearable = |it: Value| if it == Value::Null { None } else { Some(it) };
        let update = Self {
            name: fields.take("name").map(|it| it.into_text("name")).transpose()?,
            scopes: fields.take("scopes").map(scope::read).transpose()?,
            level: fields.take("level").map(|it| clearable(it).map(read_level).transpose()).transpose()?,
            tier: fields.take("tier").map(|it| clearable(it).map(|it| it.into_text("tier")).transpose()).transpose()?,
            limits: fields
                .take("limits")
                .map(|it| clearable(it).map_or(Ok(vec![]), |it| rule::read("limits", it)))
                .transpose()?,
            networks: fields.take("networks").map(|it| clearable(it).map(read_networks).transpose()).transpose()?,
            metadata: fields
                .take("metadata")
                .map(|it| clearable(it).map_or(Ok(Metadata::new()), |it| metadata::read("metadata", it)))
                .transpose()?,
            expiry: Expiry::take(&mut fields)?,
            change: Change { actor: fields.text("actor")?, ..Change::default() },
        };
        update.check()?;
        Ok(update)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(name) = &self.name {
            plain("name", name, LONGEST_NAME)?;
        }
        if let Some(metadata) = &self.metadata {
            metadata::check("metadata", metadata)?;
        }
        rule::check_own(self.limits.as_deref().unwrap_or_default())?;
        self.change.check()
    }
}

fn read_level(value: Value) -> Result<Level, Error> {
    level::parse(&value.into_text("level")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Casing;

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
        assert_eq!(KeyUpdate::read(fields(&[("expires_at", Value::Null)])).unwrap().expiry, Some(Expiry::Never));
        assert_eq!(KeyUpdate::read(fields(&[])).unwrap().expiry, None);
    }
}

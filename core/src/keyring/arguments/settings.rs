use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::MAX_NAME;
use super::expiry::Expiry;
use super::metadata::{self, Metadata};
#[cfg(feature = "client")]
use super::wire_setting::{WireFields, WireSetting as _};
use super::{Change, read_networks};
use crate::clock::Millis;
use crate::error::Error;
use crate::input::{Fields, Value, plain, prose};
use crate::record::{Level, Limit, Quota};
use crate::rights::ChangeAuthority;
use crate::scope::{self, IntoScopes};
use crate::store::{KeyRow, ObjectText};
use crate::{level, limit, network};

/// The length of the longest description in characters.
const MAX_DESCRIPTION: usize = 1_000;

/// Defines the fields of a key that `create` sets and `update` changes. Each says how it is read from the arguments of a call,
/// what is checked beyond its type, which free text it holds, and how it changes the row of a key.
macro_rules! key_settings {
    ($($field:ident: $type:ty {
        take: |$fields:ident| $take:expr,
        check: |$checked:pat_param| $check:expr,
        text: |$shown:pat_param| $text:expr,
        change: |$key:ident, $value:ident, $now:pat_param| $change:expr,
    })+) => {
        /// The fields of a key that `create` sets and `update` changes. `None` leaves a field as it is, `Some(None)` clears it.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct KeySettings {
            $(pub(crate) $field: Option<$type>,)+
        }

        impl KeySettings {
            /// The names that `create` takes from every caller. `update` takes all but the last.
            pub(super) const NAMES: &'static [&'static str] =
                &[$(stringify!($field),)+ "expires_in_days", "environment"];

            /// Takes the fields out of the arguments of a call. Null clears a field that can be empty.
            pub(super) fn take(fields: &mut Fields) -> Result<Self, Error> {
                Ok(Self { $($field: { let $fields = &mut *fields; $take? },)+ })
            }

            /// Checks what the types of the fields do not rule out.
            pub(super) fn check(&self) -> Result<(), Error> {
                $(if let Some($checked) = &self.$field {
                    let checked: Result<(), Error> = $check;
                    checked?;
                })+
                Ok(())
            }

            /// The fields of free text, with their names: the caller could have put a whole API key into one of them.
            pub(crate) fn free_texts(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
                let texts = [$((stringify!($field), self.$field.as_ref().and_then(|$shown| $text)),)+];
                texts.into_iter().filter_map(|(field, text)| Some((field, text?)))
            }

            /// The values by name, as a client sends them.
            #[cfg(feature = "client")]
            pub(super) fn to_wire(&self) -> WireFields {
                let mut fields = WireFields::new();
                $(if let Some(value) = &self.$field {
                    value.write(stringify!($field), &mut fields);
                })+
                fields
            }

            /// Puts the values into the row of a key, and returns the names of the fields that differ now.
            pub(crate) fn apply(self, key: &mut KeyRow, now: Millis) -> Result<Vec<&'static str>, Error> {
                let mut changed = Vec::new();
                $(if let Some($value) = self.$field {
                    let ($key, $now) = (&mut *key, now);
                    if $change {
                        changed.push(stringify!($field));
                    }
                })+
                check_names(key)?;
                Ok(changed)
            }
        }
    };
}

key_settings! {
    name: String {
        take: |fields| fields.take("name").map(|name| name.into_text("name")).transpose(),
        check: |name| plain("name", name, MAX_NAME),
        text: |name| Some(name.into()),
        change: |key, name, _| set(&mut key.name, name),
    }
    description: Option<String> {
        take: |fields| clearable(fields, "description", |text| text.into_text("description")),
        check: |text| text.iter().try_for_each(|text| prose("description", text, MAX_DESCRIPTION)),
        text: |text| text.as_deref().map(Cow::from),
        change: |key, text, _| set(&mut key.description, text),
    }
    scopes: Vec<String> {
        take: |fields| fields.take("scopes").map(scope::read).transpose(),
        check: |_| Ok(()),
        text: |_| None,
        change: |key, scopes, _| set(&mut key.scopes, scopes),
    }
    level: Option<Level> {
        take: |fields| clearable(fields, "level", |level| level::parse(&level.into_text("level")?)),
        check: |_| Ok(()),
        text: |_| None,
        change: |key, level, _| set(&mut key.level, level),
    }
    tier: Option<String> {
        take: |fields| clearable(fields, "tier", |tier| tier.into_text("tier")),
        check: |_| Ok(()),
        text: |_| None,
        change: |key, tier, _| set(&mut key.tier, tier),
    }
    limits: Vec<Limit> {
        take: |fields| {
            let casing = fields.casing();
            or_empty(clearable(fields, "limits", |limits| limit::read::read("limits", limits, casing)))
        },
        check: |limits| limit::read::check_own(limits),
        text: |_| None,
        change: |key, limits, _| set(&mut key.limits, limits),
    }
    quotas: Vec<Quota> {
        take: |fields| or_empty(clearable(fields, "quotas", |quotas| limit::quota::read::read("quotas", quotas))),
        check: |quotas| limit::quota::read::check_own(quotas),
        text: |_| None,
        change: |key, quotas, _| set(&mut key.quotas, quotas),
    }
    networks: Option<Vec<String>> {
        take: |fields| clearable(fields, "networks", read_networks),
        check: |_| Ok(()),
        text: |_| None,
        change: |key, networks, _| set(&mut key.networks, networks),
    }
    metadata: Metadata {
        take: |fields| or_empty(clearable(fields, "metadata", |data| metadata::read("metadata", data))),
        check: |metadata| metadata::check("metadata", metadata),
        text: |metadata| Some(metadata::text(metadata).into()),
        change: |key, metadata, _| set(&mut key.metadata, ObjectText(metadata::text(&metadata))),
    }
    expires_at: Expiry {
        take: |fields| Expiry::take(fields),
        check: |_| Ok(()),
        text: |_| None,
        change: |key, expiry, now| {
            let life = key.life.expiring(expiry.at(now)?, now)?;
            set(&mut key.life, life)
        },
    }
}

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

    /// The tier: one of the engine's, whose limits and quotas the key has.
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

    /// A quota of this key alone, beside those of every key and of its tier, with another name. Each call adds one, up to 8. If the
    /// engine has limits or quotas by operation, the operation of this quota is one of theirs.
    ///
    /// ```
    /// use keywright::{NewKey, Period, Quota};
    /// let new = NewKey::named("Import").quota(Quota::new("imports", 1_000).every(Period::Day));
    /// ```
    #[must_use]
    pub fn quota(mut self, quota: Quota) -> Self {
        self.settings.quotas.get_or_insert_default().push(quota);
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

    /// The key expires after so many days of 24 hours: 1 to 36,500.
    #[must_use]
    pub fn expires_in_days(self, days: i64) -> Self {
        let expires_at = Some(Expiry::InDays(days));
        Self { settings: KeySettings { expires_at, ..self.settings }, ..self }
    }

    /// The key expires at a time in the future, with a precision of a millisecond.
    #[must_use]
    pub fn expires_at(self, at: DateTime<Utc>) -> Self {
        let expires_at = Some(Expiry::At(at.timestamp_millis()));
        Self { settings: KeySettings { expires_at, ..self.settings }, ..self }
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

    /// New quotas of this key alone, in place of all former ones; see [`NewKey::quota`]. What was used counts on under the same
    /// name, period and anchor.
    ///
    /// ```
    /// use keywright::{KeyUpdate, Period, Quota};
    /// let update = KeyUpdate::new().quotas([Quota::new("imports", 2_000).every(Period::Day)]);
    /// ```
    #[must_use]
    pub fn quotas(self, quotas: impl IntoIterator<Item = Quota>) -> Self {
        let quotas = Some(quotas.into_iter().collect());
        Self { settings: KeySettings { quotas, ..self.settings }, ..self }
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
        let expires_at = Some(Expiry::InDays(days));
        Self { settings: KeySettings { expires_at, ..self.settings }, ..self }
    }

    /// The key expires at a new time; `None` is never. An expired key refuses this.
    #[must_use]
    pub fn expires_at(self, at: Option<DateTime<Utc>>) -> Self {
        let expires_at = Some(at.map_or(Expiry::Never, |at| Expiry::At(at.timestamp_millis())));
        Self { settings: KeySettings { expires_at, ..self.settings }, ..self }
    }
}

/// Refuses a key whose limit and quota have the same name.
fn check_names(key: &KeyRow) -> Result<(), Error> {
    match key.quotas.iter().find(|quota| key.limits.iter().any(|limit| limit.name == quota.name)) {
        None => Ok(()),
        Some(quota) => {
            let reason = format!("'{}' is the name of a limit and of a quota of the key", quota.name);
            Err(Error::validation_failed("quotas", reason, "give one of them another name"))
        }
    }
}

/// Replaces a value by a new one, and returns whether they differ.
fn set<T: PartialEq>(value: &mut T, new: T) -> bool {
    let differs = *value != new;
    *value = new;
    differs
}

/// Null clears a field to its empty value.
fn or_empty<T: Default>(field: Result<Option<Option<T>>, Error>) -> Result<Option<T>, Error> {
    Ok(field?.map(Option::unwrap_or_default))
}

/// Reads a field that null clears.
fn clearable<T>(
    fields: &mut Fields,
    name: &str,
    read: impl FnOnce(Value) -> Result<T, Error>,
) -> Result<Option<Option<T>>, Error> {
    match fields.take(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => read(value).map(|value| Some(Some(value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_builders_have_a_method_for_each_setting() {
        let (_, builders) = include_str!("settings.rs").split_once("\nimpl NewKey {").unwrap();
        let (new_key, update) = builders.split_once("\nimpl KeyUpdate {").unwrap();
        for name in KeyUpdate::NAMES {
            assert!(update.contains(&format!("pub fn {name}")), "KeyUpdate has no method {name}");
            // `named` sets the name, and `limit` adds one of the limits, as `quota` does.
            let singular = name.trim_end_matches('s');
            assert!(*name == "name" || new_key.contains(&format!("pub fn {singular}")), "NewKey has no method {name}");
        }
    }
}

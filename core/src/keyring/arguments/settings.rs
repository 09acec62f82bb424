use std::borrow::Cow;

use super::MAX_NAME;
use super::expiry::Expiry;
use super::metadata::{self, Metadata};
use super::read_networks;
use crate::clock::Millis;
use crate::error::Error;
use crate::input::{Fields, Value, plain, prose};
use crate::level;
use crate::limit;
use crate::record::{Level, Limit};
use crate::scope;
use crate::store::KeyRow;

/// The length of the longest description in characters.
const MAX_DESCRIPTION: usize = 1_000;

/// The fields of a key that `create` sets and `update` changes. `None` leaves a field as it is, `Some(None)` clears it.
///
/// A field of a key that the caller sets is named here once per function. The functions take the struct apart without `..`,
/// so that the compiler finds a function that forgets a field.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySettings {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<Option<String>>,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) level: Option<Option<Level>>,
    pub(crate) tier: Option<Option<String>>,
    pub(crate) limits: Option<Vec<Limit>>,
    pub(crate) networks: Option<Option<Vec<String>>>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) expiry: Option<Expiry>,
}

impl KeySettings {
    /// The names that `create` takes from every caller. `update` takes all but the last.
    pub(super) const NAMES: &'static [&'static str] = &[
        "name",
        "description",
        "scopes",
        "level",
        "tier",
        "limits",
        "networks",
        "metadata",
        "expires_in_days",
        "expires_at",
        "environment",
    ];

    /// Takes the fields out of the arguments of a call. Null clears a field that can be empty.
    pub(super) fn take(fields: &mut Fields) -> Result<Self, Error> {
        Ok(Self {
            name: fields.take("name").map(|name| name.into_text("name")).transpose()?,
            description: clearable(fields, "description", |text| text.into_text("description"))?,
            scopes: fields.take("scopes").map(scope::read).transpose()?,
            level: clearable(fields, "level", |level| level::parse(&level.into_text("level")?))?,
            tier: clearable(fields, "tier", |tier| tier.into_text("tier"))?,
            limits: clearable(fields, "limits", |limits| limit::read::read("limits", limits))?
                .map(Option::unwrap_or_default),
            networks: clearable(fields, "networks", read_networks)?,
            metadata: clearable(fields, "metadata", |data| metadata::read("metadata", data))?
                .map(Option::unwrap_or_default),
            expiry: Expiry::take(fields)?,
        })
    }

    /// Checks what the types of the fields do not rule out.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Self { name, description, scopes: _, level: _, tier: _, limits, networks: _, metadata, expiry: _ } = self;
        name.as_deref().map_or(Ok(()), |name| plain("name", name, MAX_NAME))?;
        description.iter().flatten().try_for_each(|text| prose("description", text, MAX_DESCRIPTION))?;
        limit::read::check_own(limits.as_deref().unwrap_or_default())?;
        metadata.as_ref().map_or(Ok(()), |metadata| metadata::check("metadata", metadata))
    }

    /// The fields of free text, with their names: the caller could have put a whole API key into one of them.
    pub(crate) fn free_texts(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let Self { name, description, scopes: _, level: _, tier: _, limits: _, networks: _, metadata, expiry: _ } =
            self;
        let texts = [
            ("name", name.as_deref().map(Cow::Borrowed)),
            ("description", description.iter().flatten().map(|text| Cow::Borrowed(text.as_str())).next()),
            ("metadata", metadata.as_ref().map(|metadata| Cow::Owned(metadata::text(metadata)))),
        ];
        texts.into_iter().filter_map(|(field, text)| Some((field, text?)))
    }

    /// Puts the values into the row of a key, and returns the names of the fields that differ now.
    pub(crate) fn apply(self, key: &mut KeyRow, now: Millis) -> Result<Vec<&'static str>, Error> {
        let Self { name, description, scopes, level, tier, limits, networks, metadata, expiry } = self;
        let life = expiry.map(|expiry| key.life.expiring(expiry.at(now)?, now)).transpose()?;
        let changed = [
            ("name", set(&mut key.name, name)),
            ("description", set(&mut key.description, description)),
            ("scopes", set(&mut key.scopes, scopes)),
            ("level", set(&mut key.level, level)),
            ("tier", set(&mut key.tier, tier)),
            ("limits", set(&mut key.limits, limits)),
            ("networks", set(&mut key.networks, networks)),
            ("metadata", set(&mut key.metadata, metadata.as_ref().map(metadata::text))),
            ("expires_at", set(&mut key.life, life)),
        ];
        Ok(changed.into_iter().filter(|field| field.1).map(|field| field.0).collect())
    }
}

/// Replaces a value by a new one, if there is one, and returns whether they differ.
fn set<T: PartialEq>(value: &mut T, new: Option<T>) -> bool {
    let Some(new) = new.filter(|new| new != value) else { return false };
    *value = new;
    true
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

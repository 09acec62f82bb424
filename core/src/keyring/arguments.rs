//! The arguments of the management calls: builders for Rust, and their reading from named values for everyone else.

use chrono::{DateTime, Utc};

use crate::clock::{self, Millis};
use crate::error::Error;
use crate::input::{self, Fields, Value, nearest, plain};
use crate::record::{KeyId, Level, Status};
use crate::scope::{self, IntoScopes};
use crate::store::StatusFilter;
use crate::{level, network};

const LONGEST_NAME: usize = 200;
const LARGEST_METADATA: usize = 16 * 1024;
const DEEPEST_METADATA: usize = 8;
const LONGEST_LIFE_DAYS: i64 = 36_500;
const LONGEST_GRACE: Millis = 365 * clock::DAY;
const STANDARD_GRACE: Millis = clock::DAY;
const LARGEST_PAGE: i64 = 1_000;
const STANDARD_PAGE: usize = 100;

type Metadata = serde_json::Map<String, serde_json::Value>;

/// When a key expires, as a caller says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    Never,
    InDays(i64),
    At(Millis),
}

impl Expiry {
    fn take(fields: &mut Fields) -> Result<Option<Self>, Error> {
        let (days, at) = (fields.take("expires_in_days"), fields.take("expires_at"));
        match (days, at) {
            (Some(days), Some(at)) if days != Value::Null && at != Value::Null => {
                Err(Error::misuse("expires_in_days", "is given together with expires_at", "give one of the two"))
            }
            (Some(days), _) if days != Value::Null => {
                Ok(Some(Self::InDays(days.into_integer("expires_in_days", 1, LONGEST_LIFE_DAYS)?)))
            }
            (_, Some(at)) if at != Value::Null => Ok(Some(Self::At(at.into_time("expires_at")?))),
            (None, None) => Ok(None),
            _ => Ok(Some(Self::Never)),
        }
    }

    /// The instant, which must lie ahead.
    pub(crate) fn at(self, now: Millis) -> Result<Option<Millis>, Error> {
        let (field, at) = match self {
            Self::Never => return Ok(None),
            Self::InDays(days) if (1..=LONGEST_LIFE_DAYS).contains(&days) => {
                ("expires_in_days", now + days * clock::DAY)
            }
            Self::InDays(_) => {
                return Err(Error::wrong(
                    "expires_in_days",
                    "is out of range",
                    format!("give 1 to {LONGEST_LIFE_DAYS}"),
                ));
            }
            Self::At(at) => ("expires_at", at),
        };
        if at <= now {
            return Err(Error::wrong(field, "is not in the future", "give a later time"));
        }
        if at > clock::LAST {
            return Err(Error::wrong(field, "is after the year 9999", "give an earlier time"));
        }
        Ok(Some(at))
    }
}

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
    pub(crate) networks: Option<Vec<String>>,
    pub(crate) metadata: Metadata,
    pub(crate) environment: Option<String>,
    pub(crate) expiry: Expiry,
    pub(crate) created_by: Option<String>,
}

impl NewKey {
    /// A key of that name (1 to 200 characters) that may do nothing yet and never expires.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            scopes: Vec::new(),
            level: None,
            networks: None,
            metadata: Metadata::new(),
            environment: None,
            expiry: Expiry::Never,
            created_by: None,
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

    /// Reads the arguments of a `create` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[
            "name",
            "scopes",
            "level",
            "networks",
            "metadata",
            "environment",
            "expires_in_days",
            "expires_at",
            "created_by",
        ])?;
        let name = fields.take("name").ok_or_else(|| Error::misuse("name", "is missing", "say what the key is for"))?;
        let mut new = Self::named(name.into_text("name")?);
        if let Some(value) = fields.given("scopes") {
            new.scopes = scope::read(value)?;
        }
        new.level = fields.given("level").map(read_level).transpose()?;
        new.networks = fields.given("networks").map(read_networks).transpose()?;
        new.metadata = fields.given("metadata").map(read_metadata).transpose()?.unwrap_or_default();
        new.environment = fields.text("environment")?;
        new.expiry = Expiry::take(&mut fields)?.unwrap_or(Expiry::Never);
        new.created_by = fields.text("created_by")?;
        new.check()?;
        Ok(new)
    }

    /// What no type rules out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        plain("name", &self.name, LONGEST_NAME)?;
        check_metadata(&self.metadata)?;
        match &self.created_by {
            Some(actor) => plain("created_by", actor, LONGEST_NAME),
            None => Ok(()),
        }
    }
}

/// What to change of a key: `keys.update`. What is not named stays.
#[derive(Debug, Clone, Default)]
pub struct KeyUpdate {
    pub(crate) name: Option<String>,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) level: Option<Option<Level>>,
    pub(crate) networks: Option<Option<Vec<String>>>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) expiry: Option<Expiry>,
    pub(crate) change: Change,
}

impl KeyUpdate {
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

    /// Reads the arguments of an `update` call; null clears level, networks, metadata and expiry.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[
            "name",
            "scopes",
            "level",
            "networks",
            "metadata",
            "expires_in_days",
            "expires_at",
            "actor",
        ])?;
        let clearable = |it: Value| if it == Value::Null { None } else { Some(it) };
        let update = Self {
            name: fields.take("name").map(|it| it.into_text("name")).transpose()?,
            scopes: fields.take("scopes").map(scope::read).transpose()?,
            level: fields.take("level").map(|it| clearable(it).map(read_level).transpose()).transpose()?,
            networks: fields.take("networks").map(|it| clearable(it).map(read_networks).transpose()).transpose()?,
            metadata: fields
                .take("metadata")
                .map(|it| clearable(it).map_or(Ok(Metadata::new()), read_metadata))
                .transpose()?,
            expiry: Expiry::take(&mut fields)?,
            change: Change { actor: fields.text("actor")?, reason: None },
        };
        update.check()?;
        Ok(update)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(name) = &self.name {
            plain("name", name, LONGEST_NAME)?;
        }
        if let Some(metadata) = &self.metadata {
            check_metadata(metadata)?;
        }
        self.change.check()
    }
}

/// Who makes a change and why; `()` says neither.
///
/// ```
/// let change = keywright::Change::because("leaked in a log").actor("alice");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    pub(crate) actor: Option<String>,
    pub(crate) reason: Option<String>,
}

impl Change {
    /// A change with its reason (1 to 200 characters).
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), actor: None }
    }

    /// Who makes it (1 to 200 characters).
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// Reads the arguments of `revoke`, `disable` and their like.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        Self::take(&mut fields.only(&["reason", "actor"])?)
    }

    fn take(fields: &mut Fields) -> Result<Self, Error> {
        let change = Self { actor: fields.text("actor")?, reason: fields.text("reason")? };
        change.check()?;
        Ok(change)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        for (field, text) in [("reason", &self.reason), ("actor", &self.actor)] {
            if let Some(text) = text {
                plain(field, text, LONGEST_NAME)?;
            }
        }
        Ok(())
    }
}

impl From<()> for Change {
    fn from((): ()) -> Self {
        Self::default()
    }
}

/// How a key gets a new secret: `keys.rotate`.
///
/// ```
/// use keywright::Rotation;
/// let rotation = Rotation::grace("24h")?;
/// let leaked = Rotation::at_once().reason("compromised");
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    grace: Option<Millis>,
    replace_current: bool,
    pub(crate) change: Change,
}

impl Rotation {
    /// Lets the former secret verify for so long: a whole number with `s`, `m`, `h` or `d`, up to 365 days. The
    /// standard is 24 hours.
    pub fn grace(grace: &str) -> Result<Self, Error> {
        let grace = input::span("grace", Value::Text(grace.to_owned()), LONGEST_GRACE)?;
        Ok(Self { grace: Some(grace), ..Self::default() })
    }

    /// Ends all former secrets now.
    #[must_use]
    pub fn at_once() -> Self {
        Self { grace: Some(0), ..Self::default() }
    }

    /// During a grace: ends the newest secret now, and lets the former one keep its end.
    #[must_use]
    pub fn replace_current() -> Self {
        Self { replace_current: true, ..Self::default() }
    }

    /// Why; `compromised` ends all former secrets now.
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { change: Change { reason: Some(reason.into()), ..self.change }, ..self }
    }

    /// Who rotates.
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    /// Reads the arguments of a `rotate` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["grace", "replace_current", "reason", "actor"])?;
        let rotation = Self {
            grace: fields.given("grace").map(|it| input::span("grace", it, LONGEST_GRACE)).transpose()?,
            replace_current: fields.given("replace_current").map_or(Ok(false), |it| it.into_bool("replace_current"))?,
            change: Change::take(&mut fields)?,
        };
        rotation.check()?;
        Ok(rotation)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.replace_current && self.grace.is_some() {
            return Err(Error::misuse(
                "replace_current",
                "is given together with grace",
                "leave grace out: the former secret keeps its end",
            ));
        }
        self.change.check()
    }

    pub(crate) fn turn(&self) -> crate::lifecycle::Turn {
        use crate::lifecycle::Turn;
        let compromised = self.change.reason.as_deref() == Some("compromised");
        match self.grace.unwrap_or(STANDARD_GRACE) {
            _ if compromised => Turn::AtOnce,
            _ if self.replace_current => Turn::ReplaceCurrent,
            0 => Turn::AtOnce,
            grace => Turn::Grace(grace),
        }
    }
}

/// Which keys to list: `keys.list`. The standard is all but revoked ones, 100 a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListKeys {
    pub(crate) limit: Limit,
    pub(crate) cursor: Option<String>,
    pub(crate) status: StatusFilter,
    pub(crate) environment: Option<String>,
    pub(crate) name: Option<String>,
}

impl ListKeys {
    /// The first page of all but revoked keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many on a page: 1 to 1,000.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Limit(limit), ..self }
    }

    /// Goes on where a page ended.
    #[must_use]
    pub fn cursor(self, cursor: impl Into<String>) -> Self {
        Self { cursor: Some(cursor.into()), ..self }
    }

    /// Only keys in this state.
    #[must_use]
    pub fn status(self, status: Status) -> Self {
        let status = match status {
            Status::Active => StatusFilter::Active,
            Status::Disabled => StatusFilter::Disabled,
            Status::Expired => StatusFilter::Expired,
            Status::Revoked => StatusFilter::Revoked,
        };
        Self { status, ..self }
    }

    /// Keys in every state.
    #[must_use]
    pub fn any_status(self) -> Self {
        Self { status: StatusFilter::All, ..self }
    }

    /// Only keys of this environment.
    #[must_use]
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { environment: Some(environment.into()), ..self }
    }

    /// Only keys of exactly this name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Reads the arguments of a `list` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["limit", "cursor", "status", "environment", "name"])?;
        let query = Self {
            limit: Limit::take(&mut fields)?,
            cursor: fields.text("cursor")?,
            status: fields.text("status")?.map_or(Ok(StatusFilter::default()), |it| read_status(&it))?,
            environment: fields.text("environment")?,
            name: fields.text("name")?,
        };
        query.check()?;
        Ok(query)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.limit.check()?;
        self.name.as_deref().map_or(Ok(()), |it| plain("name", it, LONGEST_NAME))
    }
}

/// Which audit entries to list: `audit.list`, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListAudit {
    pub(crate) limit: Limit,
    pub(crate) cursor: Option<String>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) action: Option<String>,
}

impl ListAudit {
    /// The newest entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many on a page: 1 to 1,000.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Limit(limit), ..self }
    }

    /// Goes on where a page ended.
    #[must_use]
    pub fn cursor(self, cursor: impl Into<String>) -> Self {
        Self { cursor: Some(cursor.into()), ..self }
    }

    /// Only what was done to this key.
    #[must_use]
    pub fn key_id(self, id: impl Into<KeyId>) -> Self {
        Self { key_id: Some(id.into()), ..self }
    }

    /// Only this action, like `key.revoke`.
    #[must_use]
    pub fn action(self, action: impl Into<String>) -> Self {
        Self { action: Some(action.into()), ..self }
    }

    /// Reads the arguments of an `audit.list` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["limit", "cursor", "key_id", "action"])?;
        let query = Self {
            limit: Limit::take(&mut fields)?,
            cursor: fields.text("cursor")?,
            key_id: fields.given("key_id").map(|it| KeyId::read_as("key_id", it)).transpose()?,
            action: fields.text("action")?,
        };
        query.limit.check()?;
        Ok(query)
    }
}

/// Which orgs to list: `orgs.list`, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOrgs {
    pub(crate) limit: Limit,
    pub(crate) cursor: Option<String>,
}

impl ListOrgs {
    /// The first page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many on a page: 1 to 1,000.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Limit(limit), ..self }
    }

    /// Goes on where a page ended.
    #[must_use]
    pub fn cursor(self, cursor: impl Into<String>) -> Self {
        Self { cursor: Some(cursor.into()), ..self }
    }

    /// Reads the arguments of an `orgs.list` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["limit", "cursor"])?;
        let query = Self { limit: Limit::take(&mut fields)?, cursor: fields.text("cursor")? };
        query.limit.check()?;
        Ok(query)
    }
}

/// What to change of an org: `orgs.update`. What is not named stays.
#[derive(Debug, Clone, Default)]
pub struct OrgUpdate {
    pub(crate) networks: Option<Option<Vec<String>>>,
    pub(crate) change: Change,
}

impl OrgUpdate {
    /// A change of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The networks its keys may be used from, or `None` for no restriction.
    pub fn networks(self, networks: Option<Vec<String>>) -> Result<Self, Error> {
        Ok(Self { networks: Some(networks.map(network::parse).transpose()?), ..self })
    }

    /// Who changes it.
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    /// Reads the arguments of an `orgs.update` call; null lifts the restriction.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["networks", "actor"])?;
        let networks = fields.take("networks").map(|it| match it {
            Value::Null => Ok(None),
            it => read_networks(it).map(Some),
        });
        let change = Change { actor: fields.text("actor")?, reason: None };
        change.check()?;
        Ok(Self { networks: networks.transpose()?, change })
    }
}

/// How many items a page has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(usize);

impl Default for Limit {
    fn default() -> Self {
        Self(STANDARD_PAGE)
    }
}

impl Limit {
    fn take(fields: &mut Fields) -> Result<Self, Error> {
        match fields.given("limit") {
            None => Ok(Self::default()),
            Some(value) => {
                value.into_integer("limit", 1, LARGEST_PAGE).map(|it| Self(usize::try_from(it).unwrap_or(1)))
            }
        }
    }

    pub(crate) fn get(self) -> usize {
        self.0
    }

    pub(crate) fn check(self) -> Result<(), Error> {
        let number = i64::try_from(self.0).unwrap_or(i64::MAX);
        Value::Integer(number.into()).into_integer("limit", 1, LARGEST_PAGE).map(drop)
    }
}

impl KeyId {
    /// Reads the `id` argument of a call.
    pub fn read(value: Value) -> Result<Self, Error> {
        Self::read_as("id", value)
    }

    fn read_as(field: &str, value: Value) -> Result<Self, Error> {
        match value {
            Value::Integer(number) => u64::try_from(number)
                .map(Self::Integer)
                .map_err(|_| Error::wrong(field, "is no id of a key", "give the id as the key shows it")),
            Value::Float(_) => Err(Error::wrong(field, "is not a whole number", "give the id as the key shows it")),
            // Text that cannot be stored names nothing.
            Value::BrokenText => Ok(Self::Text(String::new())),
            other => other.into_text(field).map(Self::Text),
        }
    }
}

fn read_level(value: Value) -> Result<Level, Error> {
    level::parse(&value.into_text("level")?)
}

fn read_networks(value: Value) -> Result<Vec<String>, Error> {
    network::parse(value.into_texts("networks")?)
}

fn read_metadata(value: Value) -> Result<Metadata, Error> {
    if depth(&value) > DEEPEST_METADATA {
        return Err(too_deep());
    }
    let entries = value.into_map("metadata")?;
    entries.into_iter().map(|(name, it)| Ok((name, it.into_json("metadata")?))).collect()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|it| depth(&it.1)).max().unwrap_or(0),
        Value::TooDeep => DEEPEST_METADATA + 1,
        _ => 0,
    }
}

fn too_deep() -> Error {
    Error::wrong("metadata", format!("is nested deeper than {DEEPEST_METADATA} levels"), "flatten it")
}

fn check_metadata(metadata: &Metadata) -> Result<(), Error> {
    fn levels(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
            serde_json::Value::Object(entries) => 1 + entries.values().map(levels).max().unwrap_or(0),
            _ => 0,
        }
    }
    fn holds_nul(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => text.contains('\0'),
            serde_json::Value::Array(items) => items.iter().any(holds_nul),
            serde_json::Value::Object(entries) => entries.iter().any(|(name, it)| name.contains('\0') || holds_nul(it)),
            _ => false,
        }
    }
    if 1 + metadata.values().map(levels).max().unwrap_or(0) > DEEPEST_METADATA {
        return Err(too_deep());
    }
    if metadata.iter().any(|(name, it)| name.contains('\0') || holds_nul(it)) {
        return Err(Error::wrong("metadata", "holds a NUL character", "remove it"));
    }
    let size = serde_json::to_string(metadata).map_or(usize::MAX, |it| it.len());
    if size > LARGEST_METADATA {
        return Err(Error::wrong(
            "metadata",
            format!("is larger than {LARGEST_METADATA} bytes of JSON"),
            "keep large data elsewhere",
        ));
    }
    Ok(())
}

fn read_status(text: &str) -> Result<StatusFilter, Error> {
    const NAMES: [(&str, StatusFilter); 5] = [
        ("active", StatusFilter::Active),
        ("disabled", StatusFilter::Disabled),
        ("expired", StatusFilter::Expired),
        ("revoked", StatusFilter::Revoked),
        ("all", StatusFilter::All),
    ];
    NAMES.iter().find(|it| it.0 == text).map(|it| it.1).ok_or_else(|| {
        let near = nearest(text, NAMES.iter().map(|it| it.0));
        let fix =
            near.map_or("use active, disabled, expired, revoked or all".to_owned(), |it| format!("did you mean {it}?"));
        Error::wrong("status", "is no status", fix)
    })
}

/// Named arguments with plain text values, for tests of the reading.
#[cfg(test)]
fn fields(entries: &[(&str, Value)]) -> Fields {
    Fields::new(input::Casing::Snake, entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn deep_and_large_metadata_is_refused_without_recursion_into_it() {
        let nest = |levels: usize| (0..levels).fold(Value::Integer(1), |it, _| Value::Map(vec![("a".into(), it)]));
        assert!(read_metadata(nest(8)).is_ok());
        assert_eq!(read_metadata(nest(9)).unwrap_err().field(), Some("metadata"));
        let large = read_metadata(Value::Map(vec![("a".into(), Value::Text("x".repeat(16_384)))])).unwrap();
        assert_eq!(check_metadata(&large).unwrap_err().field(), Some("metadata"));
    }
}

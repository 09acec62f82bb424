//! The records that every surface shows: plain data with one serde form, snake_case fields and RFC 3339 times.

use std::fmt;
use std::ops::Deref;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};

/// What stands where an API key must not be shown.
pub const HIDDEN: &str = "<hidden: send new.reveal() once>";

/// The id of a key: opaque text, or an integer below 2^53 where the database was made with integer ids.
///
/// ```
/// use keywright::KeyId;
/// assert_eq!(KeyId::from("456").to_string(), KeyId::from(456).to_string());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum KeyId {
    /// A random integer in 1..2^53, exact in every JSON reader.
    Integer(u64),
    /// A UUID version 7 (RFC 9562, section 5.7) in its usual text form.
    Text(String),
}

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(it) => it.fmt(out),
            Self::Text(it) => it.fmt(out),
        }
    }
}

impl From<&str> for KeyId {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for KeyId {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for KeyId {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<&KeyId> for KeyId {
    fn from(id: &KeyId) -> Self {
        id.clone()
    }
}

/// What state a key is in now.
///
/// ```
/// assert_eq!(keywright::Status::Active.as_str(), "active");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It verifies.
    Active,
    /// It is switched off until `enable`.
    Disabled,
    /// Its time is over.
    Expired,
    /// It is revoked, for ever.
    Revoked,
}

impl Status {
    /// The word for it on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Which HTTP methods a key may use.
///
/// ```
/// assert_eq!(keywright::Level::ReadWrite.as_str(), "read_write");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// GET, HEAD and OPTIONS.
    Read,
    /// Those, and POST, PUT and PATCH.
    ReadWrite,
    /// Every method.
    Full,
}

impl Level {
    /// The word for it on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadWrite => "read_write",
            Self::Full => "full",
        }
    }
}

/// Adds the names of a record's fields to it.
macro_rules! with_fields {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$about:meta])* pub $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$about])* pub $field: $type,)+
        }

        impl $name {
            /// The names of the fields, in the order in which every surface shows them.
            pub const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];
        }
    };
}

/// Whether two records have the same fields in the same order. Bindings assert it of their own copy of a record when they are
/// compiled.
#[doc(hidden)]
#[must_use]
pub const fn same_fields(left: &[&str], right: &[&str]) -> bool {
    const fn same(left: &[u8], right: &[u8]) -> bool {
        match (left, right) {
            ([], []) => true,
            ([first, left @ ..], [second, right @ ..]) => *first == *second && same(left, right),
            _ => false,
        }
    }
    match (left, right) {
        ([], []) => true,
        ([first, left @ ..], [second, right @ ..]) => {
            same(first.as_bytes(), second.as_bytes()) && same_fields(left, right)
        }
        _ => false,
    }
}

with_fields! {
    /// A key as every surface shows it. Nothing in it is secret.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// println!("{} {} {:?}", new.id, new.prefix, new.expires_at);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[derive(Debug, Clone, PartialEq, Serialize)]
    #[non_exhaustive]
    pub struct Key {
        /// Its id, which never changes.
        pub id: KeyId,
        /// What people call it.
        pub name: String,
        /// What it is for, as free text.
        pub description: Option<String>,
        /// The tenant that owns it.
        pub org: String,
        /// The environment it works in.
        pub environment: String,
        /// The public part of the current secret's text.
        pub prefix: String,
        /// Its state at the time of the call.
        pub status: Status,
        /// What it may do, in canonical order.
        pub scopes: Vec<String>,
        /// Which methods it may use; `None` leaves methods unjudged.
        pub level: Option<Level>,
        /// The name of its set of rate limits.
        pub tier: Option<String>,
        /// Rate limits of its own.
        pub limits: Vec<Limit>,
        /// The networks it may be used from: `None` is no restriction, empty is nobody.
        pub networks: Option<Vec<String>>,
        /// The host's own data.
        pub metadata: serde_json::Map<String, serde_json::Value>,
        /// When it was made.
        #[serde(serialize_with = "rfc3339")]
        pub created_at: DateTime<Utc>,
        /// Who made it.
        pub created_by: Option<String>,
        /// When it was last changed.
        #[serde(serialize_with = "rfc3339")]
        pub updated_at: DateTime<Utc>,
        /// From when on it no longer verifies.
        #[serde(serialize_with = "rfc3339_option")]
        pub expires_at: Option<DateTime<Utc>>,
        /// Since when it is disabled.
        #[serde(serialize_with = "rfc3339_option")]
        pub disabled_at: Option<DateTime<Utc>>,
        /// When it was revoked.
        #[serde(serialize_with = "rfc3339_option")]
        pub revoked_at: Option<DateTime<Utc>>,
        /// Why it was last disabled or revoked.
        pub reason: Option<String>,
        /// When one of its secrets was last used.
        #[serde(serialize_with = "rfc3339_option")]
        pub last_used_at: Option<DateTime<Utc>>,
        /// Allowed verifications.
        pub usage_count: u64,
        /// Refused verifications of a proved secret.
        pub denied_count: u64,
        /// The secrets that still verify, newest first: the current one, and in grace the former one.
        pub secrets: Vec<Secret>,
    }
}

/// What is public about one secret of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Secret {
    /// The public part of its text.
    pub prefix: String,
    /// When it was made.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: DateTime<Utc>,
    /// From when on it no longer verifies; `None` for the current one.
    #[serde(serialize_with = "rfc3339_option")]
    pub grace_ends_at: Option<DateTime<Utc>>,
    /// When it was last used.
    #[serde(serialize_with = "rfc3339_option")]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Whose requests a rate limit counts together.
///
/// ```
/// assert_eq!(keywright::Per::Org.as_str(), "org");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Those of one key.
    #[default]
    Key,
    /// Those of all keys of an org.
    Org,
    /// Those made on behalf of one agent within an org.
    Agent,
}

impl Per {
    /// The word for it on every surface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Org => "org",
            Self::Agent => "agent",
        }
    }
}

/// A rate limit: how many requests a minute, and how many at once. In any time `t` at most `burst` and what the rate
/// gives in `t` are allowed.
///
/// ```
/// use keywright::{Limit, Per};
/// let limit = Limit::new("read", 100).burst(20).per(Per::Org).operation("read");
/// assert_eq!((limit.rate, limit.burst), (100, 20));
/// assert_eq!(Limit::new("basic", 100).burst, 100);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limit {
    /// What it is called: `[a-z][a-z0-9_.-]{0,63}`.
    pub name: String,
    /// Requests per minute, 1 to 1,000,000,000.
    pub rate: u64,
    /// Requests that may come at once, 1 to 1,000,000,000; as many as the rate unless said.
    pub burst: u64,
    /// Whose requests it counts together.
    pub per: Per,
    /// The class of operations that it is for, named like a limit; `None` is every request.
    pub operation: Option<String>,
}

impl Limit {
    /// A limit on all requests of a key, so many a minute.
    #[must_use]
    pub fn new(name: impl Into<String>, rate: u64) -> Self {
        Self { name: name.into(), rate, burst: rate, per: Per::Key, operation: None }
    }

    /// How many requests may come at once.
    #[must_use]
    pub fn burst(self, burst: u64) -> Self {
        Self { burst, ..self }
    }

    /// Whose requests it counts together.
    #[must_use]
    pub fn per(self, per: Per) -> Self {
        Self { per, ..self }
    }

    /// The class of operations that it is for.
    #[must_use]
    pub fn operation(self, operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..self }
    }
}

/// Where a limit stands after a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitState {
    /// What it is called.
    pub name: String,
    /// Requests per minute.
    pub limit: u64,
    /// Requests that are allowed now.
    pub remaining: u64,
    /// After how many seconds it is unused again.
    pub reset_seconds: u64,
    /// Whether all processes share it.
    pub shared: bool,
}

/// The whole text of a key. `Debug`, `Display` and serde hide it; [`reveal`](Self::reveal) shows it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// assert!(!format!("{:?}", new.api_key).contains(new.api_key.reveal()));
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(zeroize::Zeroizing<String>);

impl ApiKey {
    pub(crate) fn new(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }

    /// The text itself, for the one response that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HIDDEN)
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(HIDDEN)
    }
}

impl Serialize for ApiKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(HIDDEN)
    }
}

/// A key just made or rotated, with the only copy of its text. It dereferences to its [`Key`].
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// let shown = serde_json::to_string(&new.reveal()).unwrap();
/// assert!(shown.contains(new.api_key.reveal()) && !serde_json::to_string(&new).unwrap().contains(new.api_key.reveal()));
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IssuedKey {
    /// The record.
    #[serde(flatten)]
    pub key: Key,
    /// The text, hidden from logs and JSON.
    pub api_key: ApiKey,
}

impl IssuedKey {
    /// The plain record with the text in it, for the one response that shows it.
    #[must_use]
    pub fn reveal(&self) -> Revealed<'_> {
        Revealed { key: &self.key, api_key: self.api_key.reveal() }
    }
}

impl Deref for IssuedKey {
    type Target = Key;

    fn deref(&self) -> &Key {
        &self.key
    }
}

/// An [`IssuedKey`] whose serde form shows the text.
#[derive(Clone, PartialEq, Serialize)]
pub struct Revealed<'a> {
    /// The record.
    #[serde(flatten)]
    pub key: &'a Key,
    /// The text.
    pub api_key: &'a str,
}

impl fmt::Debug for Revealed<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Revealed").field("key", self.key).field("api_key", &HIDDEN).finish()
    }
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items.
    pub data: Vec<T>,
    /// Whether another page follows.
    pub has_more: bool,
    /// What to pass as `cursor` for it.
    pub next_cursor: Option<String>,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OrgRecord {
    /// Its id, as the host chose it.
    pub id: String,
    /// `active` or `disabled`.
    pub status: Status,
    /// The networks its keys may be used from: `None` is no restriction, empty is nobody.
    pub networks: Option<Vec<String>>,
    /// When it was first used.
    #[serde(serialize_with = "rfc3339")]
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    #[serde(serialize_with = "rfc3339")]
    pub updated_at: DateTime<Utc>,
    /// Since when it is disabled.
    #[serde(serialize_with = "rfc3339_option")]
    pub disabled_at: Option<DateTime<Utc>>,
    /// Why it was last disabled.
    pub reason: Option<String>,
}

/// One change, as the audit chain keeps it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Its place in the chain, without gaps.
    pub seq: u64,
    /// When it happened.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// The tenant it concerns; `None` for the database as a whole.
    pub org: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// What was done, like `key.revoke`.
    pub action: String,
    /// The id of the key or org it was done to.
    pub target: Option<String>,
    /// Why, as the actor said.
    pub reason: Option<String>,
    /// What changed, without personal data and without anything secret.
    pub details: serde_json::Map<String, serde_json::Value>,
    /// The chain's hash up to and including this entry, in hexadecimal.
    pub hash: String,
}

/// What was counted for one agent of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AgentUsage {
    /// The agent; `None` for all beyond the first thousand of a key.
    pub agent: Option<String>,
    /// Allowed verifications.
    pub usage_count: u64,
    /// Refused verifications of a proved secret.
    pub denied_count: u64,
    /// When one was last allowed.
    #[serde(serialize_with = "rfc3339_option")]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// The end of the audit chain. Kept elsewhere, it reveals that a database was replaced by an older copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditHead {
    /// The last entry's place, 0 when there is none.
    pub seq: u64,
    /// Its hash in hexadecimal, 64 zeros when there is none.
    pub hash: String,
}

/// What a check of the audit chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditCheck {
    /// Whether the chain is whole.
    pub ok: bool,
    /// How many entries were checked.
    pub checked: u64,
    /// The first entry's place; entries before it were pruned.
    pub first_seq: Option<u64>,
    /// The last entry's place.
    pub last_seq: Option<u64>,
    /// The first fault, in words.
    pub problem: Option<String>,
}

/// What the text of a key says about itself. Nothing is proved by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Parsed {
    /// The environment in the text.
    pub environment: String,
    /// The text up to and including the lookup, safe to log.
    pub prefix: String,
    /// The public part that finds the row.
    pub lookup: String,
}

pub(crate) fn rfc3339<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&wire_time(at))
}

pub(crate) fn rfc3339_option<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339(at, to),
        None => to.serialize_none(),
    }
}

/// A time as every wire form shows it: RFC 3339 with milliseconds and `Z`.
///
/// ```
/// let at = "2026-01-01T00:00:00Z".parse().unwrap();
/// assert_eq!(keywright::wire_time(&at), "2026-01-01T00:00:00.000Z");
/// ```
#[must_use]
pub fn wire_time(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_key_hides_in_debug_display_and_json() {
        let secret = ApiKey::new("liq_live_abc_secret".into());
        for shown in [format!("{secret:?}"), format!("{secret}"), serde_json::to_string(&secret).unwrap()] {
            assert!(shown.contains("hidden") && !shown.contains("secret\""), "{shown}");
        }
        assert_eq!(secret.reveal(), "liq_live_abc_secret");
    }
}

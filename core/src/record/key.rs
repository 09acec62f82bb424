use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::limit::Limit;
use super::quota::Quota;
use super::{rfc3339, rfc3339_option};

/// The id of a key: opaque text, or an integer below 2^53 in a database with integer ids.
///
/// ```
/// use keywright::KeyId;
/// assert_eq!(KeyId::from("456").to_string(), KeyId::from(456).to_string());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

impl KeyId {
    /// The id of a row, in the form of its database.
    pub(crate) fn of_row(id: String, integer_ids: bool) -> Self {
        match id.parse() {
            Ok(number) if integer_ids => Self::Integer(number),
            _ => Self::Text(id),
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

/// The state of a key or an org.
///
/// ```
/// assert_eq!(keywright::Status::Active.as_str(), "active");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// The key verifies.
    Active,
    /// The key does not verify until `enable`.
    Disabled,
    /// The key has reached its expiry.
    Expired,
    /// The key is revoked for good.
    Revoked,
}

impl Status {
    /// The name on every surface.
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

/// The permission level of a key: the HTTP methods that it allows.
///
/// ```
/// assert_eq!(keywright::Level::ReadWrite.as_str(), "read_write");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// GET, HEAD and OPTIONS.
    Read,
    /// GET, HEAD, OPTIONS, POST, PUT and PATCH.
    ReadWrite,
    /// Every method.
    Full,
}

impl Level {
    /// The name on every surface.
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

with_fields! {
    /// A key. Nothing in the record is secret.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// println!("{} {} {:?}", new.id, new.prefix, new.expires_at);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[non_exhaustive]
    pub struct Key {
        /// The id, which never changes.
        pub id: KeyId,
        /// The name for people.
        pub name: String,
        /// Free text about the key.
        pub description: Option<String>,
        /// The org that owns the key.
        pub org: String,
        /// The environment of the key.
        pub environment: String,
        /// The public part of the current secret's text, safe to log.
        pub prefix: String,
        /// The state at the time of the call.
        pub status: Status,
        /// The granted scopes, in canonical order.
        pub scopes: Vec<String>,
        /// The permission level; `None` allows every HTTP method.
        pub level: Option<Level>,
        /// The tier, which is a named set of rate limits and quotas.
        pub tier: Option<String>,
        /// The rate limits of this key alone.
        pub limits: Vec<Limit>,
        /// The quotas of this key alone.
        pub quotas: Vec<Quota>,
        /// The networks from which the key verifies: `None` allows all, an empty list allows none.
        pub networks: Option<Vec<String>>,
        /// Data of the host.
        pub metadata: serde_json::Map<String, serde_json::Value>,
        /// The time of the creation.
        #[serde(with = "rfc3339")]
        pub created_at: DateTime<Utc>,
        /// The actor that created the key.
        pub created_by: Option<String>,
        /// The time of the last change.
        #[serde(with = "rfc3339")]
        pub updated_at: DateTime<Utc>,
        /// The time from which the key does not verify.
        #[serde(with = "rfc3339_option")]
        pub expires_at: Option<DateTime<Utc>>,
        /// The time from which the key is disabled.
        #[serde(with = "rfc3339_option")]
        pub disabled_at: Option<DateTime<Utc>>,
        /// The time of the revocation.
        #[serde(with = "rfc3339_option")]
        pub revoked_at: Option<DateTime<Utc>>,
        /// The reason of the last disabling or revocation.
        pub reason: Option<String>,
        /// The time of the last allowed verification.
        #[serde(with = "rfc3339_option")]
        pub last_used_at: Option<DateTime<Utc>>,
        /// Allowed verifications.
        pub usage_count: u64,
        /// Denied verifications with a valid secret.
        pub denied_count: u64,
        /// The secrets that verify, newest first: the current one, and the former one during a grace.
        pub secrets: Vec<Secret>,
    }
}

/// The public part of one secret of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Secret {
    /// The public part of the secret's text.
    pub prefix: String,
    /// The time of the creation.
    #[serde(with = "rfc3339")]
    pub created_at: DateTime<Utc>,
    /// The time from which the secret does not verify; `None` for the current secret.
    #[serde(with = "rfc3339_option")]
    pub grace_ends_at: Option<DateTime<Utc>>,
    /// The time of the last allowed verification.
    #[serde(with = "rfc3339_option")]
    pub last_used_at: Option<DateTime<Utc>>,
}

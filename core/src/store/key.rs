//! The row of a key, and its other forms: the record, the purged row, the rights. A form that copies fields names every field, so
//! that the compiler finds a forgotten one.

use serde::{Deserialize, Serialize};

use super::rows::{Counts, SecretRow, SecretView, foreign_row};
use crate::clock::{Millis, time};
use crate::error::Error;
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::record::{Key, KeyId, Level, Limit};
use crate::rights::Rights;

/// A key's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) org: String,
    pub(crate) environment: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) level: Option<Level>,
    pub(crate) tier: Option<String>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) networks: Option<Vec<String>>,
    /// A JSON object, as text.
    pub(crate) metadata: String,
    pub(crate) created_at: Millis,
    pub(crate) created_by: Option<String>,
    pub(crate) updated_at: Millis,
    pub(crate) life: Lifecycle,
    pub(crate) reason: Option<String>,
    /// The key that created this key, if revoking that one revokes this one too.
    pub(crate) parent: Option<String>,
}

/// A key with its live secrets, newest first, and its counters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyView {
    pub(crate) key: KeyRow,
    pub(crate) secrets: Vec<SecretView>,
    pub(crate) usage: Counts,
}

/// The rows that a verification needs: the secret, its key and the restrictions of its org.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LookupResult {
    pub(crate) secret: SecretRow,
    pub(crate) view: KeyView,
    pub(crate) org_disabled: bool,
    pub(crate) org_networks: Option<Vec<String>>,
}

impl KeyRow {
    pub(crate) fn rights(&self) -> Rights {
        Rights {
            environment: self.environment.clone(),
            scopes: self.scopes.clone(),
            level: self.level,
            tier: self.tier.clone(),
            limits: self.limits.clone(),
            networks: self.networks.clone(),
            expires_at: self.life.expires_at,
        }
    }

    /// A row in which every field that can be empty has a value, for tests of stores.
    #[cfg(feature = "testing")]
    pub(super) fn sample(id: &str, org: &str, now: Millis) -> Self {
        Self {
            id: id.to_owned(),
            org: org.to_owned(),
            environment: "live".to_owned(),
            name: format!("name of {id}; DROP TABLE keys; --"),
            description: Some("\u{feff}first line\r\nsecond line".to_owned()),
            scopes: vec!["deals:read".to_owned(), "deals:write".to_owned()],
            level: Some(Level::ReadWrite),
            tier: Some("premium".to_owned()),
            limits: vec![Limit::new("read", 100).burst(20).operation("read"), Limit::new("all", 1_000_000_000)],
            networks: Some(vec!["10.0.0.0/8".to_owned()]),
            metadata: r#"{"team":"\"quoted\" %_'"}"#.to_owned(),
            created_at: now,
            created_by: Some("alice".to_owned()),
            updated_at: now,
            life: Lifecycle::default(),
            reason: None,
            parent: None,
        }
    }

    /// The row without the fields that can name a person.
    pub(crate) fn purged(self) -> Self {
        let Self {
            id,
            org,
            environment,
            name: _,
            description: _,
            scopes,
            level,
            tier,
            limits,
            networks,
            metadata: _,
            created_at,
            created_by: _,
            updated_at,
            life,
            reason: _,
            parent,
        } = self;
        Self {
            id,
            org,
            environment,
            name: String::new(),
            description: None,
            scopes,
            level,
            tier,
            limits,
            networks,
            metadata: "{}".to_owned(),
            created_at,
            created_by: None,
            updated_at,
            life,
            reason: None,
            parent,
        }
    }
}

impl KeyView {
    /// Puts the current secret first, then the former one. There are two at most, and sorting them here spares a store a sort
    /// of whole rows.
    pub(super) fn newest_first(mut self) -> Self {
        let order =
            |secret: &SecretView| (secret.lifetime.grace_ends_at.is_some(), std::cmp::Reverse(secret.created_at));
        self.secrets.sort_by_key(order);
        self
    }

    pub(crate) fn secret_lifetimes(&self) -> Vec<SecretLifetime> {
        self.secrets.iter().map(|secret| secret.lifetime.clone()).collect()
    }

    /// The record of the key in its state at `now`.
    pub(crate) fn into_record(self, integer_ids: bool, now: Millis) -> Key {
        let Self { key, mut secrets, usage } = self;
        // Some may be over since they were read.
        secrets.retain(|it| !it.lifetime.is_over(now));
        let id = match key.id.parse() {
            Ok(number) if integer_ids => KeyId::Integer(number),
            _ => KeyId::Text(key.id),
        };
        Key {
            id,
            name: key.name,
            description: key.description,
            org: key.org,
            environment: key.environment,
            prefix: secrets.first().map(|it| it.prefix.clone()).unwrap_or_default(),
            status: key.life.status(now),
            scopes: key.scopes,
            level: key.level,
            tier: key.tier,
            limits: key.limits,
            networks: key.networks,
            metadata: match key.metadata.as_str() {
                "{}" => serde_json::Map::new(),
                text => serde_json::from_str(text).unwrap_or_default(),
            },
            created_at: time(key.created_at),
            created_by: key.created_by,
            updated_at: time(key.updated_at),
            expires_at: key.life.expires_at.map(time),
            disabled_at: key.life.disabled_at.map(time),
            revoked_at: key.life.revoked_at.map(time),
            reason: key.reason,
            last_used_at: usage.last_used_at.map(time),
            usage_count: usage.usage_count,
            denied_count: usage.denied_count,
            secrets: secrets.into_iter().map(SecretView::into_record).collect(),
        }
    }
}

/// The parts at the end of a prefix that may be the lookup, whose length only the format tells.
pub(super) fn possible_lookups(prefix: &str) -> impl Iterator<Item = &str> {
    (10..=32).filter_map(|length| prefix.len().checked_sub(length).and_then(|from| prefix.get(from..)))
}

/// Limits are stored in one column as JSON; NULL stands for none.
pub(super) fn limits_text(limits: &[Limit]) -> Result<Option<String>, Error> {
    let text = (!limits.is_empty()).then(|| serde_json::to_string(limits));
    text.transpose().map_err(|_| foreign_row())
}

pub(super) fn limits_from(text: Option<&str>) -> Result<Vec<Limit>, Error> {
    text.map_or(Ok(Vec::new()), |text| serde_json::from_str(text).map_err(|_| foreign_row()))
}

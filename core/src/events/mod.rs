//! What happened to keys, told to whoever listens. It is told apart from the call that it came of: a listener holds up
//! nothing, and fails nothing.

mod daily;
mod queue;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub(crate) use self::queue::{Events, Notice};
use crate::decision::Code;
use crate::health::Report;
use crate::record::{Key, KeyId, rfc3339, rfc3339_option};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A key was made.
    Created,
    /// A key got a new secret.
    Rotated,
    /// A former secret was used, which ends with its grace.
    FormerSecretUsed,
    /// A key expires soon.
    Expiring,
    /// A key was not used for long.
    Idle,
    /// A key was revoked, or every key of an org.
    Revoked,
    /// A revoked key, or a secret whose grace is over, was presented.
    RefusedAfterRevocation,
    /// The database cannot be used.
    StoreFailed,
    /// The database can be used again.
    StoreRecovered,
}

impl EventKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Rotated => "rotated",
            Self::FormerSecretUsed => "former_secret_used",
            Self::Expiring => "expiring",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::RefusedAfterRevocation => "refused_after_revocation",
            Self::StoreFailed => "store_failed",
            Self::StoreRecovered => "store_recovered",
        }
    }
}

/// What is told of a key. Nothing in it is secret.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// use std::sync::mpsc::channel;
/// use keywright::{Event, EventKind, Keywright, NewKey};
/// let (tell, told) = channel();
/// let listener = move |event: &Event| tell.send((event.kind, event.name.clone())).unwrap();
/// let kw = Keywright::builder(url).brand("acme").pepper([7; 32]).on_event(listener).build().await?;
/// kw.keys().create(NewKey::named("CI")).await?;
/// kw.close().await; // hands out what is queued
/// assert_eq!(told.recv().unwrap(), (EventKind::Created, Some("CI".to_owned())));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: DateTime<Utc>,
    /// The tenant it concerns; `None` for what concerns the database.
    pub org: Option<String>,
    /// The key; `None` where every key of the org was revoked.
    pub key_id: Option<KeyId>,
    /// What people call the key.
    pub name: Option<String>,
    /// The environment it works in.
    pub environment: Option<String>,
    /// The public part of the secret that it is about: the newest, or the one that was presented.
    pub prefix: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// Why a verification was denied.
    pub code: Option<Code>,
    /// Why the database cannot be used, and what to do about it.
    pub reason: Option<String>,
    /// How often, since it was last written down; of a revocation, how many keys it ended.
    pub count: u64,
    /// When the key expires.
    #[serde(serialize_with = "rfc3339_option")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When the former secret stops.
    #[serde(serialize_with = "rfc3339_option")]
    pub grace_ends_at: Option<DateTime<Utc>>,
    /// When the key was last used.
    #[serde(serialize_with = "rfc3339_option")]
    pub last_used_at: Option<DateTime<Utc>>,
    /// How many events before this one were dropped, since the listener was too slow for them.
    pub lost: u64,
}

impl Event {
    fn new(kind: EventKind, at: DateTime<Utc>) -> Self {
        Self {
            kind,
            at,
            org: None,
            key_id: None,
            name: None,
            environment: None,
            prefix: None,
            actor: None,
            code: None,
            reason: None,
            count: 1,
            expires_at: None,
            grace_ends_at: None,
            last_used_at: None,
            lost: 0,
        }
    }

    pub(crate) fn of(kind: EventKind, key: &Key, at: DateTime<Utc>) -> Self {
        Self {
            org: Some(key.org.clone()),
            key_id: Some(key.id.clone()),
            name: Some(key.name.clone()),
            environment: Some(key.environment.clone()),
            prefix: Some(key.prefix.clone()).filter(|it| !it.is_empty()),
            expires_at: key.expires_at,
            grace_ends_at: key.secrets.iter().filter_map(|it| it.grace_ends_at).max(),
            last_used_at: key.last_used_at,
            ..Self::new(kind, at)
        }
    }

    /// Every key of an org was revoked.
    pub(crate) fn of_org(org: &str, count: u64, at: DateTime<Utc>) -> Self {
        Self { org: Some(org.to_owned()), count, ..Self::new(EventKind::Revoked, at) }
    }

    pub(crate) fn of_store(report: &Report, at: DateTime<Utc>) -> Self {
        match report {
            Report::Failed(error) => Self { reason: Some(error.to_string()), ..Self::new(EventKind::StoreFailed, at) },
            Report::Recovered => Self::new(EventKind::StoreRecovered, at),
        }
    }

    pub(crate) fn by(self, actor: Option<String>) -> Self {
        Self { actor, ..self }
    }
}

/// Who listens, and which keys are told of each day.
#[derive(Clone)]
pub(crate) struct Ear {
    pub(crate) listener: Arc<dyn Fn(&Event) + Send + Sync>,
    /// Keys that expire within so many days; 0 for none.
    pub(crate) expiring_days: u32,
    /// Keys that were not used for so many days; 0 for none.
    pub(crate) idle_days: u32,
}

impl fmt::Debug for Ear {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Ear")
    }
}

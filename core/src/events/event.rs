//! An event, and its subscription.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::decision::Code;
use crate::error::Error;
use crate::health::HealthReport;
use crate::record::{Key, KeyId, rfc3339, rfc3339_option};

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A key was created.
    Created,
    /// A key got a new secret.
    Rotated,
    /// A former secret was used during its grace. It stops working at `grace_ends_at`.
    FormerSecretUsed,
    /// A key expires soon.
    Expiring,
    /// A key was not used for `idle_days`.
    Idle,
    /// A balance of a key, or of its org, was raised.
    Credited,
    /// A key was revoked, or every key of an org was.
    Revoked,
    /// A revoked key, or a secret whose grace is over, was presented.
    RefusedAfterRevocation,
    /// The database cannot be used.
    StoreFailed,
    /// The database can be used again.
    StoreRecovered,
    /// On PostgreSQL another database answers than before, or an older copy: after a failover or a restore. Changes may be lost.
    StoreReplaced,
    /// Each process counts limits on its own, because the place that the processes share cannot be used.
    LimitsUnshared,
    /// The keys of an identity provider cannot be fetched. The last ones stay in use for a while.
    ProviderFailed,
    /// The keys of an identity provider can be fetched again.
    ProviderRecovered,
    /// The receiver of a webhook endpoint answered 410 Gone, and gets no more messages.
    WebhookDisabled,
}

impl EventKind {
    /// The name of the kind, as in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Rotated => "rotated",
            Self::FormerSecretUsed => "former_secret_used",
            Self::Expiring => "expiring",
            Self::Idle => "idle",
            Self::Credited => "credited",
            Self::Revoked => "revoked",
            Self::RefusedAfterRevocation => "refused_after_revocation",
            Self::StoreFailed => "store_failed",
            Self::StoreRecovered => "store_recovered",
            Self::StoreReplaced => "store_replaced",
            Self::LimitsUnshared => "limits_unshared",
            Self::ProviderFailed => "provider_failed",
            Self::ProviderRecovered => "provider_recovered",
            Self::WebhookDisabled => "webhook_disabled",
        }
    }
}

/// The reason of [`EventKind::StoreReplaced`].
const REPLACED: &str = "another server, or an older copy of the database, answers, which may lack the last changes; \
    compare audit.head() with the one that you keep elsewhere, and repeat revocations that are missing";

/// An event. Nothing in it is secret.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// use std::sync::mpsc::channel;
/// use keywright::{Event, EventKind, Keywright, NewKey};
/// let (tell, told) = channel();
/// let listener = move |event: &Event| tell.send((event.kind, event.name.clone())).unwrap();
/// let kw = Keywright::builder(url).brand("acme").pepper([7; 32]).on_event(listener).build().await?;
/// kw.keys().create(NewKey::named("CI")).await?;
/// kw.close().await; // delivers the queued events
/// assert_eq!(told.recv().unwrap(), (EventKind::Created, Some("CI".to_owned())));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// The kind of the event.
    pub kind: EventKind,
    /// The time of the event.
    #[serde(serialize_with = "rfc3339::serialize")]
    pub at: DateTime<Utc>,
    /// The org of the key; `None` for an event about the database.
    pub org: Option<String>,
    /// The id of the key; `None` if every key of the org was revoked.
    pub key_id: Option<KeyId>,
    /// The name of the key.
    pub name: Option<String>,
    /// The environment of the key.
    pub environment: Option<String>,
    /// The public part of the secret: of the one that was presented, or else of the newest.
    pub prefix: Option<String>,
    /// The actor of the management call.
    pub actor: Option<String>,
    /// The code with which a verification was denied.
    pub code: Option<Code>,
    /// Why the database, the place of shared limits, an identity provider or a webhook endpoint cannot be used, or which other
    /// database answers, and the next step.
    pub reason: Option<String>,
    /// The number of verifications since the last flush; for a revocation, the number of keys it ended; for a credit, the amount.
    pub count: u64,
    /// When the key expires.
    #[serde(serialize_with = "rfc3339_option::serialize")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When the former secret stops working.
    #[serde(serialize_with = "rfc3339_option::serialize")]
    pub grace_ends_at: Option<DateTime<Utc>>,
    /// When the key was last used.
    #[serde(serialize_with = "rfc3339_option::serialize")]
    pub last_used_at: Option<DateTime<Utc>>,
    /// How many events before this one were dropped because the listener was too slow.
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

    /// An event about a key.
    pub(crate) fn of(kind: EventKind, key: &Key, at: DateTime<Utc>) -> Self {
        Self {
            org: Some(key.org.clone()),
            key_id: Some(key.id.clone()),
            name: Some(key.name.clone()),
            environment: Some(key.environment.clone()),
            prefix: Some(key.prefix.clone()).filter(|prefix| !prefix.is_empty()),
            expires_at: key.expires_at,
            grace_ends_at: key.secrets.iter().filter_map(|secret| secret.grace_ends_at).max(),
            last_used_at: key.last_used_at,
            ..Self::new(kind, at)
        }
    }

    /// The revocation of every key of an org.
    pub(crate) fn of_org(org: &str, count: u64, at: DateTime<Utc>) -> Self {
        Self { org: Some(org.to_owned()), count, ..Self::new(EventKind::Revoked, at) }
    }

    /// A report on the health of the database, or of another server.
    pub(crate) fn of_store(report: &HealthReport, at: DateTime<Utc>) -> Self {
        let failed = |kind, error: &Error| Self { reason: Some(error.to_string()), ..Self::new(kind, at) };
        match report {
            HealthReport::Failed(error) => failed(EventKind::StoreFailed, error),
            HealthReport::Recovered => Self::new(EventKind::StoreRecovered, at),
            HealthReport::Replaced => {
                Self { reason: Some(REPLACED.to_owned()), ..Self::new(EventKind::StoreReplaced, at) }
            }
            HealthReport::LimitsUnshared(error) => failed(EventKind::LimitsUnshared, error),
            HealthReport::ProviderFailed(error) => failed(EventKind::ProviderFailed, error),
            HealthReport::ProviderRecovered => Self::new(EventKind::ProviderRecovered, at),
            HealthReport::ReceiverGone(reason) => {
                Self { reason: Some(reason.clone()), ..Self::new(EventKind::WebhookDisabled, at) }
            }
        }
    }

    /// The same event, with this count.
    pub(crate) fn counting(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// The same event, caused by this actor.
    pub(crate) fn by(self, actor: Option<String>) -> Self {
        Self { actor, ..self }
    }
}

/// The host's listener, and the keys that it hears about each day.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) listener: Arc<dyn Fn(&Event) + Send + Sync>,
    /// Reports keys that expire within this number of days; 0 for none.
    pub(crate) expiring_days: u32,
    /// Reports keys that were not used for this number of days; 0 for none.
    pub(crate) idle_days: u32,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Subscription")
    }
}

//! The body of a message.

use serde::Serialize;

use super::types::type_of;
use crate::clock::time;
use crate::error::{Error, UnavailableCause};
use crate::record::{KeyId, wire_time};
use crate::store::{ClaimedDelivery, Store, Tenant};

/// The fields in their order. Nothing in them is secret: an audit entry has none, and neither has a record.
#[derive(Serialize)]
struct WebhookMessage<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: MessageData<'a>,
}

#[derive(Serialize)]
struct MessageData<'a> {
    /// The id of the key or the org.
    id: Option<KeyId>,
    org: Option<&'a str>,
    actor: Option<&'a str>,
    reason: Option<&'a str>,
    details: serde_json::Value,
    /// The key or the org, as the management calls show it. `None` if it is no longer there, or cannot be read.
    record: Option<serde_json::Value>,
}

/// The body for a delivery, with the record as it is at this time. `None` for an action of a later release.
///
/// # Errors
/// `unavailable` if the database cannot be asked now. What is damaged stays so: the message then goes without the record, because
/// its receiver must hear of the change.
pub(crate) async fn body(store: &impl Store, delivery: &ClaimedDelivery, now: i64) -> Result<Option<String>, Error> {
    let Some(kind) = type_of(&delivery.action) else { return Ok(None) };
    let integer_ids = store.info().integer_ids;
    let target = delivery.target.as_deref().unwrap_or_default();
    let (id, record) = if kind.starts_with("key.") {
        let id = match target.parse() {
            Ok(number) if integer_ids => KeyId::Integer(number),
            _ => KeyId::Text(target.to_owned()),
        };
        let view = readable(store.get(&Tenant::Every, target, now).await, kind, target)?;
        (id, view.map(|view| serde_json::to_value(view.into_record(integer_ids, now))))
    } else {
        let org = readable(store.org(target).await, kind, target)?;
        (KeyId::Text(target.to_owned()), org.map(|org| serde_json::to_value(org.into_record())))
    };
    let message = WebhookMessage {
        kind,
        timestamp: wire_time(&time(delivery.at)),
        data: MessageData {
            id: delivery.target.is_some().then_some(id),
            org: delivery.org.as_deref(),
            actor: delivery.actor.as_deref(),
            reason: delivery.reason.as_deref(),
            details: serde_json::from_str(&delivery.details).unwrap_or_default(),
            record: record.and_then(Result::ok),
        },
    };
    Ok(serde_json::to_string(&message).ok())
}

/// A record that was read; `None` if it is damaged.
fn readable<T>(found: Result<Option<T>, Error>, kind: &str, target: &str) -> Result<Option<T>, Error> {
    match found {
        Err(error) if error.unavailable_cause() == Some(UnavailableCause::Corrupt) => {
            tracing::warn!("the webhook {kind} about {target} goes without its record: {error}");
            Ok(None)
        }
        found => found,
    }
}

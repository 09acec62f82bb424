//! Webhooks: each change of a key or an org is sent to endpoints of the host, signed as Standard Webhooks
//! (<https://www.standardwebhooks.com>) says. The transaction of a change queues its deliveries; engines with endpoints send them
//! at least once, from any process.

mod delivery;
mod endpoint;
mod payload;
mod schedule;
mod signature;
mod types;

pub(crate) use self::delivery::{Deliveries, DeliveryCounts, DeliverySettings, registered_now};
pub use self::endpoint::Webhook;
pub(crate) use self::endpoint::{WebhookTarget, check_all};
#[cfg(feature = "testing")]
pub(crate) use self::signature::{SigningSecret, sign};

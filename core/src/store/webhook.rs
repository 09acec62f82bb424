//! The rows of webhooks: the endpoints that a database queues events for, and the deliveries that are not done.

use crate::clock::Millis;

/// An endpoint, as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointRow {
    pub(crate) id: String,
    /// The URL as it may be shown, in the column `origin`: parts of it may be secrets.
    pub(crate) url: String,
    /// The actions of audit entries that it hears of, separated by spaces.
    pub(crate) actions: String,
    pub(crate) created_at: Millis,
    /// The time after which nothing is queued unless a program registers the endpoint again.
    pub(crate) kept_until: Millis,
}

/// An endpoint with the numbers of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointState {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) actions: String,
    pub(crate) kept_until: Millis,
    pub(crate) disabled_at: Option<Millis>,
    /// Why it is disabled.
    pub(crate) reason: Option<String>,
    pub(crate) pending: u64,
    pub(crate) dead: u64,
    /// The failure of a pending or a dead delivery, the newest.
    pub(crate) failure: Option<String>,
}

/// A delivery that a program has claimed, with the audit entry from which its body is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimedDelivery {
    /// The number of the audit entry.
    pub(crate) seq: u64,
    /// The id of the message, which all attempts share.
    pub(crate) message: String,
    pub(crate) at: Millis,
    pub(crate) org: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) reason: Option<String>,
    /// A JSON object.
    pub(crate) details: String,
    /// The number of failed attempts.
    pub(crate) attempts: u64,
    /// The body of the first attempt.
    pub(crate) body: Option<String>,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettledDelivery {
    pub(crate) seq: u64,
    pub(crate) outcome: DeliveryOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DeliveryOutcome {
    Delivered,
    Failed {
        /// `None` after the last attempt.
        next_at: Option<Millis>,
        body: String,
        failure: String,
    },
}

/// The attempts of one program on one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettledBatch {
    pub(crate) endpoint: String,
    /// The end of the lease under which the attempts were made. Deliveries that another program has claimed since are left alone.
    pub(crate) leased_until: Millis,
    pub(crate) at: Millis,
    pub(crate) deliveries: Vec<SettledDelivery>,
}

/// A change of an endpoint by an operator, or by the answer of its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EndpointChange {
    /// Queues nothing more, and gives up what is queued.
    Disable { at: Millis, reason: String },
    /// Queues again.
    Enable,
    /// Forgets the endpoint and its deliveries.
    Remove,
    /// Makes dead deliveries pending again, due at this time.
    Retry { at: Millis },
}

//! The outcome of a verification: allowed with the key, or denied with exactly one code.

mod allowed;
mod code;
mod context;
mod denial;
mod judge;
#[cfg(feature = "client")]
mod received;
mod request;
mod verified;

use chrono::{DateTime, Utc};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::record::{Key, LimitState, QuotaState, wire_time};

pub use allowed::Allowed;
pub use code::Code;
pub(crate) use context::{PriorVerification, RequestContext};
pub use denial::Denial;
pub(crate) use denial::UNAVAILABLE;
pub(crate) use judge::{KeyFacts, check_limits, check_quotas, judge};
pub use request::Request;
pub(crate) use verified::{KeySnapshot, VerifiedKey};

/// The outcome of a verification.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// use keywright::{Decision, Request};
/// match kw.verify(new.api_key.reveal(), &Request::new()).await {
///     Decision::Allowed(key) => println!("welcome, {}", key.name),
///     Decision::Denied(denial) => println!("{}: {denial}", denial.code.as_str()),
/// }
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Decision {
    /// The request may go on.
    Allowed(Allowed),
    /// The request is refused.
    Denied(Box<Denial>),
}

impl Decision {
    /// The decision of a host whose engine could not be opened.
    pub fn unavailable(error: &Error) -> Self {
        Self::Denied(Box::new(Denial::from_error(error)))
    }

    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// The reason of a denial.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Allowed(_) => None,
            Self::Denied(denial) => Some(denial.code),
        }
    }

    /// The HTTP status of the response: 200 when allowed.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code().map_or(200, Code::status)
    }

    /// The outcome in words.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Allowed(_) => "The API key is valid",
            Self::Denied(denial) => &denial.message,
        }
    }

    /// The key, only when its secret was verified.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Allowed(allowed) => Some(allowed.key()),
            Self::Denied(denial) => denial.key(),
        }
    }

    /// The required scopes that nothing grants.
    #[must_use]
    pub fn missing_scopes(&self) -> &[String] {
        match self {
            Self::Allowed(_) => &[],
            Self::Denied(denial) => &denial.missing_scopes,
        }
    }

    /// The end of the grace, when a former secret was presented.
    #[must_use]
    pub fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Allowed(allowed) => allowed.grace_ends_at(),
            Self::Denied(denial) => denial.grace_ends_at(),
        }
    }

    /// The state of each limit that applies to the request.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitState> {
        match self {
            Self::Allowed(allowed) => allowed.limits(),
            Self::Denied(denial) => denial.limits(),
        }
    }

    /// The state of each quota that applies to the request, as far as this process knows it.
    #[must_use]
    pub fn quotas(&self) -> Vec<QuotaState> {
        match self {
            Self::Allowed(allowed) => allowed.quotas(),
            Self::Denied(denial) => denial.quotas(),
        }
    }

    /// The number of seconds after which to try again.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Allowed(_) => None,
            Self::Denied(denial) => denial.retry_after_seconds,
        }
    }

    /// The logical identity on whose behalf the key was used.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        match self {
            Self::Allowed(allowed) => allowed.agent(),
            Self::Denied(denial) => denial.agent(),
        }
    }
}

/// The record of a decision that all interfaces show.
impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut record = to.serialize_struct("Decision", 12)?;
        record.serialize_field("allowed", &self.is_allowed())?;
        record.serialize_field("code", &self.code())?;
        record.serialize_field("message", self.message())?;
        record.serialize_field("status", &self.status())?;
        record.serialize_field("key", &self.key())?;
        record.serialize_field("missing_scopes", self.missing_scopes())?;
        record.serialize_field("limits", &self.limits())?;
        record.serialize_field("quotas", &self.quotas())?;
        record.serialize_field("retry_after_seconds", &self.retry_after_seconds())?;
        record.serialize_field("deprecated", &self.grace_ends_at().is_some())?;
        record.serialize_field("grace_ends_at", &self.grace_ends_at().as_ref().map(wire_time))?;
        record.serialize_field("agent", &self.agent())?;
        record.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_small_enough_to_be_handed_on_without_a_call() {
        assert!(size_of::<Decision>() <= 128, "{}", size_of::<Decision>());
    }
}

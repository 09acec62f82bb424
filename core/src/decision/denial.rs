//! A denied request.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::code::Code;
use super::verified::VerifiedKey;
use crate::error::Error;
use crate::record::{Key, LimitState, QuotaState};

/// The message that a client gets when the store or the hash queue fails.
pub(crate) const UNAVAILABLE: &str = "API keys cannot be verified right now; try again later";

/// A denied request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Denial {
    /// The reason. There is exactly one.
    pub code: Code,
    /// The reason in words, fit for a response.
    pub message: Cow<'static, str>,
    /// The required scopes that nothing grants.
    pub missing_scopes: Vec<String>,
    /// The number of seconds after which to try again.
    pub retry_after_seconds: Option<u64>,
    verified: Option<VerifiedKey>,
    agent: Option<Arc<str>>,
    misuse: Option<Box<Error>>,
    trouble: Option<Box<Error>>,
}

impl Denial {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            missing_scopes: Vec::new(),
            retry_after_seconds: None,
            verified: None,
            agent: None,
            misuse: None,
            trouble: None,
        }
    }

    pub(crate) fn invalid() -> Self {
        Self::new(Code::Invalid, "The API key is not valid")
    }

    /// The denial of a verified secret. Its holder may see the key.
    pub(crate) fn of(self, verified: VerifiedKey, agent: Option<Arc<str>>) -> Self {
        Self { verified: Some(verified), agent, ..self }
    }

    /// The denial for an error of the store or the hash queue. A closed engine is the host's mistake.
    pub(crate) fn from_error(error: &Error) -> Self {
        match error {
            Error::Closed => Self::from_misuse(Error::Closed),
            // The client's message says nothing about the host's files. The host reads the error in `trouble`.
            _ => Self { trouble: Some(Box::new(error.clone())), ..Self::new(Code::Unavailable, UNAVAILABLE) },
        }
    }

    /// The denial for a mistake of the host. A closed engine is unavailable; any other mistake is an invalid request.
    pub(crate) fn from_misuse(error: Error) -> Self {
        let code = if error == Error::Closed { Code::Unavailable } else { Code::InvalidRequest };
        let message = error.to_string();
        Self { misuse: Some(Box::new(error)), ..Self::new(code, message) }
    }

    /// The key, only when its secret was verified.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.verified.as_ref().map(VerifiedKey::key)
    }

    /// The end of the grace, when a former secret was presented.
    #[must_use]
    pub fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        self.verified.as_ref()?.grace_ends_at()
    }

    /// Whether a former secret was presented, which a rotation has replaced.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.grace_ends_at().is_some()
    }

    /// The state of each limit that applies to the request.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitState> {
        self.verified.as_ref().map(VerifiedKey::limits).unwrap_or_default()
    }

    /// The state of each quota that applies to the request, as far as this process knows it.
    #[must_use]
    pub fn quotas(&self) -> Vec<QuotaState> {
        self.verified.as_ref().map(VerifiedKey::quotas).unwrap_or_default()
    }

    /// The logical identity on whose behalf the key was used.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// The mistake of the host behind the denial: a closed engine, or a request for an unknown scope or environment.
    /// Python and Node raise it as an exception.
    #[must_use]
    pub fn misuse(&self) -> Option<&Error> {
        self.misuse.as_deref()
    }

    /// The error behind `unavailable`, for the host's logs.
    #[must_use]
    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.as_deref()
    }
}

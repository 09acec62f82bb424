//! The parts of a response that are the same for a whole API: the form of its errors, and its common headers.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Header, RateLimitHeaders};
use crate::casing::Casing;

/// The form of an error body.
///
/// ```
/// use keywright::http::{Config, ErrorFormat};
/// let config = Config::new().errors(ErrorFormat::List);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorFormat {
    /// `application/problem+json` (RFC 9457) with `code` and `request_id`.
    #[default]
    Problem,
    /// `{"errors": [{"code", "message"}]}`.
    List,
    /// `{"code", "message", "request_id"}`.
    Plain,
}

impl ErrorFormat {
    /// The value of `Content-Type` for an error.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Problem => "application/problem+json",
            Self::List | Self::Plain => "application/json",
        }
    }
}

/// The credential that a 401 asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Challenge {
    /// A key, with further parameters of the challenge. There are none if the request had no credential (RFC 6750,
    /// section 3.1).
    Key(&'static str),
    /// The id and secret of a client (RFC 6749, section 5.2).
    Client,
}

/// Format of every response of an API.
pub(super) struct ResponseStyle {
    pub(super) errors: ErrorFormat,
    pub(super) realm: String,
    /// The schemes of `Authorization` that may carry a key.
    pub(super) schemes: Vec<String>,
    /// The request headers by which responses differ, as the value of `Vary`.
    pub(super) vary: Arc<str>,
    pub(super) casing: Casing,
    pub(super) rate_limit_headers: RateLimitHeaders,
}

/// Responses are for one client, so no cache may store them.
pub(super) const NO_STORE: (&str, &str) = ("cache-control", "no-store");

impl ResponseStyle {
    /// The headers of every response, without the request id.
    pub(super) fn common_headers(&self) -> [(&'static str, &str); 2] {
        [NO_STORE, ("vary", &self.vary)]
    }

    /// The headers of every response, with the request id.
    pub(super) fn headers(&self, request_id: Cow<'static, str>) -> [Header; 3] {
        let [store, vary] = self.common_headers().map(|(name, value)| (name, value.to_owned().into()));
        [store, vary, ("x-request-id", request_id)]
    }

    /// The value of `WWW-Authenticate`: one challenge per scheme, and at least one (RFC 9110, section 11.6.1).
    pub(super) fn challenge(&self, challenge: Challenge) -> String {
        let Challenge::Key(parameters) = challenge else { return format!("Basic realm=\"{}\"", self.realm) };
        let challenge = |scheme: &str| format!("{scheme} realm=\"{}\"{parameters}", self.realm);
        let challenges: Vec<_> = self.schemes.iter().map(|scheme| challenge(scheme)).collect();
        if challenges.is_empty() { challenge("Bearer") } else { challenges.join(", ") }
    }
}

//! The outcome of authenticating a request.

use std::borrow::Cow;
use std::sync::Arc;

use super::idempotency_key::KeyedRequest;
use super::response_style::NO_STORE;
use super::{Header, Response, Session, VerificationReceipt};
use crate::decision::{Allowed, PriorVerification};
use crate::record::Key;

/// The outcome of authenticating a request.
#[derive(Debug, Clone)]
#[must_use]
pub enum Outcome {
    /// The request may go on.
    Allowed(Box<AuthContext>),
    /// The request ends here, with this response.
    Refused(Response),
}

/// The context of a request that may go on: the caller, and the headers that its response gets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthContext {
    /// The caller.
    pub principal: Principal,
    /// The agent on whose behalf the request is made, see [`Config::agent_header`](super::Config::agent_header).
    pub agent: Option<Arc<str>>,
    /// The id of the request, for logs. It is also among [`headers`](Self::headers).
    pub request_id: Cow<'static, str>,
    /// The headers that only some responses have: the state of limits, and the end of a grace. They are also among
    /// [`headers`](Self::headers).
    pub more: Vec<Header>,
    pub(super) vary: Arc<str>,
    pub(super) once: Option<Box<KeyedRequest>>,
    /// Whether an outer guard handles the idempotency key.
    pub(super) once_in_front: bool,
}

/// The caller of a request.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Unknown: the route is public, or the request is a preflight for the CORS layer behind the guard.
    Anyone,
    /// The holder of a key.
    Key(Allowed),
    /// The holder of a session.
    Session(Session),
}

impl AuthContext {
    /// The headers to add to the response, whether it is a success or an error. `vary` joins an existing one; the others are
    /// added only if absent.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let common = [NO_STORE, ("vary", &self.vary), ("x-request-id", &self.request_id)];
        common.into_iter().chain(self.more.iter().map(|(name, value)| (*name, value.as_ref())))
    }

    /// Like [`headers`](Self::headers), for a response that already has the headers for which `has` is true.
    pub fn lacking(&self, has: impl Fn(&str) -> bool) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers().filter(move |(name, _)| *name == "vary" || !has(name))
    }

    /// The receipt for an inner guard of the same request.
    #[must_use]
    pub fn earlier(&self) -> VerificationReceipt {
        let prior = match &self.principal {
            Principal::Key(allowed) => allowed.as_prior(),
            Principal::Anyone | Principal::Session(_) => PriorVerification::default(),
        };
        VerificationReceipt { request_id: self.request_id.clone(), prior, once: self.is_once() || self.once_in_front }
    }

    /// The key, if the request has one.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match &self.principal {
            Principal::Key(allowed) => Some(allowed.key()),
            Principal::Anyone | Principal::Session(_) => None,
        }
    }

    /// Whether the request is to run at most once: its route is idempotent, and it has an idempotency key. Pass such a
    /// request to [`Http::once`](super::Http::once) with its body.
    #[must_use]
    pub fn is_once(&self) -> bool {
        self.once.is_some()
    }
}

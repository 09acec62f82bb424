//! An allowed request.

use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::context::PriorVerification;
use super::verified::VerifiedKey;
use crate::record::{Key, LimitState, QuotaState};

/// An allowed request. It dereferences to the [`Key`], whose counters are as old as its last read from the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowed {
    verified: VerifiedKey,
    agent: Option<Arc<str>>,
}

impl Allowed {
    pub(crate) fn new(verified: VerifiedKey, agent: Option<Arc<str>>) -> Self {
        Self { verified, agent }
    }

    /// The key that was presented.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.verified.key()
    }

    /// The end of the grace, when a former secret was presented.
    #[must_use]
    pub fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        self.verified.grace_ends_at()
    }

    /// Whether a former secret was presented, which a rotation has replaced.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.verified.grace_ends_at().is_some()
    }

    /// The state of each limit that applies to the request.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitState> {
        self.verified.limits()
    }

    /// The state of each quota that applies to the request.
    #[must_use]
    pub fn quotas(&self) -> Vec<QuotaState> {
        self.verified.quotas()
    }

    /// Whether any limit or quota applies to the request.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.verified.is_limited()
    }

    pub(crate) fn lookup(&self) -> &str {
        self.verified.lookup()
    }

    /// The record of this verification, for another guard of the same request.
    pub(crate) fn as_prior(&self) -> PriorVerification {
        let charged = self.verified.charged().collect();
        PriorVerification { key_revision: self.key_revision(), agent: self.agent.clone(), charged }
    }

    /// The logical identity on whose behalf the key was used.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// See [`KeySnapshot`](super::KeySnapshot).
    pub(crate) fn key_revision(&self) -> u64 {
        self.verified.key_revision()
    }
}

impl Deref for Allowed {
    type Target = Key;

    fn deref(&self) -> &Key {
        self.key()
    }
}

//! A key whose secret was verified.

use std::fmt;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};

use crate::clock::{Millis, time};
use crate::limit::{ChargeOutcome, ChargedLimit, ChargedQuota, LimitRule};
use crate::record::{Key, LimitState, Quota, QuotaState};

/// A key as it was read from the store at one time.
pub(crate) trait KeySnapshot: Send + Sync {
    /// The key's record as it is at `now`.
    fn key(&self, now: Millis) -> Key;
    /// A number that is unique to this snapshot in this process. It changes when the grace of a former secret ends.
    fn revision(&self, now: Millis) -> u64;
    /// The lookup of the secret that was verified.
    fn used_lookup(&self) -> &str;
    /// The rule at an index among those that limit the key.
    fn rule(&self, index: u32) -> Option<&LimitRule>;
    /// The quota at an index among the limits and quotas of the key.
    fn quota(&self, index: u32) -> Option<&Quota>;
    /// The states of limits and quotas, if a server has charged them.
    #[cfg(feature = "client")]
    fn received(&self) -> Option<(&[LimitState], &[QuotaState])> {
        None
    }
}

/// A key whose secret was verified. Its record is built on first use, because most hosts never ask for it.
#[derive(Clone)]
pub(crate) struct VerifiedKey {
    snapshot: Arc<dyn KeySnapshot>,
    now: Millis,
    /// [`Millis::MAX`] for none.
    grace_ends_at: Millis,
    charged: ChargeOutcome,
    key: OnceLock<Box<Key>>,
}

impl VerifiedKey {
    pub(crate) fn new(
        snapshot: Arc<dyn KeySnapshot>,
        now: Millis,
        grace_ends_at: Millis,
        charged: ChargeOutcome,
    ) -> Self {
        Self { snapshot, now, grace_ends_at, charged, key: OnceLock::new() }
    }

    pub(super) fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        (self.grace_ends_at != Millis::MAX).then(|| time(self.grace_ends_at))
    }

    pub(super) fn limits(&self) -> Vec<LimitState> {
        #[cfg(feature = "client")]
        if let Some((limits, _)) = self.snapshot.received() {
            return limits.to_vec();
        }
        let states = self.charged.limits.iter().filter_map(|ChargedLimit { index, shared, backlog, .. }| {
            let LimitRule { limit, params } = self.snapshot.rule(*index)?;
            Some(LimitState {
                name: limit.name.clone(),
                limit: limit.rate,
                remaining: params.remaining(*backlog),
                reset_seconds: params.reset_seconds(*backlog),
                shared: *shared,
            })
        });
        states.collect()
    }

    pub(super) fn quotas(&self) -> Vec<QuotaState> {
        #[cfg(feature = "client")]
        if let Some((_, quotas)) = self.snapshot.received() {
            return quotas.to_vec();
        }
        let state = |ChargedQuota { index, totals, .. }: &ChargedQuota| {
            self.snapshot.quota(*index).map(|quota| quota.state(*totals, self.now))
        };
        self.charged_quotas().iter().filter_map(state).collect()
    }

    pub(super) fn is_limited(&self) -> bool {
        #[cfg(feature = "client")]
        if let Some((limits, quotas)) = self.snapshot.received() {
            return !limits.is_empty() || !quotas.is_empty();
        }
        !self.charged.limits.is_empty() || self.charged.quotas.is_some()
    }

    /// The indexes of the limits and quotas that were charged, with how much.
    pub(super) fn charged(&self) -> impl Iterator<Item = (u32, u32)> {
        let limits = self.charged.limits.iter().map(|limit| (limit.index, limit.charged));
        limits.chain(self.charged_quotas().iter().map(|quota| (quota.index, quota.charged)))
    }

    fn charged_quotas(&self) -> &[ChargedQuota] {
        self.charged.quotas.as_ref().map_or(&[], |outcome| &outcome.quotas)
    }

    pub(super) fn key(&self) -> &Key {
        self.key.get_or_init(|| Box::new(self.snapshot.key(self.now)))
    }

    pub(super) fn key_revision(&self) -> u64 {
        self.snapshot.revision(self.now)
    }

    pub(super) fn lookup(&self) -> &str {
        self.snapshot.used_lookup()
    }
}

impl fmt::Debug for VerifiedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key().fmt(out)
    }
}

impl PartialEq for VerifiedKey {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key() && self.grace_ends_at == other.grace_ends_at
    }
}

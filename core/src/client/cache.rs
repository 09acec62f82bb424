//! Decisions that a client repeats for a limited time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::decision::Decision;
use crate::entropy;
use crate::error::Error;
use crate::fork::lock;

const MOST: usize = 10_000;

/// The place of a decision: a keyed hash of the whole question.
pub(super) type DecisionPlace = [u8; 32];

/// Decisions that allowed a key, each for a limited time after its request was sent. It holds no text of a key.
pub(super) struct DecisionCache {
    bound: Duration,
    secret: [u8; 32],
    known: Mutex<KnownDecisions>,
}

#[derive(Default)]
struct KnownDecisions {
    by_place: HashMap<DecisionPlace, (AskedAt, Decision)>,
    /// The same places, in the order in which they came.
    order: VecDeque<DecisionPlace>,
    /// The number of changes by this client.
    changes: u64,
}

/// The time at which a request is sent, on two clocks: one stands still while a machine sleeps, somebody may set the other.
#[derive(Clone, Copy)]
pub(super) struct AskedAt {
    monotonic: Instant,
    wall: SystemTime,
    changes: u64,
}

impl DecisionCache {
    pub(super) fn new(bound: Duration) -> Result<Self, Error> {
        Ok(Self { bound, secret: entropy::bytes()?, known: Mutex::default() })
    }

    /// The place of the decision about a request with this body.
    pub(super) fn place(&self, body: &[u8]) -> Option<DecisionPlace> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).ok()?;
        mac.update(body);
        Some(mac.finalize().into_bytes().into())
    }

    pub(super) fn now(&self) -> AskedAt {
        AskedAt { monotonic: Instant::now(), wall: SystemTime::now(), changes: self.known().changes }
    }

    /// A decision that still counts.
    pub(super) fn get(&self, place: &DecisionPlace) -> Option<Decision> {
        let known = self.known();
        let (asked, decision) = known.by_place.get(place)?;
        let aged = asked.wall.elapsed().unwrap_or_else(|ahead| ahead.duration());
        let is_good = asked.monotonic.elapsed() <= self.bound && aged <= self.bound && still_lives(decision);
        is_good.then(|| decision.clone())
    }

    /// Keeps a decision that allows a key and counts against nothing.
    pub(super) fn put(&self, place: DecisionPlace, asked: AskedAt, decision: &Decision) {
        let Decision::Allowed(allowed) = decision else { return };
        let mut known = self.known();
        if allowed.is_limited() || asked.changes != known.changes {
            return;
        }
        if known.by_place.insert(place, (asked, decision.clone())).is_none() {
            known.order.push_back(place);
        }
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_place.remove(&oldest);
        }
    }

    /// Forgets all decisions, those that are under way among them.
    pub(super) fn clear(&self) {
        let mut known = self.known();
        *known = KnownDecisions { changes: known.changes + 1, ..KnownDecisions::default() };
    }

    fn known(&self) -> MutexGuard<'_, KnownDecisions> {
        lock(&self.known)
    }
}

/// Whether neither the key nor the grace of its secret has ended.
fn still_lives(decision: &Decision) -> bool {
    let ends = [decision.grace_ends_at(), decision.key().and_then(|key| key.expires_at)];
    ends.into_iter().flatten().all(|end| SystemTime::now() < SystemTime::from(end))
}

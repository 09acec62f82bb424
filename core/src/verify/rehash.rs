use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::permits::Permits;
use crate::error::Error;
use crate::fork::lock;
use crate::hash::{Claim, Hasher, Stored};
use crate::store::{AnyStore, Store};
use crate::wait::block_on;
use crate::worker::Workers;

/// Moves secrets away from retired schemes and peppers, off the response path, once for each at a time.
#[derive(Default)]
pub(crate) struct Rehash {
    read_only: bool,
    under_way: Arc<Mutex<HashSet<String>>>,
}

impl Rehash {
    pub(crate) fn new(read_only: bool) -> Self {
        Self { read_only, ..Self::default() }
    }

    /// Replaces the verifier of a secret just proved. Where it fails the old one goes on to verify.
    pub(crate) fn offer(
        &self,
        slow: &Workers,
        permits: &Permits,
        hasher: &Arc<Hasher>,
        store: &Arc<AnyStore>,
        claim: Claim,
        from: &str,
    ) {
        if self.read_only || !lock(&self.under_way).insert(claim.lookup.clone()) {
            return;
        }
        let (hasher, store, from) = (Arc::clone(hasher), Arc::clone(store), from.to_owned());
        let (lookup, under_way, permits) = (claim.lookup.clone(), Arc::clone(&self.under_way), permits.clone());
        let offered = slow.offer(move || {
            let _ = permits
                .within(hasher.memory_to_make(), || hasher.make(&claim))
                .and_then(|to| replace(&store, &claim, from, &to));
            lock(&under_way).remove(&claim.lookup);
        });
        if !offered {
            lock(&self.under_way).remove(&lookup);
        }
    }
}

fn replace(store: &AnyStore, claim: &Claim, from: String, to: &Stored) -> Result<(), Error> {
    let filter = filter(to, claim, &store.info().filter_key);
    block_on(store.replace_verifier(claim.lookup.clone(), from, to.to_string(), filter))
}

/// The filter that stands beside a slow verifier.
pub(crate) fn filter(stored: &Stored, claim: &Claim, key: &[u8]) -> Option<Vec<u8>> {
    Hasher::is_slow(stored).then(|| claim.filter(key).to_vec())
}

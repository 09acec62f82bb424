//! Upgrades of stored verifiers.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::memory_budget::MemoryBudget;
use crate::error::Error;
use crate::fork::lock;
use crate::hash::{BoundSecret, Hasher, StoredVerifier};
use crate::store::{AnyStore, ReplaceVerifier, Store};
use crate::wait::block_on;
use crate::worker::Workers;

/// Moves secrets away from retired schemes and peppers, off the response path. One upgrade of a secret runs at a time.
#[derive(Default)]
pub(crate) struct VerifierUpgrades {
    read_only: bool,
    running: Arc<Mutex<HashSet<String>>>,
}

impl VerifierUpgrades {
    pub(crate) fn new(read_only: bool) -> Self {
        Self { read_only, ..Self::default() }
    }

    /// Replaces the verifier of a secret that was just verified. If this fails, the old verifier stays.
    pub(crate) fn start(
        &self,
        slow: &Workers,
        memory: &MemoryBudget,
        hasher: &Arc<Hasher>,
        store: &Arc<AnyStore>,
        secret: BoundSecret,
        from: &str,
    ) {
        if self.read_only || !lock(&self.running).insert(secret.lookup.clone()) {
            return;
        }
        let (hasher, store, from) = (Arc::clone(hasher), Arc::clone(store), from.to_owned());
        let (lookup, running, memory) = (secret.lookup.clone(), Arc::clone(&self.running), memory.clone());
        let offered = slow.offer(move || {
            let _ = memory
                .within(hasher.memory_to_make(), || hasher.make(&secret))
                .and_then(|to| replace(&store, &secret, from, &to));
            lock(&running).remove(&secret.lookup);
        });
        if !offered {
            lock(&self.running).remove(&lookup);
        }
    }
}

fn replace(store: &AnyStore, secret: &BoundSecret, from: String, to: &StoredVerifier) -> Result<(), Error> {
    let filter = Hasher::filter(to, secret, &store.info().filter_key);
    block_on(store.run(ReplaceVerifier { lookup: secret.lookup.clone(), from, to: to.to_string(), filter }))
}

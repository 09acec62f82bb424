//! The cache of a process: the secrets that were verified, and their keys as last read.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use siphasher::sip128::SipHasher24;

use super::cached_key::CachedKey;
use super::imported_formats::ImportedFormats;
use crate::clock::Millis;
use crate::entropy;
use crate::error::Error;
use crate::fork::lock;
use crate::key::MatchedText;
use crate::store::{AnyStore, ChangeCursor, Changes, Freshness, Store};
use crate::usage::Metered;

/// A keyed hash (SipHash-2-4 with a key and a result of 128 bits; Aumasson and Bernstein, 2012) of a whole text, or of a
/// stored verifier. It is a pseudorandom function: without the key, which never leaves this process, nobody finds a second
/// text with the same fingerprint, nor the text of a fingerprint. A wrong text passes by chance once in
/// 2^128 / number of entries.
type Fingerprint = [u8; 16];

type SipKey = [u8; 16];

/// A verified secret, and its key as last read. A change of the key makes only the key outdated. The secret stays while its
/// stored verifier is the same, so that a change of one key makes no other key hash again.
struct CacheEntry {
    /// The second half of the text's fingerprint. The first half is the slot.
    rest: u64,
    verifier: Fingerprint,
    key: Arc<CachedKey>,
    /// Whether nothing is known to have changed since the key was read.
    is_current: bool,
    id_hash: IdHash,
    used: AtomicBool,
}

/// A hash of a key's id. Two keys that collide lose their entries' keys together.
type IdHash = u32;

pub(super) struct VerificationCache {
    /// One for each start that a text may have, and the last for texts that another product has issued.
    text_keys: Vec<SipKey>,
    imported: ImportedFormats,
    /// For verifiers and ids.
    own_key: SipKey,
    capacity: usize,
    entries: papaya::HashMap<u64, CacheEntry, FingerprintHash>,
    /// The store's freshness from before the changes that were applied last; 0 for none.
    confirmed: AtomicU64,
    /// Held by the task that reads changes.
    reading: tokio::sync::Mutex<()>,
    /// Never locked while the store is asked.
    index: Mutex<CacheIndex>,
}

/// The parts of the cache that only one task changes at a time.
#[derive(Default)]
struct CacheIndex {
    generation: u64,
    known: Option<ChangeCursor>,
    /// The slots of each key.
    slots: BTreeSet<(IdHash, u64)>,
    /// All slots, in the order of eviction.
    queue: VecDeque<u64>,
}

/// The changes that were known at the time of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl VerificationCache {
    /// A cache for texts with this many different starts, and for those of the imported formats. Without randomness it caches
    /// nothing.
    pub(super) fn new(starts: usize, imported: &str, capacity: usize) -> Self {
        let keys = (0..=starts + 1).map(|_| entropy::bytes()).collect::<Result<Vec<_>, _>>();
        let capacity = if keys.is_ok() { capacity } else { 0 };
        let mut text_keys = keys.unwrap_or_default();
        Self {
            own_key: text_keys.pop().unwrap_or_default(),
            text_keys,
            imported: ImportedFormats::new(imported),
            capacity,
            entries: papaya::HashMap::builder().hasher(FingerprintHash::default()).build(),
            confirmed: AtomicU64::new(0),
            reading: tokio::sync::Mutex::default(),
            index: Mutex::default(),
        }
    }

    /// Whether the cache has all changes that it must have to answer.
    pub(super) fn is_fresh(&self, freshness: Freshness) -> bool {
        self.confirmed.load(Ordering::Acquire) == freshness.0.get()
    }

    /// The key of a text that was verified, unless the key has changed.
    pub(super) fn key(&self, text: MatchedText<'_>) -> Option<Arc<CachedKey>> {
        self.with_entry(text, |entry| entry.is_current.then(|| Arc::clone(&entry.key)))?
    }

    /// The key of a text that was verified as it was last read, even if it has changed since.
    pub(super) fn last_read(&self, text: MatchedText<'_>) -> Option<Arc<CachedKey>> {
        self.with_entry(text, |entry| Arc::clone(&entry.key))
    }

    /// The formats of imported keys.
    pub(super) fn imported(&self) -> &ImportedFormats {
        &self.imported
    }

    /// A text that another product has issued, whatever its start.
    pub(super) fn imported_text<'a>(&self, text: &'a [u8]) -> MatchedText<'a> {
        MatchedText { start: self.text_keys.len().saturating_sub(1), rest: text }
    }

    fn with_entry<T>(&self, text: MatchedText<'_>, with: impl FnOnce(&CacheEntry) -> T) -> Option<T> {
        let [slot, rest] = halves(fingerprint(self.text_keys.get(text.start)?, text.rest));
        let pinned = self.entries.pin();
        // Compares the whole fingerprint, each half at once, so that the time does not tell where two differ.
        let entry = pinned.get(&slot).filter(|entry| entry.rest == rest)?;
        if !entry.used.load(Ordering::Relaxed) {
            entry.used.store(true, Ordering::Relaxed);
        }
        Some(with(entry))
    }

    /// Whether this text was verified against this stored verifier.
    pub(super) fn is_verified(&self, text: MatchedText<'_>, verifier: &str) -> bool {
        let verifier = self.own_fingerprint(verifier);
        let same = |entry: &CacheEntry| constant_time_eq::constant_time_eq_16(&entry.verifier, &verifier);
        self.with_entry(text, same).unwrap_or(false)
    }

    /// The generation with which a later read from the store may be cached.
    pub(super) fn generation(&self) -> Generation {
        Generation(lock(&self.index).generation)
    }

    /// Reads the changes since the last call, and drops the keys that they concern.
    pub(super) async fn catch_up(&self, store: &AnyStore, now: Millis) -> Result<(), Error> {
        if store.freshness(now).is_some_and(|freshness| self.is_fresh(freshness)) {
            return Ok(());
        }
        let confirmed = store.confirm(now).await?;
        // One task at a time reads changes. Those that wait for it find nothing left to read.
        let _turn = self.reading.lock().await;
        // Comes before the changes are read: the next call sees a commit that comes in between.
        let freshness = store.freshness(now).unwrap_or(confirmed);
        if !self.is_fresh(freshness) {
            self.apply(store.changes(self.known()).await?);
            self.confirm(freshness);
        }
        Ok(())
    }

    /// The last change that was applied.
    pub(super) fn known(&self) -> Option<ChangeCursor> {
        lock(&self.index).known
    }

    /// Lets the cache answer: it has the changes from before this freshness was read.
    pub(super) fn confirm(&self, freshness: Freshness) {
        self.confirmed.store(freshness.0.get(), Ordering::Release);
    }

    /// Drops the keys that changes concern.
    pub(super) fn apply(&self, changes: Changes) {
        if let Some(formats) = &changes.imported_formats {
            self.imported.learn(formats);
        }
        let mut index = lock(&self.index);
        let entries = self.entries.pin();
        if changes.all {
            entries.iter().for_each(|(slot, _)| self.drop_key(*slot, |_| true));
        } else {
            for id_hash in changes.keys.iter().map(|id| self.id_hash(id)) {
                let slots = index.slots.range((id_hash, 0)..=(id_hash, u64::MAX));
                slots.for_each(|(_, slot)| self.drop_key(*slot, |_| true));
            }
            if !changes.orgs.is_empty() {
                let concerned = |key: &CachedKey| changes.orgs.iter().any(|org| org == key.org());
                entries.iter().for_each(|(slot, _)| self.drop_key(*slot, concerned));
            }
        }
        if changes.all || index.known != Some(changes.cursor) {
            index.generation += 1;
        }
        index.known = Some(changes.cursor);
    }

    fn drop_key(&self, slot: u64, concerned: impl Fn(&CachedKey) -> bool) {
        let pinned = self.entries.pin();
        let Some(entry) = pinned.get(&slot) else { return };
        if entry.is_current && concerned(&entry.key) {
            let used = AtomicBool::new(entry.used.load(Ordering::Relaxed));
            pinned.insert(slot, CacheEntry { key: Arc::clone(&entry.key), is_current: false, used, ..*entry });
        }
    }

    /// Caches a verified secret. Its key is outdated if something has changed since the read.
    pub(super) fn insert(&self, text: MatchedText<'_>, verifier: &str, read: (Generation, Arc<CachedKey>)) {
        let Some(text_key) = self.text_keys.get(text.start).filter(|_| self.capacity > 0) else { return };
        let [slot, rest] = halves(fingerprint(text_key, text.rest));
        let (generation, key) = read;
        let (verifier, id_hash) = (self.own_fingerprint(verifier), self.id_hash(key.key_id()));
        let mut index = lock(&self.index);
        let is_current = generation.0 == index.generation;
        if key.is_ended() {
            // The changes that were read so far may lack the one that ended it. Memory must not allow what was denied: not
            // with another text of the key, nor with a row that was read before.
            let slots = index.slots.range((id_hash, 0)..=(id_hash, u64::MAX));
            slots.for_each(|(_, slot)| self.drop_key(*slot, |_| true));
            index.generation += 1;
        }
        let pinned = self.entries.pin();
        let entry = CacheEntry { rest, verifier, key, is_current, id_hash, used: AtomicBool::new(false) };
        match pinned.insert(slot, entry) {
            Some(former) => _ = index.slots.remove(&(former.id_hash, slot)),
            None => index.queue.push_back(slot),
        }
        index.slots.insert((id_hash, slot));
        while index.queue.len() > self.capacity {
            let Some(slot) = index.queue.pop_front() else { break };
            // An entry that was used since it was last in front gets a second chance.
            if pinned.get(&slot).is_some_and(|entry| entry.used.swap(false, Ordering::Relaxed)) {
                index.queue.push_back(slot);
            } else if let Some(former) = pinned.remove(&slot) {
                index.slots.remove(&(former.id_hash, slot));
            }
        }
    }

    fn own_fingerprint(&self, verifier: &str) -> Fingerprint {
        fingerprint(&self.own_key, verifier.as_bytes())
    }

    fn id_hash(&self, id: &str) -> IdHash {
        let [first, _] = halves(fingerprint(&self.own_key, id.as_bytes()));
        // Any 32 bits of a fingerprint are a hash.
        (first >> 32) as IdHash
    }
}

fn fingerprint(key: &SipKey, bytes: &[u8]) -> Fingerprint {
    SipHasher24::new_with_key(key).hash(bytes).as_bytes()
}

fn halves(fingerprint: Fingerprint) -> [u64; 2] {
    let whole = u128::from_le_bytes(fingerprint);
    [whole as u64, (whole >> 64) as u64]
}

/// Takes a number as its own hash: half a fingerprint is as good as random.
#[derive(Default, Clone, Copy)]
struct IdentityHasher(u64);

type FingerprintHash = BuildHasherDefault<IdentityHasher>;

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

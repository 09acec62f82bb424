//! What a process remembers: which secrets were proved, and the keys they belong to as last read.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use siphasher::sip128::SipHasher24;

use super::state::State;
use crate::clock::Millis;
use crate::entropy;
use crate::error::Error;
use crate::key::Tail;
use crate::store::{AnyStore, ChangeCursor, Store};
use crate::usage::Metered;

/// After so many milliseconds a database that was taken away is missed also where nothing has changed.
const LATELY: u64 = 1_000;

/// A keyed hash (SipHash-2-4 with 128 bits of key and result; Aumasson and Bernstein, 2012) of a whole text, or of a
/// stored verifier. It is a pseudorandom function: without the key of this process, which never leaves it, nobody finds
/// a second text for a print, nor a text from one. In 128 bits a wrong text passes by chance once in 2^128 / keys held.
type Print = [u8; 16];

type Key = [u8; 16];

/// A secret that was proved, with its key as last read. The state is taken away when the key changes; the proof stays
/// while its stored verifier is the same, so that nobody hashes again for another's change.
struct Held {
    /// The second half of the text's print. The first is the place at which this is held.
    rest: u64,
    verifier: Print,
    state: Option<Arc<State>>,
    name: Name,
    used: AtomicBool,
}

/// A hash of a key's id. Two keys that meet lose their states together.
type Name = u32;

pub(super) struct Memory {
    /// For each beginning that a text may have, and one for verifiers and names.
    keys: Vec<Key>,
    own_key: Key,
    capacity: usize,
    held: papaya::HashMap<u64, Held, Plain>,
    /// The store's pulse, loaded before the changes were read that were last applied here; 0 for none.
    confirmed: AtomicU64,
    /// When the store was last asked.
    asked_at: AtomicI64,
    book: tokio::sync::Mutex<Book>,
}

/// What changes together, one at a time.
#[derive(Default)]
struct Book {
    generation: u64,
    known: Option<ChangeCursor>,
    /// The places of the texts that are held of a key.
    texts: BTreeSet<(Name, u64)>,
    /// All places, in the order in which they may have to make room.
    queue: VecDeque<u64>,
}

/// Which changes were known when something was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl Memory {
    /// A memory for texts with so many different beginnings. Without randomness it keeps nothing.
    pub(super) fn new(heads: usize, capacity: usize) -> Self {
        let keys = (0..=heads).map(|_| entropy::bytes()).collect::<Result<Vec<_>, _>>();
        let capacity = if keys.is_ok() { capacity } else { 0 };
        let mut keys = keys.unwrap_or_default();
        Self {
            own_key: keys.pop().unwrap_or_default(),
            keys,
            capacity,
            held: papaya::HashMap::builder().hasher(Plain::default()).build(),
            confirmed: AtomicU64::new(0),
            asked_at: AtomicI64::new(0),
            book: tokio::sync::Mutex::default(),
        }
    }

    /// Whether all changes are known that `pulse` speaks of, and the store was lately there to speak.
    pub(super) fn is_fresh(&self, pulse: NonZeroU64, now: Millis) -> bool {
        self.confirmed.load(Ordering::Acquire) == pulse.get()
            && now.abs_diff(self.asked_at.load(Ordering::Relaxed)) < LATELY
    }

    /// The state of a text that was proved, unless its key has changed.
    pub(super) fn state(&self, text: Tail<'_>) -> Option<Arc<State>> {
        self.recall(text, |it| it.state.clone())?
    }

    fn recall<T>(&self, text: Tail<'_>, with: impl FnOnce(&Held) -> T) -> Option<T> {
        let [place, rest] = halves(print(self.keys.get(text.head)?, text.rest));
        let pinned = self.held.pin();
        // The whole print is compared, and each half at once: how long that takes says nothing of where they differ.
        let held = pinned.get(&place).filter(|it| it.rest == rest)?;
        if !held.used.load(Ordering::Relaxed) {
            held.used.store(true, Ordering::Relaxed);
        }
        Some(with(held))
    }

    /// Whether this text was proved against this very verifier.
    pub(super) fn is_proved(&self, text: Tail<'_>, verifier: &str) -> bool {
        let verifier = self.print(verifier);
        self.recall(text, |it| constant_time_eq::constant_time_eq_16(&it.verifier, &verifier)).unwrap_or(false)
    }

    /// Learns what has changed, and takes the states away that are concerned. What is read from the store afterwards
    /// may be kept with the generation that this gives.
    pub(super) async fn catch_up(&self, store: &AnyStore, now: Millis) -> Result<Generation, Error> {
        let mut book = self.book.lock().await;
        if store.commit_stamp().is_some_and(|it| self.is_fresh(it, now)) {
            return Ok(Generation(book.generation));
        }
        // Asked before the changes are read: a commit in between is met by the next look, and not missed.
        let pulse = store.read_commit_stamp().await?;
        self.asked_at.store(now, Ordering::Relaxed);
        if self.confirmed.load(Ordering::Relaxed) != pulse.get() {
            let changes = store.changes(book.known).await?;
            let held = self.held.pin();
            if changes.all {
                held.iter().for_each(|(place, _)| self.take_away(*place, |_| true));
            } else {
                for name in changes.keys.iter().map(|it| self.name(it)) {
                    let places = book.texts.range((name, 0)..=(name, u64::MAX));
                    places.for_each(|it| self.take_away(it.1, |_| true));
                }
                if !changes.orgs.is_empty() {
                    let concerned = |it: &State| changes.orgs.iter().any(|org| org == it.org());
                    held.iter().for_each(|(place, _)| self.take_away(*place, concerned));
                }
            }
            if changes.all || book.known != Some(changes.cursor) {
                book.generation += 1;
            }
            book.known = Some(changes.cursor);
            self.confirmed.store(pulse.get(), Ordering::Release);
        }
        Ok(Generation(book.generation))
    }

    fn take_away(&self, place: u64, concerned: impl Fn(&State) -> bool) {
        let pinned = self.held.pin();
        let Some(held) = pinned.get(&place) else { return };
        if held.state.as_ref().is_some_and(|it| concerned(it)) {
            let used = AtomicBool::new(held.used.load(Ordering::Relaxed));
            pinned.insert(place, Held { state: None, used, ..*held });
        }
    }

    /// Keeps a proved secret. Its state is left out when something has changed since it was read.
    pub(super) async fn keep(&self, text: Tail<'_>, verifier: &str, read: (Generation, Arc<State>)) {
        let Some(key) = self.keys.get(text.head).filter(|_| self.capacity > 0) else { return };
        let [place, rest] = halves(print(key, text.rest));
        let (generation, state) = read;
        let (verifier, name) = (self.print(verifier), self.name(state.key_id()));
        let mut book = self.book.lock().await;
        let state = (generation.0 == book.generation).then_some(state);
        let pinned = self.held.pin();
        let held = Held { rest, verifier, state, name, used: AtomicBool::new(false) };
        match pinned.insert(place, held) {
            Some(former) => _ = book.texts.remove(&(former.name, place)),
            None => book.queue.push_back(place),
        }
        book.texts.insert((name, place));
        while book.queue.len() > self.capacity {
            let Some(place) = book.queue.pop_front() else { break };
            // A second chance for who was asked for since it last stood here.
            if pinned.get(&place).is_some_and(|it| it.used.swap(false, Ordering::Relaxed)) {
                book.queue.push_back(place);
            } else if let Some(former) = pinned.remove(&place) {
                book.texts.remove(&(former.name, place));
            }
        }
    }

    fn print(&self, verifier: &str) -> Print {
        print(&self.own_key, verifier.as_bytes())
    }

    fn name(&self, id: &str) -> Name {
        let [first, _] = halves(print(&self.own_key, id.as_bytes()));
        // Half of a half is as good.
        (first >> 32) as Name
    }
}

fn print(key: &Key, bytes: &[u8]) -> Print {
    SipHasher24::new_with_key(key).hash(bytes).as_bytes()
}

fn halves(print: Print) -> [u64; 2] {
    let whole = u128::from_le_bytes(print);
    [whole as u64, (whole >> 64) as u64]
}

/// Prints are as good as random: their first bytes need no hashing.
#[derive(Default, Clone, Copy)]
struct Itself(u64);

type Plain = BuildHasherDefault<Itself>;

impl Hasher for Itself {
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

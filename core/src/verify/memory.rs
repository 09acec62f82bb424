//! What a process remembers: which secrets were proved, and the keys they belong to as last read.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use siphasher::sip128::SipHasher24;
use smallvec::SmallVec;

use super::state::State;
use crate::clock::Millis;
use crate::entropy;
use crate::error::Error;
use crate::key::Tail;
use crate::store::{AnyStore, Moment, Store};

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
    text: Print,
    verifier: Print,
    state: Option<Arc<State>>,
    used: AtomicBool,
}

pub(super) struct Memory {
    /// For each beginning that a text may have, and one for verifiers and names.
    keys: Vec<Key>,
    own_key: Key,
    capacity: usize,
    held: papaya::HashMap<u64, Arc<Held>, Plain>,
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
    known: Option<Moment>,
    /// The texts that are held of a key, by a hash of its id. Two keys that meet lose their states together.
    texts: HashMap<u64, SmallVec<[u64; 2]>, Plain>,
    /// All texts that are held, each with its key, in the order in which they may have to make room.
    queue: VecDeque<(u64, u64)>,
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
        let print = print(self.keys.get(text.head)?, text.rest);
        let pinned = self.held.pin();
        let held = pinned.get(&first(&print))?;
        if !constant_time_eq::constant_time_eq_16(&held.text, &print) {
            return None;
        }
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
        if store.pulse().is_some_and(|it| self.is_fresh(it, now)) {
            return Ok(Generation(book.generation));
        }
        // Asked before the changes are read: a commit in between is met by the next look, and not missed.
        let pulse = store.ask().await?;
        self.asked_at.store(now, Ordering::Relaxed);
        if self.confirmed.load(Ordering::Relaxed) != pulse.get() {
            let changes = store.changes(book.known).await?;
            let held = self.held.pin();
            if changes.all {
                held.iter().for_each(|(text, _)| self.take_away(*text, |_| true));
            } else {
                for key in changes.keys.iter().map(|it| self.name(it)) {
                    book.texts.get(&key).into_iter().flatten().for_each(|text| self.take_away(*text, |_| true));
                }
                if !changes.orgs.is_empty() {
                    let concerned = |it: &State| changes.orgs.iter().any(|org| org == it.org());
                    held.iter().for_each(|(text, _)| self.take_away(*text, concerned));
                }
            }
            if changes.all || book.known != Some(changes.until) {
                book.generation += 1;
            }
            book.known = Some(changes.until);
            self.confirmed.store(pulse.get(), Ordering::Release);
        }
        Ok(Generation(book.generation))
    }

    fn take_away(&self, text: u64, concerned: impl Fn(&State) -> bool) {
        let pinned = self.held.pin();
        let Some(held) = pinned.get(&text) else { return };
        if held.state.as_ref().is_some_and(|it| concerned(it)) {
            let held = Held { state: None, used: AtomicBool::new(held.used.load(Ordering::Relaxed)), ..**held };
            pinned.insert(text, Arc::new(held));
        }
    }

    /// Keeps a proved secret. Its state is left out when something has changed since it was read.
    pub(super) async fn keep(&self, text: Tail<'_>, verifier: &str, key_id: &str, read: (Generation, Arc<State>)) {
        let Some(key) = self.keys.get(text.head).filter(|_| self.capacity > 0) else { return };
        let print = print(key, text.rest);
        let (place, name) = (first(&print), self.name(key_id));
        let mut book = self.book.lock().await;
        let (generation, state) = read;
        let state = (generation.0 == book.generation).then_some(state);
        let held = Held { text: print, verifier: self.print(verifier), state, used: AtomicBool::new(false) };
        let pinned = self.held.pin();
        if pinned.insert(place, Arc::new(held)).is_none() {
            book.texts.entry(name).or_default().push(place);
            book.queue.push_back((place, name));
        }
        while book.queue.len() > self.capacity {
            let Some((place, name)) = book.queue.pop_front() else { break };
            // A second chance for who was asked for since it last stood here.
            if pinned.get(&place).is_some_and(|it| it.used.swap(false, Ordering::Relaxed)) {
                book.queue.push_back((place, name));
                continue;
            }
            pinned.remove(&place);
            if let Some(texts) = book.texts.get_mut(&name) {
                texts.retain(|it| *it != place);
                if texts.is_empty() {
                    book.texts.remove(&name);
                }
            }
        }
    }

    fn print(&self, verifier: &str) -> Print {
        print(&self.own_key, verifier.as_bytes())
    }

    fn name(&self, id: &str) -> u64 {
        first(&print(&self.own_key, id.as_bytes()))
    }
}

fn print(key: &Key, bytes: &[u8]) -> Print {
    SipHasher24::new_with_key(key).hash(bytes).as_bytes()
}

fn first(print: &Print) -> u64 {
    let mut out = [0; 8];
    for (to, from) in out.iter_mut().zip(print) {
        *to = *from;
    }
    u64::from_le_bytes(out)
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

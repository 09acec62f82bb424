//! The references of hot verifications: the least that one has to do, each part by itself.

use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sha2::{Digest, Sha256};
use siphasher::sip128::SipHasher24;

use crate::WINDOW;
use crate::timing::Subject;

/// A map as memory has it: its keys are random and need no hashing.
type Map = papaya::HashMap<u64, u64, BuildHasherDefault<AsIs>>;

#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

pub fn siphash(texts: &[String]) -> Subject<'_> {
    let hash = |text: &String| SipHasher24::new_with_key(&[7; 16]).hash(black_box(text.as_bytes())).as_u128() != 0;
    Subject::new("one SipHash-2-4-128 of a text", texts.len(), move |_| texts.iter().all(hash))
}

pub fn clock() -> Subject<'static> {
    let started = Instant::now();
    Subject::new("one read of the monotonic clock", WINDOW, move |_| (0..WINDOW).all(|_| Instant::now() >= started))
}

pub fn map() -> Subject<'static> {
    let map = Map::default();
    let keys: Vec<u64> = (1..=WINDOW as u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    keys.iter().for_each(|key| _ = map.pin().insert(*key, *key));
    let read = move |_| keys.iter().all(|key| map.pin().get(black_box(key)) == Some(key));
    Subject::new("one papaya read", WINDOW, read)
}

pub fn atomic() -> Subject<'static> {
    let number = AtomicU64::new(7);
    let load = move |_| (0..WINDOW).all(|_| black_box(&number).load(Ordering::Acquire) == black_box(7));
    Subject::new("one atomic load and compare", WINDOW, load)
}

pub fn checksum(texts: &[String]) -> Subject<'_> {
    let sum = |text: &String| black_box(crc32fast::hash(black_box(text.as_bytes()))) != 1;
    Subject::new("one CRC-32 of a text", texts.len(), move |_| texts.iter().all(sum))
}

pub fn sha256() -> Subject<'static> {
    // With its padding a message of so many bytes is one block.
    let block = |_| (0..WINDOW).all(|_| black_box(Sha256::digest(black_box([7; 55])))[0] != 1);
    Subject::new("one SHA-256 block by sha2", WINDOW, block)
}

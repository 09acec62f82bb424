//! bcrypt (Provos and Mazières, 1999).

use blowfish::Blowfish;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::base64::hex_digits;

/// The memory of one check: the state of the cipher.
pub(super) const MEMORY_KIB: u32 = 5;

/// A row that asks for more could occupy a core for many seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// The bytes of a secret that count. Every product cuts longer ones off here.
const LONGEST: usize = 72;

/// The last byte of the hash is not stored.
const HASH: usize = 23;

const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BcryptVerifier {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; HASH],
    /// Whether the secret is replaced by the hex digits of its SHA-256 first.
    hashes_first: bool,
}

impl BcryptVerifier {
    /// Reads the rest of a text after its version: `COST$` with 22 characters of salt and 31 of hash.
    pub(super) fn read(rest: &str, hashes_first: bool) -> Option<Self> {
        let (cost, rest) = rest.split_once('$')?;
        let (salt, hash) = rest.split_at_checked(22)?;
        let is_number = cost.len() == 2 && cost.bytes().all(|it| it.is_ascii_digit());
        let cost = is_number.then(|| cost.parse().ok())?.filter(|cost| COSTS.contains(cost))?;
        Some(Self { cost, salt: decode(salt)?, hash: decode(hash)?, hashes_first })
    }

    /// Whether bytes of the input do not count.
    pub(super) fn cuts(&self, input: &[u8]) -> bool {
        !self.hashes_first && input.len() > LONGEST
    }

    /// How many bytes of an input count, if not all do.
    pub(super) fn reads(&self) -> Option<usize> {
        (!self.hashes_first).then_some(LONGEST)
    }

    pub(super) fn matches(&self, input: &[u8]) -> bool {
        let digits = Zeroizing::new(if self.hashes_first { hex_digits(&Sha256::digest(input)) } else { String::new() });
        let input = if self.hashes_first { digits.as_bytes() } else { input };
        // The text ends with a NUL, which counts if there is room for it.
        let mut key = Zeroizing::new(input.get(..LONGEST).unwrap_or(input).to_vec());
        if key.len() < LONGEST {
            key.push(0);
        }
        constant_time_eq::constant_time_eq(&self.hash_of(&key), &self.hash)
    }

    fn hash_of(&self, key: &[u8]) -> [u8; HASH] {
        let mut cipher: Blowfish = Blowfish::bc_init_state();
        cipher.salted_expand_key(&self.salt, key);
        for _ in 0..1_u32 << self.cost {
            cipher.bc_expand_key(key);
            cipher.bc_expand_key(&self.salt);
        }
        let mut out = [0; HASH];
        let (blocks, _) = b"OrpheanBeholderScryDoubt".as_chunks::<8>();
        let mut bytes = out.iter_mut();
        for [a, b, c, d, e, f, g, h] in blocks {
            let mut halves = [u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h])];
            for _ in 0..64 {
                halves = cipher.bc_encrypt(halves);
            }
            let encrypted = halves.into_iter().flat_map(u32::to_be_bytes);
            bytes.by_ref().take(8).zip(encrypted).for_each(|(to, from)| *to = from);
        }
        out
    }
}

/// Decodes bcrypt's own base64. Bits beyond the last byte do not count, as in every product.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    let (mut out, mut bits, mut held) = ([0; N], 0_u32, 0);
    let mut places = out.iter_mut();
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|it| *it == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            if let Some(place) = places.next() {
                // The lowest eight of the bits above those that are held.
                *place = (bits >> held & 0xff) as u8;
            }
        }
    }
    Some(out)
}

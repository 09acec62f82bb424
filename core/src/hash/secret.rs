//! A secret and the messages that authenticate it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The length of the keyed filter beside a slow verifier, in bytes. A wrong secret passes it by chance once in 2^64 tries.
const FILTER: usize = 8;

/// A secret bound to its key, environment and lookup. A verifier that is moved to another of these matches nothing.
#[derive(Clone)]
pub(crate) struct BoundSecret {
    pub(crate) environment: String,
    pub(crate) key_id: String,
    pub(crate) lookup: String,
    pub(crate) secret: Zeroizing<String>,
    /// The whole text of a key that another product has issued, whose verifier may be a hash of it.
    pub(crate) text: Option<Zeroizing<String>>,
}

impl BoundSecret {
    fn parts<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a [u8]> {
        [label, &self.environment, &self.key_id, &self.lookup, &self.secret].into_iter().map(str::as_bytes)
    }

    /// Frames each part with its length, so that no two secrets give the same bytes.
    pub(super) fn message(&self, label: &str) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(256));
        for part in self.parts(label) {
            out.extend(frame(part));
            out.extend(part);
        }
        out
    }

    pub(super) fn mac(&self, keyed: &HmacSha256, label: &str) -> [u8; 32] {
        let mut mac = keyed.clone();
        for part in self.parts(label) {
            mac.update(&frame(part));
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Identifies the secret while it is checked. Nobody can compute the secret from it.
    pub(crate) fn digest(&self, key: &[u8]) -> [u8; 32] {
        self.mac(&keyed(key), "keywright/flight/v1")
    }

    /// The first bytes of an HMAC under a random key of the database. They refuse a wrong secret before any slow hash.
    pub(crate) fn filter(&self, key: &[u8]) -> [u8; FILTER] {
        first(self.mac(&keyed(key), "keywright/filter/v1"))
    }
}

/// The length of a part of a message, as it precedes the part: four bytes, big-endian.
pub(crate) fn frame(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

pub(crate) fn keyed(key: &[u8]) -> HmacSha256 {
    // HMAC takes keys of any length (RFC 2104, section 2), so the error cannot happen.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&Default::default()))
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

pub(super) fn first<const N: usize>(long: [u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(long) {
        *to = from;
    }
    out
}

/// The result of comparing a secret with a stored verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretCheck {
    Match,
    Mismatch,
    /// The verifier names an unknown pepper, is damaged, or asks for more than the caps allow.
    Unusable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_secrets_apart() {
        let secret = |lookup: &str, secret: &str| BoundSecret {
            environment: "live".into(),
            key_id: "k1".into(),
            lookup: lookup.into(),
            secret: Zeroizing::new(secret.into()),
            text: None,
        };
        let (one, other) = (secret("a", "bc"), secret("ab", "c"));
        assert_ne!(one.message("x").as_slice(), other.message("x").as_slice());
        assert_ne!(one.filter(&[7; 32]), other.filter(&[7; 32]));
    }
}

//! What is stored in place of a secret, and how a secret is checked against it.

mod argon2id;
mod pepper;
mod stored;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

#[cfg(feature = "testing")]
pub(crate) use argon2id::{raw as raw_argon2id, salted};
pub(crate) use pepper::{Pepper, hex};
pub(crate) use stored::{Stored, TAG};

use crate::error::Error;
use crate::input::chosen;
use crate::{entropy, hash::argon2id::Cost};

pub(crate) type HmacSha256 = Hmac<Sha256>;

/// How many bytes of the keyed filter stand beside a slow verifier: 2^64 tries to pass it by chance.
pub(crate) const FILTER: usize = 8;

/// How a secret is kept.
///
/// ```
/// let config = keywright::Keywright::builder("sqlite:keys.db").brand("liq").hash(keywright::Scheme::Argon2id);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HMAC-SHA-256 (RFC 2104, FIPS 180-4) under a pepper: under a microsecond.
    HmacSha256,
    /// Argon2id (RFC 9106) with 19 MiB, two passes, one lane: about 25 ms and 19 MiB.
    Argon2id,
}

impl Scheme {
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, Error> {
        const NAMES: [(&str, Scheme); 2] = [("hmac-sha256", Scheme::HmacSha256), ("argon2id", Scheme::Argon2id)];
        chosen(field, text, "is no hash scheme for new keys", &NAMES)
    }
}

/// What a verifier speaks of: a secret in its place. Moved to another key, environment or lookup it proves nothing.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) environment: String,
    pub(crate) key_id: String,
    pub(crate) lookup: String,
    pub(crate) secret: Zeroizing<String>,
}

impl Claim {
    fn parts<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a [u8]> {
        [label, &self.environment, &self.key_id, &self.lookup, &self.secret].into_iter().map(str::as_bytes)
    }

    /// Length-framed, so that no two claims give the same bytes.
    fn message(&self, label: &str) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(256));
        for part in self.parts(label) {
            out.extend(frame(part));
            out.extend(part);
        }
        out
    }

    fn mac(&self, keyed: &HmacSha256, label: &str) -> [u8; 32] {
        let mut mac = keyed.clone();
        for part in self.parts(label) {
            mac.update(&frame(part));
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// What a claim is known by while it is checked: nobody finds the secret from it.
    pub(crate) fn digest(&self, key: &[u8]) -> [u8; 32] {
        self.mac(&keyed(key), "keywright/flight/v1")
    }

    /// The first bytes of an HMAC under a random key of the database: refuses a wrong secret before any slow hash.
    pub(crate) fn filter(&self, key: &[u8]) -> [u8; FILTER] {
        first(self.mac(&keyed(key), "keywright/filter/v1"))
    }
}

/// A length as it stands before a part of a message: four bytes, big-endian.
pub(crate) fn frame(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

pub(crate) fn keyed(key: &[u8]) -> HmacSha256 {
    // HMAC takes keys of any length (RFC 2104, section 2), so the error cannot come.
    HmacSha256::new_from_slice(key).unwrap_or_else(|_| HmacSha256::new(&Default::default()))
}

pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = keyed(key);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn first<const N: usize>(long: [u8; 32]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(long) {
        *to = from;
    }
    out
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Match,
    Mismatch,
    /// The verifier names an unknown pepper, is damaged, or asks for more than the caps allow.
    Unusable,
}

/// Makes and checks verifiers with the schemes and peppers of one engine.
pub(crate) struct Hasher {
    scheme: Scheme,
    retired_schemes: Vec<Scheme>,
    /// The first signs; all verify.
    peppers: Vec<Pepper>,
    retired_peppers: Vec<String>,
}

impl Hasher {
    pub(crate) fn new(
        scheme: Option<Scheme>,
        peppers: Vec<Pepper>,
        retired_peppers: Vec<Pepper>,
        retired_schemes: Vec<Scheme>,
    ) -> Result<Self, Error> {
        let scheme = match scheme {
            Some(Scheme::HmacSha256) if peppers.is_empty() => {
                return Err(Error::invalid_request(
                    "pepper",
                    "is missing for hmac-sha256",
                    "give a secret of at least 32 bytes",
                ));
            }
            Some(scheme) => scheme,
            None if peppers.is_empty() => Scheme::Argon2id,
            None => Scheme::HmacSha256,
        };
        if retired_schemes.contains(&scheme) {
            return Err(Error::validation_failed(
                "retired_hashes",
                "holds the scheme of new keys",
                "retire only other schemes",
            ));
        }
        let ids: Vec<String> = peppers.iter().chain(&retired_peppers).map(|it| it.id().to_owned()).collect();
        for (index, id) in ids.iter().enumerate() {
            if ids.iter().take(index).any(|it| it == id) {
                return Err(Error::validation_failed(
                    "pepper",
                    "is given twice",
                    "list each pepper once, in pepper or in retired_peppers",
                ));
            }
        }
        let retired = retired_peppers.iter().map(|it| it.id().to_owned()).collect();
        let peppers = peppers.into_iter().chain(retired_peppers).collect();
        Ok(Self { scheme, retired_schemes, peppers, retired_peppers: retired })
    }

    pub(crate) fn knows_pepper(&self, id: &str) -> bool {
        self.peppers.iter().any(|it| it.id() == id)
    }

    /// The key of the audit chain: derived from the pepper that signs, `None` without one.
    pub(crate) fn audit_key(&self, pepper: Option<&str>) -> Option<(&str, [u8; 32])> {
        let pepper = match pepper {
            Some(id) => self.peppers.iter().find(|it| it.id() == id)?,
            None => self.peppers.first()?,
        };
        Some((pepper.id(), pepper.derive("keywright/audit/v1")))
    }

    /// Whether checking `stored`, or making a new verifier, runs for milliseconds.
    pub(crate) fn is_slow(stored: &Stored) -> bool {
        matches!(stored, Stored::Argon2id(_))
    }

    /// How many KiB checking `stored` takes.
    pub(crate) fn memory(stored: &Stored) -> u32 {
        match stored {
            Stored::HmacSha256 { .. } => 0,
            Stored::Argon2id(phc) => argon2id::memory(phc),
        }
    }

    /// How many KiB making a new verifier takes.
    pub(crate) fn memory_to_make(&self) -> u32 {
        if self.makes_slow() { Cost::STANDARD.memory_kib } else { 0 }
    }

    pub(crate) fn makes_slow(&self) -> bool {
        self.scheme == Scheme::Argon2id
    }

    /// A new verifier for `claim`.
    pub(crate) fn make(&self, claim: &Claim) -> Result<Stored, Error> {
        match (self.scheme, self.peppers.first()) {
            (Scheme::HmacSha256, Some(pepper)) => Ok(pepper.sign(claim)),
            _ => argon2id::make(claim, entropy::bytes()?, Cost::STANDARD),
        }
    }

    /// Compares in constant time.
    pub(crate) fn check(&self, stored: &Stored, claim: &Claim) -> Verdict {
        match stored {
            Stored::HmacSha256 { pepper, mac } => match self.peppers.iter().find(|it| it.id() == pepper) {
                Some(it) if constant_time_eq::constant_time_eq_32(&it.mac(claim), mac) => Verdict::Match,
                Some(_) => Verdict::Mismatch,
                None => Verdict::Unusable,
            },
            Stored::Argon2id(phc) => argon2id::check(phc, claim),
        }
    }

    /// Whether a good use should replace `stored`, because its scheme or pepper is listed as retired.
    pub(crate) fn is_retired(&self, stored: &Stored) -> bool {
        match stored {
            Stored::HmacSha256 { pepper, .. } => {
                self.retired_schemes.contains(&Scheme::HmacSha256) || self.retired_peppers.contains(pepper)
            }
            Stored::Argon2id(_) => self.retired_schemes.contains(&Scheme::Argon2id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(environment: &str, secret: &str) -> Claim {
        Claim {
            environment: environment.into(),
            key_id: "k1".into(),
            lookup: "AbCdEf123456".into(),
            secret: Zeroizing::new(secret.into()),
        }
    }

    fn hasher(peppers: &[u8], retired: &[u8]) -> Hasher {
        let pepper = |it: &u8| Pepper::new("pepper", &[*it; 32]).unwrap();
        Hasher::new(None, peppers.iter().map(pepper).collect(), retired.iter().map(pepper).collect(), vec![]).unwrap()
    }

    #[test]
    fn a_verifier_proves_one_secret_in_one_place() {
        for hasher in [hasher(&[1], &[]), hasher(&[], &[])] {
            let stored = hasher.make(&claim("live", "s3cret")).unwrap();
            let stored = Stored::parse(&stored.to_string()).unwrap();
            assert_eq!(hasher.check(&stored, &claim("live", "s3cret")), Verdict::Match);
            assert_eq!(hasher.check(&stored, &claim("live", "s3creT")), Verdict::Mismatch);
            assert_eq!(hasher.check(&stored, &claim("test", "s3cret")), Verdict::Mismatch);
        }
    }

    #[test]
    fn peppers_change_without_downtime() {
        let stored = hasher(&[1], &[]).make(&claim("live", "s")).unwrap();
        assert_eq!(hasher(&[1, 2], &[]).check(&stored, &claim("live", "s")), Verdict::Match);
        assert_eq!(hasher(&[2, 1], &[]).check(&stored, &claim("live", "s")), Verdict::Match);
        assert_eq!(hasher(&[2], &[]).check(&stored, &claim("live", "s")), Verdict::Unusable);
        assert!(!hasher(&[2, 1], &[]).is_retired(&stored) && hasher(&[2], &[1]).is_retired(&stored));
    }

    #[test]
    fn frames_keep_claims_apart() {
        let (mut a, mut b) = (claim("live", "bc"), claim("live", "c"));
        a.lookup = "a".into();
        b.lookup = "ab".into();
        assert_ne!(a.message("x").as_slice(), b.message("x").as_slice());
        assert_ne!(a.filter(&[7; 32]), b.filter(&[7; 32]));
    }
}

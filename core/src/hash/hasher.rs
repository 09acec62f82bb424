//! Makes and checks stored verifiers.

use super::argon2id::{self, Cost};
use super::pepper::Pepper;
use super::secret::{BoundSecret, SecretCheck};
use super::stored::StoredVerifier;
use crate::entropy;
use crate::error::Error;
use crate::input::chosen;

/// The scheme of a stored verifier.
///
/// ```
/// let config = keywright::Keywright::builder("sqlite:keys.db").brand("liq").hash(keywright::Scheme::Argon2id);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HMAC-SHA-256 (RFC 2104, FIPS 180-4) under a pepper: less than a microsecond.
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

/// Makes and checks stored verifiers with the schemes and peppers of one engine.
pub(crate) struct Hasher {
    scheme: Scheme,
    retired_schemes: Vec<Scheme>,
    /// The first one makes new verifiers; all of them check.
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

    /// The key of the audit chain, derived from the named pepper or from the current one; `None` without a pepper.
    pub(crate) fn audit_key(&self, pepper: Option<&str>) -> Option<(&str, [u8; 32])> {
        let pepper = match pepper {
            Some(id) => self.peppers.iter().find(|it| it.id() == id)?,
            None => self.peppers.first()?,
        };
        Some((pepper.id(), pepper.derive("keywright/audit/v1")))
    }

    /// Whether a check of `stored` takes milliseconds.
    pub(crate) fn is_slow(stored: &StoredVerifier) -> bool {
        match stored {
            StoredVerifier::HmacSha256 { .. } => false,
            StoredVerifier::Argon2id(_) => true,
            StoredVerifier::Foreign(verifier) => verifier.is_slow(),
        }
    }

    /// The memory that a check of `stored` takes, in KiB.
    pub(crate) fn memory(stored: &StoredVerifier) -> u32 {
        match stored {
            StoredVerifier::HmacSha256 { .. } => 0,
            StoredVerifier::Argon2id(phc) => argon2id::memory(phc),
            StoredVerifier::Foreign(verifier) => verifier.memory(),
        }
    }

    /// The memory that making a new verifier takes, in KiB.
    pub(crate) fn memory_to_make(&self) -> u32 {
        if self.makes_slow() { Cost::STANDARD.memory_kib } else { 0 }
    }

    pub(crate) fn makes_slow(&self) -> bool {
        self.scheme == Scheme::Argon2id
    }

    /// Makes a new verifier for `secret`.
    pub(crate) fn make(&self, secret: &BoundSecret) -> Result<StoredVerifier, Error> {
        match (self.scheme, self.peppers.first()) {
            (Scheme::HmacSha256, Some(pepper)) => Ok(pepper.sign(secret)),
            _ => Ok(StoredVerifier::Argon2id(argon2id::make(secret, entropy::bytes()?, Cost::STANDARD)?)),
        }
    }

    /// Checks a secret. The comparison takes constant time.
    pub(crate) fn check(&self, stored: &StoredVerifier, secret: &BoundSecret) -> SecretCheck {
        match stored {
            StoredVerifier::HmacSha256 { pepper, mac } => match self.peppers.iter().find(|it| it.id() == pepper) {
                Some(pepper) if constant_time_eq::constant_time_eq_32(&pepper.mac(secret), mac) => SecretCheck::Match,
                Some(_) => SecretCheck::Mismatch,
                None => SecretCheck::Unusable,
            },
            StoredVerifier::Argon2id(phc) => argon2id::check(phc, secret),
            StoredVerifier::Foreign(verifier) => verifier.check(secret),
        }
    }

    /// The filter to store beside a verifier; `None` for a fast one, which needs none, and for a secret of another product:
    /// it may be one that can be guessed.
    pub(crate) fn filter(stored: &StoredVerifier, secret: &BoundSecret, key: &[u8]) -> Option<Vec<u8>> {
        (Self::is_slow(stored) && secret.text.is_none()).then(|| secret.filter(key).to_vec())
    }

    /// Whether a good use of `secret` should replace `stored`, because its scheme or pepper is retired, or another product's.
    pub(crate) fn is_retired(&self, stored: &StoredVerifier, secret: &BoundSecret) -> bool {
        match stored {
            StoredVerifier::HmacSha256 { pepper, .. } => {
                self.retired_schemes.contains(&Scheme::HmacSha256) || self.retired_peppers.contains(pepper)
            }
            StoredVerifier::Argon2id(_) => self.retired_schemes.contains(&Scheme::Argon2id),
            StoredVerifier::Foreign(verifier) => verifier.proves_all(secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn bound(environment: &str, secret: &str) -> BoundSecret {
        BoundSecret {
            environment: environment.into(),
            key_id: "k1".into(),
            lookup: "AbCdEf123456".into(),
            secret: Zeroizing::new(secret.into()),
            text: None,
        }
    }

    fn hasher(peppers: &[u8], retired: &[u8]) -> Hasher {
        let pepper = |byte: &u8| Pepper::new("pepper", &[*byte; 32]).unwrap();
        Hasher::new(None, peppers.iter().map(pepper).collect(), retired.iter().map(pepper).collect(), vec![]).unwrap()
    }

    #[test]
    fn a_verifier_proves_one_secret_in_one_place() {
        for hasher in [hasher(&[1], &[]), hasher(&[], &[])] {
            let stored = hasher.make(&bound("live", "s3cret")).unwrap();
            let stored = StoredVerifier::parse(&stored.to_string()).unwrap();
            assert_eq!(hasher.check(&stored, &bound("live", "s3cret")), SecretCheck::Match);
            assert_eq!(hasher.check(&stored, &bound("live", "s3creT")), SecretCheck::Mismatch);
            assert_eq!(hasher.check(&stored, &bound("test", "s3cret")), SecretCheck::Mismatch);
        }
    }

    #[test]
    fn peppers_change_without_downtime() {
        let stored = hasher(&[1], &[]).make(&bound("live", "s")).unwrap();
        assert_eq!(hasher(&[1, 2], &[]).check(&stored, &bound("live", "s")), SecretCheck::Match);
        assert_eq!(hasher(&[2, 1], &[]).check(&stored, &bound("live", "s")), SecretCheck::Match);
        assert_eq!(hasher(&[2], &[]).check(&stored, &bound("live", "s")), SecretCheck::Unusable);
        let secret = bound("live", "s");
        assert!(!hasher(&[2, 1], &[]).is_retired(&stored, &secret) && hasher(&[2], &[1]).is_retired(&stored, &secret));
    }
}

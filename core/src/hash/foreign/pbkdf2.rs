//! PBKDF2 (RFC 8018) with HMAC-SHA-256 or HMAC-SHA-512.

use sha2::{Sha256, Sha512};

use super::base64::base64;
use super::digest::DigestAlgorithm;
use super::number;

/// A row that asks for more could occupy a core for seconds.
const MOST_ROUNDS: u32 = 4_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pbkdf2Verifier {
    algorithm: DigestAlgorithm,
    rounds: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2Verifier {
    /// Reads what Django stores after its name of the scheme: `ROUNDS$SALT$HASH`, with a salt of text.
    pub(super) fn read_django(name: &str, rest: &str) -> Option<Self> {
        let algorithm = match name {
            "pbkdf2_sha256" => DigestAlgorithm::Sha256,
            "pbkdf2_sha512" => DigestAlgorithm::Sha512,
            _ => return None,
        };
        let mut parts = rest.split('$');
        let (rounds, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then(|| Self::new(algorithm, number(rounds)?, salt.into(), base64(hash)?))?
    }

    /// Reads the PHC form `i=ROUNDS,l=LENGTH$SALT$HASH` and that of passlib, `ROUNDS$SALT$HASH`.
    pub(super) fn read_phc(name: &str, rest: &str) -> Option<Self> {
        let algorithm = match name {
            "pbkdf2-sha256" => DigestAlgorithm::Sha256,
            "pbkdf2-sha512" => DigestAlgorithm::Sha512,
            _ => return None,
        };
        let mut parts = rest.split('$');
        let (parameters, salt, hash) = (parts.next()?, base64(parts.next()?)?, base64(parts.next()?)?);
        let rounds = match parameters.strip_prefix("i=") {
            None => parameters,
            Some(parameters) => {
                let (rounds, length) = parameters.split_once(",l=").unwrap_or((parameters, ""));
                if !length.is_empty() && usize::try_from(number(length)?).ok()? != hash.len() {
                    return None;
                }
                rounds
            }
        };
        parts.next().is_none().then(|| Self::new(algorithm, number(rounds)?, salt, hash))?
    }

    fn new(algorithm: DigestAlgorithm, rounds: u32, salt: Vec<u8>, hash: Vec<u8>) -> Option<Self> {
        let is_accepted = (1..=MOST_ROUNDS).contains(&rounds) && (16..=64).contains(&hash.len());
        is_accepted.then_some(Self { algorithm, rounds, salt, hash })
    }

    pub(super) fn matches(&self, input: &[u8]) -> bool {
        let mut out = vec![0; self.hash.len()];
        match self.algorithm {
            DigestAlgorithm::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(input, &self.salt, self.rounds, &mut out),
            DigestAlgorithm::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(input, &self.salt, self.rounds, &mut out),
        }
        constant_time_eq::constant_time_eq(&out, &self.hash)
    }
}

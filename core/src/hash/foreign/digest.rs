//! SHA-256 and SHA-512, with or without a salt.

use sha2::{Digest, Sha256, Sha512};

use super::base64::{base64, hash, hex};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DigestAlgorithm {
    Sha256,
    Sha512,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SaltedDigest {
    algorithm: DigestAlgorithm,
    salt: Vec<u8>,
    /// Whether the salt follows the secret.
    salt_after: bool,
    hash: Vec<u8>,
}

type DecodeSalt = fn(&str) -> Option<Vec<u8>>;

impl DigestAlgorithm {
    pub(super) fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The digest of the parts, one after the other.
    pub(crate) fn digest(self, parts: [&[u8]; 2]) -> Vec<u8> {
        let [first, second] = parts;
        match self {
            Self::Sha256 => Sha256::new().chain_update(first).chain_update(second).finalize().to_vec(),
            Self::Sha512 => Sha512::new().chain_update(first).chain_update(second).finalize().to_vec(),
        }
    }
}

impl SaltedDigest {
    /// Reads a name with options, and `[SALT$]DIGEST`.
    pub(super) fn read(name: &str, rest: &str) -> Option<Self> {
        let mut words = name.split('+');
        let algorithm = match words.next()? {
            "sha256" => DigestAlgorithm::Sha256,
            "sha512" => DigestAlgorithm::Sha512,
            _ => return None,
        };
        let (mut salt_after, mut decode) = (false, None);
        for word in words {
            match word {
                "after" if !salt_after => salt_after = true,
                "hex" if decode.is_none() => decode = Some(hex as DecodeSalt),
                "base64" if decode.is_none() => decode = Some(base64 as DecodeSalt),
                _ => return None,
            }
        }
        let (salt, digest) = match rest.split_once('$') {
            Some((_, digest)) if digest.contains('$') => return None,
            Some((salt, digest)) => (decode.map_or_else(|| Some(salt.as_bytes().to_vec()), |it| it(salt))?, digest),
            // An option about a salt that is not there is a mistake.
            None if salt_after || decode.is_some() => return None,
            None => (Vec::new(), rest),
        };
        Some(Self { algorithm, salt, salt_after, hash: hash(digest, algorithm.length())? })
    }

    pub(super) fn unsalted(&self) -> Option<(DigestAlgorithm, &[u8])> {
        self.salt.is_empty().then_some((self.algorithm, self.hash.as_slice()))
    }

    pub(super) fn matches(&self, input: &[u8]) -> bool {
        let parts = if self.salt_after { [input, &self.salt] } else { [&self.salt, input] };
        constant_time_eq::constant_time_eq(&self.algorithm.digest(parts), &self.hash)
    }
}

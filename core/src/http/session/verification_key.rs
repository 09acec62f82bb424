//! Keys that check the signatures of session tokens. Each has one algorithm, whatever the header of a token claims.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use crate::error::Error;

/// The minimum of RFC 7518, sections 3.2 and 3.3, in bytes.
pub(super) const SHORTEST_SECRET: usize = 32;
pub(super) const SHORTEST_MODULUS: usize = 256;

/// The names of algorithms in keys and in the headers of tokens. `Ed25519` is the name of RFC 9864 for the `EdDSA` of
/// RFC 8037; this engine supports no other curve of it.
const ALGORITHMS: [(&str, Algorithm); 5] = [
    ("HS256", Algorithm::HS256),
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
    ("Ed25519", Algorithm::EdDSA),
];

/// The algorithm of this name, if it is accepted.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|known| known.0 == name).map(|known| known.1)
}

/// The algorithm that an option names.
pub(super) fn chosen_algorithm(field: &str, name: &str) -> Result<Algorithm, Error> {
    algorithm(name).ok_or_else(|| {
        Error::validation_failed(
            field,
            "names an algorithm that is not accepted",
            "use HS256, RS256, ES256, or Ed25519 (also called EdDSA)",
        )
    })
}

/// Whether a key fits an algorithm.
pub(super) fn fits(key: &DecodingKey, algorithm: Algorithm) -> bool {
    Validation::new_for_family(key.family()).algorithms.contains(&algorithm)
}

/// A key with its one algorithm.
pub(super) struct VerificationKey {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl VerificationKey {
    /// Parses a secret for HS256, or a public key as PEM.
    pub(super) fn parse(algorithm: &str, text: &str) -> Result<Self, Error> {
        let unusable =
            || Error::validation_failed("key", "cannot be read", "give a public key as PEM, for HS256 the secret");
        let algorithm = chosen_algorithm("algorithm", algorithm)?;
        let key = match algorithm {
            Algorithm::HS256 if text.trim_end().len() < SHORTEST_SECRET => {
                return Err(Error::validation_failed(
                    "key",
                    "is shorter than 32 bytes",
                    "give a secret of 32 bytes or more",
                ));
            }
            // The line break at the end of a file is not part of the secret.
            Algorithm::HS256 => DecodingKey::from_secret(text.trim_end().as_bytes()),
            _ if text.contains("PRIVATE KEY") => {
                return Err(Error::validation_failed(
                    "key",
                    "is a private key",
                    "give the public one: nothing is signed here",
                ));
            }
            Algorithm::RS256 => DecodingKey::from_rsa_pem(text.as_bytes()).map_err(|_| unusable())?,
            Algorithm::ES256 => DecodingKey::from_ec_pem(text.as_bytes()).map_err(|_| unusable())?,
            _ => DecodingKey::from_ed_pem(text.as_bytes()).map_err(|_| unusable())?,
        };
        if algorithm == Algorithm::RS256 && key.try_get_as_bytes().is_ok_and(|der| der.len() < SHORTEST_MODULUS) {
            return Err(Error::validation_failed("key", "is too short", "use 2048 bits or more for RS256"));
        }
        Ok(Self { id: None, algorithm, key })
    }
}

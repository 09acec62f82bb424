//! JSON Web Key Sets (RFC 7517) as identity providers publish them.

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::verification_key::{SHORTEST_MODULUS, SHORTEST_SECRET, VerificationKey, algorithm, fits};
use crate::error::Error;

/// The limit of usable keys. No provider publishes more.
const MOST_KEYS: usize = 32;

/// The members that only private keys have (RFC 7518, sections 6.2.2 and 6.3.2; RFC 8037, section 2).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The entries of a JWKS document.
#[derive(Deserialize)]
pub(super) struct Jwks {
    keys: Vec<Value>,
}

impl Jwks {
    pub(super) fn read(document: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(document)
            .map_err(|_| Error::validation_failed("jwks", "is no JWKS document", "give JSON with a list named keys"))
    }

    /// Parses the keys that can check signatures. Keys that this engine does not understand are skipped, as RFC 7517, section 5,
    /// requires: providers publish keys for encryption and for other algorithms in the same document.
    ///
    /// `algorithms` are those that the host accepts; without them, all that this engine knows. A key without `alg` is used only
    /// for an algorithm that the host names.
    pub(super) fn keys(&self, algorithms: Option<&[Algorithm]>) -> Result<Vec<VerificationKey>, Error> {
        self.keys_if(algorithms, |_| true)
    }

    /// As [`keys`](Self::keys), of a document that everybody can read. A secret in it proves nothing, and is skipped.
    #[cfg(feature = "provider")]
    pub(super) fn published_keys(&self, algorithms: Option<&[Algorithm]>) -> Result<Vec<VerificationKey>, Error> {
        self.keys_if(algorithms, |key| key.algorithm != Algorithm::HS256)
    }

    fn keys_if(
        &self,
        algorithms: Option<&[Algorithm]>,
        is_trusted: impl Fn(&VerificationKey) -> bool,
    ) -> Result<Vec<VerificationKey>, Error> {
        let mut keys = Vec::new();
        let mut first_skip = None;
        for entry in &self.keys {
            if PRIVATE_MEMBERS.iter().any(|member| entry.get(member).is_some()) {
                let fix = "publish the public part alone, and replace this key: whoever read it can sign";
                return Err(Error::validation_failed("jwks", "holds a private key", fix));
            }
            match usable(entry, algorithms) {
                Ok(key) if is_trusted(&key) => keys.push(key),
                Ok(_) => {
                    first_skip.get_or_insert(PUBLISHED);
                }
                Err(skip) => {
                    first_skip.get_or_insert(skip);
                }
            }
        }
        if keys.is_empty() {
            let reason = first_skip.map_or_else(
                || "holds no key".to_owned(),
                |skip| format!("holds no key that can be used: the first one {}", skip.reason),
            );
            let fix = first_skip.map_or("give the document that the provider publishes", |skip| skip.fix);
            return Err(Error::validation_failed("jwks", reason, fix));
        }
        if keys.len() > MOST_KEYS {
            return Err(Error::validation_failed(
                "jwks",
                format!("holds more than {MOST_KEYS} keys"),
                "remove those that sign no more",
            ));
        }
        if keys.len() > 1 && keys.iter().any(|key| key.id.is_none()) {
            return Err(Error::validation_failed(
                "jwks",
                "has several keys, and one without kid",
                "give each key its kid",
            ));
        }
        Ok(keys)
    }
}

/// The reason why a key of a document is not used.
#[derive(Clone, Copy)]
struct SkippedKey {
    reason: &'static str,
    fix: &'static str,
}

const FOREIGN: SkippedKey =
    SkippedKey { reason: "is of another kind", fix: "use keys for HS256, RS256, ES256 or Ed25519 that sign" };
const BROKEN: SkippedKey =
    SkippedKey { reason: "cannot be read", fix: "give the document that the provider publishes" };
const SHORT: SkippedKey = SkippedKey { reason: "is too short", fix: "use 32 bytes for HS256, 2048 bits for RS256" };
const UNNAMED: SkippedKey =
    SkippedKey { reason: "names no alg", fix: "say in the option algorithms which ones are accepted" };
const OTHER_ALGORITHM: SkippedKey =
    SkippedKey { reason: "is for an algorithm that the option algorithms does not name", fix: "add its alg there" };
const PUBLISHED: SkippedKey =
    SkippedKey { reason: "is a secret that everybody can read", fix: "let the provider sign with a pair of keys" };
const MISMATCH: SkippedKey = SkippedKey { reason: "has an alg that does not fit its kind", fix: "correct its alg" };

fn usable(entry: &Value, accepted: Option<&[Algorithm]>) -> Result<VerificationKey, SkippedKey> {
    let text = |member: &str| entry.get(member).and_then(Value::as_str);
    let signs = text("use").is_none_or(|purpose| purpose == "sig");
    let verifies = entry
        .get("key_ops")
        .and_then(Value::as_array)
        .is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    if !signs || !verifies {
        return Err(FOREIGN);
    }
    let key = decoding_key(entry)?;
    let algorithm = match (text("alg"), accepted) {
        (Some(name), _) => algorithm(name).ok_or(FOREIGN)?,
        (None, Some(accepted)) => *accepted.iter().find(|named| fits(&key, **named)).ok_or(OTHER_ALGORITHM)?,
        (None, None) => return Err(UNNAMED),
    };
    if !fits(&key, algorithm) {
        return Err(MISMATCH);
    }
    if accepted.is_some_and(|accepted| !accepted.contains(&algorithm)) {
        return Err(OTHER_ALGORITHM);
    }
    Ok(VerificationKey { id: text("kid").map(str::to_owned), algorithm, key })
}

fn decoding_key(entry: &Value) -> Result<DecodingKey, SkippedKey> {
    let text = |member: &str| entry.get(member).and_then(Value::as_str);
    let bytes = |member: &str| text(member).and_then(|text| Base64UrlUnpadded::decode_vec(text).ok()).ok_or(BROKEN);
    let key = match (text("kty").ok_or(BROKEN)?, text("crv")) {
        ("oct", _) => {
            let secret = bytes("k")?;
            if secret.len() < SHORTEST_SECRET {
                return Err(SHORT);
            }
            Ok(DecodingKey::from_secret(&secret))
        }
        ("RSA", _) => {
            let (modulus, exponent) = (bytes("n")?, bytes("e")?);
            if modulus.len() < SHORTEST_MODULUS {
                return Err(SHORT);
            }
            Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
        }
        ("EC", Some("P-256")) => DecodingKey::from_ec_components(text("x").ok_or(BROKEN)?, text("y").ok_or(BROKEN)?),
        ("OKP", Some("Ed25519")) => DecodingKey::from_ed_components(text("x").ok_or(BROKEN)?),
        _ => return Err(FOREIGN),
    };
    key.map_err(|_| BROKEN)
}

//! The option `session`.

use super::SessionTokens;
use super::source::KeySource;
use super::tokens::TokenKeys;
use crate::clock::SECOND;
use crate::error::Error;
use crate::input::{Fields, FromFields};

/// Reads the option from named values: `algorithm` with `key` or `key_file`, or `jwks` or `jwks_file` with `algorithms`;
/// `issuer`, `audience`, `org_claim`, `actor_claim`, `may`, `may_claim`, `leeway_seconds`.
impl FromFields for SessionTokens {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[
            "algorithm",
            "algorithms",
            "key",
            "key_file",
            "jwks",
            "jwks_file",
            "issuer",
            "audience",
            "org_claim",
            "actor_claim",
            "may",
            "may_claim",
            "leeway_seconds",
        ])?;
        let algorithm = fields.text("algorithm")?;
        let mut sources = Vec::new();
        for name in ["key", "key_file", "jwks", "jwks_file"] {
            if let Some(text) = fields.text(name)? {
                let text = if name.ends_with("file") { KeySource::file(text.into()) } else { KeySource::Text(text) };
                sources.push((name, text));
            }
        }
        let (Some((name, text)), None) = (sources.pop(), sources.pop()) else {
            return Err(Error::invalid_request(
                "key",
                "is missing, or one of several",
                "give one of key, key_file, jwks, jwks_file",
            ));
        };
        let keys = match (name.starts_with("jwks"), algorithm) {
            (true, None) => TokenKeys::Set(text),
            (true, Some(_)) => {
                return Err(Error::invalid_request(
                    "algorithm",
                    "is given beside a JWKS",
                    "name those that are accepted in algorithms, or leave it out: each key names its alg",
                ));
            }
            (false, Some(algorithm)) => TokenKeys::One { algorithm, key: text },
            (false, None) => {
                return Err(Error::invalid_request("algorithm", "is missing", "give HS256, RS256, ES256 or Ed25519"));
            }
        };
        let standard = Self::new(keys);
        Ok(Self {
            issuer: fields.text("issuer")?,
            audience: fields.text("audience")?,
            org_claim: fields.text("org_claim")?.unwrap_or(standard.org_claim),
            actor_claim: fields.text("actor_claim")?.unwrap_or(standard.actor_claim),
            may: fields.given("may").map_or(Ok(standard.may), |it| super::may(Some(it)))?,
            may_claim: fields.text("may_claim")?,
            leeway: match fields.given("leeway_seconds") {
                Some(it) => it.into_integer("leeway_seconds", 0, 300)? * SECOND,
                None => standard.leeway,
            },
            algorithms: fields.given("algorithms").map(|names| names.into_texts("algorithms")).transpose()?,
            keys: standard.keys,
        })
    }
}

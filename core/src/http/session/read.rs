//! The option `session`.

use super::SessionTokens;
#[cfg(feature = "provider")]
use super::provider::{LONGEST_OUTAGE, ProviderSettings};
use super::source::KeySource;
use super::tokens::TokenKeys;
use crate::clock::SECOND;
use crate::error::Error;
#[cfg(feature = "provider")]
use crate::input::span;
use crate::input::{Fields, FromFields};

/// Reads the option from named values: `algorithm` with `key` or `key_file`, or `jwks`, `jwks_file`, `jwks_url` or `issuer` alone
/// with `algorithms`; `issuer`, `audience`, `org_claim`, `actor_claim`, `may`, `may_claim`, `leeway_seconds`, `max_outage`.
impl FromFields for SessionTokens {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&[
            "algorithm",
            "algorithms",
            "key",
            "key_file",
            "jwks",
            "jwks_file",
            "jwks_url",
            #[cfg(feature = "provider")]
            "max_outage",
            "issuer",
            "audience",
            "org_claim",
            "actor_claim",
            "may",
            "may_claim",
            "leeway_seconds",
        ])?;
        let algorithm = fields.text("algorithm")?;
        let issuer = fields.text("issuer")?;
        let mut sources = Vec::new();
        for name in ["key", "key_file", "jwks", "jwks_file", "jwks_url"] {
            if let Some(text) = fields.text(name)? {
                sources.push((name, text));
            }
        }
        let (source, others) = (sources.pop(), sources.pop());
        let keys = match (source, issuer.clone(), algorithm) {
            _ if others.is_some() => return Err(no_single_source()),
            (Some((name @ ("key" | "key_file"), text)), _, Some(algorithm)) => {
                TokenKeys::One { algorithm, key: key_source(name, text) }
            }
            (Some(("key" | "key_file", _)), _, None) => {
                return Err(Error::invalid_request("algorithm", "is missing", "give HS256, RS256, ES256 or Ed25519"));
            }
            (None, None, _) => return Err(no_single_source()),
            (_, _, Some(_)) => {
                return Err(Error::invalid_request(
                    "algorithm",
                    "is given beside a JWKS",
                    "name those that are accepted in algorithms, or leave it out: each key names its alg",
                ));
            }
            (Some(("jwks_url", address)), _, None) => provider("jwks_url", address)?,
            (Some((name, text)), _, None) => TokenKeys::Set(key_source(name, text)),
            (None, Some(issuer), None) => provider("issuer", issuer)?,
        };
        let standard = Self::new(keys);
        Ok(Self {
            issuer,
            audience: fields.text("audience")?,
            org_claim: fields.text("org_claim")?.unwrap_or(standard.org_claim),
            actor_claim: fields.text("actor_claim")?.unwrap_or(standard.actor_claim),
            may: fields.given("may").map_or(Ok(standard.may), |it| super::may(Some(it)))?,
            may_claim: fields.text("may_claim")?,
            leeway: match fields.given("leeway_seconds") {
                Some(it) => it.into_integer("leeway_seconds", 0, 300)? * SECOND,
                None => standard.leeway,
            },
            #[cfg(feature = "provider")]
            max_outage: fields.given("max_outage").map(|it| span("max_outage", it, LONGEST_OUTAGE)).transpose()?,
            algorithms: fields.given("algorithms").map(|names| names.into_texts("algorithms")).transpose()?,
            keys: standard.keys,
        })
    }
}

fn key_source(name: &str, text: String) -> KeySource {
    if name.ends_with("file") { KeySource::file(text.into()) } else { KeySource::Text(text) }
}

fn no_single_source() -> Error {
    let fix = "give one of key, key_file, jwks, jwks_file, jwks_url, or issuer alone for a provider with discovery";
    Error::invalid_request("key", "is missing, or one of several", fix)
}

/// The keys that the provider at an address publishes, which is named in this field.
#[cfg(feature = "provider")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it fails")]
fn provider(field: &str, text: String) -> Result<TokenKeys, Error> {
    let settings = if field == "issuer" { ProviderSettings::of_issuer } else { ProviderSettings::of_address };
    Ok(TokenKeys::Provider(settings(text)))
}

#[cfg(not(feature = "provider"))]
fn provider(field: &str, _: String) -> Result<TokenKeys, Error> {
    let fix = "build the crate with its feature provider, or give the keys in jwks or jwks_file";
    Err(Error::invalid_request(field, "names keys that this program cannot fetch", fix))
}

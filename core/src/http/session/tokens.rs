use std::path::PathBuf;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::Session;
use crate::clock::{Millis, SECOND};
use crate::error::Error;
use crate::input::{identifier, plain};
use crate::scope;

/// A longer text is no token: browsers and servers cut headers at this size.
const LONGEST: usize = 8 * 1024;

/// RFC 7518, sections 3.2 and 3.3.
const SHORTEST_SECRET: usize = 32;
const SHORTEST_MODULUS: usize = 256;

const LARGEST_FILE: u64 = 256 * 1024;
const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("HS256", Algorithm::HS256),
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

/// How session tokens are checked: JWTs (RFC 7519), signed with HS256, RS256, ES256 or EdDSA. Each key has one
/// algorithm, whatever a token says of itself.
///
/// ```
/// use keywright::http::SessionTokens;
/// let tokens = SessionTokens::key("HS256", "a secret that has 32 bytes at least")
///     .issuer("https://login.example")
///     .audience("api")
///     .org_claim("org_id");
/// ```
#[derive(Clone)]
#[must_use]
pub struct SessionTokens {
    pub(super) keys: Keys,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) org_claim: String,
    pub(super) actor_claim: String,
    /// Scopes with a space after each but the last.
    pub(super) may: String,
    pub(super) may_claim: Option<String>,
    pub(super) leeway: Millis,
}

/// Where the keys come from.
#[derive(Clone)]
pub(super) enum Keys {
    One { algorithm: String, key: Text },
    Set(Text),
}

#[derive(Clone)]
pub(super) enum Text {
    Given(String),
    File(PathBuf),
}

impl SessionTokens {
    /// One key: a secret of 32 bytes or more for HS256, a public key as PEM for the others.
    pub fn key(algorithm: impl Into<String>, key: impl Into<String>) -> Self {
        Self::new(Keys::One { algorithm: algorithm.into(), key: Text::Given(key.into()) })
    }

    /// One key, in a file that is read when the engine starts. A relative path stands in the working folder of this call.
    pub fn key_file(algorithm: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::new(Keys::One { algorithm: algorithm.into(), key: Text::file(path.into()) })
    }

    /// A JWKS document (RFC 7517, section 5). Each key in it names its `alg`.
    pub fn jwks(document: impl Into<String>) -> Self {
        Self::new(Keys::Set(Text::Given(document.into())))
    }

    /// A JWKS document in a file that is read when the engine starts. A relative path stands in the working folder of this
    /// call.
    pub fn jwks_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Keys::Set(Text::file(path.into())))
    }

    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            issuer: None,
            audience: None,
            org_claim: "org".into(),
            actor_claim: "sub".into(),
            may: "audit:read keys:manage".into(),
            may_claim: None,
            leeway: 0,
        }
    }

    /// The only `iss` that is accepted.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        Self { issuer: Some(issuer.into()), ..self }
    }

    /// The `aud` that must be among a token's. Without it a token that names any is refused (RFC 7519, section 4.1.3).
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// The claim that holds the org; `org` when left out.
    pub fn org_claim(self, claim: impl Into<String>) -> Self {
        Self { org_claim: claim.into(), ..self }
    }

    /// The claim that names the actor; `sub` when left out.
    pub fn actor_claim(self, claim: impl Into<String>) -> Self {
        Self { actor_claim: claim.into(), ..self }
    }

    /// What whoever has a token may do; `keys:manage` and `audit:read` when left out.
    ///
    /// # Errors
    /// `validation_failed` for what is no scope.
    pub fn may(self, what: impl scope::IntoScopes) -> Result<Self, Error> {
        Ok(Self { may: what.into_scopes().map_err(|it| it.within("may"))?.join(" "), ..self })
    }

    /// The claim that holds what the session may do, as a list or with spaces between; see [`Session::may`].
    pub fn may_claim(self, claim: impl Into<String>) -> Self {
        Self { may_claim: Some(claim.into()), ..self }
    }

    /// How many seconds `exp` and `nbf` may be off, 0 to 300.
    pub fn leeway_seconds(self, seconds: u16) -> Self {
        Self { leeway: Millis::from(seconds) * SECOND, ..self }
    }

    /// Reads the keys, so that a wrong one is refused at the start.
    pub(in crate::http) fn open(&self) -> Result<Verifier, Error> {
        if !(0..=300 * SECOND).contains(&self.leeway) {
            return Err(Error::wrong("leeway_seconds", "is out of range", "give 0 to 300"));
        }
        for (field, claim) in [("org_claim", &self.org_claim), ("actor_claim", &self.actor_claim)] {
            plain(field, claim, 200)?;
        }
        let keys = match &self.keys {
            Keys::One { algorithm, key } => vec![Key::read(algorithm, &key.load("key")?)?],
            Keys::Set(document) => set(&document.load("jwks")?)?,
        };
        Ok(Verifier { keys, rules: self.clone() })
    }
}

impl Text {
    /// The working folder may be another one when the file is read.
    pub(super) fn file(path: PathBuf) -> Self {
        Self::File(std::path::absolute(&path).unwrap_or(path))
    }

    fn load(&self, field: &str) -> Result<String, Error> {
        let path = match self {
            Self::Given(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let field = format!("{field}_file");
        let size = std::fs::metadata(path).map(|it| it.len());
        if size.as_ref().is_ok_and(|it| *it > LARGEST_FILE) {
            return Err(Error::wrong(&field, "is larger than 256 KiB", "name the file that holds the key"));
        }
        std::fs::read_to_string(path).map_err(|it| {
            Error::wrong(&field, format!("cannot be read: {}", it.kind()), "name a file that can be read")
        })
    }
}

/// A key and the one algorithm it is for.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Key {
    fn read(algorithm: &str, text: &str) -> Result<Self, Error> {
        let unusable = || Error::wrong("key", "cannot be read", "give a public key as PEM, for HS256 the secret");
        let algorithm = known("algorithm", algorithm)?;
        let key = match algorithm {
            Algorithm::HS256 if text.trim_end().len() < SHORTEST_SECRET => {
                return Err(Error::wrong("key", "is shorter than 32 bytes", "give a secret of 32 bytes or more"));
            }
            // A file ends with a line break that belongs to no secret.
            Algorithm::HS256 => DecodingKey::from_secret(text.trim_end().as_bytes()),
            _ if text.contains("PRIVATE KEY") => {
                return Err(Error::wrong("key", "is a private key", "give the public one: nothing is signed here"));
            }
            Algorithm::RS256 => DecodingKey::from_rsa_pem(text.as_bytes()).map_err(|_| unusable())?,
            Algorithm::ES256 => DecodingKey::from_ec_pem(text.as_bytes()).map_err(|_| unusable())?,
            _ => DecodingKey::from_ed_pem(text.as_bytes()).map_err(|_| unusable())?,
        };
        if algorithm == Algorithm::RS256 && key.try_get_as_bytes().is_ok_and(|it| it.len() < SHORTEST_MODULUS) {
            return Err(short("key"));
        }
        Ok(Self { id: None, algorithm, key })
    }

    fn of(jwk: &Jwk) -> Result<Self, Error> {
        let unusable = || Error::wrong("jwks", "holds a key that cannot be used", "remove it, or give it its alg");
        let named = jwk.common.key_algorithm.ok_or_else(unusable)?.to_string();
        let algorithm = known("jwks", &named)?;
        match &jwk.algorithm {
            AlgorithmParameters::OctetKey(it) if it.value.len() * 3 / 4 < SHORTEST_SECRET => return Err(short("jwks")),
            AlgorithmParameters::RSA(it) if it.n.len() * 3 / 4 < SHORTEST_MODULUS => return Err(short("jwks")),
            _ => {}
        }
        let key = DecodingKey::from_jwk(jwk).map_err(|_| unusable())?;
        let fits = Validation::new_for_family(key.family()).algorithms.contains(&algorithm);
        if !fits {
            return Err(Error::wrong("jwks", "holds a key whose alg does not fit its kind", "correct its alg"));
        }
        Ok(Self { id: jwk.common.key_id.clone(), algorithm, key })
    }
}

fn short(field: &str) -> Error {
    Error::wrong(field, "holds a key that is too short", "use 32 bytes for HS256, 2048 bits for RS256")
}

fn known(field: &str, name: &str) -> Result<Algorithm, Error> {
    ALGORITHMS.iter().find(|it| it.0 == name).map(|it| it.1).ok_or_else(|| {
        Error::wrong(field, "names an algorithm that is not accepted", "use HS256, RS256, ES256 or EdDSA")
    })
}

fn set(document: &str) -> Result<Vec<Key>, Error> {
    let parsed: Result<JwkSet, _> = serde_json::from_str(document);
    let set = parsed.map_err(|_| Error::wrong("jwks", "is no JWKS document", "give JSON with a list named keys"))?;
    // Keys for encryption may stand in the same document.
    let signing = set.keys.iter().filter(|it| {
        it.common.public_key_use.as_ref().is_none_or(|it| *it == jsonwebtoken::jwk::PublicKeyUse::Signature)
    });
    let keys = signing.map(Key::of).collect::<Result<Vec<_>, _>>()?;
    let unnamed = keys.len() > 1 && keys.iter().any(|it| it.id.is_none());
    if keys.is_empty() || unnamed {
        return Err(Error::wrong("jwks", "has no key, or several without kid", "give each key its kid"));
    }
    Ok(keys)
}

/// Checks tokens.
pub(in crate::http) struct Verifier {
    keys: Vec<Key>,
    rules: SessionTokens,
}

impl Verifier {
    /// Whether a text has the shape of a token, which no key has: three parts with dots between.
    pub(in crate::http) fn is_token(text: &[u8]) -> bool {
        text.starts_with(b"ey") && text.iter().filter(|it| **it == b'.').count() == 2
    }

    /// The session that a token speaks of. Why one is refused is nobody's business but the host's.
    pub(in crate::http) fn session(&self, token: &[u8], now: Millis) -> Option<Session> {
        let token = std::str::from_utf8(token).ok().filter(|it| it.len() <= LONGEST)?;
        let header = decode_header(token).ok()?;
        // What a header calls critical must be understood, and nothing of the kind is (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        let key = match &header.kid {
            Some(kid) => self.keys.iter().find(|it| it.id.as_ref() == Some(kid)).or_else(|| self.only_unnamed()),
            None => self.keys.first().filter(|_| self.keys.len() == 1),
        }?;
        if header.alg != key.algorithm {
            return None;
        }
        let mut signature = Validation::new(key.algorithm);
        // The claims are judged below, by the engine's clock and without exceptions for those that are missing.
        signature.required_spec_claims.clear();
        (signature.validate_exp, signature.validate_nbf, signature.validate_aud) = (false, false, false);
        let claims = decode::<Map<String, Value>>(token, &key.key, &signature).ok()?.claims;
        self.judge(&claims, now)
    }

    /// A key that was given alone has no id that a token could name.
    fn only_unnamed(&self) -> Option<&Key> {
        self.keys.first().filter(|it| self.keys.len() == 1 && it.id.is_none())
    }

    fn judge(&self, claims: &Map<String, Value>, now: Millis) -> Option<Session> {
        let rules = &self.rules;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any date are exact")]
        let (now, leeway) = (now as f64 / 1_000.0, rules.leeway as f64 / 1_000.0);
        let time = |it: &Value| it.as_f64().filter(|it| it.is_finite());
        if now >= claims.get("exp").and_then(time)? + leeway {
            return None;
        }
        if let Some(nbf) = claims.get("nbf")
            && now + leeway < time(nbf)?
        {
            return None;
        }
        if let Some(issuer) = &rules.issuer
            && claims.get("iss")?.as_str()? != issuer
        {
            return None;
        }
        let among = |wanted: &str| match claims.get("aud") {
            Some(Value::String(it)) => it == wanted,
            Some(Value::Array(several)) => several.iter().any(|it| it.as_str() == Some(wanted)),
            _ => false,
        };
        match &rules.audience {
            Some(audience) if !among(audience) => return None,
            None if claims.contains_key("aud") => return None,
            _ => {}
        }
        let org = claims.get(&rules.org_claim)?.as_str()?.to_owned();
        identifier("org", &org, "").ok()?;
        let actor = claims.get(&rules.actor_claim)?.as_str()?.to_owned();
        let may = match &rules.may_claim {
            None => rules.may.clone(),
            Some(claim) => granted(claims.get(claim)?)?,
        };
        let session = Session { org, actor: Some(actor), may, every_org: false, by_cookie: false };
        session.check().ok().map(|()| session)
    }
}

/// The scopes of a claim; those that are none of ours, such as `openid`, grant nothing.
fn granted(claim: &Value) -> Option<String> {
    let words: Vec<&str> = match claim {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(several) => several.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    Some(words.into_iter().filter(|it| scope::check(it).is_ok()).collect::<Vec<_>>().join(" "))
}

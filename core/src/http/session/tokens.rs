use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, crypto};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::source::KeySource;
use super::verification_key::{VerificationKey, algorithm, chosen_algorithm};
use super::{Session, jwks};
use crate::clock::{Millis, SECOND};
use crate::error::Error;
use crate::input::{identifier, plain};
use crate::scope;
use crate::sys::FileVersion;

/// A longer text is no token: browsers and servers cut headers at this size.
const LONGEST: usize = 8 * 1024;

/// How session tokens are checked: JWTs (RFC 7519), signed with HS256, RS256, ES256 or Ed25519 (which older documents
/// call EdDSA). Each key has one algorithm, whatever a token says of itself.
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
    /// The algorithms that the host accepts from a JWKS.
    pub(super) algorithms: Option<Vec<String>>,
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
    One { algorithm: String, key: KeySource },
    Set(KeySource),
}

impl SessionTokens {
    /// One key: a secret of 32 bytes or more for HS256, a public key as PEM for the others.
    pub fn key(algorithm: impl Into<String>, key: impl Into<String>) -> Self {
        Self::new(Keys::One { algorithm: algorithm.into(), key: KeySource::Text(key.into()) })
    }

    /// One key, in a file. A changed file is read again; while it cannot be read, the last good key stays in use. A
    /// relative path stands in the working folder of this call.
    pub fn key_file(algorithm: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::new(Keys::One { algorithm: algorithm.into(), key: KeySource::file(path.into()) })
    }

    /// A JWKS document (RFC 7517, section 5). Keys of other kinds or algorithms in it are skipped.
    pub fn jwks(document: impl Into<String>) -> Self {
        Self::new(Keys::Set(KeySource::Text(document.into())))
    }

    /// A JWKS document in a file. A changed file is read again; while it cannot be read, the last good keys stay in use.
    /// A relative path stands in the working folder of this call.
    pub fn jwks_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Keys::Set(KeySource::file(path.into())))
    }

    /// The algorithms that are accepted from a JWKS, which also gives them to keys without an `alg` of their own.
    /// Without this call, each key must name its `alg`.
    ///
    /// ```
    /// use keywright::http::SessionTokens;
    /// let document = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// let tokens = SessionTokens::jwks(document).algorithms(["Ed25519"]);
    /// ```
    pub fn algorithms<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        Self { algorithms: Some(names.into_iter().map(Into::into).collect()), ..self }
    }

    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            algorithms: None,
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
            return Err(Error::validation_failed("leeway_seconds", "is out of range", "give 0 to 300"));
        }
        for (field, claim) in [("org_claim", &self.org_claim), ("actor_claim", &self.actor_claim)] {
            plain(field, claim, 200)?;
        }
        Ok(Verifier { loaded: ArcSwap::from_pointee(self.load()?), rules: self.clone() })
    }

    fn load(&self) -> Result<Loaded, Error> {
        let algorithms = self.algorithms.as_deref().map(accepted).transpose()?;
        match &self.keys {
            Keys::One { .. } if algorithms.is_some() => Err(Error::invalid_request(
                "algorithms",
                "is given beside one key",
                "leave it out: algorithm names its own",
            )),
            Keys::One { algorithm, key } => {
                let (text, version) = key.load("key")?;
                Ok(Loaded { keys: vec![VerificationKey::read(algorithm, &text)?], version })
            }
            Keys::Set(document) => {
                let (text, version) = document.load("jwks")?;
                Ok(Loaded { keys: jwks::read(&text, algorithms.as_deref())?, version })
            }
        }
    }

    fn has_changed(&self, loaded: &Loaded) -> bool {
        let (Keys::One { key: source, .. } | Keys::Set(source)) = &self.keys;
        source.has_changed(loaded.version.as_ref())
    }
}

fn accepted(names: &[String]) -> Result<Vec<Algorithm>, Error> {
    if names.is_empty() {
        return Err(Error::validation_failed(
            "algorithms",
            "is empty",
            "name one, such as RS256, or leave the option out",
        ));
    }
    names.iter().map(|name| chosen_algorithm("algorithms", name)).collect()
}

/// The header of a token (RFC 7515, section 4.1), as far as it counts here.
#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// The keys in use, and the version of the file that they come from.
struct Loaded {
    keys: Vec<VerificationKey>,
    version: Option<FileVersion>,
}

impl Loaded {
    /// The keys that a token may be signed with. Providers may publish several keys under one name.
    fn candidates<'a>(
        &'a self,
        header: &'a JoseHeader,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a VerificationKey> {
        let is_alone = self.keys.len() == 1;
        self.keys.iter().filter(move |key| {
            let is_named = match (&header.kid, &key.id) {
                (Some(wanted), Some(id)) => wanted == id,
                // A key that was given alone needs no name.
                (Some(_), None) | (None, _) => is_alone,
            };
            is_named && key.algorithm == algorithm
        })
    }
}

/// Checks tokens.
pub(in crate::http) struct Verifier {
    loaded: ArcSwap<Loaded>,
    rules: SessionTokens,
}

impl Verifier {
    /// Whether a text has the shape of a token, which no key has: three parts with dots between.
    pub(in crate::http) fn is_token(text: &[u8]) -> bool {
        text.starts_with(b"ey") && text.iter().filter(|it| **it == b'.').count() == 2
    }

    /// The session that a token grants. A caller never learns why a token is refused.
    pub(in crate::http) fn session(&self, token: &[u8], now: Millis) -> Option<Session> {
        let token = std::str::from_utf8(token).ok().filter(|text| text.len() <= LONGEST)?;
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: JoseHeader = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(header).ok()?).ok()?;
        // A header that a token calls critical must be understood, and this engine understands none (RFC 7515,
        // section 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        let algorithm = algorithm(&header.alg)?;
        let is_signed = |key: &VerificationKey| {
            crypto::verify(signature, message.as_bytes(), &key.key, algorithm).is_ok_and(|is_right| is_right)
        };
        if !self.current().candidates(&header, algorithm).any(is_signed) {
            return None;
        }
        let claims: Map<String, Value> = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims).ok()?).ok()?;
        self.judge(&claims, now)
    }

    /// The keys as their file has them now, or as it had them when it could last be read.
    fn current(&self) -> Arc<Loaded> {
        let loaded = self.loaded.load_full();
        if !self.rules.has_changed(&loaded) {
            return loaded;
        }
        match self.rules.load() {
            Ok(newer) => {
                let newer = Arc::new(newer);
                self.loaded.store(Arc::clone(&newer));
                newer
            }
            Err(_) => loaded,
        }
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

//! Session tokens: the keys that sign them, and the check of a token.

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

/// A longer text is not a token, because browsers and servers limit headers to this size.
const LONGEST: usize = 8 * 1024;

/// The check of session tokens: JWTs (RFC 7519), signed with HS256, RS256, ES256 or Ed25519 (called EdDSA in older documents).
/// Each key has one algorithm, whatever the header of a token claims.
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
    pub(super) keys: TokenKeys,
    /// The algorithms that the host accepts from a JWKS.
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) org_claim: String,
    pub(super) actor_claim: String,
    /// Scopes, separated by spaces.
    pub(super) may: String,
    pub(super) may_claim: Option<String>,
    pub(super) leeway: Millis,
}

/// The source of the keys.
#[derive(Clone)]
pub(super) enum TokenKeys {
    One { algorithm: String, key: KeySource },
    Set(KeySource),
}

impl SessionTokens {
    /// Checks with one key: a secret of 32 bytes or more for HS256, a public key as PEM for the other algorithms.
    pub fn key(algorithm: impl Into<String>, key: impl Into<String>) -> Self {
        Self::new(TokenKeys::One { algorithm: algorithm.into(), key: KeySource::Text(key.into()) })
    }

    /// Checks with one key in a file. A changed file is read again; while it cannot be read, the last good key stays in use. A
    /// relative path is resolved in the working folder of this call.
    pub fn key_file(algorithm: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::new(TokenKeys::One { algorithm: algorithm.into(), key: KeySource::file(path.into()) })
    }

    /// Checks with the keys of a JWKS document (RFC 7517, section 5). Keys of other kinds or algorithms in it are skipped.
    pub fn jwks(document: impl Into<String>) -> Self {
        Self::new(TokenKeys::Set(KeySource::Text(document.into())))
    }

    /// Checks with the keys of a JWKS document in a file. A changed file is read again; while it cannot be read, the last good
    /// keys stay in use. A relative path is resolved in the working folder of this call.
    pub fn jwks_file(path: impl Into<PathBuf>) -> Self {
        Self::new(TokenKeys::Set(KeySource::file(path.into())))
    }

    /// The algorithms that are accepted from a JWKS. They also apply to keys without an `alg`. Without this call, each key must
    /// name its `alg`.
    ///
    /// ```
    /// use keywright::http::SessionTokens;
    /// let document = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// let tokens = SessionTokens::jwks(document).algorithms(["Ed25519"]);
    /// ```
    pub fn algorithms<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        Self { algorithms: Some(names.into_iter().map(Into::into).collect()), ..self }
    }

    pub(super) fn new(keys: TokenKeys) -> Self {
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

    /// The audience that a token must name. Without this call, a token with `aud` is refused (RFC 7519, section 4.1.3).
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// The claim with the org. The default is `org`.
    pub fn org_claim(self, claim: impl Into<String>) -> Self {
        Self { org_claim: claim.into(), ..self }
    }

    /// The claim with the actor. The default is `sub`.
    pub fn actor_claim(self, claim: impl Into<String>) -> Self {
        Self { actor_claim: claim.into(), ..self }
    }

    /// The scopes of every session. The default is `keys:manage` and `audit:read`.
    ///
    /// # Errors
    /// `validation_failed` if a text is not a scope.
    pub fn may(self, scopes: impl scope::IntoScopes) -> Result<Self, Error> {
        Ok(Self { may: scopes.into_scopes().map_err(|error| error.within("may"))?.join(" "), ..self })
    }

    /// The claim with the scopes of the session, as a list or separated by spaces; see [`Session::may`].
    pub fn may_claim(self, claim: impl Into<String>) -> Self {
        Self { may_claim: Some(claim.into()), ..self }
    }

    /// The tolerance for `exp` and `nbf`, 0 to 300 seconds. The default is 0.
    pub fn leeway_seconds(self, seconds: u16) -> Self {
        Self { leeway: Millis::from(seconds) * SECOND, ..self }
    }

    /// Loads the keys, so that a wrong key is refused at the start.
    pub(in crate::http) fn open(&self) -> Result<TokenVerifier, Error> {
        if !(0..=300 * SECOND).contains(&self.leeway) {
            return Err(Error::validation_failed("leeway_seconds", "is out of range", "give 0 to 300"));
        }
        for (field, claim) in [("org_claim", &self.org_claim), ("actor_claim", &self.actor_claim)] {
            plain(field, claim, 200)?;
        }
        Ok(TokenVerifier { loaded: ArcSwap::from_pointee(self.load()?), rules: self.clone() })
    }

    fn load(&self) -> Result<LoadedKeys, Error> {
        let algorithms = self.algorithms.as_deref().map(parse_algorithms).transpose()?;
        match &self.keys {
            TokenKeys::One { .. } if algorithms.is_some() => Err(Error::invalid_request(
                "algorithms",
                "is given beside one key",
                "leave it out: algorithm names its own",
            )),
            TokenKeys::One { algorithm, key } => {
                let (text, version) = key.load("key")?;
                Ok(LoadedKeys { keys: vec![VerificationKey::parse(algorithm, &text)?], version })
            }
            TokenKeys::Set(document) => {
                let (text, version) = document.load("jwks")?;
                Ok(LoadedKeys { keys: jwks::parse(&text, algorithms.as_deref())?, version })
            }
        }
    }

    fn has_changed(&self, loaded: &LoadedKeys) -> bool {
        let (TokenKeys::One { key: source, .. } | TokenKeys::Set(source)) = &self.keys;
        source.has_changed(loaded.version.as_ref())
    }
}

fn parse_algorithms(names: &[String]) -> Result<Vec<Algorithm>, Error> {
    if names.is_empty() {
        return Err(Error::validation_failed(
            "algorithms",
            "is empty",
            "name one, such as RS256, or leave the option out",
        ));
    }
    names.iter().map(|name| chosen_algorithm("algorithms", name)).collect()
}

/// The header of a token (RFC 7515, section 4.1), without the members that do not count here.
#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// The keys in use, and the version of their file.
struct LoadedKeys {
    keys: Vec<VerificationKey>,
    version: Option<FileVersion>,
}

impl LoadedKeys {
    /// The keys that may have signed a token. Providers may publish several keys with the same id.
    fn candidates<'a>(
        &'a self,
        header: &'a JoseHeader,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'a VerificationKey> {
        let is_alone = self.keys.len() == 1;
        self.keys.iter().filter(move |key| {
            let is_named = match (&header.kid, &key.id) {
                (Some(wanted), Some(id)) => wanted == id,
                // A single key needs no id.
                (Some(_), None) | (None, _) => is_alone,
            };
            is_named && key.algorithm == algorithm
        })
    }
}

/// Checks tokens.
pub(in crate::http) struct TokenVerifier {
    loaded: ArcSwap<LoadedKeys>,
    rules: SessionTokens,
}

impl TokenVerifier {
    /// Whether a text has the shape of a token, which no key has: three parts, separated by dots.
    pub(in crate::http) fn is_token(text: &[u8]) -> bool {
        text.starts_with(b"ey") && text.iter().filter(|it| **it == b'.').count() == 2
    }

    /// The session of a token. A caller never learns why a token is refused.
    pub(in crate::http) fn session(&self, token: &[u8], now: Millis) -> Option<Session> {
        let token = std::str::from_utf8(token).ok().filter(|text| text.len() <= LONGEST)?;
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: JoseHeader = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(header).ok()?).ok()?;
        // Critical header members must be understood, and this engine understands none (RFC 7515, section 4.1.11).
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

    /// The keys in their file now, or the last ones that could be read.
    fn current(&self) -> Arc<LoadedKeys> {
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
        let time = |claim: &Value| claim.as_f64().filter(|seconds| seconds.is_finite());
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
            Some(claim) => granted_scopes(claims.get(claim)?)?,
        };
        let session = Session { org, actor: Some(actor), may, every_org: false, by_cookie: false };
        session.check().ok().map(|()| session)
    }
}

/// The scopes of a claim. Texts of another form, such as `openid`, grant nothing.
fn granted_scopes(claim: &Value) -> Option<String> {
    let words: Vec<&str> = match claim {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(several) => several.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    Some(words.into_iter().filter(|it| scope::check(it).is_ok()).collect::<Vec<_>>().join(" "))
}

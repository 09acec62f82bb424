//! The check of session tokens.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, crypto};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Session;
#[cfg(feature = "provider")]
use super::provider::{Landing, Next, ProviderKeys};
use super::tokens::SessionTokens;
#[cfg(feature = "provider")]
use super::tokens::TokenKeys;
use super::verification_key::{VerificationKey, algorithm};
use crate::clock::{Millis, SECOND};
use crate::error::Error;
use crate::http::refusal::Refusal;
use crate::input::{identifier, plain};
use crate::keyring::Keywright;
use crate::scope;
use crate::sys::FileVersion;
use crate::wait::Ready;
#[cfg(feature = "provider")]
use crate::wait::now_or_later;

/// A longer text is not a token, because browsers and servers limit headers to this size.
const LONGEST: usize = 8 * 1024;

/// The header of a token (RFC 7515, section 4.1), without the members that do not count here.
#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// A token of the right shape, which nothing proves yet.
struct SignedToken<'a> {
    message: &'a str,
    signature: &'a str,
    claims: &'a str,
    key_id: Option<String>,
    algorithm: Algorithm,
}

impl<'a> SignedToken<'a> {
    fn read(token: &'a [u8]) -> Option<Self> {
        let token = std::str::from_utf8(token).ok().filter(|text| text.len() <= LONGEST)?;
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: JoseHeader = serde_json::from_slice(&Base64UrlUnpadded::decode_vec(header).ok()?).ok()?;
        // Critical header members must be understood, and this engine understands none (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return None;
        }
        Some(Self { message, signature, claims, key_id: header.kid, algorithm: algorithm(&header.alg)? })
    }

    /// Whether one of these keys has signed the token. Providers may publish several keys with the same id.
    fn is_signed_by(&self, keys: &[VerificationKey]) -> bool {
        let is_alone = keys.len() == 1;
        let is_named = |key: &&VerificationKey| match (&self.key_id, &key.id) {
            (Some(wanted), Some(id)) => wanted == id,
            // A single key needs no id.
            (Some(_), None) | (None, _) => is_alone,
        };
        let signs = |key: &VerificationKey| {
            key.algorithm == self.algorithm
                && crypto::verify(self.signature, self.message.as_bytes(), &key.key, self.algorithm)
                    .is_ok_and(|is_right| is_right)
        };
        keys.iter().filter(is_named).any(signs)
    }

    /// Whether one of these keys has the id that the token names.
    #[cfg(feature = "provider")]
    fn is_known_to(&self, keys: &[VerificationKey]) -> bool {
        self.key_id.is_some() && keys.iter().any(|key| key.id == self.key_id)
    }

    fn claims(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(self.claims).ok()?).ok()
    }
}

/// The keys in use, and the version of their file.
struct LoadedKeys {
    keys: Vec<VerificationKey>,
    version: Option<FileVersion>,
}

/// Checks tokens.
pub(in crate::http) struct TokenVerifier {
    loaded: ArcSwap<LoadedKeys>,
    #[cfg(feature = "provider")]
    provider: Option<Arc<ProviderKeys>>,
    rules: SessionTokens,
}

impl TokenVerifier {
    /// Loads the keys that the host gave, so that a wrong key is refused at the start. The keys of a provider come later.
    pub(in crate::http) fn open(rules: &SessionTokens) -> Result<Self, Error> {
        if !(0..=300 * SECOND).contains(&rules.leeway) {
            return Err(Error::validation_failed("leeway_seconds", "is out of range", "give 0 to 300"));
        }
        for (field, claim) in [("org_claim", &rules.org_claim), ("actor_claim", &rules.actor_claim)] {
            plain(field, claim, 200)?;
        }
        #[cfg(feature = "provider")]
        let provider = match &rules.keys {
            TokenKeys::Provider(settings) => {
                let keys = ProviderKeys::open(settings, rules.accepted_algorithms()?, rules.max_outage)?;
                Some(Arc::new(keys))
            }
            _ if rules.max_outage.is_some() => {
                let fix = "leave it out, or name the provider by issuer alone or by jwks_url";
                return Err(Error::invalid_request("max_outage", "is given, and no key is fetched", fix));
            }
            _ => None,
        };
        Ok(Self {
            loaded: ArcSwap::from_pointee(load(rules)?),
            #[cfg(feature = "provider")]
            provider,
            rules: rules.clone(),
        })
    }

    /// Whether a text has the shape of a token, which no key has: three parts, separated by dots.
    pub(in crate::http) fn is_token(text: &[u8]) -> bool {
        text.starts_with(b"ey") && text.iter().filter(|it| **it == b'.').count() == 2
    }

    /// Ends what runs for this verifier when the engine closes.
    #[cfg(feature = "provider")]
    pub(in crate::http) fn end_with(&self, kw: &Keywright) {
        if let Some(provider) = &self.provider {
            let provider = Arc::downgrade(provider);
            kw.engine().end_at_close(provider);
        }
    }

    /// The session of a token. A caller never learns why a token is refused. It waits only for the keys of a provider.
    pub(in crate::http) fn session(self: &Arc<Self>, token: &[u8], kw: &Keywright) -> Ready<Result<Session, Refusal>> {
        #[cfg(feature = "provider")]
        if let Some(provider) = &self.provider {
            return match self.by_provider(provider, token, kw, false) {
                Ok(session) => Ready::Now(session),
                Err(landing) => self.session_after(landing, Arc::clone(provider), token.to_vec(), kw.clone()),
            };
        }
        let session =
            SignedToken::read(token).filter(|token| token.is_signed_by(&self.current().keys)).and_then(|it| {
                let claims = it.claims()?;
                self.judge(&claims, kw.now())
            });
        Ready::Now(session.ok_or_else(Refusal::bad_session))
    }

    /// The session of a token by the keys of a provider, or the fetch that has to end before.
    #[cfg(feature = "provider")]
    fn by_provider(
        &self,
        provider: &Arc<ProviderKeys>,
        token: &[u8],
        kw: &Keywright,
        has_waited: bool,
    ) -> Result<Result<Session, Refusal>, Landing> {
        // A token that no key could make good causes no fetch.
        let judged = SignedToken::read(token).filter(|token| provider.accepts(token.algorithm)).and_then(|token| {
            let session = self.judge(&token.claims()?, kw.now())?;
            Some((token, session))
        });
        let Some((token, session)) = judged else { return Ok(Err(Refusal::bad_session())) };
        loop {
            let document = provider.document();
            let keys = document.as_ref().map_or(&[][..], |it| it.keys());
            let is_signed = token.is_signed_by(keys);
            return match provider.next(kw, document.as_ref(), is_signed || token.is_known_to(keys), has_waited) {
                Next::Again => continue,
                Next::Decide if is_signed => Ok(Ok(session)),
                Next::Decide | Next::Refuse => Ok(Err(Refusal::bad_session())),
                Next::Unavailable => Ok(Err(Refusal::unavailable())),
                Next::Wait(landing) => Err(landing),
            };
        }
    }

    #[cfg(feature = "provider")]
    fn session_after(
        self: &Arc<Self>,
        landing: Landing,
        provider: Arc<ProviderKeys>,
        token: Vec<u8>,
        kw: Keywright,
    ) -> Ready<Result<Session, Refusal>> {
        let this = Arc::clone(self);
        now_or_later(async move {
            landing.ended().await;
            this.by_provider(&provider, &token, &kw, true).unwrap_or_else(|_| Err(Refusal::unavailable()))
        })
    }

    /// The keys in their file now, or the last ones that could be read.
    fn current(&self) -> Arc<LoadedKeys> {
        let loaded = self.loaded.load_full();
        if !self.rules.has_changed(loaded.version.as_ref()) {
            return loaded;
        }
        match load(&self.rules) {
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

fn load(rules: &SessionTokens) -> Result<LoadedKeys, Error> {
    rules.load().map(|(keys, version)| LoadedKeys { keys, version })
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

//! The configuration of session tokens: the keys that sign them, and the claims that are demanded.

use std::path::PathBuf;
#[cfg(feature = "provider")]
use std::time::Duration;

use jsonwebtoken::Algorithm;

use super::jwks::Jwks;
#[cfg(feature = "provider")]
use super::provider::ProviderSettings;
use super::source::KeySource;
use super::verification_key::{VerificationKey, chosen_algorithm};
use crate::clock::{Millis, SECOND};
use crate::error::Error;
use crate::scope;
use crate::sys::FileVersion;

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
    #[cfg(feature = "provider")]
    pub(super) max_outage: Option<Millis>,
}

/// The source of the keys.
#[derive(Clone)]
pub(super) enum TokenKeys {
    One {
        algorithm: String,
        key: KeySource,
    },
    Set(KeySource),
    #[cfg(feature = "provider")]
    Provider(ProviderSettings),
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

    /// Checks with the keys of an identity provider, which its document of discovery names (OpenID Connect Discovery 1.0, RFC
    /// 8414). `issuer` is the only `iss` that is accepted. The engine fetches the keys with the first token, and again while it is
    /// used; see [the guide](crate::guide::sessions). `https://` only, but for addresses of this machine; the keys are on the same server,
    /// else name them by [`jwks_url`](Self::jwks_url) and [`issuer`](Self::issuer).
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::http::{Config, SessionTokens};
    /// let tokens = SessionTokens::provider("https://login.example").audience("api").org_claim("org_id");
    /// let http = kw.http(Config::new().session(tokens))?; // asks nobody yet
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[cfg(feature = "provider")]
    pub fn provider(issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        Self::new(TokenKeys::Provider(ProviderSettings::of_issuer(issuer.clone()))).issuer(issuer)
    }

    /// Checks with the keys of a JWKS document that the engine fetches from this address, as [`provider`](Self::provider) does.
    ///
    /// ```
    /// use keywright::http::SessionTokens;
    /// let tokens = SessionTokens::jwks_url("https://keys.example/jwks.json").issuer("https://login.example").audience("api");
    /// ```
    #[cfg(feature = "provider")]
    pub fn jwks_url(url: impl Into<String>) -> Self {
        Self::new(TokenKeys::Provider(ProviderSettings::of_address(url.into())))
    }

    /// How long the last keys of a provider stay in use while it does not answer, counted from the time when they were fetched: up
    /// to 7 days, 24 hours by default. Then requests with session tokens get 503 until it answers.
    ///
    /// ```
    /// use std::time::Duration;
    /// use keywright::http::SessionTokens;
    /// let tokens = SessionTokens::provider("https://login.example").max_outage(Duration::from_secs(3_600));
    /// ```
    #[cfg(feature = "provider")]
    pub fn max_outage(self, outage: Duration) -> Self {
        let max_outage = Some(Millis::try_from(outage.as_millis()).unwrap_or(Millis::MAX));
        Self { max_outage, ..self }
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
            #[cfg(feature = "provider")]
            max_outage: None,
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

    /// The claim with the scopes of the session, as a list or separated by spaces; see [`Session::may`](crate::http::Session::may).
    pub fn may_claim(self, claim: impl Into<String>) -> Self {
        Self { may_claim: Some(claim.into()), ..self }
    }

    /// The tolerance for `exp` and `nbf`, 0 to 300 seconds. The default is 0.
    pub fn leeway_seconds(self, seconds: u16) -> Self {
        Self { leeway: Millis::from(seconds) * SECOND, ..self }
    }

    /// The keys that the host gave, with the version of their file. A provider has its keys elsewhere.
    pub(super) fn load(&self) -> Result<(Vec<VerificationKey>, Option<FileVersion>), Error> {
        let algorithms = self.accepted_algorithms()?;
        match &self.keys {
            TokenKeys::One { .. } if algorithms.is_some() => Err(Error::invalid_request(
                "algorithms",
                "is given beside one key",
                "leave it out: algorithm names its own",
            )),
            TokenKeys::One { algorithm, key } => {
                let (text, version) = key.load("key")?;
                Ok((vec![VerificationKey::parse(algorithm, &text)?], version))
            }
            TokenKeys::Set(document) => {
                let (text, version) = document.load("jwks")?;
                Ok((Jwks::read(text.as_bytes())?.keys(algorithms.as_deref())?, version))
            }
            #[cfg(feature = "provider")]
            TokenKeys::Provider(_) => Ok((Vec::new(), None)),
        }
    }

    /// The algorithms that the host accepts from a JWKS.
    pub(super) fn accepted_algorithms(&self) -> Result<Option<Vec<Algorithm>>, Error> {
        self.algorithms.as_deref().map(parse_algorithms).transpose()
    }

    /// Whether the file of the keys has changed since this version of it was read.
    pub(super) fn has_changed(&self, version: Option<&FileVersion>) -> bool {
        match &self.keys {
            TokenKeys::One { key: source, .. } | TokenKeys::Set(source) => source.has_changed(version),
            #[cfg(feature = "provider")]
            TokenKeys::Provider(_) => false,
        }
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

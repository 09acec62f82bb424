//! The configuration of an API's HTTP layer.

mod checked;
mod read;

#[cfg(feature = "cli")]
use zeroize::Zeroizing;

pub(super) use self::checked::CheckedHttpConfig;
use self::checked::request_headers;
use super::agent;
use super::client_address::TrustedProxies;
use super::credential::CredentialSource;
use super::forward_auth_proxy::ForwardAuthProxy;
#[cfg(feature = "cli")]
use super::manage::VerificationCallers;
use super::manage::{self, ManagementPath, SelfService, Spelling};
use super::preflight::Preflight;
use super::rate_limit::RateLimitHeaders;
use super::refusal::Refusal;
use super::request_id::{may_hold_secret, request_id};
use super::response_style::ErrorFormat;
use super::route::{Needs, Rule};
use super::session::SessionTokens;
use super::{Head, Header, Response};
use crate::error::Error;
use crate::keyring;

/// The configuration of [`Http`](super::Http).
///
/// ```
/// use keywright::http::{Config, Needs, Rule};
/// let config = Config::new()
///     .credentials(["Authorization", "X-API-Key"])?
///     .trusted_proxies(["10.0.0.0/8"])?
///     .rule(Rule::new("GET", "/v1/deals", Needs::key().scopes("deals:read")?))
///     .rule(Rule::any("/health", Needs::nothing()));
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Config {
    pub(super) credentials: Vec<CredentialSource>,
    realm: String,
    pub(super) trusted_proxies: TrustedProxies,
    rules: Option<Vec<Rule>>,
    pub(super) default_authenticated: bool,
    errors: ErrorFormat,
    pub(super) deprecation_headers: bool,
    rate_limit_headers: RateLimitHeaders,
    session: Option<SessionTokens>,
    pub(super) keys_may_manage: bool,
    pub(super) revoke_children: bool,
    pub(super) self_service: Vec<SelfService>,
    pub(super) origins: Vec<String>,
    pub(super) preflight: Preflight,
    pub(super) forward_auth: Option<ForwardAuthProxy>,
    pub(super) agent_header: Option<String>,
    pub(super) spelling: Spelling,
    pub(super) management_path: ManagementPath,
    pub(super) mount: Option<String>,
    pub(super) rewrites: bool,
    #[cfg(feature = "cli")]
    pub(super) verification: Option<VerificationCallers>,
}

const CREDENTIALS: [&str; 3] = ["Authorization", "Api-Key", "X-API-Key"];

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: CREDENTIALS.iter().filter_map(|name| CredentialSource::parse(name).ok()).collect(),
            realm: "api".into(),
            trusted_proxies: TrustedProxies::default(),
            rules: None,
            default_authenticated: false,
            errors: ErrorFormat::default(),
            deprecation_headers: false,
            rate_limit_headers: RateLimitHeaders::default(),
            session: None,
            keys_may_manage: false,
            revoke_children: false,
            self_service: vec![SelfService::Show, SelfService::Revoke],
            origins: Vec::new(),
            preflight: Preflight::default(),
            forward_auth: None,
            agent_header: None,
            spelling: Spelling::default(),
            management_path: ManagementPath::default(),
            mount: None,
            rewrites: false,
            #[cfg(feature = "cli")]
            verification: None,
        }
    }
}

impl Config {
    /// Accepts keys in `Authorization: Bearer`, `Api-Key` or `X-API-Key`. There are no rules: a valid key is enough.
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers that may carry a key. `Authorization` stands for its scheme `Bearer`; `Authorization: Api-Key` names
    /// another scheme. A request with two credentials is refused.
    ///
    /// # Errors
    /// `validation_failed` if a name is not a header, or one that carries something else.
    pub fn credentials<T: AsRef<str>>(self, names: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let credentials =
            names.into_iter().map(|name| CredentialSource::parse(name.as_ref())).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { credentials, ..self })
    }

    /// The realm of challenges: 1 to 64 letters, digits, spaces and `._-`. The default is `api`.
    pub fn realm(self, realm: impl Into<String>) -> Self {
        Self { realm: realm.into(), ..self }
    }

    /// The proxies whose `X-Forwarded-For` counts: addresses, networks, and `unix:` for any program that connects to a Unix
    /// socket.
    ///
    /// # Errors
    /// `validation_failed` if a text is none of these.
    pub fn trusted_proxies<T: Into<String>>(self, proxies: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        Ok(Self { trusted_proxies: TrustedProxies::parse(proxies.into_iter().map(Into::into).collect())?, ..self })
    }

    /// Adds a rule. With the first one, routes without a rule are refused.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.get_or_insert_default().push(rule);
        self
    }

    /// Lets any valid key enter routes without a rule.
    pub fn default_authenticated(self) -> Self {
        Self { default_authenticated: true, ..self }
    }

    /// The form of error bodies.
    pub fn errors(self, errors: ErrorFormat) -> Self {
        Self { errors, ..self }
    }

    /// Adds `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) for a former secret. Both headers are about a resource, not a
    /// credential, so they are off by default.
    pub fn deprecation_headers(self) -> Self {
        Self { deprecation_headers: true, ..self }
    }

    /// The headers that show rate limits. The default is `RateLimit-Policy` and `RateLimit`.
    pub fn rate_limit_headers(self, headers: RateLimitHeaders) -> Self {
        Self { rate_limit_headers: headers, ..self }
    }

    /// Accepts session tokens for management, and for routes whose needs allow sessions.
    pub fn session(self, tokens: SessionTokens) -> Self {
        Self { session: Some(tokens), ..self }
    }

    /// Lets a key with the scope `keys:manage` manage keys, within its own rights.
    pub fn keys_may_manage(self) -> Self {
        Self { keys_may_manage: true, ..self }
    }

    /// Revokes, with a key, the keys that it created.
    pub fn revoke_children(self) -> Self {
        Self { revoke_children: true, ..self }
    }

    /// The calls by which a key reads or changes itself. The default is [`SelfService::Show`] and [`SelfService::Revoke`]; an
    /// empty list allows none. Other calls get 404, and are absent from the OpenAPI document.
    ///
    /// ```
    /// use keywright::http::{Config, SelfService};
    /// let config = Config::new().self_service([SelfService::Show, SelfService::Rotate, SelfService::Revoke]);
    /// ```
    pub fn self_service(self, calls: impl IntoIterator<Item = SelfService>) -> Self {
        Self { self_service: calls.into_iter().collect(), ..self }
    }

    /// Further origins, like `https://app.example`, whose pages may manage keys with a session of the host.
    pub fn origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> Self {
        Self { origins: origins.into_iter().map(Into::into).collect(), ..self }
    }

    /// The layer that answers CORS preflights. The default is the guard.
    pub fn preflight(self, preflight: Preflight) -> Self {
        Self { preflight, ..self }
    }

    /// Answers a proxy that asks at `/forward-auth`, below the mount of management, whether it may forward a request. The
    /// rules of routes decide.
    pub fn forward_auth(self, proxy: ForwardAuthProxy) -> Self {
        Self { forward_auth: Some(proxy), ..self }
    }

    /// The header, like `X-Agent-Id`, that names the agent on whose behalf a request is made: 1 to 128 characters of
    /// `A-Za-z0-9_.:-`. It counts only with a valid key or session, for limits, counters and the audit, and gives no right. A
    /// request whose header cannot be read is refused. By default no header is read.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::http::{Config, Head, Outcome};
    /// let http = kw.http(Config::new().agent_header("X-Agent-Id")?)?;
    /// let headers: [(&[u8], &[u8]); 2] = [(b"api-key", new.api_key.reveal().as_bytes()), (b"x-agent-id", b"buyer-7")];
    /// match http.authenticate(&Head::new("GET", "/v1/deals").headers(&headers), None).await {
    ///     Outcome::Allowed(context) => assert_eq!(context.agent.as_deref(), Some("buyer-7")),
    ///     Outcome::Refused(response) => panic!("{}", response.status),
    /// }
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` if the name is not a header, or one that carries something else.
    pub fn agent_header(self, name: &str) -> Result<Self, Error> {
        Ok(Self { agent_header: Some(agent::parse_header_name(name)?), ..self })
    }

    /// The spelling of management: names and fields of its bodies.
    pub fn spelling(self, spelling: Spelling) -> Self {
        Self { spelling, ..self }
    }

    /// Puts management among the other routes of the API: keys at this path, everything else below it. The host answers the
    /// other requests there, see [`Http::manages`](super::Http::manages).
    ///
    /// # Errors
    /// `validation_failed` if it is not a path of plain segments.
    pub fn path(self, path: &str) -> Result<Self, Error> {
        Ok(Self { management_path: ManagementPath::parse(path)?, ..self })
    }

    /// The path, like `/api`, at which a proxy mounts the application, if the proxy tells it in a header: `SCRIPT_NAME` for
    /// gunicorn, `Daphne-Root-Path` for Daphne. Let the proxy set that header on every request, because clients can send it
    /// too. A mount that is configured in the server or framework does not belong here. Rules are written without the mount.
    ///
    /// # Errors
    /// `validation_failed` if it is not a path of plain segments.
    pub fn mount(self, path: &str) -> Result<Self, Error> {
        Ok(Self { mount: Some(manage::plain_path("mount", path)?.to_owned()), ..self })
    }

    /// Judges a path that was rewritten in front of the guard as the router gets it. By default such a request is refused.
    pub fn rewrites(self) -> Self {
        Self { rewrites: true, ..self }
    }

    /// Checks everything that can be checked before the engine is open.
    ///
    /// # Errors
    /// `validation_failed` and `invalid_request`, naming the option.
    pub fn check(&self, engine: &keyring::Config) -> Result<(), Error> {
        self.checked()?;
        self.rules.iter().flatten().try_for_each(|it| engine.admit(&it.needs.request).map_err(|it| it.within("routes")))
    }

    /// Like [`Http::check`](super::Http::check), before the engine is open.
    ///
    /// # Errors
    /// The same.
    ///
    /// ```
    /// use keywright::http::{Config, Needs};
    /// let engine = keywright::Keywright::builder("sqlite:keys.db").brand("liq").scopes(keywright::Catalogue::new([("deals:read", "Read deals")])?);
    /// let needs = |scope: &str| Needs::key().scopes(scope);
    /// assert!(Config::new().check_needs(&engine, &needs("deals:read")?).is_ok());
    /// assert!(Config::new().check_needs(&engine, &needs("deals:raed")?).is_err());
    /// # Ok::<(), keywright::Error>(())
    /// ```
    pub fn check_needs(&self, engine: &keyring::Config, needs: &Needs) -> Result<(), Error> {
        needs.check_alone(self.session.is_some())?;
        engine.admit(&needs.request)
    }

    /// See [`Http::response_headers`](super::Http::response_headers).
    #[must_use]
    pub fn response_headers(&self) -> [Header; 2] {
        self.style().common_headers().map(|(name, value)| (name, value.to_owned().into()))
    }

    /// See [`Http::request_headers`](super::Http::request_headers).
    pub fn request_headers(&self) -> impl Iterator<Item = &str> {
        request_headers(&self.credentials, self.forward_auth, self.agent_header.as_deref())
    }

    /// See [`Http::manages`](super::Http::manages).
    #[must_use]
    pub fn manages(&self, target: &(impl AsRef<[u8]> + ?Sized)) -> bool {
        self.management_path.answers(&self.self_service, self.forward_auth, target.as_ref())
    }

    /// Answers `POST /verify` below the mount of management.
    #[cfg(feature = "cli")]
    pub(crate) fn verification(self, callers: VerificationCallers) -> Self {
        Self { verification: Some(callers), ..self }
    }

    /// Whether keys are read from a request header.
    #[cfg(feature = "cli")]
    pub(crate) fn takes_keys_in(&self, header: &str) -> bool {
        self.credentials.iter().any(|source| source.name().eq_ignore_ascii_case(header))
    }

    /// The header line in which a client sends a key: the first one that is read.
    #[cfg(feature = "cli")]
    pub(crate) fn credential_line(&self, key: &[u8]) -> (String, Zeroizing<Vec<u8>>) {
        let source = self.credentials.first();
        let scheme = source.and_then(CredentialSource::authorization_scheme).map(|scheme| format!("{scheme} "));
        let value = [scheme.unwrap_or_default().as_bytes(), key].concat();
        (source.map(CredentialSource::name).unwrap_or_default().to_owned(), Zeroizing::new(value))
    }

    /// The response of a host whose engine cannot be opened.
    #[must_use]
    pub fn unavailable(&self, head: &Head<'_>) -> Response {
        let style = self.style();
        Refusal::unavailable().response(&style, request_id(head, may_hold_secret), head.method == "HEAD")
    }
}

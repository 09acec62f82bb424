//! How an API speaks HTTP, and what of it can be refused before any request comes.

mod read;

use std::borrow::Cow;
use std::sync::Arc;

use super::address::Proxies;
use super::agent;
use super::credential::Source;
use super::forward::Gateway;
use super::manage::{self, Place, SelfService, Spelling};
use super::message::OVERRIDES;
use super::preflight::Preflight;
use super::rate_limit::RateLimitHeaders;
use super::refusal::{Challenge, Refusal};
use super::route::{Idempotent, Needs, Rule, Table};
use super::session::{SessionTokens, Verifier};
use super::{Head, Header, Response, request_id};
use crate::error::Error;
use crate::input::Casing;
use crate::keyring;

/// The set-up of [`Http`](super::Http).
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
    credentials: Vec<Source>,
    realm: String,
    proxies: Proxies,
    rules: Option<Vec<Rule>>,
    default_authenticated: bool,
    errors: Errors,
    deprecation_headers: bool,
    rate_limit_headers: RateLimitHeaders,
    session: Option<SessionTokens>,
    keys_may_manage: bool,
    revoke_children: bool,
    self_service: Vec<SelfService>,
    origins: Vec<String>,
    preflight: Preflight,
    forward_auth: Option<Gateway>,
    agent_header: Option<String>,
    spelling: Spelling,
    place: Place,
    mount: Option<String>,
    rewrites: bool,
}

/// The form of a refusal's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Errors {
    /// `application/problem+json` (RFC 9457) with `code` and `request_id`.
    #[default]
    Problem,
    /// `{"errors": [{"code", "message"}]}`.
    List,
    /// `{"code", "message", "request_id"}`.
    Plain,
}

impl Errors {
    /// What the header `Content-Type` says of a refusal.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Problem => "application/problem+json",
            Self::List | Self::Plain => "application/json",
        }
    }
}

const CREDENTIALS: [&str; 3] = ["Authorization", "Api-Key", "X-API-Key"];

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: CREDENTIALS.iter().filter_map(|it| Source::read(it).ok()).collect(),
            realm: "api".into(),
            proxies: Proxies::default(),
            rules: None,
            default_authenticated: false,
            errors: Errors::default(),
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
            place: Place::default(),
            mount: None,
            rewrites: false,
        }
    }
}

impl Config {
    /// Keys in `Authorization: Bearer`, `Api-Key` or `X-API-Key`, and no rules: a valid key is enough.
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers in which a key may come. `Authorization` stands for its scheme `Bearer`; `Authorization: Api-Key` names
    /// another scheme. A request with two credentials is refused.
    ///
    /// # Errors
    /// `validation_failed` for what is no header, or one that carries something else.
    pub fn credentials<T: AsRef<str>>(self, names: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let credentials = names.into_iter().map(|it| Source::read(it.as_ref())).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { credentials, ..self })
    }

    /// The realm that a challenge names: 1 to 64 of letters, digits, spaces and `._-`; `api` when left out.
    pub fn realm(self, realm: impl Into<String>) -> Self {
        Self { realm: realm.into(), ..self }
    }

    /// The proxies whose `X-Forwarded-For` is believed: addresses, networks, and `unix:` for any program that connects
    /// to a Unix socket.
    ///
    /// # Errors
    /// `validation_failed` for what is none of these.
    pub fn trusted_proxies<T: Into<String>>(self, proxies: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        Ok(Self { proxies: Proxies::read(proxies.into_iter().map(Into::into).collect())?, ..self })
    }

    /// Adds a rule. As soon as there is one, routes that no rule names are refused.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.get_or_insert_default().push(rule);
        self
    }

    /// Lets routes that no rule names be entered with any valid key.
    pub fn default_authenticated(self) -> Self {
        Self { default_authenticated: true, ..self }
    }

    /// The form of a refusal's body.
    pub fn errors(self, errors: Errors) -> Self {
        Self { errors, ..self }
    }

    /// Adds `Deprecation` (RFC 9745) and `Sunset` (RFC 8594) for a former secret. Both speak of a resource, not of a
    /// credential, so that they are off unless asked for.
    pub fn deprecation_headers(self) -> Self {
        Self { deprecation_headers: true, ..self }
    }

    /// Which headers show rate limits; `RateLimit-Policy` and `RateLimit` when left out.
    pub fn rate_limit_headers(self, headers: RateLimitHeaders) -> Self {
        Self { rate_limit_headers: headers, ..self }
    }

    /// Accepts session tokens, for management and for routes that let them in.
    pub fn session(self, tokens: SessionTokens) -> Self {
        Self { session: Some(tokens), ..self }
    }

    /// Lets a key with the scope `keys:manage` manage keys, none of which may do more than it does itself.
    pub fn keys_may_manage(self) -> Self {
        Self { keys_may_manage: true, ..self }
    }

    /// Revokes, with a key, those that it has made.
    pub fn revoke_children(self) -> Self {
        Self { revoke_children: true, ..self }
    }

    /// The calls by which a key asks about itself, or changes itself: [`SelfService::Show`] and [`SelfService::Revoke`]
    /// when left out, none for an empty list. A call that is not open is answered with 404, and the OpenAPI document
    /// lacks it.
    ///
    /// ```
    /// use keywright::http::{Config, SelfService};
    /// let config = Config::new().self_service([SelfService::Show, SelfService::Rotate, SelfService::Revoke]);
    /// ```
    pub fn self_service(self, calls: impl IntoIterator<Item = SelfService>) -> Self {
        Self { self_service: calls.into_iter().collect(), ..self }
    }

    /// Other origins, like `https://app.example`, whose pages may manage keys with a session of the host.
    pub fn origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> Self {
        Self { origins: origins.into_iter().map(Into::into).collect(), ..self }
    }

    /// The layer that answers CORS preflights: the guard, when left out.
    pub fn preflight(self, preflight: Preflight) -> Self {
        Self { preflight, ..self }
    }

    /// Answers the questions of a proxy at `/forward-auth`, below where management is mounted: whether it may hand a
    /// request on, by the rules of routes.
    pub fn forward_auth(self, gateway: Gateway) -> Self {
        Self { forward_auth: Some(gateway), ..self }
    }

    /// The header, like `X-Agent-Id`, in which a request may say on whose behalf it is made: 1 to 128 of
    /// `A-Za-z0-9_.:-`. It is read once a key or session is proved, goes into limits, counters and the audit, and gives no
    /// right; a request whose header cannot be read is refused. Left out, no header is read.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::http::{Config, Head, Outcome};
    /// let http = kw.http(Config::new().agent_header("X-Agent-Id")?)?;
    /// let headers: [(&[u8], &[u8]); 2] = [(b"api-key", new.api_key.reveal().as_bytes()), (b"x-agent-id", b"buyer-7")];
    /// match http.authenticate(&Head::new("GET", "/v1/deals").headers(&headers), None).await {
    ///     Outcome::Passed(passed) => assert_eq!(passed.agent.as_deref(), Some("buyer-7")),
    ///     Outcome::Refused(response) => panic!("{}", response.status),
    /// }
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` for what is no header, or one that carries something else.
    pub fn agent_header(self, name: &str) -> Result<Self, Error> {
        Ok(Self { agent_header: Some(agent::header(name)?), ..self })
    }

    /// How management spells what it shows and reads.
    pub fn spelling(self, spelling: Spelling) -> Self {
        Self { spelling, ..self }
    }

    /// Lets management stand among the other routes of the API: keys at this path, the rest below it. What it does not
    /// answer there, see [`Http::manages`](super::Http::manages), is left to the host.
    ///
    /// # Errors
    /// `validation_failed` for what is no path of plain segments.
    pub fn path(self, path: &str) -> Result<Self, Error> {
        Ok(Self { place: Place::read(path)?, ..self })
    }

    /// The path, like `/api`, at which a proxy mounts the application and tells so in a header: `SCRIPT_NAME` for gunicorn,
    /// `Daphne-Root-Path` for Daphne. Let the proxy set that header on every request, since clients can send it too. What a
    /// server or framework is configured with needs no word here. Rules are written without it.
    ///
    /// # Errors
    /// `validation_failed` for what is no path of plain segments.
    pub fn mount(self, path: &str) -> Result<Self, Error> {
        Ok(Self { mount: Some(manage::plain_path("mount", path)?.to_owned()), ..self })
    }

    /// Judges a path that was rewritten in front of the guard as the router gets it. Left out, such a request is refused.
    pub fn rewrites(self) -> Self {
        Self { rewrites: true, ..self }
    }

    /// Refuses all that can be refused before the engine is open.
    ///
    /// # Errors
    /// `validation_failed` and `invalid_request`, naming the option.
    pub fn check(&self, engine: &keyring::Config) -> Result<(), Error> {
        self.plan()?;
        self.rules.iter().flatten().try_for_each(|it| engine.admit(&it.needs.request).map_err(|it| it.within("routes")))
    }

    /// As [`Http::check`](super::Http::check), before the engine is open.
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

    /// See [`Http::headers`](super::Http::headers).
    #[must_use]
    pub fn headers(&self) -> [Header; 2] {
        self.manner().headers().map(|(name, value)| (name, value.to_owned().into()))
    }

    /// See [`Http::reads`](super::Http::reads).
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        reads(&self.credentials, self.forward_auth, self.agent_header.as_deref())
    }

    /// See [`Http::manages`](super::Http::manages).
    #[must_use]
    pub fn manages(&self, target: &(impl AsRef<[u8]> + ?Sized)) -> bool {
        self.place.answers(&self.self_service, self.forward_auth, target.as_ref())
    }

    /// The answer of a host whose engine could not be opened.
    #[must_use]
    pub fn unavailable(&self, head: &Head<'_>) -> Response {
        let manner = self.manner();
        Refusal::unavailable().response(&manner, request_id::of(head, request_id::may_expose), head.method == "HEAD")
    }

    fn manner(&self) -> Manner {
        let mut told_apart: Vec<&str> = Vec::new();
        for name in self.credentials.iter().map(Source::name).chain(self.agent_header.as_deref()) {
            // Several schemes may stand in one header.
            if !told_apart.contains(&name) {
                told_apart.push(name);
            }
        }
        let vary = told_apart.join(", ").into();
        let schemes = self.credentials.iter().filter_map(Source::authorization_scheme).map(str::to_owned).collect();
        Manner {
            errors: self.errors,
            realm: self.realm.clone(),
            schemes,
            vary,
            casing: self.spelling.casing,
            rate_limit_headers: self.rate_limit_headers,
        }
    }

    pub(super) fn plan(&self) -> Result<Plan, Error> {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b" ._-".contains(&it);
        if !(1..=64).contains(&self.realm.len()) || !self.realm.bytes().all(plain) {
            return Err(Error::validation_failed(
                "realm",
                "is no realm",
                "use 1 to 64 letters, digits, spaces and . _ -",
            ));
        }
        if self.credentials.is_empty() {
            return Err(Error::validation_failed("credentials", "is empty", "name a header, like Authorization"));
        }
        for (index, source) in self.credentials.iter().enumerate() {
            if self.credentials.iter().take(index).any(|it| it.is(source)) {
                return Err(Error::validation_failed("credentials", format!("names {source} twice"), "name it once"));
            }
        }
        if let Some(agent) = self.agent_header.as_deref()
            && self.credentials.iter().any(|it| it.name() == agent)
        {
            let reason = format!("names {agent}, in which keys come");
            return Err(Error::validation_failed("agent_header", reason, "name another header, like X-Agent-Id"));
        }
        let table = self.rules.clone().map(Table::new).transpose()?;
        let sessions = |table: &Table| table.rules().any(|it| it.needs.lets_sessions_in());
        if self.session.is_none() && table.as_ref().is_some_and(sessions) {
            let fix = "say in the option session how tokens are checked, or let the route need a key";
            return Err(Error::validation_failed("routes", "let sessions in, and no session can be checked", fix));
        }
        let once = |table: &Table| table.rules().any(|it| it.needs.idempotent != Idempotent::No);
        if self.forward_auth.is_some() && table.as_ref().is_some_and(once) {
            let fix = "let the service behind the proxy see to it, which has the body and the answer";
            return Err(Error::validation_failed(
                "routes",
                "are idempotent, of which a proxy that asks knows nothing",
                fix,
            ));
        }
        for origin in &self.origins {
            check_origin(origin)?;
        }
        Ok(Plan {
            manner: self.manner(),
            credentials: self.credentials.clone(),
            proxies: self.proxies.clone(),
            table,
            valid_key: Needs::key(),
            default_authenticated: self.default_authenticated,
            deprecation_headers: self.deprecation_headers,
            session: self
                .session
                .as_ref()
                .map(SessionTokens::open)
                .transpose()
                .map_err(|it| it.within("session"))?
                .map(Arc::new),
            keys_may_manage: self.keys_may_manage,
            revoke_children: self.revoke_children,
            self_service: self.self_service.clone(),
            origins: self.origins.clone(),
            preflight: self.preflight,
            forward_auth: self.forward_auth,
            agent_header: self.agent_header.clone(),
            spelling: self.spelling.clone(),
            place: self.place.clone(),
            mount: self.mount.clone(),
            rewrites: self.rewrites,
        })
    }
}

/// A set-up in which nothing is left to refuse.
pub(super) struct Plan {
    pub(super) manner: Manner,
    pub(super) credentials: Vec<Source>,
    pub(super) proxies: Proxies,
    pub(super) table: Option<Table>,
    /// What a route needs that no rule names.
    pub(super) valid_key: Needs,
    pub(super) default_authenticated: bool,
    pub(super) deprecation_headers: bool,
    pub(super) session: Option<Arc<Verifier>>,
    pub(super) keys_may_manage: bool,
    pub(super) revoke_children: bool,
    pub(super) self_service: Vec<SelfService>,
    pub(super) origins: Vec<String>,
    pub(super) preflight: Preflight,
    pub(super) forward_auth: Option<Gateway>,
    pub(super) agent_header: Option<String>,
    pub(super) spelling: Spelling,
    pub(super) place: Place,
    pub(super) mount: Option<String>,
    pub(super) rewrites: bool,
}

impl Plan {
    pub(super) fn reads(&self) -> impl Iterator<Item = &str> {
        reads(&self.credentials, self.forward_auth, self.agent_header.as_deref())
    }

    pub(super) fn credential_names(&self) -> String {
        self.credentials.iter().map(Source::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// How every response of an API looks.
pub(super) struct Manner {
    pub(super) errors: Errors,
    pub(super) realm: String,
    /// The schemes of `Authorization` in which a key may come.
    pub(super) schemes: Vec<String>,
    /// The headers of requests that a cache must tell apart.
    pub(super) vary: Arc<str>,
    pub(super) casing: Casing,
    pub(super) rate_limit_headers: RateLimitHeaders,
}

/// What answers say is for one client alone.
pub(super) const NO_STORE: (&str, &str) = ("cache-control", "no-store");

impl Manner {
    /// Those of every response but for its request's id.
    pub(super) fn headers(&self) -> [(&'static str, &str); 2] {
        [NO_STORE, ("vary", &self.vary)]
    }

    /// The challenges of a 401 (RFC 9110, section 11.6.1), one for each scheme; a 401 has at least one.
    pub(super) fn challenge(&self, challenge: Challenge) -> String {
        let Challenge::Key(more) = challenge else { return format!("Basic realm=\"{}\"", self.realm) };
        let challenge = |scheme: &str| format!("{scheme} realm=\"{}\"{more}", self.realm);
        let challenges: Vec<_> = self.schemes.iter().map(|scheme| challenge(scheme)).collect();
        if challenges.is_empty() { challenge("Bearer") } else { challenges.join(", ") }
    }

    /// Those of every response.
    pub(super) fn headers_of(&self, request_id: Cow<'static, str>) -> [Header; 3] {
        let [store, vary] = self.headers().map(|(name, value)| (name, value.to_owned().into()));
        [store, vary, ("x-request-id", request_id)]
    }
}

fn reads<'a>(
    credentials: &'a [Source],
    gateway: Option<Gateway>,
    agent: Option<&'a str>,
) -> impl Iterator<Item = &'a str> {
    let fixed = [
        "access-control-request-method",
        "content-type",
        "cookie",
        "host",
        "idempotency-key",
        "origin",
        "sec-fetch-site",
        "x-forwarded-for",
        "x-request-id",
    ];
    let told = gateway.and_then(Gateway::headers).into_iter().flatten();
    fixed.into_iter().chain(OVERRIDES).chain(told).chain(credentials.iter().map(Source::name)).chain(agent)
}

fn check_origin(origin: &str) -> Result<(), Error> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-:[]".contains(&it);
    if host.is_some_and(|it| !it.is_empty() && it.bytes().all(plain)) {
        return Ok(());
    }
    Err(Error::validation_failed("origins", "holds what is no origin", "write https://app.example, without a path"))
}

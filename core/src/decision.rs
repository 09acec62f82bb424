//! The outcome of a verification: allowed with the key, or denied with exactly one code.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::clock::{Millis, time};
use crate::error::Error;
use crate::input::{Fields, Value, identifier, meant};
use crate::lifecycle::Life;
use crate::limit::{AnyLimiter, Draw, Drawn, Limiter, Rule, Rules, Share};
use crate::record::{Key, Level, LimitState, Status, wire_time};
use crate::scope::Catalogue;
use crate::{level, network, scope};

/// What a request needs of the key it presents.
///
/// ```
/// let request = keywright::Request::new().scope("deals:read").method("GET").ip("203.0.113.7");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub(crate) scopes: Vec<String>,
    pub(crate) method: Option<String>,
    /// What is no address is as good as none.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) environment: Option<String>,
    pub(crate) operation: Option<String>,
    /// `None` is 1.
    pub(crate) cost: Option<u64>,
    pub(crate) agent: Option<Arc<str>>,
    flaw: Option<Error>,
    admitted: Admitted,
}

/// Which engine has found a request to have a meaning, 0 for none yet: one that is used again is not looked at again.
#[derive(Debug, Default)]
struct Admitted(AtomicU64);

/// A copy may become another request.
impl Clone for Admitted {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Request {
    /// A request that needs nothing but a valid key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires a scope. What is no scope denies the request with [`Code::InvalidRequest`].
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        match scope::check(scope) {
            Ok(()) => self.scopes.push(scope.to_owned()),
            Err(error) => self.flaw = Some(error),
        }
        self.admitted = Admitted::default();
        self
    }

    /// The HTTP method, judged against the key's level. A key with a level other than `full` is denied without one.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The client's address, judged against the allow lists of key and org. A key with an allow list is denied without.
    #[must_use]
    pub fn ip(mut self, address: impl AsRef<str>) -> Self {
        self.ip = address.as_ref().parse().ok();
        self
    }

    /// Narrows the environments that the engine accepts to one.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self.admitted = Admitted::default();
        self
    }

    /// The class of the operation, for limits that count only one: `"read"`, `"write"`. It must be one that a limit of
    /// the engine names.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self.admitted = Admitted::default();
        self
    }

    /// How much of each limit the request takes: 1 by standard. More than a limit's burst could never pass, and is
    /// refused with [`Code::InvalidRequest`].
    #[must_use]
    pub fn cost(mut self, cost: u64) -> Self {
        self.cost = Some(cost);
        self.admitted = Admitted::default();
        if cost == 0 {
            self.flaw = Some(Error::validation_failed("cost", "is 0", "give 1 or more"));
        }
        self
    }

    /// The logical identity on whose behalf the key is used: 1 to 128 of `A-Za-z0-9_.:-`. It never widens rights.
    #[must_use]
    pub fn agent(mut self, agent: impl Into<Arc<str>>) -> Self {
        let agent = agent.into();
        match identifier("agent", &agent, "is no id of an agent") {
            Ok(()) => self.agent = Some(agent),
            Err(error) => self.flaw = Some(error),
        }
        self.admitted = Admitted::default();
        self
    }

    /// The needs of both together; `None` where no key could meet both.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        fn both<T: Clone + PartialEq>(one: &Option<T>, other: &Option<T>) -> Option<Option<T>> {
            match (one, other) {
                (Some(one), Some(other)) if one != other => None,
                _ => Some(one.clone().or_else(|| other.clone())),
            }
        }
        let more = other.scopes.iter().filter(|it| !self.scopes.contains(it));
        let scopes = self.scopes.iter().chain(more).cloned().collect();
        let environment = both(&self.environment, &other.environment)?;
        let operation = both(&self.operation, &other.operation)?;
        let cost = self.cost.max(other.cost);
        Some(Self { scopes, environment, operation, cost, ..self.clone() })
    }

    /// Reads the options of a `verify` call.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let known = ["scopes", "method", "ip", "environment", "operation", "cost", "agent"];
        let mut fields = fields.only(&known)?;
        let mut request = Self::new();
        if let Some(value) = fields.given("scopes") {
            request.scopes = scope::read(value)?;
            if request.scopes.is_empty() {
                return Err(Error::validation_failed(
                    "scopes",
                    "is empty, which could mean that nothing is required",
                    "leave it out when no scope is required",
                ));
            }
        }
        request.method = fields.text("method")?;
        match fields.given("ip") {
            // An address comes from the client's side: what is broken is judged, not raised.
            Some(Value::BrokenText) | None => {}
            Some(value) => request = request.ip(value.into_text("ip")?),
        }
        request.environment = fields.text("environment")?;
        request.operation = fields.text("operation")?;
        if let Some(cost) = fields.given("cost") {
            request = request.cost(cost.into_integer("cost", 1, i64::MAX)?.unsigned_abs());
        }
        if let Some(agent) = fields.text("agent")? {
            request = request.agent(agent);
        }
        request.flaw.take().map_or(Ok(request), Err)
    }

    /// Whether it needs more of a key than that it is valid.
    pub(crate) fn asks_of_a_key(&self) -> bool {
        !self.scopes.is_empty() || self.operation.is_some() || self.cost.is_some() || self.environment.is_some()
    }

    pub(crate) fn flaw(&self) -> Option<&Error> {
        self.flaw.as_ref()
    }

    /// Refuses what has no meaning to an engine with such a catalogue, such limits and such environments.
    pub(crate) fn check(&self, catalogue: Option<&Catalogue>, rules: &Rules, accepted: &[String]) -> Result<(), Error> {
        if let Some(flaw) = &self.flaw {
            return Err(flaw.clone());
        }
        if let Some(catalogue) = catalogue {
            catalogue.admit(&self.scopes)?;
        }
        if let Some(operation) = &self.operation {
            rules.admit(operation)?;
        }
        match &self.environment {
            Some(it) if !accepted.contains(it) => {
                let otherwise = format!("use one of {}", accepted.join(", "));
                let fix = meant(it, accepted.iter().map(String::as_str), otherwise);
                Err(Error::validation_failed("environment", "is none that this engine accepts", fix))
            }
            _ => Ok(()),
        }
    }

    /// As it is judged.
    pub(crate) fn ask(&self) -> Ask<'_> {
        let (method, agent) = (self.method.as_deref(), self.agent.as_ref());
        Ask { needs: self, method, ip: self.ip, agent, counted: None }
    }

    pub(crate) fn is_admitted(&self, engine: u64) -> bool {
        self.admitted.0.load(Ordering::Relaxed) == engine
    }

    pub(crate) fn admitted(&self, engine: u64) {
        self.admitted.0.store(engine, Ordering::Relaxed);
    }
}

/// A request as it is judged: what is needed of its key, which routes have ready, and what it says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) needs: &'a Request,
    pub(crate) method: Option<&'a str>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) agent: Option<&'a Arc<str>>,
    pub(crate) counted: Option<&'a Counted>,
}

/// What was counted already of a request that is judged again, by the needs of another guard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Of which reading of the key.
    pub(crate) reading: u64,
    pub(crate) agent: Option<Arc<str>>,
    /// How much was taken of the limits in these places.
    pub(crate) taken: SmallVec<[(u32, u32); 1]>,
}

impl<'a> Ask<'a> {
    /// The same, to be kept for longer.
    pub(crate) fn request(&self) -> Request {
        let (method, agent) = (self.method.map(str::to_owned), self.agent.cloned());
        Request { method, ip: self.ip, agent, ..self.needs.clone() }
    }

    /// What was counted of the same secret and agent. After a change of the key nothing was: it is verified anew.
    pub(crate) fn counted(&self, source: &dyn Source, now: Millis) -> Option<&'a Counted> {
        self.counted.filter(|it| it.reading == source.reading(now) && it.agent.as_ref() == self.agent)
    }

    /// What it asks of the limits of a key.
    pub(crate) fn draw(&self, source: &dyn Source, now: Millis) -> Draw<'a> {
        Draw {
            operation: self.needs.operation.as_deref(),
            agent: self.agent.map(|it| &**it),
            cost: self.needs.cost.unwrap_or(1),
            taken: self.counted(source, now).map_or(&[], |it| &it.taken),
        }
    }
}

/// What a client is told of trouble behind the scenes.
pub(crate) const UNAVAILABLE: &str = "API keys cannot be verified right now; try again later";

/// Why a request was denied; the codes of every surface.
///
/// ```
/// assert_eq!((keywright::Code::Revoked.status(), keywright::Code::Revoked.wire()), (401, "API_KEY_REVOKED"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// No credential.
    Missing,
    /// Unknown, malformed, or a wrong secret.
    Invalid,
    /// Revoked, or replaced with its grace over.
    Revoked,
    /// Its time is over.
    Expired,
    /// The key or its org is disabled.
    Disabled,
    /// Proved, but for another environment.
    WrongEnvironment,
    /// The level does not allow the method.
    MethodNotAllowed,
    /// A required scope is not granted.
    InsufficientScope,
    /// The address is on no allow list.
    IpNotAllowed,
    /// A limit is used up.
    RateLimited,
    /// The store or the hash queue could not answer.
    Unavailable,
    /// The host asked for what has no meaning; see [`Denial::misuse`].
    InvalidRequest,
}

impl Code {
    /// The stable code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Disabled => "disabled",
            Self::WrongEnvironment => "wrong_environment",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::InsufficientScope => "insufficient_scope",
            Self::IpNotAllowed => "ip_not_allowed",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::InvalidRequest => "invalid_request",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Missing | Self::Invalid | Self::Revoked | Self::Expired | Self::Disabled | Self::WrongEnvironment => {
                401
            }
            Self::MethodNotAllowed | Self::InsufficientScope | Self::IpNotAllowed => 403,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::InvalidRequest => 400,
        }
    }

    /// The code as bodies of HTTP responses spell it.
    #[must_use]
    pub fn wire(self) -> &'static str {
        match self {
            Self::Missing => "API_KEY_REQUIRED",
            Self::Invalid => "INVALID_API_KEY",
            Self::Revoked => "API_KEY_REVOKED",
            Self::Expired => "API_KEY_EXPIRED",
            Self::Disabled => "API_KEY_DISABLED",
            Self::WrongEnvironment => "WRONG_ENVIRONMENT",
            Self::MethodNotAllowed => "FORBIDDEN",
            Self::InsufficientScope => "INSUFFICIENT_SCOPE",
            Self::IpNotAllowed => "IP_NOT_ALLOWED",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::InvalidRequest => "INVALID_REQUEST",
        }
    }
}

/// The outcome of a verification.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// use keywright::{Decision, Request};
/// match kw.verify(new.api_key.reveal(), &Request::new()).await {
///     Decision::Allowed(key) => println!("welcome, {}", key.name),
///     Decision::Denied(denial) => println!("{}: {denial}", denial.code.as_str()),
/// }
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Decision {
    /// The request may go on.
    Allowed(Allowed),
    /// It may not.
    Denied(Box<Denial>),
}

/// Where a proved key's record comes from.
pub(crate) trait Source: Send + Sync {
    /// The record as it is at `now`.
    fn key(&self, now: Millis) -> Key;
    /// Which reading of the key this is, unique in this process, and another one as soon as a former secret is over.
    fn reading(&self, now: Millis) -> u64;
    /// The lookup of the secret that was proved.
    fn proved_by(&self) -> &str;
    /// The rule in a place of those that the key is judged by.
    fn rule(&self, place: u32) -> Option<&Rule>;
}

/// A proved key. Its record is made when somebody asks for it.
#[derive(Clone)]
pub(crate) struct Proved {
    source: Arc<dyn Source>,
    now: Millis,
    /// [`Millis::MAX`] for none.
    grace_ends_at: Millis,
    drawn: Drawn,
    key: OnceLock<Box<Key>>,
}

impl Proved {
    pub(crate) fn new(source: Arc<dyn Source>, now: Millis, grace_ends_at: Millis, drawn: Drawn) -> Self {
        Self { source, now, grace_ends_at, drawn, key: OnceLock::new() }
    }

    fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        (self.grace_ends_at != Millis::MAX).then(|| time(self.grace_ends_at))
    }

    fn limits(&self) -> Vec<LimitState> {
        let states = self.drawn.shares.iter().filter_map(|Share { place, debt, .. }| {
            let Rule { limit, pace } = self.source.rule(*place)?;
            Some(LimitState {
                name: limit.name.clone(),
                limit: limit.rate,
                remaining: pace.remaining(*debt),
                reset_seconds: pace.reset_seconds(*debt),
                shared: AnyLimiter::SHARED,
            })
        });
        states.collect()
    }

    fn key(&self) -> &Key {
        self.key.get_or_init(|| Box::new(self.source.key(self.now)))
    }
}

impl std::fmt::Debug for Proved {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.key().fmt(out)
    }
}

impl PartialEq for Proved {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key() && self.grace_ends_at == other.grace_ends_at
    }
}

/// An allowed request. It dereferences to the [`Key`], whose counters are those of when it was last read.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowed {
    proved: Proved,
    agent: Option<Arc<str>>,
}

impl Allowed {
    pub(crate) fn new(proved: Proved, agent: Option<Arc<str>>) -> Self {
        Self { proved, agent }
    }

    /// The key that was presented.
    #[must_use]
    pub fn key(&self) -> &Key {
        self.proved.key()
    }

    /// When a former secret was presented, the end of its grace.
    #[must_use]
    pub fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        self.proved.grace_ends_at()
    }

    /// Whether a former secret was presented, which a rotation has replaced.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.proved.grace_ends_at().is_some()
    }

    /// The state of each limit that was judged.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitState> {
        self.proved.limits()
    }

    /// Whether any limit was judged.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.proved.drawn.shares.is_empty()
    }

    pub(crate) fn lookup(&self) -> &str {
        self.proved.source.proved_by()
    }

    /// What was counted for it.
    pub(crate) fn counted(&self) -> Counted {
        let taken = self.proved.drawn.shares.iter().map(|it| (it.place, it.taken)).collect();
        Counted { reading: self.reading(), agent: self.agent.clone(), taken }
    }

    /// The logical identity on whose behalf the key was used.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// A number that two decisions of a process share only when their keys come from one reading of the store, for who
    /// caches what was made of a key.
    #[must_use]
    pub fn reading(&self) -> u64 {
        self.proved.source.reading(self.proved.now)
    }
}

impl Deref for Allowed {
    type Target = Key;

    fn deref(&self) -> &Key {
        self.key()
    }
}

/// A denied request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Denial {
    /// The one reason.
    pub code: Code,
    /// The reason in words, fit for a response.
    pub message: Cow<'static, str>,
    /// The required scopes that nothing grants.
    pub missing_scopes: Vec<String>,
    /// After how many seconds to try again.
    pub retry_after_seconds: Option<u64>,
    proved: Option<Proved>,
    agent: Option<Arc<str>>,
    misuse: Option<Box<Error>>,
    trouble: Option<Box<Error>>,
}

impl Denial {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            missing_scopes: Vec::new(),
            retry_after_seconds: None,
            proved: None,
            agent: None,
            misuse: None,
            trouble: None,
        }
    }

    pub(crate) fn invalid() -> Self {
        Self::new(Code::Invalid, "The API key is not valid")
    }

    /// The denial of a proved secret, which may be told of its key.
    pub(crate) fn of(self, proved: Proved, agent: Option<Arc<str>>) -> Self {
        Self { proved: Some(proved), agent, ..self }
    }

    /// The key, only when its secret was proved.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.proved.as_ref().map(Proved::key)
    }

    /// When a former secret was presented, the end of its grace.
    #[must_use]
    pub fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        self.proved.as_ref()?.grace_ends_at()
    }

    /// The state of each limit that was judged.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitState> {
        self.proved.as_ref().map(Proved::limits).unwrap_or_default()
    }

    /// The logical identity on whose behalf the key was used.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// The store or the hash queue failed; a closed engine is the host's mistake.
    pub(crate) fn failed(error: &Error) -> Self {
        match error {
            Error::Closed => Self::misused(Error::Closed),
            // What a client sees says nothing of the host's files; the host finds the error in `trouble`.
            _ => Self { trouble: Some(Box::new(error.clone())), ..Self::new(Code::Unavailable, UNAVAILABLE) },
        }
    }

    /// A closed engine is out of service; any other misuse is a request without meaning.
    pub(crate) fn misused(error: Error) -> Self {
        let code = if error == Error::Closed { Code::Unavailable } else { Code::InvalidRequest };
        let message = error.to_string();
        Self { misuse: Some(Box::new(error)), ..Self::new(code, message) }
    }

    /// The mistake of the host behind the denial: a closed engine, an unknown scope or environment asked for.
    /// Bindings raise it as the exception that it is in their language.
    #[must_use]
    pub fn misuse(&self) -> Option<&Error> {
        self.misuse.as_deref()
    }

    /// The trouble behind `unavailable`, for the host's logs.
    #[must_use]
    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.as_deref()
    }

    /// Whether a former secret was presented, which a rotation has replaced.
    #[must_use]
    pub fn is_deprecated(&self) -> bool {
        self.grace_ends_at().is_some()
    }
}

impl Decision {
    /// The decision of a host whose engine could not be opened.
    pub fn unavailable(error: &Error) -> Self {
        Self::Denied(Box::new(Denial::failed(error)))
    }

    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// The reason of a denial.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Allowed(_) => None,
            Self::Denied(denial) => Some(denial.code),
        }
    }

    /// The HTTP status that goes with it, 200 when allowed.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.code().map_or(200, Code::status)
    }

    /// The outcome in words.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Allowed(_) => "The API key is valid",
            Self::Denied(denial) => &denial.message,
        }
    }

    /// The key, when its secret was proved.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Allowed(allowed) => Some(allowed.key()),
            Self::Denied(denial) => denial.key(),
        }
    }

    /// The required scopes that nothing grants.
    #[must_use]
    pub fn missing_scopes(&self) -> &[String] {
        match self {
            Self::Allowed(_) => &[],
            Self::Denied(denial) => &denial.missing_scopes,
        }
    }

    /// When a former secret was presented, the end of its grace.
    #[must_use]
    pub fn grace_ends_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Allowed(allowed) => allowed.grace_ends_at(),
            Self::Denied(denial) => denial.grace_ends_at(),
        }
    }

    /// The [`reading`](Allowed::reading) of a decision that says nothing but its key, for who caches what was made of
    /// decisions: two with the same number say the same.
    #[must_use]
    pub fn plain(&self) -> Option<u64> {
        let Self::Allowed(allowed) = self else { return None };
        let more = allowed.is_deprecated() || allowed.is_limited() || allowed.agent.is_some();
        (!more).then(|| allowed.reading())
    }

    /// The state of each limit that was judged.
    #[must_use]
    pub fn limits(&self) -> Vec<LimitState> {
        match self {
            Self::Allowed(allowed) => allowed.limits(),
            Self::Denied(denial) => denial.limits(),
        }
    }

    /// After how many seconds to try again.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Allowed(_) => None,
            Self::Denied(denial) => denial.retry_after_seconds,
        }
    }

    /// The logical identity on whose behalf the key was used.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        match self {
            Self::Allowed(allowed) => allowed.agent(),
            Self::Denied(denial) => denial.agent(),
        }
    }
}

/// The one record that every surface shows of a decision.
impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut record = to.serialize_struct("Decision", 11)?;
        record.serialize_field("allowed", &self.is_allowed())?;
        record.serialize_field("code", &self.code())?;
        record.serialize_field("message", self.message())?;
        record.serialize_field("status", &self.status())?;
        record.serialize_field("key", &self.key())?;
        record.serialize_field("missing_scopes", self.missing_scopes())?;
        record.serialize_field("limits", &self.limits())?;
        record.serialize_field("retry_after_seconds", &self.retry_after_seconds())?;
        record.serialize_field("deprecated", &self.grace_ends_at().is_some())?;
        record.serialize_field("grace_ends_at", &self.grace_ends_at().as_ref().map(wire_time))?;
        record.serialize_field("agent", &self.agent())?;
        record.end()
    }
}

/// Whether a cost was taken from every limit that concerned it.
pub(crate) fn granted(drawn: &Drawn, draw: &Draw<'_>, source: &dyn Source) -> Result<(), Box<Denial>> {
    if drawn.refused.is_none() {
        return Ok(());
    }
    // The one that lets it pass last: who waits for another only meets this one next. Of two, the first.
    let waits = drawn.shares.iter().rev().filter_map(|Share { place, debt, .. }| {
        let rule = source.rule(*place)?;
        Some((&*rule.limit.name, rule.pace.wait_seconds(*debt, draw.due(*place, rule)?.cost)))
    });
    let (name, wait) = waits.max_by_key(|it| it.1.unwrap_or(u64::MAX)).unwrap_or(("", Some(0)));
    let Some(wait) = wait else {
        let reason = format!("is {}, which the limit '{name}' allows at no time", draw.cost);
        let error = Error::validation_failed("cost", reason, "lower it, or give the limit a larger burst");
        return Err(Denial::misused(error).into());
    };
    // Another thread may have given back since.
    let seconds = wait.max(1);
    let message = format!("The rate limit '{name}' of this API key is used up; try again in {seconds} s");
    Err(Box::new(Denial { retry_after_seconds: Some(seconds), ..Denial::new(Code::RateLimited, message) }))
}

/// What is known of a proved key when it is judged.
pub(crate) struct Facts<'a> {
    pub(crate) environment: &'a str,
    /// Whether the engine accepts that environment.
    pub(crate) accepted: bool,
    pub(crate) life: Life,
    pub(crate) grace_over: bool,
    pub(crate) org_disabled: bool,
    pub(crate) networks: [Option<&'a [IpNet]>; 2],
    pub(crate) level: Option<Level>,
    /// With a space after each but the last.
    pub(crate) scopes: &'a str,
}

/// Judges a proved secret, in the order of the codes. `Ok` is allowed.
pub(crate) fn judge(facts: &Facts<'_>, ask: Ask<'_>, now: Millis) -> Result<(), Box<Denial>> {
    if !facts.accepted || ask.needs.environment.as_ref().is_some_and(|only| only != facts.environment) {
        return deny(
            Code::WrongEnvironment,
            format!("This API key is for the environment '{}', which is not accepted here", facts.environment),
        );
    }
    match facts.life.status(now) {
        Status::Revoked => return deny(Code::Revoked, "The API key has been revoked"),
        Status::Expired => return deny(Code::Expired, "The API key has expired"),
        Status::Disabled => return deny(Code::Disabled, "The API key is disabled"),
        Status::Active => {}
    }
    if facts.grace_over {
        return deny(Code::Revoked, "The API key was replaced by a rotation and its grace is over");
    }
    if facts.org_disabled {
        return deny(Code::Disabled, "The organization of this API key is disabled");
    }
    if !facts.networks.iter().all(|it| network::allows(*it, ask.ip)) {
        return deny(Code::IpNotAllowed, "The API key may not be used from this address");
    }
    if let Some(level) = facts.level
        && !level::allows(level, ask.method)
    {
        return deny(Code::MethodNotAllowed, level::refusal(level, ask.method));
    }
    let missing = scope::missing(facts.scopes, &ask.needs.scopes);
    if !missing.is_empty() {
        let message = format!("The API key lacks the scope {}", missing.join(", "));
        return Err(Box::new(Denial { missing_scopes: missing, ..Denial::new(Code::InsufficientScope, message) }));
    }
    Ok(())
}

fn deny(code: Code, message: impl Into<Cow<'static, str>>) -> Result<(), Box<Denial>> {
    Err(Box::new(Denial::new(code, message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_small_enough_to_be_handed_on_without_a_call() {
        assert!(size_of::<Decision>() <= 128, "{}", size_of::<Decision>());
    }

    #[test]
    fn denials_come_in_the_order_of_the_design() {
        let request = Request::new().scope("a:b").method("POST").ip("10.0.0.1");
        let mut facts = Facts {
            environment: "live",
            accepted: false,
            life: Life { expires_at: Some(5), disabled_at: Some(1), revoked_at: Some(1) },
            grace_over: true,
            org_disabled: true,
            networks: [None, Some(&[])],
            level: Some(Level::Read),
            scopes: "",
        };
        let code = |facts: &Facts<'_>| judge(facts, request.ask(), 5).err().map(|it| it.code);
        assert_eq!(code(&facts), Some(Code::WrongEnvironment));
        facts.accepted = true;
        assert_eq!(code(&facts), Some(Code::Revoked));
        facts.life.revoked_at = None;
        assert_eq!(code(&facts), Some(Code::Expired));
        facts.life.expires_at = None;
        assert_eq!(code(&facts), Some(Code::Disabled));
        facts.life.disabled_at = None;
        assert_eq!(code(&facts), Some(Code::Revoked));
        facts.grace_over = false;
        assert_eq!(code(&facts), Some(Code::Disabled));
        facts.org_disabled = false;
        assert_eq!(code(&facts), Some(Code::IpNotAllowed));
        facts.networks = [None, None];
        assert_eq!(code(&facts), Some(Code::MethodNotAllowed));
        facts.level = Some(Level::ReadWrite);
        assert_eq!(code(&facts), Some(Code::InsufficientScope));
        facts.scopes = "a:* b:c";
        assert_eq!(code(&facts), None);
    }
}

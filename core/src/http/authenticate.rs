use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use zeroize::Zeroizing;

use super::config::NO_STORE;
use super::credential::{self, Source};
use super::message::path_of;
use super::once::{self, Once};
use super::refusal::Refusal;
use super::route::{Access, Found, Rules};
use super::session::Verifier;
use super::{Head, Header, Http, Needs, Response, Session, agent, request_id};
use crate::decision::{Allowed, Decision, Denial, PriorVerification, Request, RequestContext};
use crate::error::Error;
use crate::record::Key;
use crate::wait::{Ready, now_or_later};

/// What becomes of a request.
#[derive(Debug, Clone)]
#[must_use]
pub enum Outcome {
    /// It may go on.
    Passed(Box<Passed>),
    /// It is answered with this, and goes no further.
    Refused(Response),
}

/// A request that may go on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Passed {
    /// Who makes it.
    pub principal: Principal,
    /// On whose behalf it is made, see [`Config::agent_header`](super::Config::agent_header).
    pub agent: Option<Arc<str>>,
    /// The id of the exchange, for logs; also in [`headers`](Self::headers).
    pub request_id: Cow<'static, str>,
    /// Those of [`headers`](Self::headers) that most responses have not: what limits allow, and when a secret ends.
    pub more: Vec<Header>,
    vary: Arc<str>,
    pub(super) once: Option<Box<Once>>,
    /// Whether a guard in front has it done once.
    once_in_front: bool,
}

/// Who makes a request.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Anybody: the route is public, or the request is a preflight for the CORS layer behind the guard.
    Anyone,
    /// Whoever holds a key.
    Key(Allowed),
    /// Whoever has a session.
    Session(Session),
}

/// What a guard has found of a request, for another one that stands behind it: see [`Head::earlier`].
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// use keywright::http::{Config, Head, Needs, Outcome};
/// let http = kw.http(Config::new())?;
/// let headers: [(&[u8], &[u8]); 1] = [(b"api-key", new.api_key.reveal().as_bytes())];
/// let head = Head::new("GET", "/v1/deals").headers(&headers);
/// let Outcome::Passed(passed) = http.authenticate(&head, None).await else { panic!("it is a valid key") };
/// let (earlier, needs) = (passed.earlier(), Needs::key().scopes("deals:write")?);
/// let Outcome::Refused(response) = http.authenticate(&head.earlier(Some(&earlier)), Some(&needs)).await else { panic!() };
/// assert_eq!((response.status, response.header("x-request-id")), (403, Some(&*passed.request_id)));
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    pub(super) request_id: Cow<'static, str>,
    pub(super) counted: PriorVerification,
    /// Whether the request is done once already.
    pub(super) once: bool,
}

/// For hosts that keep no such value: the reading of the key and the id of the exchange, and where there is more to tell,
/// what was taken of limits by their places, the agent, and whether it is done once.
impl fmt::Display for Earlier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PriorVerification { reading, agent, charged: taken } = &self.counted;
        write!(out, "{reading} {}", self.request_id)?;
        if taken.is_empty() && agent.is_none() && !self.once {
            return Ok(());
        }
        let taken: Vec<_> = taken.iter().map(|(place, taken)| format!("{place}:{taken}")).collect();
        let once = if self.once { "once" } else { "" };
        write!(out, " {} {} {once}", taken.join(","), agent.as_deref().unwrap_or_default())
    }
}

/// Reads what [`Display`](fmt::Display) has written.
impl FromStr for Earlier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let read = || {
            let mut words = text.split(' ');
            let (reading, request_id) = (words.next()?.parse().ok()?, words.next()?.to_owned().into());
            let pair = |it: &str| it.split_once(':').and_then(|it| Some((it.0.parse().ok()?, it.1.parse().ok()?)));
            let mut more = || words.next().filter(|it| !it.is_empty());
            let taken = more().into_iter().flat_map(|it| it.split(',').map(pair)).collect::<Option<_>>()?;
            let (agent, once) = (more().map(Into::into), more().is_some());
            words.next().is_none().then_some(Self {
                request_id,
                counted: PriorVerification { reading, agent, charged: taken },
                once,
            })
        };
        read()
            .ok_or_else(|| Error::invalid_request("earlier", "is not what a guard has found", "hand it on as it came"))
    }
}

impl Passed {
    /// What to add to its response, be that a success or an error: `vary` to what is there, the others where they are
    /// not there yet.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let every = [NO_STORE, ("vary", &self.vary), ("x-request-id", &self.request_id)];
        every.into_iter().chain(self.more.iter().map(|(name, value)| (*name, value.as_ref())))
    }

    /// For a guard that stands behind.
    #[must_use]
    pub fn earlier(&self) -> Earlier {
        let counted = match &self.principal {
            Principal::Key(allowed) => allowed.as_prior(),
            Principal::Anyone | Principal::Session(_) => PriorVerification::default(),
        };
        Earlier { request_id: self.request_id.clone(), counted, once: self.is_once() || self.once_in_front }
    }

    /// The key, where one was presented.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match &self.principal {
            Principal::Key(allowed) => Some(allowed.key()),
            Principal::Anyone | Principal::Session(_) => None,
        }
    }

    /// Those of [`headers`](Self::headers) that a response gets which already has some: `vary` always, the others where
    /// they are not.
    pub fn lacking(&self, has: impl Fn(&str) -> bool) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers().filter(move |(name, _)| *name == "vary" || !has(name))
    }
}

/// What an answer needs to know of a request.
struct Exchange {
    request_id: Cow<'static, str>,
    is_head: bool,
    once_in_front: bool,
}

/// What is found before any key is verified.
pub(super) enum Opening<'a> {
    Done(Result<Principal, Refusal>, once::Asked),
    Asked(Asked<'a>),
}

/// A key that has to be verified.
pub(super) struct Asked<'a> {
    pub(super) text: &'a [u8],
    pub(super) needs: Cow<'a, Needs>,
    /// Why even a valid key is refused.
    pub(super) but: Option<&'static str>,
    pub(super) once: once::Asked,
}

impl Http {
    /// Authenticates a request: by what `needs` says of its route, or else by the rule that its path has. A CORS preflight
    /// is answered without a permission, see [`Preflight`](super::Preflight).
    pub async fn authenticate(&self, head: &Head<'_>, needs: Option<&Needs>) -> Outcome {
        match self.begin(head, needs) {
            Ready::Now(outcome) => outcome,
            Ready::Later(future) => future.await,
        }
    }

    /// As [`authenticate`](Self::authenticate), but answers at once where nothing has to be waited for: always, with
    /// SQLite and `hmac-sha256`.
    pub fn begin(&self, head: &Head<'_>, needs: Option<&Needs>) -> Ready<Outcome> {
        if self.answers_preflight(head, needs) {
            return Ready::Now(Outcome::Refused(self.preflight(self.request_id(head))));
        }
        self.evaluate(head, needs)
    }

    /// Authenticates a request that the guard does not answer as a preflight.
    pub(super) fn evaluate(&self, head: &Head<'_>, needs: Option<&Needs>) -> Ready<Outcome> {
        let (agent, is_head) = (self.agent(head), head.method == "HEAD");
        let once_in_front = head.earlier.is_some_and(|it| it.once);
        let exchange = Exchange { request_id: self.request_id(head), is_head, once_in_front };
        let Asked { text, needs, but, once } = match self.open(head, needs) {
            Opening::Done(found, once) => return Ready::Now(self.answer(exchange, found, agent, once)),
            Opening::Asked(asked) => asked,
        };
        let ask = self.ask(head, &needs.request, &agent);
        if let Some(decision) = self.kw.try_judge(text, ask) {
            return Ready::Now(self.answer(exchange, self.judged(decision, but), agent, once));
        }
        let (this, text) = (self.clone(), Zeroizing::new(text.to_vec()));
        let (request, counted) = (ask.to_request(), ask.prior.cloned());
        now_or_later(async move {
            let decision = this
                .kw
                .judge(&text, RequestContext { prior: counted.as_ref(), ..RequestContext::from(&request) })
                .await;
            this.answer(exchange, this.judged(decision, but), agent, once)
        })
    }

    /// The id of a request; a new one in place of a client's own that holds the secret of a key.
    pub(super) fn request_id(&self, head: &Head<'_>) -> Cow<'static, str> {
        request_id::of(head, |id| self.kw.refuse_api_key("x-request-id", Some(id)).is_err())
    }

    pub(super) fn open<'a>(&'a self, head: &Head<'a>, needs: Option<&'a Needs>) -> Opening<'a> {
        if self.passes_preflight(head) {
            return Opening::Done(Ok(Principal::Anyone), None);
        }
        self.look(head, needs).unwrap_or_else(|it| Opening::Done(Err(it), None))
    }

    fn look<'a>(&'a self, head: &Head<'a>, needs: Option<&'a Needs>) -> Result<Opening<'a>, Refusal> {
        if head.is_too_large() {
            return Err(Refusal::invalid_request("The head of the request is too large"));
        }
        if !head.is_plain_method() {
            return Err(Refusal::invalid_request("The method is not written in capitals"));
        }
        let (needs, mut but) = match Needs::stated(needs) {
            Some(needs) => (Cow::Borrowed(needs), None),
            None => self.ruled(head)?,
        };
        if needs.access == Access::Public {
            return Ok(Opening::Done(Ok(Principal::Anyone), None));
        }
        let once = Once::of(head, needs.idempotent);
        let (text, _) = self.credential(head)?.ok_or_else(Refusal::missing)?;
        if needs.lets_sessions_in()
            && let Some(session) = self.session(text)?
        {
            return Ok(Opening::Done(Ok(Principal::Session(session)), once));
        }
        if needs.access == Access::Session {
            but = Some("This takes a session, not an API key");
        }
        Ok(Opening::Asked(Asked { text, needs, but, once }))
    }

    /// On whose behalf a request is made. Whoever asks for it refuses nobody for it who is not proved.
    pub(super) fn agent(&self, head: &Head<'_>) -> agent::Found {
        let agent = agent::of(self.plan.agent_header.as_deref(), head)?;
        self.kw.refuse_api_key("agent", agent.as_deref())?;
        Ok(agent)
    }

    /// What is asked of a key, with what the request says of itself.
    pub(super) fn ask<'a>(&self, head: &Head<'a>, needs: &'a Request, agent: &'a agent::Found) -> RequestContext<'a> {
        RequestContext {
            required: needs,
            method: Some(head.judged_method()),
            ip: self.plan.proxies.client(head).0,
            agent: agent.as_ref().ok().and_then(Option::as_ref),
            prior: head.earlier.map(|it| &it.counted),
        }
    }

    /// The needs that rules state for a request, and the reason where even a valid key is refused.
    fn ruled(&self, head: &Head<'_>) -> Result<(Cow<'_, Needs>, Option<&'static str>), Refusal> {
        let valid_key = &self.plan.valid_key;
        let Some(rules) = self.rules(head)? else { return Ok((Cow::Borrowed(valid_key), None)) };
        if head.mount.is_some() && head.mount != self.plan.mount.as_deref() {
            return Ok((Cow::Borrowed(valid_key), Some("The API is not mounted at that path")));
        }
        if !rules.is_listed() && !self.plan.default_authenticated {
            return Ok((Cow::Borrowed(valid_key), Some("No rule of this API lets anybody in here")));
        }
        Ok((rules.needs(valid_key).ok_or_else(ambiguous)?, None))
    }

    /// The rules that the route of a request may have; `None` where there are no rules.
    pub(super) fn rules(&self, head: &Head<'_>) -> Result<Option<Rules<'_>>, Refusal> {
        let Some(table) = &self.plan.table else { return Ok(None) };
        if head.is_rewritten && !self.plan.rewrites {
            return Err(Refusal::invalid_request("The path is not the one that was asked for"));
        }
        let found = |path| match table.find(head.judged_method(), path) {
            Found::Rules(rules) => Ok(rules),
            Found::Ambiguous => Err(ambiguous()),
        };
        let rules = found(head.path())?;
        Ok(Some(match head.whole {
            Some(target) => rules.and(found(path_of(target))?),
            None => rules,
        }))
    }

    pub(super) fn credential<'a>(&self, head: &Head<'a>) -> Result<Option<(&'a [u8], &Source)>, Refusal> {
        credential::find(&self.plan.credentials, head)
    }

    /// The session that a text speaks of, where it is a token and tokens are accepted.
    pub(super) fn session(&self, text: &[u8]) -> Result<Option<Session>, Refusal> {
        match &self.plan.session {
            Some(verifier) if Verifier::is_token(text) => {
                verifier.session(text, self.kw.now()).map(Some).ok_or_else(Refusal::bad_session)
            }
            _ => Ok(None),
        }
    }

    fn answer(
        &self,
        exchange: Exchange,
        found: Result<Principal, Refusal>,
        agent: agent::Found,
        once: once::Asked,
    ) -> Outcome {
        let Exchange { request_id, is_head, once_in_front } = exchange;
        let (principal, agent, once) = match found.and_then(|it| proved(it, agent, once)) {
            Ok(proved) => proved,
            Err(refusal) => return Outcome::Refused(refusal.response(&self.plan.manner, request_id, is_head)),
        };
        let more = self.principal_headers(&principal);
        let vary = Arc::clone(&self.plan.manner.vary);
        Outcome::Passed(Box::new(Passed { principal, agent, request_id, more, vary, once, once_in_front }))
    }

    /// What a response says of the key that was presented.
    pub(super) fn principal_headers(&self, principal: &Principal) -> Vec<Header> {
        let mut headers = Vec::new();
        if let Principal::Key(allowed) = principal {
            if allowed.is_limited() {
                self.plan.manner.rate_limit_headers.add(&mut headers, &allowed.limits());
            }
            self.grace_headers(&mut headers, allowed.grace_ends_at().map(|end| (end, allowed.key())));
        }
        headers
    }

    fn grace_headers(&self, headers: &mut Vec<Header>, former: Option<(DateTime<Utc>, &Key)>) {
        let Some((end, key)) = former else { return };
        headers.push(("x-api-key-deprecated", "true".into()));
        headers.push(("x-api-key-grace-period-ends", end.to_rfc3339_opts(SecondsFormat::Secs, true).into()));
        if self.plan.deprecation_headers {
            // A rotation is when the newest secret was made.
            let since = key.secrets.iter().map(|it| it.created_at).max().unwrap_or(end);
            headers.push(("deprecation", format!("@{}", since.timestamp()).into()));
            headers.push(("sunset", end.format("%a, %d %b %Y %H:%M:%S GMT").to_string().into()));
        }
    }

    pub(super) fn judged(&self, decision: Decision, but: Option<&'static str>) -> Result<Principal, Refusal> {
        match (decision, but) {
            (Decision::Allowed(allowed), None) => Ok(Principal::Key(allowed)),
            (Decision::Allowed(allowed), Some(why)) => {
                Err(Refusal::forbidden(why).and(self.principal_headers(&Principal::Key(allowed))))
            }
            (Decision::Denied(denial), _) => Err(self.denied(&denial)),
        }
    }

    /// A denied verification. Of a former secret whose grace goes on it tells that, whatever it is refused for.
    pub(super) fn denied(&self, denial: &Denial) -> Refusal {
        let (refusal, mut headers) = (Refusal::of(denial), Vec::new());
        if refusal.status != 401 {
            self.grace_headers(&mut headers, denial.grace_ends_at().zip(denial.key()));
        }
        refusal.and(headers)
    }
}

/// Who makes a request, on whose behalf, and what is to be done once.
type Proved = (Principal, Option<Arc<str>>, Option<Box<Once>>);

/// Somebody with an agent, and with what is to be done once. Neither says anything of one who may be anybody.
pub(super) fn proved(principal: Principal, agent: agent::Found, once: once::Asked) -> Result<Proved, Refusal> {
    match principal {
        Principal::Anyone => Ok((principal, None, None)),
        Principal::Key(_) | Principal::Session(_) => Ok((principal, agent?, once.transpose()?)),
    }
}

fn ambiguous() -> Refusal {
    Refusal::invalid_request("The path can be read in several ways; write it plainly")
}

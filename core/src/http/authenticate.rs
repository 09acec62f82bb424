//! Authentication of a request: its route's needs, its credential, and the verification of its key.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use zeroize::Zeroizing;

use super::agent::{self, AgentResult};
use super::credential::{self, CredentialSource};
use super::idempotency_key::{IdempotencyHeader, KeyedRequest};
use super::message::path_of;
use super::refusal::Refusal;
use super::request_id::request_id;
use super::route::{Access, MatchingRules, RuleMatch};
use super::session::TokenVerifier;
use super::{AuthContext, Head, Header, Http, Needs, Outcome, Principal, Session};
use crate::decision::{Decision, Denial, Request, RequestContext};
use crate::record::Key;
use crate::wait::{Boxed, Ready, now_or_later};

/// The facts about a request that its response needs.
struct Exchange {
    request_id: Cow<'static, str>,
    is_head: bool,
    once_in_front: bool,
}

/// The state of a request before any key is verified.
pub(super) enum Precheck<'a> {
    /// No key has to be verified.
    Decided(Result<Principal, Refusal>, IdempotencyHeader),
    /// A session token waits for the keys of its provider.
    Waiting(Boxed<Result<Session, Refusal>>, IdempotencyHeader),
    /// A key has to be verified.
    Presented(PresentedKey<'a>),
}

/// A key that has to be verified.
pub(super) struct PresentedKey<'a> {
    pub(super) text: &'a [u8],
    pub(super) needs: Cow<'a, Needs>,
    /// The reason why even a valid key is refused.
    pub(super) refused_because: Option<&'static str>,
    pub(super) once: IdempotencyHeader,
}

impl Http {
    /// Authenticates a request by the needs of its route, or by the rule of its path if `needs` is `None`. A CORS preflight is
    /// answered without any permission, see [`Preflight`](super::Preflight).
    pub async fn authenticate(&self, head: &Head<'_>, needs: Option<&Needs>) -> Outcome {
        self.begin(head, needs).outcome().await
    }

    /// Like [`authenticate`](Self::authenticate), but returns at once if there is nothing to wait for, which is always so for keys
    /// with SQLite and `hmac-sha256`.
    pub(crate) fn begin(&self, head: &Head<'_>, needs: Option<&Needs>) -> Ready<Outcome> {
        if self.answers_preflight(head, needs) {
            return Ready::Now(Outcome::Refused(self.preflight_response(self.request_id(head))));
        }
        self.evaluate(head, needs)
    }

    /// Authenticates a request that is not answered as a preflight.
    pub(super) fn evaluate(&self, head: &Head<'_>, needs: Option<&Needs>) -> Ready<Outcome> {
        let (agent, is_head) = (self.agent(head), head.method == "HEAD");
        let once_in_front = head.earlier.is_some_and(|receipt| receipt.once);
        let exchange = Exchange { request_id: self.request_id(head), is_head, once_in_front };
        let PresentedKey { text, needs, refused_because, once } = match self.precheck(head, needs) {
            Precheck::Decided(result, once) => return Ready::Now(self.outcome(exchange, result, agent, once)),
            Precheck::Waiting(session, once) => {
                let this = self.clone();
                return now_or_later(async move {
                    let result = session.await.map(Principal::Session);
                    this.outcome(exchange, result, agent, once)
                });
            }
            Precheck::Presented(key) => key,
        };
        let context = self.request_context(head, &needs.request, &agent);
        if let Some(decision) = self.kw.try_judge(text, context) {
            let result = self.principal(decision, refused_because);
            return Ready::Now(self.outcome(exchange, result, agent, once));
        }
        let (this, text) = (self.clone(), Zeroizing::new(text.to_vec()));
        let (request, prior) = (context.to_request(), context.prior.cloned());
        now_or_later(async move {
            let decision =
                this.kw.judge(&text, RequestContext { prior: prior.as_ref(), ..RequestContext::from(&request) }).await;
            this.outcome(exchange, this.principal(decision, refused_because), agent, once)
        })
    }

    /// The id of a request: a new one if the id of the client holds the secret of a key.
    pub(super) fn request_id(&self, head: &Head<'_>) -> Cow<'static, str> {
        request_id(head, |id| self.kw.refuse_api_key("x-request-id", Some(id)).is_err())
    }

    /// Judges everything about a request except its key.
    pub(super) fn precheck<'a>(&'a self, head: &Head<'a>, needs: Option<&'a Needs>) -> Precheck<'a> {
        if self.passes_preflight(head) {
            return Precheck::Decided(Ok(Principal::Anyone), None);
        }
        self.find_credential(head, needs).unwrap_or_else(|refusal| Precheck::Decided(Err(refusal), None))
    }

    fn find_credential<'a>(&'a self, head: &Head<'a>, needs: Option<&'a Needs>) -> Result<Precheck<'a>, Refusal> {
        if head.is_too_large() {
            return Err(Refusal::invalid_request("The head of the request is too large"));
        }
        if !head.is_plain_method() {
            return Err(Refusal::invalid_request("The method is not written in capitals"));
        }
        let (needs, mut refused_because) = match Needs::stated(needs) {
            Some(needs) => (Cow::Borrowed(needs), None),
            None => self.needs_by_rule(head)?,
        };
        if needs.access == Access::Public {
            return Ok(Precheck::Decided(Ok(Principal::Anyone), None));
        }
        let once = KeyedRequest::read(head, needs.idempotent);
        let (text, _) = self.credential(head)?.ok_or_else(Refusal::missing)?;
        if needs.lets_sessions_in()
            && let Some(session) = self.session(text)
        {
            return match session {
                Ready::Now(session) => Ok(Precheck::Decided(Ok(Principal::Session(session?)), once)),
                Ready::Later(session) => Ok(Precheck::Waiting(session, once)),
            };
        }
        if needs.access == Access::Session {
            refused_because = Some("This takes a session, not an API key");
        }
        Ok(Precheck::Presented(PresentedKey { text, needs, refused_because, once }))
    }

    /// The agent on whose behalf a request is made. The error counts only once the caller is proved.
    pub(super) fn agent(&self, head: &Head<'_>) -> AgentResult {
        let agent = agent::read_agent(self.config.options.agent_header.as_deref(), head)?;
        self.kw.refuse_api_key("agent", agent.as_deref())?;
        Ok(agent)
    }

    /// The verification of a key: the needs, and the parts of the request that count for it.
    pub(super) fn request_context<'a>(
        &self,
        head: &Head<'a>,
        needs: &'a Request,
        agent: &'a AgentResult,
    ) -> RequestContext<'a> {
        RequestContext {
            required: needs,
            method: Some(head.judged_method()),
            ip: self.config.options.trusted_proxies.client_address(head).0,
            agent: agent.as_ref().ok().and_then(Option::as_ref),
            prior: head.earlier.map(|receipt| &receipt.prior),
        }
    }

    /// The needs that the rules state for a request, and the reason if even a valid key is refused.
    fn needs_by_rule(&self, head: &Head<'_>) -> Result<(Cow<'_, Needs>, Option<&'static str>), Refusal> {
        let valid_key = &self.config.valid_key;
        let Some(rules) = self.rules(head)? else { return Ok((Cow::Borrowed(valid_key), None)) };
        if head.mount.is_some() && head.mount != self.config.options.mount.as_deref() {
            return Ok((Cow::Borrowed(valid_key), Some("The API is not mounted at that path")));
        }
        if !rules.is_listed() && !self.config.options.default_authenticated {
            return Ok((Cow::Borrowed(valid_key), Some("No rule of this API lets anybody in here")));
        }
        Ok((rules.needs(valid_key).ok_or_else(ambiguous)?, None))
    }

    /// The rules that the route of a request may have; `None` if the API has no rules.
    pub(super) fn rules(&self, head: &Head<'_>) -> Result<Option<MatchingRules<'_>>, Refusal> {
        let Some(table) = &self.config.table else { return Ok(None) };
        if head.is_rewritten && !self.config.options.rewrites {
            return Err(Refusal::invalid_request("The path is not the one that was asked for"));
        }
        let find = |path| match table.find(head.judged_method(), path) {
            RuleMatch::Rules(rules) => Ok(rules),
            RuleMatch::Ambiguous => Err(ambiguous()),
        };
        let rules = find(head.path())?;
        Ok(Some(match head.whole {
            Some(target) => rules.and(find(path_of(target))?),
            None => rules,
        }))
    }

    pub(super) fn credential<'a>(&self, head: &Head<'a>) -> Result<Option<(&'a [u8], &CredentialSource)>, Refusal> {
        credential::find_credential(&self.config.options.credentials, head)
    }

    /// The session of a credential, if it is a session token and the API accepts these.
    pub(super) fn session(&self, text: &[u8]) -> Option<Ready<Result<Session, Refusal>>> {
        let verifier = self.config.session.as_ref().filter(|_| TokenVerifier::is_token(text))?;
        Some(verifier.session(text, &self.kw))
    }

    fn outcome(
        &self,
        exchange: Exchange,
        result: Result<Principal, Refusal>,
        agent: AgentResult,
        once: IdempotencyHeader,
    ) -> Outcome {
        let Exchange { request_id, is_head, once_in_front } = exchange;
        let (principal, agent, once) = match result.and_then(|principal| with_details(principal, agent, once)) {
            Ok(caller) => caller,
            Err(refusal) => return Outcome::Refused(refusal.response(&self.config.style, request_id, is_head)),
        };
        let more = self.principal_headers(&principal);
        let vary = Arc::clone(&self.config.style.vary);
        Outcome::Allowed(Box::new(AuthContext { principal, agent, request_id, more, vary, once, once_in_front }))
    }

    /// The headers that tell a caller about its key.
    pub(super) fn principal_headers(&self, principal: &Principal) -> Vec<Header> {
        let mut headers = Vec::new();
        if let Principal::Key(allowed) = principal {
            if allowed.is_limited() {
                self.config.style.rate_limit_headers.add(&mut headers, &allowed.limits(), &allowed.quotas());
            }
            self.grace_headers(&mut headers, allowed.grace_ends_at().map(|end| (end, allowed.key())));
        }
        headers
    }

    fn grace_headers(&self, headers: &mut Vec<Header>, former: Option<(DateTime<Utc>, &Key)>) {
        let Some((end, key)) = former else { return };
        headers.push(("x-api-key-deprecated", "true".into()));
        headers.push(("x-api-key-grace-period-ends", end.to_rfc3339_opts(SecondsFormat::Secs, true).into()));
        if self.config.options.deprecation_headers {
            // The rotation made the newest secret.
            let since = key.secrets.iter().map(|secret| secret.created_at).max().unwrap_or(end);
            headers.push(("deprecation", format!("@{}", since.timestamp()).into()));
            headers.push(("sunset", end.format("%a, %d %b %Y %H:%M:%S GMT").to_string().into()));
        }
    }

    /// The caller after the decision on its key. `refused_because` refuses even a valid key.
    pub(super) fn principal(
        &self,
        decision: Decision,
        refused_because: Option<&'static str>,
    ) -> Result<Principal, Refusal> {
        match (decision, refused_because) {
            (Decision::Allowed(allowed), None) => Ok(Principal::Key(allowed)),
            (Decision::Allowed(allowed), Some(reason)) => {
                Err(Refusal::forbidden(reason).and(self.principal_headers(&Principal::Key(allowed))))
            }
            (Decision::Denied(denial), _) => Err(self.denied(&denial)),
        }
    }

    /// The refusal of a denied key. It shows the end of a grace that still runs, whatever the denial is for.
    pub(super) fn denied(&self, denial: &Denial) -> Refusal {
        let (refusal, mut headers) = (Refusal::denied(denial), Vec::new());
        if refusal.status != 401 {
            self.grace_headers(&mut headers, denial.grace_ends_at().zip(denial.key()));
        }
        refusal.and(headers)
    }
}

/// The caller of a request, with its agent and its idempotency key.
type DetailedCaller = (Principal, Option<Arc<str>>, Option<Box<KeyedRequest>>);

/// Adds the agent and the idempotency key to a caller. Neither counts for an unknown caller.
pub(super) fn with_details(
    principal: Principal,
    agent: AgentResult,
    once: IdempotencyHeader,
) -> Result<DetailedCaller, Refusal> {
    match principal {
        Principal::Anyone => Ok((principal, None, None)),
        Principal::Key(_) | Principal::Session(_) => Ok((principal, agent?, once.transpose()?)),
    }
}

fn ambiguous() -> Refusal {
    Refusal::invalid_request("The path can be read in several ways; write it plainly")
}

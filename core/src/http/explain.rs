//! Explanations for the operator of an API: why a request is allowed or refused.

use serde::Serialize;

use super::authenticate::{Precheck, PresentedKey, with_details};
use super::client_address::AddressSource;
use super::refusal::Refusal;
use super::{Head, Http, Needs, Peer, Principal};
use crate::decision::Code;

/// The reason why a request is allowed or refused, for the operator of an API. It holds no secret. Nothing is counted or
/// charged for it. It ignores rate limits, and tells of a quota that is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether the request would be allowed, rate limits aside.
    pub allowed: bool,
    /// The status of the response.
    pub status: u16,
    /// The code in the body of the response.
    pub code: Option<String>,
    /// The reason in words.
    pub message: String,
    /// The address of the client, by which allow lists are judged.
    pub address: Option<String>,
    /// The source of the address: `peer`, `forwarded`, or `unknown`.
    pub address_from: &'static str,
    /// The header that held the credential, in lower case.
    pub credential: Option<String>,
    /// The prefix of the key, if the credential has the shape of a key.
    pub prefix: Option<String>,
    /// The rule of the route, or all rules that the path may belong to.
    pub rule: Option<String>,
    /// The fix for a refusal.
    pub fix: Option<String>,
}

impl Http {
    /// Explains which address a request has, why it is allowed or refused, and how to fix a refusal. It judges by `needs`, or
    /// by the rule of the path if that is `None`. It does not cover requests for management, which judges its own callers.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::http::{Config, Head};
    /// let http = kw.http(Config::new())?;
    /// let explanation = http.explain(&Head::new("GET", "/v1/deals").peer("203.0.113.7"), None).await;
    /// assert_eq!((explanation.status, explanation.address.as_deref()), (401, Some("203.0.113.7")));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn explain(&self, head: &Head<'_>, needs: Option<&Needs>) -> Explanation {
        let is_ruled = Needs::stated(needs).is_none();
        let (address, origin) = self.config.options.trusted_proxies.client_address(head);
        let credential = self.credential(head).ok().flatten();
        let text = credential.and_then(|it| std::str::from_utf8(it.0).ok());
        let rules = self.rules(head).ok().flatten().filter(|it| is_ruled && it.is_listed());
        let mut explanation = Explanation {
            allowed: false,
            status: 200,
            code: None,
            message: "The request may go on".into(),
            address: address.map(|it| it.to_string()),
            address_from: match origin {
                AddressSource::Peer => "peer",
                AddressSource::Forwarded => "forwarded",
                AddressSource::Unknown => "unknown",
            },
            credential: credential.map(|it| it.1.name().to_owned()),
            prefix: text.and_then(|it| self.kw.parse(it)).map(|it| it.prefix),
            rule: rules.map(|it| it.to_string()),
            fix: None,
        };
        if self.answers_preflight(head, needs) {
            explanation.status = 204;
            explanation.message = "The guard answers this CORS preflight itself, and permits nothing".into();
            explanation.fix = Some(
                "put the CORS layer in front of the guard, or set preflight to pass where it stands behind".into(),
            );
            return explanation;
        }
        let agent = self.agent(head);
        let (result, once) = match self.precheck(head, needs) {
            Precheck::Decided(result, once) => (result, once),
            Precheck::Waiting(session, once) => (session.await.map(Principal::Session), once),
            Precheck::Presented(PresentedKey { text, needs, refused_because, once }) => {
                let context = self.request_context(head, &needs.request, &agent);
                (self.principal(self.kw.dry_run(text, context).await, refused_because), once)
            }
        };
        match result.and_then(|principal| with_details(principal, agent, once)) {
            Ok(_) => explanation.allowed = true,
            Err(refusal) => {
                explanation.fix = Some(self.fix(head, &refusal, &explanation, is_ruled));
                (explanation.status, explanation.code) = (refusal.status, Some(refusal.code.into_owned()));
                explanation.message = refusal.message.into_owned();
            }
        }
        explanation
    }

    fn fix(&self, head: &Head<'_>, refusal: &Refusal, explanation: &Explanation, is_ruled: bool) -> String {
        let forwarded = head.has("x-forwarded-for");
        let is = |code: Code| refusal.code == code.wire();
        match &explanation.address {
            _ if is_ruled && head.is_rewritten && !self.config.options.rewrites => {
                "let the guard stand before what rewrites the path, or set the option rewrites".into()
            }
            _ if is_ruled
                && refusal.status == 403
                && head.mount.is_some_and(|it| Some(it) != self.config.options.mount.as_deref()) =>
            {
                "name the path in the option mount, if a proxy of yours sets this header on every request".into()
            }
            _ if is(Code::Missing) && head.has("authorization") => {
                format!("send the key in {}; other schemes are not read", self.config.credential_names())
            }
            _ if is(Code::Missing) => format!("send the key in {}", self.config.credential_names()),
            _ if is(Code::Invalid) && explanation.prefix.is_none() => {
                "the text has not the shape of a key of this API: compare its beginning, and look for a cut end".into()
            }
            _ if is(Code::Invalid) => {
                "look the prefix up with keys.find: the key may be of another database, or its secret mistyped".into()
            }
            Some(peer) if is(Code::IpNotAllowed) && explanation.address_from == "peer" && forwarded => {
                format!("if {peer} is a proxy of yours, name it in trusted_proxies; else add it to the networks")
            }
            Some(address) if is(Code::IpNotAllowed) => format!("add {address} to the networks of the key or its org"),
            None if is(Code::IpNotAllowed) && head.peer == Peer::Unix && forwarded => {
                "name unix: in trusted_proxies, and let the proxy on the Unix socket append to X-Forwarded-For".into()
            }
            None if is(Code::IpNotAllowed) => {
                "no address is known: hand the socket's peer on, and let each proxy append to X-Forwarded-For".into()
            }
            _ if is(Code::WrongEnvironment) => {
                "use a key of this environment, or accept the key's in environment".into()
            }
            _ if is(Code::InsufficientScope) => "give the key the missing scopes, or ask less of the route".into(),
            _ if is(Code::Expired) || is(Code::Revoked) => "make a new key".into(),
            _ if is(Code::Disabled) => "enable the key or its org".into(),
            _ if is(Code::QuotaExceeded) => "raise the amount of the quota, or credit the balance".into(),
            _ if is(Code::Unavailable) && explanation.prefix.is_none() && self.config.session.is_some() => {
                "for a session token, look at the event provider_failed; for a key, at the store with keys.list".into()
            }
            _ if is(Code::Unavailable) => "look at the store: verify and keys.list tell what is wrong".into(),
            _ if refusal.status == 403 && is_ruled && explanation.rule.is_none() && self.config.table.is_some() => {
                "add a rule for this method and path".into()
            }
            // Its wire code is that of every refusal by a rule.
            _ if is(Code::MethodNotAllowed) => {
                "give the key a level that allows the method, or enter with what the rule asks".into()
            }
            _ => "mend the request as the message says".into(),
        }
    }
}

use serde::Serialize;

use super::address::Origin;
use super::authenticate::{Asked, Opening, proved};
use super::refusal::Refusal;
use super::{Head, Http, Needs, Peer};
use crate::decision::Code;

/// Why a request is let in or refused, for whoever sets an API up. It holds no secret, nothing is counted or charged for
/// it, and limits are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether it would be let in, limits aside.
    pub allowed: bool,
    /// The status of the answer.
    pub status: u16,
    /// The code in its body.
    pub code: Option<String>,
    /// The reason in words.
    pub message: String,
    /// The address that allow lists were judged by.
    pub address: Option<String>,
    /// Where it was found: `peer`, `forwarded`, or `unknown`.
    pub address_from: &'static str,
    /// The header that held the credential.
    pub credential: Option<String>,
    /// The prefix of the key, where the text has the shape of one.
    pub prefix: Option<String>,
    /// The rule that the route has; several where it may have any of them.
    pub rule: Option<String>,
    /// What to do about a refusal.
    pub fix: Option<String>,
}

impl Http {
    /// Says which address a request has and why it is refused, by what `needs` says of its route or else by the rule of its
    /// path, with the nearest fix. Of management it knows nothing: whose routes those are, they judge by themselves.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::http::{Config, Head};
    /// let http = kw.http(Config::new())?;
    /// let told = http.explain(&Head::new("GET", "/v1/deals").peer("203.0.113.7"), None).await;
    /// assert_eq!((told.status, told.address.as_deref()), (401, Some("203.0.113.7")));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn explain(&self, head: &Head<'_>, needs: Option<&Needs>) -> Explanation {
        let is_ruled = Needs::stated(needs).is_none();
        let (address, origin) = self.plan.proxies.client(head);
        let credential = self.credential(head).ok().flatten();
        let text = credential.and_then(|it| std::str::from_utf8(it.0).ok());
        let rules = self.rules(head).ok().flatten().filter(|it| is_ruled && it.is_listed());
        let mut told = Explanation {
            allowed: false,
            status: 200,
            code: None,
            message: "The request may go on".into(),
            address: address.map(|it| it.to_string()),
            address_from: match origin {
                Origin::Peer => "peer",
                Origin::Forwarded => "forwarded",
                Origin::Unknown => "unknown",
            },
            credential: credential.map(|it| it.1.name().to_owned()),
            prefix: text.and_then(|it| self.kw.parse(it)).map(|it| it.prefix),
            rule: rules.map(|it| it.to_string()),
            fix: None,
        };
        if self.answers_preflight(head, needs) {
            told.status = 204;
            told.message = "The guard answers this CORS preflight itself, and permits nothing".into();
            told.fix = Some(
                "put the CORS layer in front of the guard, or set preflight to pass where it stands behind".into(),
            );
            return told;
        }
        let agent = self.agent(head);
        let (found, once) = match self.open(head, needs) {
            Opening::Done(found, once) => (found, once),
            Opening::Asked(Asked { text, needs, but, once }) => {
                let ask = self.ask(head, &needs.request, &agent);
                (self.judged(self.kw.dry_run(text, ask).await, but), once)
            }
        };
        match found.and_then(|it| proved(it, agent, once)) {
            Ok(_) => told.allowed = true,
            Err(refusal) => {
                told.fix = Some(self.fix(head, &refusal, &told, is_ruled));
                (told.status, told.code) = (refusal.status, Some(refusal.code.into_owned()));
                told.message = refusal.message.into_owned();
            }
        }
        told
    }

    fn fix(&self, head: &Head<'_>, refusal: &Refusal, told: &Explanation, is_ruled: bool) -> String {
        let forwarded = head.has("x-forwarded-for");
        let is = |code: Code| refusal.code == code.wire();
        match &told.address {
            _ if is_ruled && head.is_rewritten && !self.plan.rewrites => {
                "let the guard stand before what rewrites the path, or set the option rewrites".into()
            }
            _ if is_ruled
                && refusal.status == 403
                && head.mount.is_some_and(|it| Some(it) != self.plan.mount.as_deref()) =>
            {
                "name the path in the option mount, if a proxy of yours sets this header on every request".into()
            }
            _ if is(Code::Missing) && head.has("authorization") => {
                format!("send the key in {}; other schemes are not read", self.plan.credential_names())
            }
            _ if is(Code::Missing) => format!("send the key in {}", self.plan.credential_names()),
            _ if is(Code::Invalid) && told.prefix.is_none() => {
                "the text has not the shape of a key of this API: compare its beginning, and look for a cut end".into()
            }
            _ if is(Code::Invalid) => {
                "look the prefix up with keys.find: the key may be of another database, or its secret mistyped".into()
            }
            Some(peer) if is(Code::IpNotAllowed) && told.address_from == "peer" && forwarded => {
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
            _ if is(Code::Unavailable) => "look at the store: verify and keys.list tell what is wrong".into(),
            _ if refusal.status == 403 && is_ruled && told.rule.is_none() && self.plan.table.is_some() => {
                "add a rule for this method and path".into()
            }
            _ if refusal.status == 403 => {
                "give the key a level that allows the method, or enter with what the rule asks".into()
            }
            _ => "mend the request as the message says".into(),
        }
    }
}

//! Forward authentication: a proxy asks, before it hands a request on, whether it may.

use std::borrow::Cow;

use super::message::Message;
use super::refusal::Refusal;
use super::{Head, Http, Outcome, Passed, Principal, Response};
use crate::wait::Ready;

/// Where the question is asked, below where management is mounted.
pub(super) const PATH: &str = "/forward-auth";

/// The proxies that ask before they hand a request on, each in its own manner.
///
/// ```
/// use keywright::http::{Config, Gateway};
/// let config = Config::new().forward_auth(Gateway::Nginx);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// `auth_request` of nginx, told of the request in `X-Original-Method` and `X-Original-URI`. It knows 2xx, 401 and
    /// 403 alone: another refusal is a 403 here, and `X-Keywright-Status` says which.
    Nginx,
    /// `forwardAuth` of Traefik: `X-Forwarded-Method` and `X-Forwarded-Uri`.
    Traefik,
    /// `forward_auth` of Caddy: the same headers.
    Caddy,
    /// A Lua action of HAProxy, which the guide prints: the same headers.
    Haproxy,
    /// `ext_authz` of Envoy over HTTP, which asks with the method and, behind its `path_prefix`, the path.
    Envoy,
}

impl Gateway {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("nginx", Self::Nginx),
        ("traefik", Self::Traefik),
        ("caddy", Self::Caddy),
        ("haproxy", Self::Haproxy),
        ("envoy", Self::Envoy),
    ];

    /// The headers that tell of the request, where it is not the question itself.
    pub(super) fn headers(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Nginx => Some(["x-original-method", "x-original-uri"]),
            Self::Traefik | Self::Caddy | Self::Haproxy => Some(["x-forwarded-method", "x-forwarded-uri"]),
            Self::Envoy => None,
        }
    }

    /// Whether a target is that of a question.
    pub(super) fn is_asked(self, target: &[u8]) -> bool {
        self.asked(target).is_some()
    }

    /// What follows in the target of a question.
    fn asked(self, target: &[u8]) -> Option<&[u8]> {
        let rest = target.strip_prefix(PATH.as_bytes())?;
        match self.headers() {
            Some(_) => matches!(rest, [] | [b'?', ..]),
            None => rest.starts_with(b"/"),
        }
        .then_some(rest)
    }

    /// The request that is asked about, `None` where this is no such question.
    fn judged<'a>(self, head: &Head<'a>) -> Option<Result<Head<'a>, Refusal>> {
        let rest = self.asked(head.target())?;
        let Some([method, target]) = self.headers() else {
            return Some(Ok(head.about(head.method, rest)));
        };
        // A name that stands twice may be the client's own beside the proxy's.
        let said = |name: &str| {
            let value = head.single(name).and_then(|it| std::str::from_utf8(it).ok()).filter(|it| !it.is_empty());
            value.ok_or_else(|| Refusal::invalid_request(format!("The proxy has to set the header {name}, once")))
        };
        Some(said(method).and_then(|method| Ok(head.about(method, said(target)?.as_bytes()))))
    }

    /// A refusal in a form that the proxy understands.
    fn refused(self, mut response: Response) -> Response {
        if self == Self::Nginx {
            response.headers.push(("x-keywright-status", response.status.to_string().into()));
            if !matches!(response.status, 401 | 403) {
                response.status = 403;
            }
        }
        response
    }
}

impl Http {
    /// Answers a proxy's question, `None` where the message is none.
    pub(super) async fn forward(&self, message: &Message) -> Option<Response> {
        let gateway = self.plan.forward_auth?;
        let begun = message.read(|head| {
            let judged = gateway.judged(head)?;
            Some(
                judged
                    // A proxy hands on what is let in, so that a preflight is judged like any other request.
                    .map(|it| self.evaluate(&it, None))
                    .map_err(|it| it.response(&self.plan.manner, self.request_id(head), head.method == "HEAD")),
            )
        })?;
        let outcome = match begun {
            Ok(Ready::Now(outcome)) => outcome,
            Ok(Ready::Later(future)) => future.await,
            Err(response) => Outcome::Refused(response),
        };
        Some(match outcome {
            Outcome::Passed(passed) => passed_on(&passed),
            Outcome::Refused(response) => gateway.refused(response),
        })
    }
}

/// Stands in a header that has nothing to tell. No key, org, environment, scope or agent can have this name. It is not
/// empty: Caddy copies no empty value, and what a client has sent under that name would stay.
const NONE: &str = "(none)";

/// The answer for a request that may go on: 200, since Envoy takes no other, with headers that say who asks. All six are
/// always there, so that a proxy overwrites each that the client has sent.
fn passed_on(passed: &Passed) -> Response {
    let (principal, org, key) = match &passed.principal {
        Principal::Anyone => ("anyone", None, None),
        Principal::Session(session) => ("session", Some(session.org()), None),
        Principal::Key(allowed) => ("key", Some(allowed.key().org.as_str()), Some(allowed.key())),
    };
    let who = [
        ("x-keywright-principal", Some(principal.to_owned())),
        ("x-keywright-key", key.map(|key| key.id.to_string())),
        ("x-keywright-org", org.map(str::to_owned)),
        ("x-keywright-environment", key.map(|key| key.environment.clone())),
        ("x-keywright-scopes", key.map(|key| key.scopes.join(" "))),
        ("x-keywright-agent", passed.agent.as_deref().map(str::to_owned)),
    ];
    let who = who.map(|(name, value)| (name, value.filter(|value| !value.is_empty()).map_or(NONE.into(), Cow::Owned)));
    let headers = passed.headers().map(|(name, value)| (name, value.to_owned().into())).chain(who).collect();
    Response { status: 200, headers, body: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Lines<'a> = &'a [(&'a [u8], &'a [u8])];

    fn judged(gateway: Gateway, method: &str, target: &str, lines: Lines<'_>) -> Option<Result<String, u16>> {
        let told = gateway.judged(&Head::new(method, target).headers(lines))?;
        Some(told.map(|it| format!("{} {}", it.method, String::from_utf8_lossy(it.target()))).map_err(|it| it.status))
    }

    #[test]
    fn each_asks_in_its_own_manner() {
        let original: Lines<'_> = &[(b"X-Original-Method", b"PUT"), (b"X-Original-URI", b"/v1/deals?x=1")];
        let forwarded: Lines<'_> = &[(b"x-forwarded-method", b"PUT"), (b"x-forwarded-uri", b"/v1/deals?x=1")];
        let found = Some(Ok("PUT /v1/deals?x=1".into()));
        assert_eq!(judged(Gateway::Nginx, "GET", "/forward-auth", original), found);
        assert_eq!(judged(Gateway::Nginx, "GET", "/forward-auth?a", original), found);
        assert_eq!(judged(Gateway::Traefik, "GET", "/forward-auth", forwarded), found);
        assert_eq!(judged(Gateway::Caddy, "GET", "/forward-auth", forwarded), found);
        assert_eq!(judged(Gateway::Haproxy, "GET", "/forward-auth", forwarded), found);
        assert_eq!(judged(Gateway::Envoy, "PUT", "/forward-auth/v1/deals?x=1", &[]), found);
        // What a client wrote in another proxy's manner counts for nothing.
        assert_eq!(judged(Gateway::Nginx, "GET", "/forward-auth", forwarded), Some(Err(400)));
        assert_eq!(judged(Gateway::Envoy, "GET", "/forward-auth/v1", forwarded), Some(Ok("GET /v1".into())));
        for target in ["/keys", "/forward-authx", "/forward-auth/v1", "/Forward-Auth", ""] {
            assert_eq!(judged(Gateway::Nginx, "GET", target, original), None, "{target}");
        }
        for target in ["/forward-auth", "/forward-auth?x", "/forward-authx"] {
            assert_eq!(judged(Gateway::Envoy, "GET", target, &[]), None, "{target}");
        }
    }

    #[test]
    fn what_is_not_told_once_is_not_judged() {
        let lines: [Lines<'_>; 5] = [
            &[],
            &[(b"x-original-method", b"GET")],
            &[(b"x-original-uri", b"/v1")],
            &[(b"x-original-method", b"GET"), (b"x-original-uri", b"")],
            &[(b"x-original-method", b"GET"), (b"x-original-uri", b"/v1"), (b"X-Original-URI", b"/health")],
        ];
        for lines in lines {
            assert_eq!(judged(Gateway::Nginx, "GET", "/forward-auth", lines), Some(Err(400)), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(value in proptest::collection::vec(any::<u8>(), 0..40), which in 0..Gateway::ALL.len()) {
            let gateway = Gateway::ALL[which].1;
            let lines: [(&[u8], &[u8]); 2] = [(b"x-original-method", &value), (b"x-original-uri", &value)];
            let _ = gateway.judged(&Head::new("GET", &value).headers(&lines));
            let _ = gateway.judged(&Head::new("GET", "/forward-auth").headers(&lines));
        }
    }
}

//! Proxies with forward authentication, and how each describes the request it asks about.

use super::refusal::Refusal;
use super::{Head, Response};

/// The path of forward authentication, below the mount of management.
pub(super) const PATH: &str = "/forward-auth";

/// The proxies that ask before they hand a request on, each in its own style.
///
/// ```
/// use keywright::http::{Config, ForwardAuthProxy};
/// let config = Config::new().forward_auth(ForwardAuthProxy::Nginx);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardAuthProxy {
    /// `auth_request` of nginx, with the request in `X-Original-Method` and `X-Original-URI`. It accepts only 2xx, 401 and
    /// 403: another refusal becomes 403, and `X-Keywright-Status` has its own status.
    Nginx,
    /// `forwardAuth` of Traefik: `X-Forwarded-Method` and `X-Forwarded-Uri`.
    Traefik,
    /// `forward_auth` of Caddy: the same headers.
    Caddy,
    /// A Lua action of HAProxy, printed in the guide: the same headers.
    Haproxy,
    /// `ext_authz` of Envoy over HTTP, which sends the method itself, and the path behind its `path_prefix`.
    Envoy,
}

impl ForwardAuthProxy {
    pub(super) const ALL: [(&'static str, Self); 5] = [
        ("nginx", Self::Nginx),
        ("traefik", Self::Traefik),
        ("caddy", Self::Caddy),
        ("haproxy", Self::Haproxy),
        ("envoy", Self::Envoy),
    ];

    /// The headers that describe the request; `None` if the proxy sends its method and path as they are.
    pub(super) fn request_headers(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Nginx => Some(["x-original-method", "x-original-uri"]),
            Self::Traefik | Self::Caddy | Self::Haproxy => Some(["x-forwarded-method", "x-forwarded-uri"]),
            Self::Envoy => None,
        }
    }

    /// Whether a target is one of forward authentication.
    pub(super) fn matches(self, target: &[u8]) -> bool {
        self.rest(target).is_some()
    }

    /// The part of the target after the path of forward authentication.
    fn rest(self, target: &[u8]) -> Option<&[u8]> {
        let rest = target.strip_prefix(PATH.as_bytes())?;
        match self.request_headers() {
            Some(_) => matches!(rest, [] | [b'?', ..]),
            None => rest.starts_with(b"/"),
        }
        .then_some(rest)
    }

    /// The request that the proxy asks about; `None` if this is another request.
    pub(super) fn described_request<'a>(self, head: &Head<'a>) -> Option<Result<Head<'a>, Refusal>> {
        let rest = self.rest(head.target())?;
        let Some([method, target]) = self.request_headers() else {
            return Some(Ok(head.describing(head.method, rest)));
        };
        // Of a repeated header, one may come from the client.
        let value_of = |name: &str| {
            let value = head.single(name).and_then(|value| std::str::from_utf8(value).ok());
            let value = value.filter(|value| !value.is_empty());
            value.ok_or_else(|| Refusal::invalid_request(format!("The proxy has to set the header {name}, once")))
        };
        Some(value_of(method).and_then(|method| Ok(head.describing(method, value_of(target)?.as_bytes()))))
    }

    /// Turns a refusal into one that the proxy accepts.
    pub(super) fn refuse(self, mut response: Response) -> Response {
        if self == Self::Nginx {
            response.headers.push(("x-keywright-status", response.status.to_string().into()));
            if !matches!(response.status, 401 | 403) {
                response.status = 403;
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type HeaderLines<'a> = &'a [(&'a [u8], &'a [u8])];

    fn described(
        proxy: ForwardAuthProxy,
        method: &str,
        target: &str,
        lines: HeaderLines<'_>,
    ) -> Option<Result<String, u16>> {
        let described = proxy.described_request(&Head::new(method, target).headers(lines))?;
        let shown = described.map(|head| format!("{} {}", head.method, String::from_utf8_lossy(head.target())));
        Some(shown.map_err(|refusal| refusal.status))
    }

    #[test]
    fn each_proxy_describes_requests_in_its_own_way() {
        let original: HeaderLines<'_> = &[(b"X-Original-Method", b"PUT"), (b"X-Original-URI", b"/v1/deals?x=1")];
        let forwarded: HeaderLines<'_> = &[(b"x-forwarded-method", b"PUT"), (b"x-forwarded-uri", b"/v1/deals?x=1")];
        let found = Some(Ok("PUT /v1/deals?x=1".into()));
        assert_eq!(described(ForwardAuthProxy::Nginx, "GET", "/forward-auth", original), found);
        assert_eq!(described(ForwardAuthProxy::Nginx, "GET", "/forward-auth?a", original), found);
        assert_eq!(described(ForwardAuthProxy::Traefik, "GET", "/forward-auth", forwarded), found);
        assert_eq!(described(ForwardAuthProxy::Caddy, "GET", "/forward-auth", forwarded), found);
        assert_eq!(described(ForwardAuthProxy::Haproxy, "GET", "/forward-auth", forwarded), found);
        assert_eq!(described(ForwardAuthProxy::Envoy, "PUT", "/forward-auth/v1/deals?x=1", &[]), found);
        // Headers in the form of another proxy come from the client, and count for nothing.
        assert_eq!(described(ForwardAuthProxy::Nginx, "GET", "/forward-auth", forwarded), Some(Err(400)));
        assert_eq!(
            described(ForwardAuthProxy::Envoy, "GET", "/forward-auth/v1", forwarded),
            Some(Ok("GET /v1".into()))
        );
        for target in ["/keys", "/forward-authx", "/forward-auth/v1", "/Forward-Auth", ""] {
            assert_eq!(described(ForwardAuthProxy::Nginx, "GET", target, original), None, "{target}");
        }
        for target in ["/forward-auth", "/forward-auth?x", "/forward-authx"] {
            assert_eq!(described(ForwardAuthProxy::Envoy, "GET", target, &[]), None, "{target}");
        }
    }

    #[test]
    fn a_description_that_is_missing_or_repeated_is_refused() {
        let lines: [HeaderLines<'_>; 5] = [
            &[],
            &[(b"x-original-method", b"GET")],
            &[(b"x-original-uri", b"/v1")],
            &[(b"x-original-method", b"GET"), (b"x-original-uri", b"")],
            &[(b"x-original-method", b"GET"), (b"x-original-uri", b"/v1"), (b"X-Original-URI", b"/health")],
        ];
        for lines in lines {
            assert_eq!(described(ForwardAuthProxy::Nginx, "GET", "/forward-auth", lines), Some(Err(400)), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(value in proptest::collection::vec(any::<u8>(), 0..40), which in 0..ForwardAuthProxy::ALL.len()) {
            let proxy = ForwardAuthProxy::ALL[which].1;
            let lines: [(&[u8], &[u8]); 2] = [(b"x-original-method", &value), (b"x-original-uri", &value)];
            let _ = proxy.described_request(&Head::new("GET", &value).headers(&lines));
            let _ = proxy.described_request(&Head::new("GET", "/forward-auth").headers(&lines));
        }
    }
}

//! Credentials of requests, and the headers that carry them.

use std::fmt;

use super::refusal::Refusal;
use super::{Head, header};
use crate::error::Error;

/// A header, or a scheme of `Authorization`, that may carry a credential.
#[derive(Debug, Clone)]
pub(crate) enum CredentialSource {
    /// A scheme of `Authorization` (RFC 9110, section 11.4), like `Bearer` (RFC 6750, section 2.1).
    Scheme(String),
    /// A header that holds the bare text, in lower case.
    Header(String),
}

const AUTHORIZATION: &str = "authorization";

/// Browsers send these schemes by themselves, whichever page makes the request, and none of them carries a bare key.
const BROWSER_SCHEMES: [&str; 4] = ["basic", "digest", "negotiate", "ntlm"];

impl CredentialSource {
    /// Parses the name of a header, or `Authorization: ` with a scheme.
    pub(super) fn parse(name: &str) -> Result<Self, Error> {
        let (name, scheme) =
            name.split_once(':').map_or((name, None), |(name, scheme)| (name, Some(scheme.trim_ascii())));
        match (header::parse_name("credentials", name, "Authorization, Api-Key or X-API-Key")?, scheme) {
            (name, scheme) if name == AUTHORIZATION => Self::scheme(scheme.unwrap_or("Bearer")),
            (name, None) => Ok(Self::Header(name)),
            (name, Some(_)) => {
                let reason = format!("names a scheme of {name}, which has none");
                Err(Error::validation_failed(
                    "credentials",
                    reason,
                    "name the header alone, or a scheme of Authorization",
                ))
            }
        }
    }

    fn scheme(scheme: &str) -> Result<Self, Error> {
        let token = |it: u8| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it);
        let fix = "write it like Authorization: Api-Key";
        if !(1..=64).contains(&scheme.len()) || !scheme.bytes().all(token) {
            return Err(Error::validation_failed("credentials", "names what is no scheme of Authorization", fix));
        }
        if BROWSER_SCHEMES.iter().any(|it| scheme.eq_ignore_ascii_case(it)) {
            let reason =
                format!("names the scheme {scheme}, which browsers send by themselves and which holds no bare key");
            return Err(Error::validation_failed("credentials", reason, fix));
        }
        Ok(Self::Scheme(scheme.to_owned()))
    }

    /// The name of the header, in lower case.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Scheme(_) => AUTHORIZATION,
            Self::Header(name) => name,
        }
    }

    pub(super) fn authorization_scheme(&self) -> Option<&str> {
        match self {
            Self::Scheme(scheme) => Some(scheme),
            Self::Header(_) => None,
        }
    }

    /// Whether both name the same source. Schemes have no letter case.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scheme(one), Self::Scheme(two)) => one.eq_ignore_ascii_case(two),
            _ => self.authorization_scheme().is_none() && self.name() == other.name(),
        }
    }

    /// The credential in the value of this header; `None` if the value has another scheme.
    fn credential<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let Self::Scheme(scheme) = self else { return Some(value) };
        let (named, rest) = value.split_at_checked(scheme.len())?;
        let is_named = named.eq_ignore_ascii_case(scheme.as_bytes()) && matches!(rest, [] | [b' ' | b'\t', ..]);
        is_named.then_some(rest.trim_ascii_start())
    }
}

/// The form that a host writes in the option `credentials`.
impl fmt::Display for CredentialSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(out, "Authorization: {scheme}"),
            Self::Header(name) => out.write_str(name),
        }
    }
}

/// Finds the one credential of a request among the configured sources.
pub(super) fn find_credential<'a, 's>(
    sources: &'s [CredentialSource],
    head: &Head<'a>,
) -> Result<Option<(&'a [u8], &'s CredentialSource)>, Refusal> {
    let mut found = None;
    for source in sources {
        let mut lines = 0;
        for value in head.values(source.name()) {
            lines += 1;
            if lines > 1 {
                return Err(multiple_credentials(format!("The header {} is repeated", source.name())));
            }
            let joined =
                value.split(|byte| *byte == b',').skip(1).any(|part| source.credential(part.trim_ascii()).is_some());
            let Some(text) = source.credential(value).or(joined.then_some(value)) else { continue };
            if found.is_some() || joined || text.contains(&b',') {
                return Err(multiple_credentials("The request holds more than one credential"));
            }
            found = Some((text, source));
        }
    }
    Ok(found)
}

/// Refuses a request with several credentials: a proxy may have judged another one (RFC 6750, section 3.1).
fn multiple_credentials(message: impl Into<String>) -> Refusal {
    Refusal::invalid_request(format!("{}; send one API key in one header", message.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type HeaderLines<'a> = &'a [(&'a [u8], &'a [u8])];

    fn found(lines: HeaderLines<'_>) -> Result<Option<String>, u16> {
        found_in(&["Authorization", "Api-Key", "X-API-Key"], lines)
    }

    fn found_in(places: &[&str], lines: HeaderLines<'_>) -> Result<Option<String>, u16> {
        let sources: Vec<_> = places.iter().map(|it| CredentialSource::parse(it).unwrap()).collect();
        let head = Head::new("GET", "/").headers(lines);
        match find_credential(&sources, &head) {
            Ok(found) => Ok(found.map(|it| String::from_utf8_lossy(it.0).into_owned())),
            Err(refusal) => Err(refusal.status),
        }
    }

    #[test]
    fn one_credential_in_one_place() {
        let one = |name: &'static str, value: &'static str| found(&[(name.as_bytes(), value.as_bytes())]);
        assert_eq!(one("authorization", "Bearer abc"), Ok(Some("abc".into())));
        assert_eq!(one("AUTHORIZATION", "bEARER   abc "), Ok(Some("abc".into())));
        assert_eq!(one("api-key", "abc"), Ok(Some("abc".into())));
        assert_eq!(one("x-api-key", ""), Ok(Some(String::new())));
        assert_eq!(one("authorization", "Bearer"), Ok(Some(String::new())));
        for other in ["Basic abc", "Digest x", "Bearerabc", "", "ApiKey abc", "Digest a=\"b\", c=\"d\""] {
            assert_eq!(one("authorization", other), Ok(None), "{other}");
        }
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[(b"authorization", b"Basic abc"), (b"api-key", b"abc")]), Ok(Some("abc".into())));
    }

    #[test]
    fn two_credentials_are_none() {
        let pairs: [HeaderLines<'_>; 6] = [
            &[(b"authorization", b"Bearer a"), (b"api-key", b"b")],
            &[(b"authorization", b"Bearer a"), (b"Authorization", b"Bearer a")],
            &[(b"authorization", b"Basic a"), (b"authorization", b"Bearer a")],
            &[(b"authorization", b"Bearer a, Bearer b")],
            &[(b"api-key", b"a,b")],
            &[(b"authorization", b"Basic a, Bearer b")],
        ];
        for lines in pairs {
            assert_eq!(found(lines), Err(400), "{lines:?}");
        }
    }

    #[test]
    fn a_scheme_of_authorization_is_a_place() {
        for places in [
            &["Authorization: Api-Key"][..],
            &["Authorization", "authorization:api-key"],
            &["Authorization: API-KEY", "Authorization: Bearer"],
        ] {
            let one = |value: &'static str| found_in(places, &[(b"authorization", value.as_bytes())]);
            assert_eq!(one("Api-Key abc"), Ok(Some("abc".into())));
            assert_eq!(one("api-KEY \t abc"), Ok(Some("abc".into())));
            assert_eq!(one("Api-Key"), Ok(Some(String::new())));
            for other in ["Api-Keys abc", "Api abc", "Basic abc", "Api-Key=abc"] {
                assert_eq!(one(other), Ok(None), "{other}");
            }
            for two in ["Api-Key a, Api-Key b", "Basic a, Api-Key b", "Api-Key a,b"] {
                assert_eq!(one(two), Err(400), "{two}");
            }
            if places.len() > 1 {
                assert_eq!((one("Bearer abc"), one("Bearer a, Api-Key b")), (Ok(Some("abc".into())), Err(400)));
                assert_eq!(one("Api-Key a, Bearer b"), Err(400));
            } else {
                assert_eq!(one("Bearer abc"), Ok(None));
            }
        }
        for bad in ["", " ", "Api Key", "Api/Key", "Api-Key:", "Basic", "DIGEST", "Negotiate", "ntlm"] {
            let error = CredentialSource::parse(&format!("Authorization: {bad}")).unwrap_err();
            assert_eq!(error.field(), Some("credentials"), "{bad}");
        }
    }

    #[test]
    fn headers_that_carry_something_else_are_no_places() {
        for bad in ["", "Cookie", "X Api", "Host", "x:y", "Proxy-Authorization", "X-API-Key: Token"] {
            assert_eq!(CredentialSource::parse(bad).unwrap_err().field(), Some("credentials"), "{bad}");
        }
    }
}

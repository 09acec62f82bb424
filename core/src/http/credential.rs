//! What a request presents, and where.

use super::refusal::Refusal;
use super::{Head, header};
use crate::error::Error;

/// A place where a credential may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `Authorization: Bearer …` (RFC 6750, section 2.1).
    Bearer,
    /// A header that holds the bare text, in lower case.
    Header(String),
}

impl Source {
    /// Reads the name of a header.
    pub(super) fn read(name: &str) -> Result<Self, Error> {
        Ok(match header::named("credentials", name, "Authorization, Api-Key or X-API-Key")? {
            name if name == "authorization" => Self::Bearer,
            name => Self::Header(name),
        })
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Bearer => "authorization",
            Self::Header(name) => name,
        }
    }

    /// The text in a line of this header, `None` where the line speaks of another scheme.
    fn text<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let Self::Bearer = self else { return Some(value) };
        let (scheme, rest) = value.split_at_checked(6)?;
        let named = scheme.eq_ignore_ascii_case(b"bearer") && matches!(rest, [] | [b' ' | b'\t', ..]);
        named.then_some(rest.trim_ascii_start())
    }
}

/// The one credential among the configured places.
pub(super) fn find<'a, 's>(sources: &'s [Source], head: &Head<'a>) -> Result<Option<(&'a [u8], &'s Source)>, Refusal> {
    let mut found = None;
    for source in sources {
        let mut lines = 0;
        for value in head.values(source.name()) {
            lines += 1;
            if lines > 1 {
                return Err(several(format!("The header {} is repeated", source.name())));
            }
            let joined = value.split(|it| *it == b',').skip(1).any(|it| source.text(it.trim_ascii()).is_some());
            let Some(text) = source.text(value).or(joined.then_some(value)) else { continue };
            if found.is_some() || joined || text.contains(&b',') {
                return Err(several("The request holds more than one credential"));
            }
            found = Some((text, source));
        }
    }
    Ok(found)
}

/// Neither is used: a proxy may have judged the other one (RFC 6750, section 3.1).
fn several(message: impl Into<String>) -> Refusal {
    Refusal::invalid_request(format!("{}; send one API key in one header", message.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines<'a> = &'a [(&'a [u8], &'a [u8])];

    fn found(lines: Lines<'_>) -> Result<Option<String>, u16> {
        let sources = ["Authorization", "Api-Key", "X-API-Key"].map(|it| Source::read(it).unwrap());
        let head = Head::new("GET", "/").headers(lines);
        match find(&sources, &head) {
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
        let pairs: [Lines<'_>; 6] = [
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
    fn headers_that_carry_something_else_are_no_places() {
        for bad in ["", "Cookie", "X Api", "Host", "x:y", "Proxy-Authorization"] {
            assert_eq!(Source::read(bad).unwrap_err().field(), Some("credentials"), "{bad}");
        }
    }
}

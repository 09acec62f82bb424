//! Where management answers among the other routes of an API.

use std::borrow::Cow;

use super::route::{ROUTES, SelfService, methods};
use crate::error::Error;
use crate::http::{Gateway, Head, forward};

/// A path at which keys are managed, like `/api-keys`; without one, management has a mount of its own.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Place(Option<String>);

impl Place {
    pub(in crate::http) fn read(path: &str) -> Result<Self, Error> {
        plain_path("path", path).map(|it| Self(Some(it.to_owned())))
    }

    /// Whether management answers a target; all of them, where it has a mount of its own.
    pub(in crate::http) fn answers(&self, open: &[SelfService], gateway: Option<Gateway>, target: &[u8]) -> bool {
        let is_known = |target: &[u8]| {
            methods(Head::new("GET", target).path(), open).is_some() || gateway.is_some_and(|it| it.is_asked(target))
        };
        self.0.is_none() || self.inside(target).is_some_and(|it| is_known(&it))
    }

    /// The path at which clients find what is at this one where management has a mount of its own.
    pub(super) fn outside(&self, path: &str) -> String {
        let at = self.0.as_deref().unwrap_or_default();
        let rest = if self.0.is_some() { path.strip_prefix("/keys").unwrap_or(path) } else { path };
        format!("{at}{rest}")
    }

    /// Where paths begin, from a document that stands beside the words of management.
    pub(super) fn root(&self) -> String {
        let depth = self.0.iter().flat_map(|it| it.split('/').skip(1)).count();
        if depth == 0 { ".".into() } else { vec![".."; depth].join("/") }
    }

    /// A target as it is where management has a mount of its own: `/keys/7` for `/api-keys/7`. `None` where nothing of
    /// management is.
    pub(super) fn inside<'a>(&self, target: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let Some(path) = &self.0 else { return Some(target.into()) };
        let rest = target.strip_prefix(path.as_bytes())?;
        let end = |it: &u8| matches!(it, b'/' | b'?');
        match rest {
            [] | [b'?', ..] => {}
            [b'/', inside @ ..] if inside.split(end).next().is_some_and(is_beside_keys) => return Some(rest.into()),
            [b'/', ..] => {}
            _ => return None,
        }
        Some([b"/keys", rest].concat().into())
    }
}

/// The path that an option names.
pub(in crate::http) fn plain_path<'a>(option: &str, path: &'a str) -> Result<&'a str, Error> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    let is_segment = |it: &str| !matches!(it, "" | "." | "..") && it.bytes().all(plain);
    match path.strip_prefix('/') {
        Some(inside) if inside.split('/').all(is_segment) => Ok(path),
        _ => Err(Error::validation_failed(
            option,
            "is no path of plain segments",
            "write it like /api-keys or /v1/api-keys",
        )),
    }
}

/// Whether this is the first word of a path that stands beside keys, which need no word of their own below the place.
fn is_beside_keys(word: &[u8]) -> bool {
    let routes = ROUTES.iter().filter_map(|it| it.0.split('/').next()).filter(|it| *it != "keys");
    routes.chain(forward::PATH.strip_prefix('/')).any(|it| it.as_bytes() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_at_the_path_and_the_rest_below_it() {
        let place = Place::read("/v1/api-keys").unwrap();
        let inside =
            |target: &str| place.inside(target.as_bytes()).map(|it| String::from_utf8(it.into_owned()).unwrap());
        for (target, expected) in [
            ("/v1/api-keys", "/keys"),
            ("/v1/api-keys?limit=1", "/keys?limit=1"),
            ("/v1/api-keys/", "/keys/"),
            ("/v1/api-keys/7/rotate", "/keys/7/rotate"),
            ("/v1/api-keys/whoami", "/whoami"),
            ("/v1/api-keys/orgs/acme?x", "/orgs/acme?x"),
            ("/v1/api-keys/auditor", "/keys/auditor"),
            ("/v1/api-keys/keys", "/keys/keys"),
        ] {
            assert_eq!(inside(target).as_deref(), Some(expected), "{target}");
        }
        for target in
            ["", "/", "/v1", "/v1/api-keysx", "/v1/API-keys", "/v1//api-keys", "/keys", "/whoami", "/x/v1/api-keys"]
        {
            assert_eq!(inside(target), None, "{target}");
        }
        for path in ["/keys", "/keys/7/rotate", "/whoami", "/openapi.json"] {
            assert_eq!(inside(&place.outside(path)).as_deref(), Some(path));
            assert_eq!(Place::default().outside(path), path);
        }
        assert_eq!((place.root().as_str(), Place::default().root().as_str()), ("../..", "."));
        assert_eq!(Place::default().inside(b"/anything").as_deref(), Some(&b"/anything"[..]));
    }

    #[test]
    fn odd_paths_are_refused() {
        for path in
            ["", "/", "api-keys", "/api-keys/", "//x", "/a//b", "/a/../b", "/.", "/{id}", "/a?b", "/a b", "/ä", "/%41"]
        {
            let error = Place::read(path).unwrap_err();
            assert_eq!((error.code(), error.field()), ("validation_failed", Some("path")), "{path}");
        }
    }
}

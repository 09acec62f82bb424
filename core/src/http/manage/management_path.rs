//! The path of management among the other routes of an API.

use std::borrow::Cow;

use super::route::{ROUTES, SelfService, find_methods};
use super::script;
use crate::error::Error;
use crate::http::{ForwardAuthProxy, Head, forward_auth_proxy};

/// The path of the keys, like `/api-keys`. Without one, management has its own mount.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct ManagementPath(Option<String>);

impl ManagementPath {
    pub(in crate::http) fn parse(path: &str) -> Result<Self, Error> {
        plain_path("path", path).map(|path| Self(Some(path.to_owned())))
    }

    /// Whether management answers a target. With its own mount it answers all of them.
    pub(in crate::http) fn answers(
        &self,
        open: &[SelfService],
        proxy: Option<ForwardAuthProxy>,
        target: &[u8],
    ) -> bool {
        let is_known = |target: &[u8]| {
            let path = Head::new("GET", target).path();
            find_methods(path, open).is_some()
                || proxy.is_some_and(|proxy| proxy.matches(target))
                || script::paths().any(|script| script.as_bytes() == path)
        };
        self.0.is_none() || self.inner_target(target).is_some_and(|target| is_known(&target))
    }

    /// The path for clients: `/api-keys/7` for `/keys/7`.
    pub(super) fn outer_path(&self, path: &str) -> String {
        let at = self.0.as_deref().unwrap_or_default();
        let rest = if self.0.is_some() { path.strip_prefix("/keys").unwrap_or(path) } else { path };
        format!("{at}{rest}")
    }

    /// The relative URL from the OpenAPI document to the root of the API.
    pub(super) fn relative_root(&self) -> String {
        let depth = self.0.iter().flat_map(|path| path.split('/').skip(1)).count();
        if depth == 0 { ".".into() } else { vec![".."; depth].join("/") }
    }

    /// The target as with an own mount: `/keys/7` for `/api-keys/7`. `None` for a target outside of management.
    pub(super) fn inner_target<'a>(&self, target: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let Some(path) = &self.0 else { return Some(target.into()) };
        let rest = target.strip_prefix(path.as_bytes())?;
        let is_end = |byte: &u8| matches!(byte, b'/' | b'?');
        match rest {
            [] | [b'?', ..] => {}
            [b'/', inside @ ..] if inside.split(is_end).next().is_some_and(is_beside_keys) => return Some(rest.into()),
            [b'/', ..] => {}
            _ => return None,
        }
        Some([b"/keys", rest].concat().into())
    }
}

/// Checks a path that an option names.
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

/// Whether a word begins a path of management other than `/keys`. Keys need no word of their own below the path.
fn is_beside_keys(word: &[u8]) -> bool {
    let routes = ROUTES.iter().filter_map(|it| it.0.split('/').next()).filter(|it| *it != "keys");
    let others = script::paths().chain([forward_auth_proxy::PATH]).filter_map(|path| path.strip_prefix('/'));
    routes.chain(others).any(|it| it.as_bytes() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_at_the_path_and_the_rest_below_it() {
        let management = ManagementPath::parse("/v1/api-keys").unwrap();
        let inside = |target: &str| {
            management.inner_target(target.as_bytes()).map(|it| String::from_utf8(it.into_owned()).unwrap())
        };
        for (target, expected) in [
            ("/v1/api-keys", "/keys"),
            ("/v1/api-keys?limit=1", "/keys?limit=1"),
            ("/v1/api-keys/", "/keys/"),
            ("/v1/api-keys/7/rotate", "/keys/7/rotate"),
            ("/v1/api-keys/whoami", "/whoami"),
            ("/v1/api-keys/element.js", "/element.js"),
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
            assert_eq!(inside(&management.outer_path(path)).as_deref(), Some(path));
            assert_eq!(ManagementPath::default().outer_path(path), path);
        }
        assert_eq!(
            (management.relative_root().as_str(), ManagementPath::default().relative_root().as_str()),
            ("../..", ".")
        );
        assert_eq!(ManagementPath::default().inner_target(b"/anything").as_deref(), Some(&b"/anything"[..]));
    }

    #[test]
    fn odd_paths_are_refused() {
        for path in
            ["", "/", "api-keys", "/api-keys/", "//x", "/a//b", "/a/../b", "/.", "/{id}", "/a?b", "/a b", "/ä", "/%41"]
        {
            let error = ManagementPath::parse(path).unwrap_err();
            assert_eq!((error.code(), error.field()), ("validation_failed", Some("path")), "{path}");
        }
    }
}

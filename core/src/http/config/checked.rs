//! The check of a configuration, and its result.

use std::sync::Arc;

use super::Config;
use crate::error::Error;
use crate::http::credential::CredentialSource;
use crate::http::forward_auth_proxy::ForwardAuthProxy;
use crate::http::message::OVERRIDES;
use crate::http::response_style::ResponseStyle;
use crate::http::route::{Idempotent, Needs, RouteTable};
use crate::http::session::TokenVerifier;

/// A configuration without contradictions, with the values that requests need ready.
pub(in crate::http) struct CheckedHttpConfig {
    pub(in crate::http) options: Config,
    pub(in crate::http) style: ResponseStyle,
    pub(in crate::http) table: Option<RouteTable>,
    /// The needs of a route without a rule.
    pub(in crate::http) valid_key: Needs,
    pub(in crate::http) session: Option<Arc<TokenVerifier>>,
}

impl CheckedHttpConfig {
    /// The names, in lower case, of all request headers that are read.
    pub(in crate::http) fn request_headers(&self) -> impl Iterator<Item = &str> {
        self.options.request_headers()
    }

    pub(in crate::http) fn credential_names(&self) -> String {
        self.options.credentials.iter().map(CredentialSource::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl Config {
    pub(super) fn style(&self) -> ResponseStyle {
        let mut varying: Vec<&str> = Vec::new();
        for name in self.credentials.iter().map(CredentialSource::name).chain(self.agent_header.as_deref()) {
            // Several schemes may share one header.
            if !varying.contains(&name) {
                varying.push(name);
            }
        }
        let vary = varying.join(", ").into();
        let schemes =
            self.credentials.iter().filter_map(CredentialSource::authorization_scheme).map(str::to_owned).collect();
        ResponseStyle {
            errors: self.errors,
            realm: self.realm.clone(),
            schemes,
            vary,
            casing: self.spelling.casing,
            rate_limit_headers: self.rate_limit_headers,
        }
    }

    /// Checks everything that can be checked without an engine.
    pub(in crate::http) fn checked(&self) -> Result<CheckedHttpConfig, Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte);
        if !(1..=64).contains(&self.realm.len()) || !self.realm.bytes().all(is_plain) {
            return Err(Error::validation_failed(
                "realm",
                "is no realm",
                "use 1 to 64 letters, digits, spaces and . _ -",
            ));
        }
        if self.credentials.is_empty() {
            return Err(Error::validation_failed("credentials", "is empty", "name a header, like Authorization"));
        }
        for (index, source) in self.credentials.iter().enumerate() {
            if self.credentials.iter().take(index).any(|other| other.is_same(source)) {
                return Err(Error::validation_failed("credentials", format!("names {source} twice"), "name it once"));
            }
        }
        if let Some(agent) = self.agent_header.as_deref()
            && self.credentials.iter().any(|it| it.name() == agent)
        {
            let reason = format!("names {agent}, in which keys come");
            return Err(Error::validation_failed("agent_header", reason, "name another header, like X-Agent-Id"));
        }
        let table = self.rules.clone().map(RouteTable::new).transpose()?;
        let lets_sessions_in = |table: &RouteTable| table.rules().any(|rule| rule.needs.lets_sessions_in());
        if self.session.is_none() && table.as_ref().is_some_and(lets_sessions_in) {
            let fix = "say in the option session how tokens are checked, or let the route need a key";
            return Err(Error::validation_failed("routes", "let sessions in, and no session can be checked", fix));
        }
        let is_idempotent = |table: &RouteTable| table.rules().any(|rule| rule.needs.idempotent != Idempotent::No);
        if self.forward_auth.is_some() && table.as_ref().is_some_and(is_idempotent) {
            let fix = "let the service behind the proxy see to it, which has the body and the answer";
            return Err(Error::validation_failed(
                "routes",
                "are idempotent, of which a proxy that asks knows nothing",
                fix,
            ));
        }
        for origin in &self.origins {
            check_origin(origin)?;
        }
        let session = self.session.as_ref().map(TokenVerifier::open).transpose().map_err(|it| it.within("session"))?;
        Ok(CheckedHttpConfig {
            style: self.style(),
            table,
            valid_key: Needs::key(),
            session: session.map(Arc::new),
            options: self.clone(),
        })
    }
}

/// The request headers that a configuration reads.
pub(super) fn request_headers<'a>(
    credentials: &'a [CredentialSource],
    proxy: Option<ForwardAuthProxy>,
    agent: Option<&'a str>,
) -> impl Iterator<Item = &'a str> {
    let fixed = [
        "access-control-request-method",
        "content-type",
        "cookie",
        "host",
        "idempotency-key",
        "if-none-match",
        "origin",
        "sec-fetch-site",
        "x-forwarded-for",
        "x-request-id",
    ];
    let of_proxy = proxy.and_then(ForwardAuthProxy::request_headers).into_iter().flatten();
    fixed
        .into_iter()
        .chain(OVERRIDES)
        .chain(of_proxy)
        .chain(credentials.iter().map(CredentialSource::name))
        .chain(agent)
}

fn check_origin(origin: &str) -> Result<(), Error> {
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    if host.is_some_and(|it| !it.is_empty() && it.bytes().all(is_plain)) {
        return Ok(());
    }
    Err(Error::validation_failed("origins", "holds what is no origin", "write https://app.example, without a path"))
}

//! The options of adapters.

use super::Config;
use crate::error::Error;
use crate::http::forward_auth_proxy::ForwardAuthProxy;
use crate::http::manage::{SelfService, Spelling};
use crate::http::preflight::Preflight;
use crate::http::rate_limit::RateLimitHeaders;
use crate::http::response_style::ErrorFormat;
use crate::http::route;
use crate::http::session::SessionTokens;
use crate::input::{Fields, FromFields, chosen};

const FORMS: [(&str, ErrorFormat); 3] =
    [("problem", ErrorFormat::Problem), ("list", ErrorFormat::List), ("plain", ErrorFormat::Plain)];
const DEFAULTS: [(&str, bool); 2] = [("deny", false), ("authenticated", true)];

impl Config {
    /// The names of the options beside those of [`Spelling`].
    const OPTIONS: [&str; 19] = [
        "credentials",
        "realm",
        "trusted_proxies",
        "routes",
        "default",
        "errors",
        "deprecation_headers",
        "rate_limit_headers",
        "session",
        "keys_may_manage",
        "revoke_children",
        "self_service",
        "origins",
        "preflight",
        "forward_auth",
        "agent_header",
        "path",
        "mount",
        "rewrites",
    ];

    /// The names of all options.
    pub(crate) fn options() -> impl Iterator<Item = &'static str> + Clone {
        Self::OPTIONS.into_iter().chain(Spelling::OPTIONS)
    }

    /// Whether this is the name of an option.
    #[cfg(feature = "cli")]
    pub(crate) fn has_option(name: &str) -> bool {
        Self::options().any(|it| it == name)
    }

    fn take(mut fields: Fields) -> Result<Self, Error> {
        let casing = fields.casing();
        let mut config = Self::new();
        if let Some(names) = fields.given("credentials") {
            config = config.credentials(names.into_texts("credentials")?)?;
        }
        if let Some(realm) = fields.text("realm")? {
            config.realm = realm;
        }
        if let Some(networks) = fields.given("trusted_proxies") {
            config = config.trusted_proxies(networks.into_texts("trusted_proxies")?)?;
        }
        config.rules = fields.given("routes").map(route::read).transpose()?;
        if let Some(word) = fields.text("default")? {
            let reason = "is no answer to routes without a rule";
            config.default_authenticated = chosen("default", &word, reason, &DEFAULTS)?;
        }
        if let Some(word) = fields.text("errors")? {
            config.errors = chosen("errors", &word, "is no form of a refusal", &FORMS)?;
        }
        if let Some(session) = fields.given("session") {
            let entries = session.into_map("session")?;
            let tokens = SessionTokens::read(Fields::new(casing, entries)).map_err(|it| it.within("session"))?;
            config = config.session(tokens);
        }
        let mut flag = |name: &str| fields.given(name).map_or(Ok(false), |it| it.into_bool(name));
        config.deprecation_headers = flag("deprecation_headers")?;
        config.keys_may_manage = flag("keys_may_manage")?;
        config.revoke_children = flag("revoke_children")?;
        config.rewrites = flag("rewrites")?;
        if let Some(names) = fields.given("self_service") {
            let call = |it: &String| chosen("self_service", it, "is no call of self-service", &SelfService::NAMES);
            config.self_service = names.into_texts("self_service")?.iter().map(call).collect::<Result<_, _>>()?;
        }
        config.origins = fields.given("origins").map_or(Ok(vec![]), |it| it.into_texts("origins"))?;
        if let Some(word) = fields.text("preflight")? {
            config.preflight = chosen("preflight", &word, "is no answer to a preflight", &Preflight::ALL)?;
        }
        if let Some(word) = fields.text("rate_limit_headers")? {
            let reason = "is no form of rate limit headers";
            config.rate_limit_headers = chosen("rate_limit_headers", &word, reason, &RateLimitHeaders::ALL)?;
        }
        if let Some(word) = fields.text("forward_auth")? {
            let reason = "is no proxy that asks before it hands a request on";
            config.forward_auth = Some(chosen("forward_auth", &word, reason, &ForwardAuthProxy::ALL)?);
        }
        if let Some(name) = fields.text("agent_header")? {
            config = config.agent_header(&name)?;
        }
        config = config.spelling(Spelling::take(&mut fields)?);
        if let Some(path) = fields.text("path")? {
            config = config.path(&path)?;
        }
        if let Some(path) = fields.text("mount")? {
            config = config.mount(&path)?;
        }
        config.checked()?;
        Ok(config)
    }
}

/// Reads the options of an adapter.
///
/// # Errors
/// `invalid_request` and `validation_failed`, naming the option.
impl FromFields for Config {
    fn read(fields: Fields) -> Result<Self, Error> {
        let casing = fields.casing();
        let fields = fields.only(&Self::options().collect::<Vec<_>>())?;
        Self::take(fields).map_err(|it| it.spelt(casing))
    }
}

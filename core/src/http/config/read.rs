use super::{Config, Errors};
use crate::error::Error;
use crate::http::forward::Gateway;
use crate::http::route;
use crate::http::session::SessionTokens;
use crate::input::{Fields, meant};

const FORMS: [(&str, Errors); 3] = [("problem", Errors::Problem), ("list", Errors::List), ("plain", Errors::Plain)];

impl Config {
    /// Reads the options of an adapter.
    ///
    /// # Errors
    /// `invalid_request` and `validation_failed`, naming the option.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let casing = fields.casing();
        let fields = fields.only(&[
            "credentials",
            "realm",
            "trusted_proxies",
            "routes",
            "default",
            "errors",
            "deprecation_headers",
            "session",
            "keys_may_manage",
            "revoke_children",
            "origins",
            "forward_auth",
        ])?;
        Self::take(fields).map_err(|it| it.spelt(casing))
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
        config.default_authenticated = match fields.text("default")?.as_deref() {
            None | Some("deny") => false,
            Some("authenticated") => true,
            Some(other) => {
                let fix = meant(other, ["deny", "authenticated"].into_iter(), "use deny or authenticated");
                return Err(Error::wrong("default", "is no answer to routes without a rule", fix));
            }
        };
        if let Some(text) = fields.text("errors")? {
            config.errors = FORMS.iter().find(|it| it.0 == text).map(|it| it.1).ok_or_else(|| {
                let fix = meant(&text, FORMS.iter().map(|it| it.0), "use problem, list or plain");
                Error::wrong("errors", "is no form of a refusal", fix)
            })?;
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
        config.origins = fields.given("origins").map_or(Ok(vec![]), |it| it.into_texts("origins"))?;
        config.forward_auth = fields.text("forward_auth")?.map(|it| gateway(&it)).transpose()?;
        config.plan()?;
        Ok(config)
    }
}

fn gateway(text: &str) -> Result<Gateway, Error> {
    Gateway::ALL.iter().find(|it| it.0 == text).map(|it| it.1).ok_or_else(|| {
        let fix = meant(text, Gateway::ALL.iter().map(|it| it.0), "use nginx, traefik, caddy or envoy");
        Error::wrong("forward_auth", "is no proxy that asks before it hands a request on", fix)
    })
}

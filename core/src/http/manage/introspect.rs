//! What a key stands for, told to another server that was shown it (RFC 7662).

use serde_json::{Value, json};

use super::who::Who;
use crate::decision::{Allowed, Code, Decision, Request};
use crate::error::Error;
use crate::http::Http;
use crate::http::refusal::Refusal;
use crate::input::Fields;

impl Http {
    /// Verifies the `token`, which counts and is limited as any use of it, for the request's `ip` and `method` where
    /// they are told, and its `agent` (RFC 7662, section 2.1, leaves room for all three). Only a key of the asking org is active; of any
    /// other text nothing more is told (section 2.2).
    pub(super) async fn introspect(&self, mut given: Fields, who: &Who) -> Result<Value, Refusal> {
        let Some(token) = given.text("token")? else {
            return Err(Error::invalid_request("token", "is missing", "send the key to be looked at").into());
        };
        let mut request = Request::new().method(given.text("method")?.unwrap_or_else(|| "GET".into()));
        if let Some(ip) = given.text("ip")? {
            request = request.ip(ip);
        }
        if let Some(agent) = given.text("agent")? {
            request = request.agent(agent);
        }
        let decision = if who.is_operator() {
            self.kw.verify(token.as_str(), &request).await
        } else {
            self.kw.org(who.org())?.verify(token.as_str(), &request).await
        };
        match decision {
            Decision::Allowed(allowed) => {
                let ends = [allowed.key().expires_at, allowed.grace_ends_at()];
                let ends = ends.into_iter().flatten().min().map(|it| it.timestamp());
                Ok(active(&allowed, ends))
            }
            Decision::Denied(denial) => match (denial.misuse(), denial.code) {
                (Some(error), _) => Err(error.clone().into()),
                (_, Code::Unavailable | Code::RateLimited) => Err(Refusal::of(&denial)),
                _ => Ok(json!({"active": false})),
            },
        }
    }
}

/// The names of section 2.2, and beside them what this engine knows of a key.
fn active(allowed: &Allowed, exp: Option<i64>) -> Value {
    let key = allowed.key();
    let mut shown = json!({
        "active": true,
        "token_type": "Bearer",
        "client_id": key.id.to_string(),
        "sub": key.id.to_string(),
        "scope": key.scopes.join(" "),
        "iat": key.created_at.timestamp(),
        "org": key.org,
        "environment": key.environment,
    });
    if let Some(members) = shown.as_object_mut() {
        let rest = [
            ("exp", json!(exp)),
            ("level", json!(key.level)),
            ("tier", json!(key.tier)),
            ("agent", json!(allowed.agent())),
        ];
        members.extend(rest.into_iter().filter(|it| !it.1.is_null()).map(|(name, it)| (name.to_owned(), it)));
    }
    shown
}

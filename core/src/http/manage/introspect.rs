//! Token introspection (RFC 7662): another server asks what a key that it was shown may do.

use serde_json::{Value, json};

use super::caller::ManagementCaller;
use crate::decision::{Allowed, Code, Decision, Request};
use crate::error::Error;
use crate::http::Http;
use crate::http::refusal::Refusal;
use crate::input::Fields;

impl Http {
    /// Verifies the `token`, which is counted and limited like any use of the key. The parameters `ip`, `method` and `agent`
    /// describe the request that presented it (RFC 7662, section 2.1, allows further parameters). Only a key of the caller's
    /// org is active. For any other text the response holds nothing else (section 2.2).
    pub(super) async fn introspect(&self, mut given: Fields, caller: &ManagementCaller) -> Result<Value, Refusal> {
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
        let decision = if caller.is_operator() {
            self.kw.verify(token.as_str(), &request).await
        } else {
            self.kw.org(caller.org())?.verify(token.as_str(), &request).await
        };
        match decision {
            Decision::Allowed(allowed) => {
                let ends = [allowed.key().expires_at, allowed.grace_ends_at()];
                let ends = ends.into_iter().flatten().min().map(|end| end.timestamp());
                Ok(active(&allowed, ends))
            }
            Decision::Denied(denial) => match (denial.misuse(), denial.code) {
                (Some(error), _) => Err(error.clone().into()),
                (_, Code::Unavailable | Code::RateLimited | Code::QuotaExceeded) => Err(Refusal::denied(&denial)),
                _ => Ok(json!({"active": false})),
            },
        }
    }
}

/// The response for an active key: the names of section 2.2, and further facts about the key.
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
        members.extend(rest.into_iter().filter(|it| !it.1.is_null()).map(|(name, value)| (name.to_owned(), value)));
    }
    shown
}

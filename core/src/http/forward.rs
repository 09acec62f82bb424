//! Forward authentication: a proxy asks whether it may forward a request.

use std::borrow::Cow;

use super::message::Message;
use super::{AuthContext, Http, Outcome, Principal, Response};
use crate::wait::Ready;

impl Http {
    /// Answers a proxy that asks whether it may forward a request; `None` if the message is another request.
    pub(super) async fn forward(&self, message: &Message) -> Option<Response> {
        let proxy = self.config.options.forward_auth?;
        let begun = message.with_head(|head| {
            let described = proxy.described_request(head)?;
            Some(
                described
                    // The proxy forwards what is allowed, so a preflight is judged like any other request.
                    .map(|described| self.evaluate(&described, None))
                    .map_err(|refusal| {
                        refusal.response(&self.config.style, self.request_id(head), head.method == "HEAD")
                    }),
            )
        })?;
        let outcome = match begun {
            Ok(Ready::Now(outcome)) => outcome,
            Ok(Ready::Later(future)) => future.await,
            Err(response) => Outcome::Refused(response),
        };
        Some(match outcome {
            Outcome::Allowed(context) => allowed_response(&context),
            Outcome::Refused(response) => proxy.refuse(response),
        })
    }
}

/// The value of a header without content. No key, org, environment, scope or agent can have this name. An empty value would
/// not do: Caddy does not copy one, so the value that a client sent would stay.
const NONE: &str = "(none)";

/// The response for a request that may go on. Its status is 200, because Envoy accepts no other. Its six headers name the
/// caller and are always there, so that a proxy overwrites each one that the client sent.
fn allowed_response(context: &AuthContext) -> Response {
    let (principal, org, key) = match &context.principal {
        Principal::Anyone => ("anyone", None, None),
        Principal::Session(session) => ("session", Some(session.org()), None),
        Principal::Key(allowed) => ("key", Some(allowed.key().org.as_str()), Some(allowed.key())),
    };
    let caller = [
        ("x-keywright-principal", Some(principal.to_owned())),
        ("x-keywright-key", key.map(|key| key.id.to_string())),
        ("x-keywright-org", org.map(str::to_owned)),
        ("x-keywright-environment", key.map(|key| key.environment.clone())),
        ("x-keywright-scopes", key.map(|key| key.scopes.join(" "))),
        ("x-keywright-agent", context.agent.as_deref().map(str::to_owned)),
    ];
    let caller =
        caller.map(|(name, value)| (name, value.filter(|value| !value.is_empty()).map_or(NONE.into(), Cow::Owned)));
    let headers = context.headers().map(|(name, value)| (name, value.to_owned().into())).chain(caller).collect();
    Response { status: 200, headers, body: Vec::new() }
}

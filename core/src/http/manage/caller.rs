//! The caller of a management route: its identity, its permissions, and the keys that it may manage.

use std::sync::Arc;

use super::oauth_client::{self, OAuthClient};
use super::origin;
use super::route::{ArgumentSource, ManagementRoute, RequiredRight};
use crate::decision::{Allowed, Decision, Request, RequestContext};
use crate::error::Error;
use crate::http::message::Message;
use crate::http::refusal::Refusal;
use crate::http::{Http, Principal, Session};
use crate::keyring::{Change, Keys};
use crate::rights::{ChangeAuthority, ManagingKey, Rights};
use crate::scope;

/// The caller of a management route, and the agent on whose behalf it calls.
pub(super) struct ManagementCaller {
    pub(super) identity: CallerIdentity,
    pub(super) agent: Option<Arc<str>>,
}

pub(super) enum CallerIdentity {
    Session(Session),
    Key(Box<Allowed>),
}

impl ManagementCaller {
    /// A change by this caller, for the audit.
    pub(super) fn change(&self) -> Change {
        let (actor, authority) = match &self.identity {
            CallerIdentity::Session(session) => (session.actor.clone(), None),
            CallerIdentity::Key(key) => {
                let authority = ChangeAuthority {
                    lookup: key.lookup().to_owned(),
                    grace_ends_at: key.grace_ends_at().map(|end| end.timestamp_millis()),
                    rights: Rights::of(key),
                };
                (Some(format!("key:{}", key.id)), Some(Arc::new(authority)))
            }
        };
        Change { actor, reason: None, agent: self.agent.as_deref().map(str::to_owned), authority }
    }

    pub(super) fn org(&self) -> &str {
        match &self.identity {
            CallerIdentity::Session(session) => &session.org,
            CallerIdentity::Key(key) => &key.org,
        }
    }

    pub(super) fn is_operator(&self) -> bool {
        matches!(&self.identity, CallerIdentity::Session(session) if session.every_org)
    }

    pub(super) fn principal(&self) -> Principal {
        self.identity.principal()
    }
}

impl CallerIdentity {
    fn principal(&self) -> Principal {
        match self {
            Self::Session(session) => Principal::Session(session.clone()),
            Self::Key(key) => Principal::Key((**key).clone()),
        }
    }

    /// Whether the caller has a scope. `keys:manage` includes `keys:read`.
    fn has_scope(&self, scope: &str) -> bool {
        let is_granted = |scope: &str| match self {
            Self::Session(session) => session.is_granted(scope),
            Self::Key(key) => scope::missing(&key.scopes.join(" "), &[scope.to_owned()]).is_empty(),
        };
        is_granted(scope) || (scope == "keys:read" && is_granted("keys:manage"))
    }
}

impl Http {
    /// Identifies the caller, and refuses one without the right for the route.
    pub(super) async fn management_caller(
        &self,
        message: &Message,
        given: Option<Session>,
        route: ManagementRoute,
    ) -> Result<ManagementCaller, Refusal> {
        let identity = self.identify(message, given, route).await?;
        let permitted = self.check_right(&identity, route);
        permitted.map_err(|refusal| refusal.and(self.principal_headers(&identity.principal())))?;
        let agent = message.with_head(|head| self.agent(head))?;
        Ok(ManagementCaller { identity, agent })
    }

    fn check_right(&self, identity: &CallerIdentity, route: ManagementRoute) -> Result<(), Refusal> {
        match (route.required_right(), identity) {
            (RequiredRight::Anyone, _) => Ok(()),
            (RequiredRight::Granted(scope), _) if identity.has_scope(scope) => Ok(()),
            (RequiredRight::Granted(scope), _) => Err(insufficient(scope)),
            (RequiredRight::Holder, CallerIdentity::Session(_)) => {
                Err(Refusal::forbidden("This takes an API key, about itself"))
            }
            (_, CallerIdentity::Key(key)) if key.is_deprecated() => {
                Err(Refusal::forbidden("A secret that a rotation has replaced manages nothing"))
            }
            (RequiredRight::Holder, CallerIdentity::Key(_)) => Ok(()),
            (_, CallerIdentity::Key(_)) if !self.config.options.keys_may_manage => {
                Err(Refusal::forbidden("Keys are managed with a session here, not with an API key"))
            }
            (RequiredRight::Scope(scope), _) if identity.has_scope(scope) => Ok(()),
            (RequiredRight::Operator(scope), CallerIdentity::Session(session))
                if session.every_org && identity.has_scope(scope) =>
            {
                Ok(())
            }
            (RequiredRight::Scope(scope) | RequiredRight::Operator(scope), _) => Err(insufficient(scope)),
        }
    }

    async fn identify(
        &self,
        message: &Message,
        given: Option<Session>,
        route: ManagementRoute,
    ) -> Result<CallerIdentity, Refusal> {
        if message.with_head(|head| head.is_too_large()) {
            return Err(Refusal::invalid_request("The head of the request is too large"));
        }
        if let Some(session) = given {
            session.check()?;
            let is_json = matches!(route.argument_source(), ArgumentSource::Json);
            message.with_head(|head| origin::check_origin(head, &self.config.options.origins, &session, is_json))?;
            return Ok(CallerIdentity::Session(session));
        }
        let (text, client, request, prior) = message.with_head(|head| {
            let client = match route {
                ManagementRoute::Introspect => OAuthClient::read(head, message.bytes())?,
                _ => None,
            };
            let text = match (self.credential(head)?, &client) {
                (Some(_), Some(_)) => return Err(oauth_client::multiple_credentials()),
                (Some((text, _)), None) => text.to_vec(),
                (None, Some(client)) => client.secret.as_bytes().to_vec(),
                (None, None) => return Err(Refusal::missing()),
            };
            let (agent, valid_key) = (self.agent(head), Request::new());
            let context = self.request_context(head, &valid_key, &agent);
            // The level of a key is about the API of the host, so it does not limit what the key does with itself.
            let request = match route.required_right() {
                RequiredRight::Anyone | RequiredRight::Holder | RequiredRight::Granted(_) => {
                    context.to_request().method("GET")
                }
                _ => context.to_request(),
            };
            Ok::<_, Refusal>((zeroize::Zeroizing::new(text), client, request, context.prior.cloned()))
        })?;
        if client.is_none()
            && let Some(session) = self.session(&text)
        {
            return session.outcome().await.map(CallerIdentity::Session);
        }
        let key = match self
            .kw
            .judge(&text, RequestContext { prior: prior.as_ref(), ..RequestContext::from(&request) })
            .await
        {
            Decision::Allowed(key) => Ok(key),
            Decision::Denied(denial) => Err(self.denied(&denial)),
        };
        let key = match client {
            Some(client) => client.authenticate(key, self.kw.parse(&client.secret).map(|parsed| parsed.prefix)),
            None => key,
        };
        key.map(|key| CallerIdentity::Key(Box::new(key)))
    }

    /// A handle to the keys that a caller may manage.
    pub(super) fn keys_of(&self, caller: &ManagementCaller) -> Result<Keys, Error> {
        if caller.is_operator() {
            return Ok(self.kw.every_org().keys());
        }
        let keys = self.kw.org(caller.org())?.keys();
        Ok(match &caller.identity {
            CallerIdentity::Session(_) => keys,
            CallerIdentity::Key(key) => {
                let revoke_children = self.config.options.revoke_children;
                keys.bounded(ManagingKey { id: key.id.clone(), rights: Rights::of(key), revoke_children })
            }
        })
    }
}

fn insufficient(scope: &str) -> Refusal {
    Refusal::new(403, "INSUFFICIENT_SCOPE", format!("This needs {scope}"))
}

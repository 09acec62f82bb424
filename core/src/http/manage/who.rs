use std::sync::Arc;

use super::client::{self, Client};
use super::origin;
use super::route::{Arguments, Right, Route};
use crate::decision::{Allowed, Decision, Request, RequestContext};
use crate::error::Error;
use crate::http::message::Message;
use crate::http::refusal::Refusal;
use crate::http::{Http, Principal, Session};
use crate::keyring::{Change, Keys};
use crate::rights::{ChangeAuthority, ManagingKey, Rights};
use crate::scope;

/// Who manages, and on whose behalf.
pub(super) struct Who {
    pub(super) caller: Caller,
    pub(super) agent: Option<Arc<str>>,
}

pub(super) enum Caller {
    Session(Session),
    Key(Box<Allowed>),
}

impl Who {
    /// A change as the audit tells who made it.
    pub(super) fn change(&self) -> Change {
        let (actor, authority) = match &self.caller {
            Caller::Session(session) => (session.actor.clone(), None),
            Caller::Key(key) => {
                let authority = ChangeAuthority {
                    lookup: key.lookup().to_owned(),
                    grace_ends_at: key.grace_ends_at().map(|it| it.timestamp_millis()),
                    rights: Rights::of(key),
                };
                (Some(format!("key:{}", key.id)), Some(Arc::new(authority)))
            }
        };
        Change { actor, reason: None, agent: self.agent.as_deref().map(str::to_owned), authority }
    }

    pub(super) fn org(&self) -> &str {
        match &self.caller {
            Caller::Session(session) => &session.org,
            Caller::Key(key) => &key.org,
        }
    }

    pub(super) fn is_operator(&self) -> bool {
        matches!(&self.caller, Caller::Session(session) if session.every_org)
    }

    pub(super) fn principal(&self) -> Principal {
        self.caller.principal()
    }
}

impl Caller {
    fn principal(&self) -> Principal {
        match self {
            Self::Session(session) => Principal::Session(session.clone()),
            Self::Key(key) => Principal::Key((**key).clone()),
        }
    }

    /// `keys:manage` includes `keys:read`.
    fn may(&self, what: &str) -> bool {
        let granted = |what: &str| match self {
            Self::Session(session) => session.is_granted(what),
            Self::Key(key) => scope::missing(&key.scopes.join(" "), &[what.to_owned()]).is_empty(),
        };
        granted(what) || (what == "keys:read" && granted("keys:manage"))
    }
}

impl Http {
    /// Finds out who asks, and refuses who may not take the route.
    pub(super) async fn who(&self, message: &Message, given: Option<Session>, route: Route) -> Result<Who, Refusal> {
        let caller = self.recognised(message, given, route).await?;
        self.admitted(&caller, route).map_err(|it| it.and(self.principal_headers(&caller.principal())))?;
        let agent = message.read(|head| self.agent(head))?;
        Ok(Who { caller, agent })
    }

    fn admitted(&self, caller: &Caller, route: Route) -> Result<(), Refusal> {
        match (route.right(), caller) {
            (Right::Anyone, _) => Ok(()),
            (Right::Granted(scope), _) if caller.may(scope) => Ok(()),
            (Right::Granted(scope), _) => Err(insufficient(scope)),
            (Right::Holder, Caller::Session(_)) => Err(Refusal::forbidden("This takes an API key, about itself")),
            (_, Caller::Key(key)) if key.is_deprecated() => {
                Err(Refusal::forbidden("A secret that a rotation has replaced manages nothing"))
            }
            (Right::Holder, Caller::Key(_)) => Ok(()),
            (_, Caller::Key(_)) if !self.plan.keys_may_manage => {
                Err(Refusal::forbidden("Keys are managed with a session here, not with an API key"))
            }
            (Right::Scope(scope), _) if caller.may(scope) => Ok(()),
            (Right::Operator(scope), Caller::Session(session)) if session.every_org && caller.may(scope) => Ok(()),
            (Right::Scope(scope) | Right::Operator(scope), _) => Err(insufficient(scope)),
        }
    }

    async fn recognised(&self, message: &Message, given: Option<Session>, route: Route) -> Result<Caller, Refusal> {
        if message.read(|head| head.is_too_large()) {
            return Err(Refusal::invalid_request("The head of the request is too large"));
        }
        if let Some(session) = given {
            session.check()?;
            let is_json = matches!(route.arguments(), Arguments::Json);
            message.read(|head| origin::check(head, &self.plan.origins, &session, is_json))?;
            return Ok(Caller::Session(session));
        }
        let (text, client, request, counted) = message.read(|head| {
            let client = match route {
                Route::Introspect => Client::of(head, message.bytes())?,
                _ => None,
            };
            let text = match (self.credential(head)?, &client) {
                (Some(_), Some(_)) => return Err(client::several()),
                (Some((text, _)), None) => text.to_vec(),
                (None, Some(client)) => client.secret.as_bytes().to_vec(),
                (None, None) => return Err(Refusal::missing()),
            };
            let (agent, valid_key) = (self.agent(head), Request::new());
            let ask = self.ask(head, &valid_key, &agent);
            // What a key does about itself is no matter of its level, which is about the host's API.
            let request = match route.right() {
                Right::Anyone | Right::Holder | Right::Granted(_) => ask.to_request().method("GET"),
                _ => ask.to_request(),
            };
            Ok::<_, Refusal>((zeroize::Zeroizing::new(text), client, request, ask.prior.cloned()))
        })?;
        if client.is_none()
            && let Some(session) = self.session(&text)?
        {
            return Ok(Caller::Session(session));
        }
        let key = match self
            .kw
            .judge(&text, RequestContext { prior: counted.as_ref(), ..RequestContext::from(&request) })
            .await
        {
            Decision::Allowed(key) => Ok(key),
            Decision::Denied(denial) => Err(self.denied(&denial)),
        };
        let key = match client {
            Some(client) => client.authenticated(key, self.kw.parse(&client.secret).map(|parsed| parsed.prefix)),
            None => key,
        };
        key.map(|key| Caller::Key(Box::new(key)))
    }

    /// The keys that somebody may manage.
    pub(super) fn keys_of(&self, who: &Who) -> Result<Keys, Error> {
        if who.is_operator() {
            return Ok(self.kw.every_org().keys());
        }
        let keys = self.kw.org(who.org())?.keys();
        Ok(match &who.caller {
            Caller::Session(_) => keys,
            Caller::Key(key) => {
                let revoke_children = self.plan.revoke_children;
                keys.bounded(ManagingKey { id: key.id.clone(), rights: Rights::of(key), revoke_children })
            }
        })
    }
}

fn insufficient(scope: &str) -> Refusal {
    Refusal::new(403, "INSUFFICIENT_SCOPE", format!("This needs {scope}"))
}

//! The calls of the management routes.

use serde::Serialize;
use serde_json::{Value, json};

use super::caller::{CallerIdentity, ManagementCaller};
use super::route::ManagementRoute;

use crate::decision::Code;
use crate::error::Error;
use crate::http::Http;
use crate::http::refusal::Refusal;
use crate::idempotency::IdempotentRequest;
use crate::input::{Fields, FromFields};
use crate::keyring::{
    Attestation, Change, Credit, KeyUpdate, Keys, ListAudit, ListKeys, ListOrgs, NewKey, OrgUpdate, Rotation,
};
use crate::record::KeyId;
use crate::rights::Rights;

impl Http {
    /// Runs the call of a route with its arguments, and returns the record to show.
    pub(super) async fn dispatch(
        &self,
        route: ManagementRoute,
        subject: String,
        given: Fields,
        caller: &ManagementCaller,
        attempt: Option<IdempotentRequest>,
    ) -> Result<Value, Refusal> {
        let keys = self.keys_of(caller)?.for_request(attempt.clone());
        match route {
            ManagementRoute::Create => {
                let mut new = NewKey::read(given)?;
                if let CallerIdentity::Key(key) = &caller.identity {
                    new = new.inheriting(&Rights::of(key));
                }
                new = new.by(caller.change());
                // No key belongs to every org, so an operator creates keys of its own org.
                let keys =
                    if caller.is_operator() { self.kw.org(caller.org())?.keys().for_request(attempt) } else { keys };
                to_json(&keys.create(new).await?.reveal())
            }
            ManagementRoute::List => to_json(&keys.list(ListKeys::read(given)?).await?),
            ManagementRoute::Get | ManagementRoute::Usage => to_json(&keys.get(id(subject)).await?),
            ManagementRoute::Update => {
                let update = KeyUpdate::read(given)?;
                to_json(&keys.update(id(subject), update.by(caller.change())).await?)
            }
            ManagementRoute::Rotate => rotate(&keys, id(subject), given, caller).await,
            ManagementRoute::Revoke => to_json(&keys.revoke(id(subject), change(given, caller)?).await?),
            ManagementRoute::EndGrace => to_json(&keys.end_grace(id(subject), change(given, caller)?).await?),
            ManagementRoute::Disable => to_json(&keys.disable(id(subject), change(given, caller)?).await?),
            ManagementRoute::Enable => to_json(&keys.enable(id(subject), change(given, caller)?).await?),
            ManagementRoute::Credit => {
                let credit = Credit::read(given)?;
                to_json(&keys.credit(id(subject), credit.by(caller.change())).await?)
            }
            ManagementRoute::Agents => Ok(json!({"data": keys.agents(id(subject)).await?})),
            ManagementRoute::Attest => self.attest(&keys, id(subject), given, caller).await,
            ManagementRoute::Audit => {
                let audit =
                    if caller.is_operator() { self.kw.every_org().audit() } else { self.kw.org(caller.org())?.audit() };
                to_json(&audit.list(ListAudit::read(given)?).await?)
            }
            ManagementRoute::Scopes => {
                let scopes = self.kw.catalogue().into_iter().flat_map(|catalogue| catalogue.iter());
                let scopes: Vec<_> = scopes.map(|(scope, text)| json!({"scope": scope, "description": text})).collect();
                Ok(json!({"data": scopes}))
            }
            ManagementRoute::Introspect => self.introspect(given, caller).await,
            ManagementRoute::Orgs
            | ManagementRoute::Org
            | ManagementRoute::UpdateOrg
            | ManagementRoute::DisableOrg
            | ManagementRoute::EnableOrg
            | ManagementRoute::RevokeKeys => self.dispatch_orgs(route, &subject, given, caller, attempt).await,
            ManagementRoute::Whoami => Ok(whoami(caller)),
            ManagementRoute::OpenApi => Ok(self.openapi()),
            ManagementRoute::RotateSelf | ManagementRoute::RevokeSelf | ManagementRoute::AttestSelf => {
                let CallerIdentity::Key(key) = &caller.identity else { return Err(Refusal::not_found()) };
                // A bounded handle excludes the calling key, which is the only one this call is about.
                let keys = self.kw.org(caller.org())?.keys().for_request(attempt);
                match route {
                    ManagementRoute::RotateSelf => rotate(&keys, key.id.clone(), given, caller).await,
                    ManagementRoute::AttestSelf => self.attest(&keys, key.id.clone(), given, caller).await,
                    _ => to_json(&keys.revoke(&key.id, change(given, caller)?).await?),
                }
            }
        }
    }

    async fn attest(&self, keys: &Keys, id: KeyId, given: Fields, caller: &ManagementCaller) -> Result<Value, Refusal> {
        let attestation = Attestation::read_of(given, caller.agent.as_deref())?;
        if let CallerIdentity::Key(key) = &caller.identity {
            attestation.check_by_key()?;
            let wait = self.kw.charge_attestations(&key.id, attestation.all.len());
            wait.map_err(|seconds| {
                let message = "Too many attestations were made with this API key; try again later";
                Refusal::new(429, Code::RateLimited.wire(), message).with("retry-after", seconds.to_string())
            })?;
        }
        let entries = keys.attest(id, attestation.by(caller.change())).await?;
        Ok(json!({"data": entries}))
    }

    async fn dispatch_orgs(
        &self,
        route: ManagementRoute,
        id: &str,
        given: Fields,
        caller: &ManagementCaller,
        attempt: Option<IdempotentRequest>,
    ) -> Result<Value, Refusal> {
        let orgs = self.kw.orgs().for_request(attempt);
        match route {
            ManagementRoute::Orgs => to_json(&orgs.list(ListOrgs::read(given)?).await?),
            ManagementRoute::UpdateOrg => {
                let update = OrgUpdate::read(given)?;
                to_json(&orgs.update(id, update.by(caller.change())).await?)
            }
            ManagementRoute::DisableOrg => to_json(&orgs.disable(id, change(given, caller)?).await?),
            ManagementRoute::EnableOrg => to_json(&orgs.enable(id, change(given, caller)?).await?),
            ManagementRoute::RevokeKeys => {
                let revoked = orgs.revoke_keys(id, change(given, caller)?).await?;
                Ok(json!({"revoked": revoked}))
            }
            _ => {
                // To another caller an org looks as if it did not exist.
                let id = if caller.is_operator() || id == caller.org() { id } else { "unknown org" };
                let found = orgs.get(id).await;
                let is_unknown = |error: &Error| matches!(error, Error::ValidationFailed(_) | Error::NotFound(_));
                match found {
                    Err(error) if is_unknown(&error) => Err(Refusal::not_found()),
                    found => to_json(&found?),
                }
            }
        }
    }
}

async fn rotate(keys: &Keys, id: KeyId, given: Fields, caller: &ManagementCaller) -> Result<Value, Refusal> {
    let rotation = Rotation::read(given)?;
    to_json(&keys.rotate(id, rotation.by(caller.change())).await?.reveal())
}

fn change(given: Fields, caller: &ManagementCaller) -> Result<Change, Error> {
    Ok(Change::read(given)?.by(caller.change()))
}

/// Some databases have integer ids, which a path cannot tell from text. A lookup by text finds both.
fn id(subject: String) -> KeyId {
    KeyId::Text(subject)
}

fn whoami(caller: &ManagementCaller) -> Value {
    let agent = caller.agent.as_deref();
    match &caller.identity {
        CallerIdentity::Session(session) => {
            let may: Vec<&str> = session.may.split(' ').filter(|it| !it.is_empty()).collect();
            json!({
                "type": "session",
                "org": session.org,
                "actor": session.actor,
                "may": may,
                "every_org": session.every_org,
                "agent": agent,
            })
        }
        CallerIdentity::Key(key) => json!({"type": "key", "org": key.org, "key": key.key(), "agent": agent}),
    }
}

pub(super) fn to_json(record: &impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(record).map_err(|_| Refusal::unavailable())
}

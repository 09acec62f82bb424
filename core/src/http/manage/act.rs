use serde::Serialize;
use serde_json::{Value, json};

use super::route::Route;
use super::who::{Caller, Who};
use crate::decision::Code;
use crate::error::Error;
use crate::http::Http;
use crate::http::refusal::Refusal;
use crate::idempotency::IdempotentRequest;
use crate::input::Fields;
use crate::keyring::{
    Attestation, Change, KeyUpdate, Keys, ListAudit, ListKeys, ListOrgs, NewKey, OrgUpdate, Rotation,
};
use crate::record::KeyId;
use crate::rights::Rights;

impl Http {
    /// Does what a route says, with what came for it, and tells what there is to show.
    pub(super) async fn act(
        &self,
        route: Route,
        subject: String,
        given: Fields,
        who: &Who,
        attempt: Option<IdempotentRequest>,
    ) -> Result<Value, Refusal> {
        let keys = self.keys_of(who)?.for_request(attempt.clone());
        match route {
            Route::Create => {
                let mut new = NewKey::read(given)?;
                if let Caller::Key(key) = &who.caller {
                    new = new.inheriting(&Rights::of(key));
                }
                new = new.by(who.change());
                // Nobody makes keys for every org: an operator's are those of the org it belongs to.
                let keys = if who.is_operator() { self.kw.org(who.org())?.keys().for_request(attempt) } else { keys };
                shown(&keys.create(new).await?.reveal())
            }
            Route::List => shown(&keys.list(ListKeys::read(given)?).await?),
            Route::Get | Route::Usage => shown(&keys.get(id(subject)).await?),
            Route::Update => {
                let update = KeyUpdate::read(given)?;
                shown(&keys.update(id(subject), update.by(who.change())).await?)
            }
            Route::Rotate => rotate(&keys, id(subject), given, who).await,
            Route::Revoke => shown(&keys.revoke(id(subject), change(given, who)?).await?),
            Route::EndGrace => shown(&keys.end_grace(id(subject), change(given, who)?).await?),
            Route::Disable => shown(&keys.disable(id(subject), change(given, who)?).await?),
            Route::Enable => shown(&keys.enable(id(subject), change(given, who)?).await?),
            Route::Agents => Ok(json!({"data": keys.agents(id(subject)).await?})),
            Route::Attest => self.attest(&keys, id(subject), given, who).await,
            Route::Audit => {
                let audit =
                    if who.is_operator() { self.kw.every_org().audit() } else { self.kw.org(who.org())?.audit() };
                shown(&audit.list(ListAudit::read(given)?).await?)
            }
            Route::Scopes => {
                let all = self.kw.catalogue().into_iter().flat_map(|it| it.iter());
                let all: Vec<_> = all.map(|(scope, text)| json!({"scope": scope, "description": text})).collect();
                Ok(json!({"data": all}))
            }
            Route::Introspect => self.introspect(given, who).await,
            Route::Orgs | Route::Org | Route::UpdateOrg | Route::DisableOrg | Route::EnableOrg | Route::RevokeKeys => {
                self.act_on_orgs(route, &subject, given, who, attempt).await
            }
            Route::Whoami => Ok(whoami(who)),
            Route::OpenApi => Ok(self.openapi()),
            Route::RotateSelf | Route::RevokeSelf | Route::AttestSelf => {
                let Caller::Key(key) = &who.caller else { return Err(Refusal::not_found()) };
                // Bounded handles leave the acting key alone; this one is about nothing else.
                let keys = self.kw.org(who.org())?.keys().for_request(attempt);
                match route {
                    Route::RotateSelf => rotate(&keys, key.id.clone(), given, who).await,
                    Route::AttestSelf => self.attest(&keys, key.id.clone(), given, who).await,
                    _ => shown(&keys.revoke(&key.id, change(given, who)?).await?),
                }
            }
        }
    }

    async fn attest(&self, keys: &Keys, id: KeyId, given: Fields, who: &Who) -> Result<Value, Refusal> {
        let attestation = Attestation::read_of(given, who.agent.as_deref())?;
        if let Caller::Key(key) = &who.caller {
            attestation.check_by_key()?;
            let wait = self.kw.charge_attestations(&key.id, attestation.all.len());
            wait.map_err(|seconds| {
                let message = "Too many attestations were made with this API key; try again later";
                Refusal::new(429, Code::RateLimited.wire(), message).with("retry-after", seconds.to_string())
            })?;
        }
        let told = keys.attest(id, attestation.by(who.change())).await?;
        Ok(json!({"data": told}))
    }

    async fn act_on_orgs(
        &self,
        route: Route,
        id: &str,
        given: Fields,
        who: &Who,
        attempt: Option<IdempotentRequest>,
    ) -> Result<Value, Refusal> {
        let orgs = self.kw.orgs().for_request(attempt);
        match route {
            Route::Orgs => shown(&orgs.list(ListOrgs::read(given)?).await?),
            Route::UpdateOrg => {
                let update = OrgUpdate::read(given)?;
                shown(&orgs.update(id, update.by(who.change())).await?)
            }
            Route::DisableOrg => shown(&orgs.disable(id, change(given, who)?).await?),
            Route::EnableOrg => shown(&orgs.enable(id, change(given, who)?).await?),
            Route::RevokeKeys => {
                let revoked = orgs.revoke_keys(id, change(given, who)?).await?;
                Ok(json!({"revoked": revoked}))
            }
            _ => {
                // Another org is as unknown as none.
                let id = if who.is_operator() || id == who.org() { id } else { "unknown org" };
                let found = orgs.get(id).await;
                let unknown = |it: &Error| matches!(it, Error::ValidationFailed(_) | Error::NotFound(_));
                match found {
                    Err(error) if unknown(&error) => Err(Refusal::not_found()),
                    found => shown(&found?),
                }
            }
        }
    }
}

async fn rotate(keys: &Keys, id: KeyId, given: Fields, who: &Who) -> Result<Value, Refusal> {
    let rotation = Rotation::read(given)?;
    shown(&keys.rotate(id, rotation.by(who.change())).await?.reveal())
}

fn change(given: Fields, who: &Who) -> Result<Change, Error> {
    Ok(Change::read(given)?.by(who.change()))
}

/// The ids of some databases are integers, which a path cannot tell from text; keys know both.
fn id(subject: String) -> KeyId {
    KeyId::Text(subject)
}

fn whoami(who: &Who) -> Value {
    let agent = who.agent.as_deref();
    match &who.caller {
        Caller::Session(it) => {
            let may: Vec<&str> = it.may.split(' ').filter(|it| !it.is_empty()).collect();
            json!({
                "type": "session",
                "org": it.org,
                "actor": it.actor,
                "may": may,
                "every_org": it.every_org,
                "agent": agent,
            })
        }
        Caller::Key(key) => json!({"type": "key", "org": key.org, "key": key.key(), "agent": agent}),
    }
}

pub(super) fn shown(record: &impl Serialize) -> Result<Value, Refusal> {
    serde_json::to_value(record).map_err(|_| Refusal::unavailable())
}

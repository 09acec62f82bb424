use serde::Serialize;
use serde_json::json;

use super::Answer;
use super::route::Route;
use super::who::{Caller, Who};
use crate::error::Error;
use crate::http::Http;
use crate::http::refusal::Refusal;
use crate::idempotency::Attempt;
use crate::input::{Casing, Fields, Value};
use crate::keyring::{
    Attestation, Change, KeyUpdate, Keys, ListAudit, ListKeys, ListOrgs, NewKey, OrgUpdate, Rotation,
};
use crate::record::{Key, KeyId};
use crate::rights::Rights;

/// What a client may say of a key. Who says it is never among it.
const NEW: [&str; 10] = [
    "name",
    "scopes",
    "level",
    "tier",
    "limits",
    "networks",
    "metadata",
    "environment",
    "expires_in_days",
    "expires_at",
];
const UPDATE: [&str; 9] =
    ["name", "scopes", "level", "tier", "limits", "networks", "metadata", "expires_in_days", "expires_at"];
const ROTATION: [&str; 3] = ["grace", "replace_current", "reason"];
const CHANGE: [&str; 1] = ["reason"];
const ATTESTATION: [&str; 3] = ["agent", "claims", "attestations"];

/// Counters of a key.
#[derive(Serialize)]
struct Usage<'a> {
    #[serde(flatten)]
    shown: serde_json::Map<String, serde_json::Value>,
    id: &'a KeyId,
}

impl Http {
    pub(super) async fn act(
        &self,
        route: Route,
        subject: String,
        given: Vec<(String, Value)>,
        who: &Who,
        attempt: Option<Attempt>,
    ) -> Result<Answer, Refusal> {
        let given = Fields::new(Casing::Snake, given);
        let keys = self.keys_of(who)?.under(attempt.clone());
        match route {
            Route::Create => {
                let mut new = NewKey::read(given.only(&NEW)?)?;
                if let Caller::Key(key) = &who.caller {
                    new = new.inheriting(&Rights::of(key));
                }
                new = new.by(who.change());
                // Nobody makes keys for every org: an operator's are those of the org it belongs to.
                let keys = if who.is_operator() { self.kw.org(who.org())?.keys().under(attempt) } else { keys };
                Answer::of(201, &keys.create(new).await?.reveal())
            }
            Route::List => Answer::of(200, &keys.list(ListKeys::read(given)?).await?),
            Route::Get => {
                given.only(&[])?;
                Answer::of(200, &keys.get(id(subject)).await?)
            }
            Route::Usage => {
                given.only(&[])?;
                usage(&keys.get(id(subject)).await?)
            }
            Route::Update => {
                let update = KeyUpdate::read(given.only(&UPDATE)?)?;
                Answer::of(200, &keys.update(id(subject), update.by(who.change())).await?)
            }
            Route::Rotate => rotate(&keys, id(subject), given, who).await,
            Route::Revoke => Answer::of(200, &keys.revoke(id(subject), change(given, who)?).await?),
            Route::EndGrace => Answer::of(200, &keys.end_grace(id(subject), change(given, who)?).await?),
            Route::Disable => Answer::of(200, &keys.disable(id(subject), change(given, who)?).await?),
            Route::Enable => Answer::of(200, &keys.enable(id(subject), change(given, who)?).await?),
            Route::Attest => attest(&keys, id(subject), given, who).await,
            Route::Audit => {
                let audit =
                    if who.is_operator() { self.kw.every_org().audit() } else { self.kw.org(who.org())?.audit() };
                Answer::of(200, &audit.list(ListAudit::read(given)?).await?)
            }
            Route::Scopes => {
                given.only(&[])?;
                let all = self.kw.catalogue().into_iter().flat_map(|it| it.iter());
                let all: Vec<_> = all.map(|(scope, text)| json!({"scope": scope, "description": text})).collect();
                Answer::of(200, &json!({"data": all}))
            }
            Route::Introspect => self.introspect(given, who).await,
            Route::Orgs | Route::Org | Route::UpdateOrg | Route::DisableOrg | Route::EnableOrg | Route::RevokeKeys => {
                self.act_on_orgs(route, &subject, given, who, attempt).await
            }
            Route::Whoami => {
                given.only(&[])?;
                whoami(who)
            }
            Route::OpenApi => {
                given.only(&[])?;
                Answer::of(200, &self.openapi())
            }
            Route::RotateSelf | Route::RevokeSelf | Route::AttestSelf => {
                let Caller::Key(key) = &who.caller else { return Err(Refusal::not_found()) };
                // Bounded handles leave the acting key alone; this one is about nothing else.
                let keys = self.kw.org(who.org())?.keys().under(attempt);
                match route {
                    Route::RotateSelf => rotate(&keys, key.id.clone(), given, who).await,
                    Route::AttestSelf => attest(&keys, key.id.clone(), given, who).await,
                    _ => Answer::of(200, &keys.revoke(&key.id, change(given, who)?).await?),
                }
            }
        }
    }

    async fn act_on_orgs(
        &self,
        route: Route,
        id: &str,
        given: Fields,
        who: &Who,
        attempt: Option<Attempt>,
    ) -> Result<Answer, Refusal> {
        let orgs = self.kw.orgs().under(attempt);
        match route {
            Route::Orgs => Answer::of(200, &orgs.list(ListOrgs::read(given)?).await?),
            Route::UpdateOrg => {
                let update = OrgUpdate::read(given.only(&["networks"])?)?;
                Answer::of(200, &orgs.update(id, update.by(who.change())).await?)
            }
            Route::DisableOrg => Answer::of(200, &orgs.disable(id, change(given, who)?).await?),
            Route::EnableOrg => Answer::of(200, &orgs.enable(id, change(given, who)?).await?),
            Route::RevokeKeys => {
                let revoked = orgs.revoke_keys(id, change(given, who)?).await?;
                Answer::of(200, &json!({"revoked": revoked}))
            }
            _ => {
                given.only(&[])?;
                // Another org is as unknown as none.
                let id = if who.is_operator() || id == who.org() { id } else { "unknown org" };
                let found = orgs.get(id).await;
                let unknown = |it: &Error| matches!(it, Error::ValidationFailed(_) | Error::NotFound(_));
                match found {
                    Err(error) if unknown(&error) => Err(Refusal::not_found()),
                    found => Answer::of(200, &found?),
                }
            }
        }
    }
}

async fn rotate(keys: &Keys, id: KeyId, given: Fields, who: &Who) -> Result<Answer, Refusal> {
    let rotation = Rotation::read(given.only(&ROTATION)?)?;
    Answer::of(200, &keys.rotate(id, rotation.by(who.change())).await?.reveal())
}

async fn attest(keys: &Keys, id: KeyId, given: Fields, who: &Who) -> Result<Answer, Refusal> {
    let attestation = Attestation::read_of(given.only(&ATTESTATION)?, who.agent.as_deref())?;
    let told = keys.attest(id, attestation.by(who.change())).await?;
    Answer::of(201, &json!({"data": told}))
}

fn change(given: Fields, who: &Who) -> Result<Change, Error> {
    Ok(Change::read(given.only(&CHANGE)?)?.by(who.change()))
}

/// The ids of some databases are integers, which a path cannot tell from text; keys know both.
fn id(subject: String) -> KeyId {
    KeyId::Text(subject)
}

fn usage(key: &Key) -> Result<Answer, Refusal> {
    let shown = match serde_json::to_value(key) {
        Ok(serde_json::Value::Object(all)) => all,
        _ => return Err(Refusal::unavailable()),
    };
    let counters = ["usage_count", "denied_count", "last_used_at", "secrets"];
    let shown = shown.into_iter().filter(|it| counters.contains(&it.0.as_str())).collect();
    Answer::of(200, &Usage { shown, id: &key.id })
}

fn whoami(who: &Who) -> Result<Answer, Refusal> {
    let agent = who.agent.as_deref();
    let shown = match &who.caller {
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
    };
    Answer::of(200, &shown)
}

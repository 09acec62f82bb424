//! The calls of the vectors by name, on the handle that a step chooses; results in their JSON form.

use keywright::blocking::{Audit, Keys, Keywright};
use keywright::ffi::{FromFields, Value, read_key_id, read_org_id, read_prune_before};
use keywright::{
    Attestation, Change, Credit, Decision, Denial, Error, HashedImport, IssuedKey, KeyUpdate, ListAudit, ListKeys,
    ListOrgs, NewKey, OrgUpdate, Presented, Request, Rotation,
};
use serde_json::Value as Json;

use super::case::Step;
use super::value::{Saved, fields, value};

/// The outcome of a call.
#[derive(Debug)]
pub enum Outcome {
    Done(Json),
    Refused { code: String, field: Option<String> },
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        let whole = error
            .field()
            .is_none_or(|it| error.to_string().starts_with(&format!("{it}: ")) && error.to_string().contains("; "));
        assert!(whole, "{error:?} does not name field, reason and fix");
        Self::Refused { code: error.code().into(), field: error.field().map(Into::into) }
    }
}

/// Runs the call of a step. An unknown one stops the run.
pub fn run(kw: &Keywright, step: &Step, saved: &Saved) -> Outcome {
    call(kw, step, saved).unwrap_or_else(|it| it)
}

fn call(kw: &Keywright, step: &Step, saved: &Saved) -> Result<Outcome, Outcome> {
    let given = || fields(&step.args, saved);
    let first = || value(step.first(), saved);
    let id = || read_key_id(first());
    let change = || Change::read(given());
    let done = match step.r#do.as_str() {
        "keys.create" => revealed(&keys(kw, step)?.create(NewKey::read(given())?)?),
        "keys.list" => json(keys(kw, step)?.list(ListKeys::read(given())?)?),
        "keys.get" => json(keys(kw, step)?.get(id()?)?),
        "keys.find" => json(keys(kw, step)?.find(&first().into_text("prefix")?)?),
        "keys.update" => json(keys(kw, step)?.update(id()?, KeyUpdate::read(given())?)?),
        "keys.rotate" => revealed(&keys(kw, step)?.rotate(id()?, Rotation::read(given())?)?),
        "keys.end_grace" => json(keys(kw, step)?.end_grace(id()?, change()?)?),
        "keys.revoke" => json(keys(kw, step)?.revoke(id()?, change()?)?),
        "keys.disable" => json(keys(kw, step)?.disable(id()?, change()?)?),
        "keys.enable" => json(keys(kw, step)?.enable(id()?, change()?)?),
        "keys.purge" => json(keys(kw, step)?.purge(id()?, change()?)?),
        "keys.credit" => json(keys(kw, step)?.credit(id()?, Credit::read(given())?)?),
        "keys.attest" => json(keys(kw, step)?.attest(id()?, Attestation::read(given())?)?),
        "keys.agents" => json(keys(kw, step)?.agents(id()?)?),
        "keys.import_hashed" => json(keys(kw, step)?.import_hashed(HashedImport::read(given())?)?),
        "orgs.get" => json(kw.orgs().get(&first().into_text("id")?)?),
        "orgs.list" => json(kw.orgs().list(ListOrgs::read(given())?)?),
        "orgs.update" => json(kw.orgs().update(&first().into_text("id")?, OrgUpdate::read(given())?)?),
        "orgs.disable" => json(kw.orgs().disable(&first().into_text("id")?, change()?)?),
        "orgs.enable" => json(kw.orgs().enable(&first().into_text("id")?, change()?)?),
        "orgs.revoke_keys" => json(kw.orgs().revoke_keys(&first().into_text("id")?, change()?)?),
        "audit.list" => json(audit(kw, step)?.list(ListAudit::read(given())?)?),
        "audit.head" => json(audit(kw, step)?.head()?),
        "audit.verify" => json(audit(kw, step)?.verify()?),
        "audit.prune" => json(audit(kw, step)?.prune(read_prune_before(first())?)?),
        "org" => kw.org(&read_org_id(first())?).map(|_| Json::Null)?,
        "verify" => return verify(kw, step, saved),
        "authenticate" => return authenticate(kw, step, saved),
        other => panic!("unknown call {other}"),
    };
    Ok(Outcome::Done(done))
}

fn verify(kw: &Keywright, step: &Step, saved: &Saved) -> Result<Outcome, Outcome> {
    let request = Request::read(fields(&step.args, saved))?;
    let text = presented(value(step.text.as_ref().unwrap(), saved))?;
    let text: Presented<'_> = text.as_deref().into();
    let decision = match step.org.as_deref() {
        None => kw.verify(text, &request),
        Some("*") => kw.every_org().verify(text, &request),
        Some(org) => kw.org(org)?.verify(text, &request),
    };
    match &decision {
        Decision::Denied(denial) if denial.misuse().is_some() => Err(denied(denial)),
        _ => Ok(Outcome::Done(json(decision))),
    }
}

fn authenticate(kw: &Keywright, step: &Step, saved: &Saved) -> Result<Outcome, Outcome> {
    let request = Request::read(fields(&step.args, saved))?;
    let text = presented(value(step.text.as_ref().unwrap(), saved))?;
    let text: Presented<'_> = text.as_deref().into();
    let allowed = match step.org.as_deref() {
        None => kw.authenticate(text, &request),
        Some("*") => kw.every_org().authenticate(text, &request),
        Some(org) => kw.org(org)?.authenticate(text, &request),
    };
    allowed.map(|it| Outcome::Done(json(it.key()))).map_err(|it| denied(&it))
}

pub(super) fn denied(denial: &Denial) -> Outcome {
    match denial.misuse() {
        Some(error) => error.clone().into(),
        None => Outcome::Refused { code: denial.code.as_str().into(), field: None },
    }
}

/// The bytes that a request presents; a lone surrogate becomes what no UTF-8 holds.
pub(super) fn presented(value: Value) -> Result<Option<Vec<u8>>, Error> {
    match value {
        Value::Null => Ok(None),
        Value::Bytes(it) => Ok(Some(it)),
        Value::BrokenText => Ok(Some(vec![0xED, 0xA0, 0x80])),
        other => other.into_text("api_key").map(|it| Some(it.into_bytes())),
    }
}

fn keys(kw: &Keywright, step: &Step) -> Result<Keys, Error> {
    match step.org.as_deref() {
        None => Ok(kw.keys()),
        Some("*") => Ok(kw.every_org().keys()),
        Some(org) => Ok(kw.org(org)?.keys()),
    }
}

fn audit(kw: &Keywright, step: &Step) -> Result<Audit, Error> {
    match step.org.as_deref() {
        None => Ok(kw.audit()),
        Some("*") => Ok(kw.every_org().audit()),
        Some(org) => Ok(kw.org(org)?.audit()),
    }
}

pub(super) fn json(record: impl serde::Serialize) -> Json {
    serde_json::to_value(record).unwrap()
}

pub(super) fn revealed(issued: &IssuedKey) -> Json {
    json(issued.reveal())
}

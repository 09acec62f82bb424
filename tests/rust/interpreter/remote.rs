//! Steps over HTTP: from the client to a server of the engine. `tests/http/scenarios.json` lists those that HTTP cannot express.

use std::collections::BTreeMap;
use std::path::Path;

use keywright::blocking::{Client, Keywright};
use keywright::ffi::{FromFields, Value, read_key_id};
use keywright::{
    Attestation, Change, Credit, Decision, Error, KeyUpdate, ListAudit, ListKeys, ListOrgs, NewKey, OrgUpdate,
    Presented, Request, Rotation,
};
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

use super::call::{Outcome, denied, json as shown, presented, revealed};
use super::case::Step;
use super::value::{Saved, fields, value};

/// The actor of calls that name none, because only a session with an actor may use idempotency keys.
const NOBODY: &str = "nobody";

/// The numbers of the steps of a scenario that HTTP cannot express, with the name of the reason.
pub type Direct = BTreeMap<String, String>;

/// The steps of all scenarios that HTTP cannot express.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteSteps {
    /// Why a step is not sent, by name.
    pub reasons: BTreeMap<String, String>,
    /// How many steps are sent, by vector file.
    pub sent: BTreeMap<String, usize>,
    /// The steps that are not sent, by vector file and scenario.
    pub direct: BTreeMap<String, BTreeMap<String, Direct>>,
}

impl RemoteSteps {
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("http/scenarios.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }
}

/// A server of an engine, and what it got.
pub struct Remote {
    folder: TempDir,
    direct: Direct,
    /// The number of the present step, from 1.
    step: usize,
    servers: usize,
    sent: usize,
}

impl Remote {
    pub fn new(kw: &Keywright, direct: Direct) -> Self {
        let mut remote = Self { folder: tempfile::tempdir().unwrap(), direct, step: 0, servers: 0, sent: 0 };
        remote.serve(kw);
        remote
    }

    /// Begins a server of this engine. The one before ends with its own.
    pub fn serve(&mut self, kw: &Keywright) {
        self.servers += 1;
        keywright::testing::serve(kw.engine(), self.socket().as_ref()).unwrap();
    }

    pub fn sent(&self) -> usize {
        self.sent
    }

    pub fn begin_step(&mut self) {
        self.step += 1;
    }

    fn socket(&self) -> String {
        format!("{}/{}.sock", self.folder.path().display(), self.servers)
    }

    /// Sends the call of a step; `None` if HTTP cannot express it.
    pub fn run(&mut self, step: &Step, saved: &Saved) -> Option<Outcome> {
        if self.direct.contains_key(&self.step.to_string()) {
            return None;
        }
        self.sent += 1;
        let (session, args) = session(step, saved);
        let client = keywright::Client::builder(format!("unix:{}", self.socket()));
        let client = client.api_key(session.to_string()).timeout(std::time::Duration::from_secs(300)).build().unwrap();
        Some(match call(&client.into(), &Step { args, ..step.clone() }, saved) {
            Ok(Outcome::Done(record)) => Outcome::Done(without_nobody(record)),
            Ok(outcome) | Err(outcome) => outcome,
        })
    }
}

/// The record of a call that names no actor.
fn without_nobody(record: Json) -> Json {
    match record {
        Json::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match name.as_str() {
                "actor" | "created_by" if value == NOBODY => (name, Json::Null),
                _ => (name, without_nobody(value)),
            })
            .collect(),
        Json::Array(items) => items.into_iter().map(without_nobody).collect(),
        value => value,
    }
}

/// The session that makes the call, and the arguments without its actor.
fn session(step: &Step, saved: &Saved) -> (Json, Map<String, Json>) {
    let mut args = step.args.clone();
    let actor = ["actor", "created_by"].into_iter().find_map(|name| args.remove(name));
    let every_org = step.org.as_deref() == Some("*") || step.r#do.starts_with("orgs.");
    let org = step.org.as_deref().filter(|org| *org != "*").unwrap_or("default");
    let actor = actor.map_or_else(|| NOBODY.to_owned(), |actor| value(&actor, saved).into_text("actor").unwrap());
    (json!({"org": org, "every_org": every_org, "actor": actor}), args)
}

fn call(client: &Client, step: &Step, saved: &Saved) -> Result<Outcome, Outcome> {
    let given = || fields(&step.args, saved);
    let first = || value(step.first(), saved);
    let id = || read_key_id(first());
    let org = || first().into_text("id");
    let change = || Change::read(given());
    let (keys, orgs) = (client.keys(), client.orgs());
    let done = match step.r#do.as_str() {
        "keys.create" => revealed(&keys.create(NewKey::read(given())?)?),
        "keys.list" => shown(keys.list(ListKeys::read(given())?)?),
        "keys.get" => shown(keys.get(id()?)?),
        "keys.update" => shown(keys.update(id()?, KeyUpdate::read(given())?)?),
        "keys.rotate" => revealed(&keys.rotate(id()?, Rotation::read(given())?)?),
        "keys.end_grace" => shown(keys.end_grace(id()?, change()?)?),
        "keys.revoke" => shown(keys.revoke(id()?, change()?)?),
        "keys.disable" => shown(keys.disable(id()?, change()?)?),
        "keys.enable" => shown(keys.enable(id()?, change()?)?),
        "keys.credit" => shown(keys.credit(id()?, Credit::read(given())?)?),
        "keys.attest" => shown(keys.attest(id()?, Attestation::read(given())?)?),
        "keys.agents" => shown(keys.agents(id()?)?),
        "orgs.get" => shown(orgs.get(&org()?)?),
        "orgs.list" => shown(orgs.list(ListOrgs::read(given())?)?),
        "orgs.update" => shown(orgs.update(&org()?, OrgUpdate::read(given())?)?),
        "orgs.disable" => shown(orgs.disable(&org()?, change()?)?),
        "orgs.enable" => shown(orgs.enable(&org()?, change()?)?),
        "orgs.revoke_keys" => shown(orgs.revoke_keys(&org()?, change()?)?),
        "audit.list" => shown(client.audit().list(ListAudit::read(given())?)?),
        "verify" => return verify(client, step, saved),
        "authenticate" => {
            let (text, request) = asked(step, saved)?;
            let allowed = client.authenticate(Presented::from(text.as_deref()), &request);
            return allowed.map(|it| Outcome::Done(shown(it.key()))).map_err(|it| denied(&it));
        }
        other => panic!("the client has no {other}"),
    };
    Ok(Outcome::Done(done))
}

fn verify(client: &Client, step: &Step, saved: &Saved) -> Result<Outcome, Outcome> {
    let (text, request) = asked(step, saved)?;
    let text = Presented::from(text.as_deref());
    let decision = match step.org.as_deref() {
        None | Some("*") => client.verify(text, &request),
        Some(org) => client.org(org).verify(text, &request),
    };
    match &decision {
        Decision::Denied(denial) if denial.misuse().is_some() => Err(denied(denial)),
        _ => Ok(Outcome::Done(shown(decision))),
    }
}

fn asked(step: &Step, saved: &Saved) -> Result<(Option<Vec<u8>>, Request), Error> {
    let text: Value = value(step.text.as_ref().unwrap(), saved);
    Ok((presented(text)?, Request::read(fields(&step.args, saved))?))
}

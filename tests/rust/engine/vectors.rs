//! Runs every vector file on the Rust API.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use keywright::ffi::{Casing, Fields, FromFields, Value, read_config};
use keywright::http;
use keywright::testing::{hash_case, plant};
use keywright::{Code, ErrorKind};
use keywright_tests::interpreter::call::Outcome;
use keywright_tests::interpreter::case::{
    self, BadInput, CodeCase, HashCase, KeyCase, Scenario, ScopeCase, Step, StoredRow, Wrong,
};
use keywright_tests::interpreter::engine::{Bench, Database, compare};
use keywright_tests::interpreter::expect::difference;
use keywright_tests::interpreter::value::{Saved, fields, value};
use regex::Regex;
use serde_json::{Map, Value as Json, json};

type Check = Result<(), String>;

const START: &str = "2026-01-01T00:00:00.000Z";

/// Options for cases that need some engine.
fn plain() -> Map<String, Json> {
    json!({"brand": "liq", "pepper": "pepper for vectors, thirty-two bytes or more"}).as_object().unwrap().clone()
}

/// Engines by their options: cases that leave nothing behind share one.
#[derive(Default)]
struct Shared(BTreeMap<String, Bench>);

impl Shared {
    fn bench(&mut self, config: &Json) -> Result<&mut Bench, String> {
        match self.0.entry(config.to_string()) {
            Entry::Occupied(it) => Ok(it.into_mut()),
            Entry::Vacant(it) => Ok(it.insert(Bench::open(config, START).map_err(|it| it.to_string())?)),
        }
    }
}

fn key(shared: &mut Shared, case: &KeyCase) -> Check {
    if case.op == "open" {
        return match Bench::open(&case.config, START) {
            Ok(_) if case.expect == "ok" => Ok(()),
            Ok(_) => Err(format!("wanted {}, and it opens", case.expect)),
            Err(error) => compare(&error.into(), None, Some(&wrong(&case.expect["error"])?), &Saved::new()),
        };
    }
    let kw = shared.bench(&case.config)?.kw().engine();
    let text = match case.text.as_ref().map(|it| value(it, &Saved::new())) {
        Some(Value::Text(it)) => it,
        None => String::new(),
        other => panic!("{other:?} is no text"),
    };
    let got = match case.op.as_str() {
        "parse" => serde_json::to_value(kw.parse(&text)).unwrap(),
        "redact" => kw.redact(&text).into(),
        "pattern" => match &case.syntax {
            Some(syntax) => kw.key_formats().key_pattern_in(syntax.parse().unwrap()).into(),
            None => kw.key_pattern().into(),
        },
        other => panic!("unknown op {other}"),
    };
    same(&case.expect, &got)?;
    if let (Some(wanted), Some(pattern)) = (&case.found, got.as_str()) {
        let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
        let found: Vec<&str> = pattern.find_iter(&text).map(|found| found.as_str()).collect();
        same(&json!(wanted), &json!(found))?;
    }
    Ok(())
}

fn hash(case: &HashCase) -> Check {
    let found = hash_case(&case.op, value(&case.input, &Saved::new())).map_err(|it| it.to_string())?;
    let Value::Map(found) = found else { return Err(format!("{found:?} is no answer")) };
    let found = found.into_iter().map(|(name, it)| match it {
        Value::Text(text) => (name, Json::String(text)),
        other => panic!("{other:?} is no answer"),
    });
    same(&case.expect, &Json::Object(found.collect()))
}

fn scope(shared: &mut Shared, case: &ScopeCase) -> Check {
    let mut config = plain();
    config.extend(case.config.clone());
    let bench = shared.bench(&Json::Object(config))?;
    let (made, asked) = match case.op.as_str() {
        "grant" => (vec![("scopes", &case.scopes)], None),
        "verify" => (vec![("scopes", &case.granted)], Some(("scopes", &case.required))),
        "level" => (vec![("level", &case.level)], Some(("method", &case.method))),
        "network" => (vec![("networks", &case.networks)], Some(("ip", &case.ip))),
        other => panic!("unknown op {other}"),
    };
    let given = |args: Vec<(&str, &Option<Json>)>| -> Map<String, Json> {
        args.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it.clone()?))).collect()
    };
    let mut args = given(made);
    args.insert("name".into(), "CI".into());
    let (expect, error) = match case.expect.get("error") {
        Some(error) => (None, Some(wrong(error)?)),
        None => (Some(case.expect.clone()), None),
    };
    let create = Step { r#do: "keys.create".into(), args, r#as: Some("k".into()), ..Step::default() };
    let Some(asked) = asked else {
        bench.step(&Step { error: error.clone(), ..create })?;
        let expect = expect.map(|it| json!({ "scopes": it }));
        let get = Step { r#do: "keys.get".into(), id: Some(json!({"$ref": "k.id"})), expect, ..Step::default() };
        return if error.is_none() { bench.step(&get) } else { Ok(()) };
    };
    bench.step(&create)?;
    let text = Some(json!({"$ref": "k.api_key"}));
    bench.step(&Step { r#do: "verify".into(), text, args: given(vec![asked]), expect, error, ..Step::default() })
}

fn scenario(case: &Scenario) -> Check {
    let mut bench = Bench::open(&case.config, &case.start).map_err(|it| it.to_string())?;
    for (index, step) in case.steps.iter().enumerate() {
        bench.step(step).map_err(|it| format!("step {index}, {}: {it}", step.r#do))?;
    }
    Ok(())
}

/// Refuses the call of a case, and sees that nothing was changed by it.
fn bad_input(bench: &mut Bench, case: &BadInput) -> Check {
    let head = bench.kw().audit().head().unwrap();
    let decision = case.expect.get("decision");
    let step = Step {
        r#do: case.call.clone(),
        id: case.target.clone(),
        text: case.text.clone(),
        args: case.args.clone(),
        ..Step::default()
    };
    if case.call == "open" {
        opening(case)?;
    } else if case.call == "http" {
        let config = http::Config::read(fields(&case.args, &Saved::new()));
        let made = config.and_then(|it| bench.kw().engine().http(it));
        let outcome = made.map_or_else(Outcome::from, |_| Outcome::Done(Json::Null));
        compare(&outcome, None, Some(&wrong(&case.expect)?), &Saved::new())?;
    } else if let Some(code) = decision {
        bench.step(&Step { expect: Some(json!({"allowed": false, "code": code, "key": null})), ..step })?;
    } else {
        bench.step(&Step { error: Some(wrong(&case.expect)?), ..step })?;
    }
    if bench.kw().audit().head().unwrap() == head { Ok(()) } else { Err("it has changed something".into()) }
}

fn opening(case: &BadInput) -> Check {
    let database = Database::new();
    let url = case.target.as_ref().map_or_else(|| Value::Text(database.url.clone()), |it| value(it, &Saved::new()));
    let opened = read_config(url, fields(&case.args, &Saved::new())).and_then(keywright::blocking::Keywright::open);
    let outcome = opened.map_or_else(Outcome::from, |_| Outcome::Done(Json::Null));
    compare(&outcome, None, Some(&wrong(&case.expect)?), &Saved::new())?;
    if database.is_untouched() { Ok(()) } else { Err("it has made a database".into()) }
}

fn code(case: &CodeCase) -> Check {
    let found = match case.kind.as_str() {
        "error" => ErrorKind::ALL
            .iter()
            .find(|kind| kind.code() == case.code)
            .map(|kind| (kind.status(), kind.code().to_uppercase())),
        "decision" => {
            Code::ALL.iter().find(|it| it.as_str() == case.code).map(|it| (it.status(), it.wire().to_owned()))
        }
        other => panic!("unknown kind {other}"),
    };
    match found {
        Some((status, wire)) => same(&json!([case.status, case.wire]), &json!([status, wire])),
        None => Err("no such code".into()),
    }
}

fn stored_row(case: &StoredRow) -> Check {
    let mut bench = Bench::open(&case.config, START).map_err(|it| it.to_string())?;
    plant(bench.kw().engine(), value(&case.row, &Saved::new())).map_err(|it| it.to_string())?;
    bench.step(&Step {
        r#do: "verify".into(),
        text: Some(case.text.clone().into()),
        expect: Some(case.expect.clone()),
        ..Step::default()
    })
}

fn wrong(json: &Json) -> Result<Wrong, String> {
    serde_json::from_value(json.clone()).map_err(|it| it.to_string())
}

fn same(want: &Json, got: &Json) -> Check {
    if want == got { Ok(()) } else { Err(format!("wanted {want}, got {got}")) }
}

/// The cases of a file that failed, with the reason.
fn run<T>(name: &str, cases: &[T], id: impl Fn(&T) -> &str, mut check: impl FnMut(&T) -> Check) -> Vec<String> {
    let told = |case: &T, it: String| format!("{name}.json {}: {}", id(case), it.chars().take(400).collect::<String>());
    cases.iter().filter_map(|case| check(case).err().map(|it| told(case, it))).collect()
}

#[test]
fn every_vector_holds() {
    let (mut faults, mut shared) = (Vec::new(), Shared::default());
    faults.extend(run("key", &case::file("key").tests, |it: &KeyCase| &it.id, |it| key(&mut shared, it)));
    faults.extend(run("hash", &case::file("hash").tests, |it: &HashCase| &it.id, hash));
    faults.extend(run("scope", &case::file("scope").tests, |it: &ScopeCase| &it.id, |it| scope(&mut shared, it)));
    for name in ["scenario", "import", "limit", "quota", "meter"] {
        faults.extend(run(name, &case::file(name).tests, |it: &Scenario| &it.id, scenario));
    }
    faults.extend(run("errors", &case::file("errors").tests, |it: &CodeCase| &it.id, code));
    faults.extend(run("stored_rows", &case::file("stored_rows").tests, |it: &StoredRow| &it.id, stored_row));
    let bad = case::file::<BadInput>("bad_input");
    let mut bench = Bench::open(&bad.config, bad.start.as_deref().unwrap()).unwrap();
    bad.given.iter().for_each(|it| bench.step(it).unwrap());
    faults.extend(run("bad_input", &bad.tests, |it: &BadInput| &it.id, |it| bad_input(&mut bench, it)));
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    // The tests of the HTTP layer, of the program and of webhooks run these.
    let of_others = ["cli.json", "http.json", "receipt.json", "webhook.json"];
    let manifest: Vec<_> = case::manifest().into_iter().filter(|it| !of_others.contains(&it.0.as_str())).collect();
    assert_eq!(manifest.len(), 11, "the manifest names a file that is not run");
    let counts: Vec<String> =
        manifest.iter().map(|(name, count)| format!("{} {count}", name.trim_end_matches(".json"))).collect();
    // Past the capture of the test harness: the one line that says what was run.
    writeln!(std::io::stdout(), "vectors rust: {}", counts.join(", ")).unwrap();
}

/// A case of limits with the limiter of the machine, which counts as the one of the process does, and shares.
#[cfg(all(target_os = "linux", not(keywright_portable)))]
fn on_machine(case: &Scenario) -> Scenario {
    fn shared(json: &Json) -> Json {
        match json {
            Json::Object(fields) => {
                let field = |(name, it): (&String, &Json)| match name.as_str() {
                    "shared" => (name.clone(), true.into()),
                    _ => (name.clone(), shared(it)),
                };
                Json::Object(fields.iter().map(field).collect())
            }
            Json::Array(items) => items.iter().map(shared).collect(),
            other => other.clone(),
        }
    }
    let config = |config: &Json| {
        let mut config = config.as_object().unwrap().clone();
        config.insert("limiter".into(), "machine".into());
        Json::Object(config)
    };
    let step = |step: &Step| Step {
        config: step.config.as_ref().map(config),
        expect: step.expect.as_ref().map(shared),
        ..step.clone()
    };
    Scenario {
        id: case.id.clone(),
        comment: case.comment.clone(),
        config: config(&case.config),
        start: case.start.clone(),
        steps: case.steps.iter().map(step).collect(),
    }
}

#[cfg(all(target_os = "linux", not(keywright_portable)))]
#[test]
fn the_limiter_of_the_machine_keeps_the_vectors_of_limits() {
    if std::env::var("KEYWRIGHT_TEST_STORE").is_ok() {
        return;
    }
    let all: Vec<Scenario> = case::file("limit").tests;
    let cases: Vec<_> = all.iter().filter(|it| it.config.get("limiter").is_none()).map(on_machine).collect();
    assert!(cases.len() > 50);
    let faults = run("limit", &cases, |it: &Scenario| &it.id, scenario);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_kind_of_error_is_in_the_vectors() {
    let file = case::file::<CodeCase>("errors");
    let vectors: BTreeSet<_> =
        file.tests.iter().filter(|case| case.kind == "error").map(|case| case.code.as_str()).collect();
    let kinds: BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(kinds, vectors);
}

#[test]
fn every_code_of_a_denial_has_a_vector() {
    let of = |kind: &str| -> Vec<String> {
        let cases = case::file("errors").tests.into_iter().filter(|it: &CodeCase| it.kind == kind);
        cases.map(|it| it.code).collect()
    };
    // Python and Node raise this one as the exception of the same code, so it is among the errors.
    let (raised, denied): (Vec<Code>, Vec<Code>) = Code::ALL.iter().partition(|it| **it == Code::InvalidRequest);
    assert_eq!(denied.iter().map(|it| it.as_str()).collect::<Vec<_>>(), of("decision"));
    assert!(raised.iter().all(|it| of("error").iter().any(|code| code == it.as_str())));
}

#[test]
fn a_wrong_expectation_is_told() {
    let bench = |expect: Json| {
        let mut bench = Bench::open(&Json::Object(plain()), START).unwrap();
        let args = json!({"name": "CI"}).as_object().unwrap().clone();
        bench.step(&Step { r#do: "keys.create".into(), args, expect: Some(expect), ..Step::default() })
    };
    assert_eq!(bench(json!({"name": "CI"})), Ok(()));
    assert!(bench(json!({"name": "CD"})).is_err());
    assert!(difference(&json!({"a": [1]}), &json!({"a": []}), &Saved::new()).is_some());
    let refused = Outcome::from(keywright::NewKey::read(Fields::new(Casing::Snake, vec![])).unwrap_err());
    let wanted = |field: &str| Wrong { code: "invalid_request".into(), field: Some(field.into()) };
    assert_eq!(compare(&refused, None, Some(&wanted("name")), &Saved::new()), Ok(()));
    assert!(compare(&refused, None, Some(&wanted("scopes")), &Saved::new()).is_err());
    assert!(compare(&refused, Some(&json!({})), None, &Saved::new()).is_err());
    assert!(compare(&Outcome::Done(Json::Null), None, Some(&wanted("name")), &Saved::new()).is_err());
}

#[test]
fn what_is_unknown_stops_the_run() {
    assert!(serde_json::from_value::<Step>(json!({"do": "close", "then": 1})).is_err());
    let panics = |step: Step| {
        let unknown = move || Bench::open(&Json::Object(plain()), START).unwrap().step(&step);
        std::panic::catch_unwind(unknown).is_err()
    };
    assert!(panics(Step { r#do: "keys.destroy".into(), ..Step::default() }));
    assert!(panics(Step { r#do: "keys.get".into(), id: Some(json!({"$ref": "nobody.id"})), ..Step::default() }));
}

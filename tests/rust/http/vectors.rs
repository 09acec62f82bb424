//! Every case of `http.json`, on the contract in this process.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use base64ct::{Base64, Encoding};
use keywright::blocking::Keywright;
use keywright::ffi::{FromFields, Value, block_on};
use keywright::http::{self, Head, Http, IdempotencyCheck, Message, Needs, Outcome, Principal, Session};
use keywright::testing::ManualClock;
use keywright_tests::interpreter::call::{self, run};
use keywright_tests::interpreter::case::{self, HttpCase, HttpGuard, HttpKey, HttpRequest, HttpSetup, Step};
use keywright_tests::interpreter::engine::Database;
use keywright_tests::interpreter::value::{Saved, fields, time};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value as Json, json};

const PEPPER: &str = "http vectors: a pepper of 32 bytes.";
const PEER: &str = "127.0.0.1";

/// The paths that a host answers itself, without the contract.
const HOSTS: [&str; 4] = ["/fail", "/own", "/crash", "/count"];

/// One set-up: an engine on a new database, and its keys.
struct Site {
    _database: Database,
    clock: ManualClock,
    kw: Keywright,
    http: Http,
    setup: HttpSetup,
    texts: BTreeMap<String, String>,
    secrets: Vec<String>,
}

/// A status, headers by name, and a body.
type Answer = (u16, BTreeMap<&'static str, String>, Vec<u8>);

impl Site {
    fn new(setup: HttpSetup) -> Self {
        let database = Database::new();
        let clock = ManualClock::new(time(&setup.now));
        let mut engine = setup.engine.clone();
        engine.insert("pepper".into(), PEPPER.into());
        let url = Value::Text(database.url.clone());
        let config = keywright::ffi::read_config(url, fields(&engine, &Saved::new())).unwrap().clock(clock.clone());
        let kw = Keywright::open(config).unwrap();
        let http = http::Config::read(fields(&setup.http, &Saved::new())).unwrap();
        let http = kw.engine().http(http).unwrap();
        let keys = setup.keys.clone();
        let (texts, secrets) = (BTreeMap::new(), Vec::new());
        let mut site = Self { _database: database, clock, kw, http, setup, texts, secrets };
        site.make(&keys);
        site
    }

    fn make(&mut self, keys: &BTreeMap<String, HttpKey>) {
        let now = time(&self.setup.now);
        for (name, key) in keys {
            self.clock.set(key.at.as_deref().map_or(now, time));
            let mut args = json!({ "name": name }).as_object().unwrap().clone();
            args.extend(key.create.clone());
            let made = self.done(&Step { org: Some(key.org.clone()), args, ..step("keys.create") });
            self.keep(name, &made);
            self.clock.set(now);
            for (action, args) in key.then.iter().map(|it| (&it[0], it.get(1))) {
                let action = action.as_str().unwrap();
                let args = args.map(|it| it.as_object().unwrap().clone()).unwrap_or_default();
                if let Some(method) = action.strip_prefix("org.") {
                    let id = Some(key.org.clone().into());
                    self.done(&Step { id, args, ..step(&format!("orgs.{method}")) });
                    continue;
                }
                let (org, id) = (Some(key.org.clone()), Some(made["id"].clone()));
                let after = self.done(&Step { org, id, args, ..step(&format!("keys.{action}")) });
                if action == "rotate" {
                    let former = self.texts[name].clone();
                    self.texts.insert(format!("{name}.former"), former);
                    self.keep(name, &after);
                }
            }
        }
    }

    fn done(&self, step: &Step) -> Json {
        match run(&self.kw, step, &Saved::new()) {
            call::Outcome::Done(result) => result,
            refused => panic!("{}: {refused:?}", step.r#do),
        }
    }

    fn keep(&mut self, name: &str, made: &Json) {
        let text = made["api_key"].as_str().unwrap();
        let prefix = made["prefix"].as_str().unwrap();
        self.secrets.push(text[prefix.len() + 1..text.len() - 6].to_owned());
        let id = made["id"].as_str().unwrap();
        for (what, text) in [
            ("", text.to_owned()),
            (".id", id.to_owned()),
            (".prefix", prefix.to_owned()),
            (".escaped", text.replace('_', "%5F")),
            (".cut", text[..text.len() - 1].to_owned()),
            (".upper", text.to_ascii_uppercase()),
            (".wrong", sealed(text)),
        ] {
            self.texts.insert(format!("{name}{what}"), text);
        }
    }

    /// A text of a case, with the texts of keys in place of their names.
    fn filled(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let found = after.split_once('}').and_then(|(name, rest)| Some((self.texts.get(name)?, rest)));
            rest = match found {
                Some((text, rest)) => {
                    out.push_str(text);
                    rest
                }
                None => {
                    out.push('{');
                    after
                }
            };
        }
        out + rest
    }

    fn sent(&self, request: &HttpRequest, needs: Option<&Needs>) -> Answer {
        let headers: Vec<_> =
            request.headers.iter().map(|(name, value)| (name.clone(), encoded(self.filled(value).trim()))).collect();
        let body = match &request.body {
            Json::Null => String::new(),
            Json::String(text) => self.filled(text),
            json => self.filled(&json.to_string()),
        };
        self.ask(&request.method, &self.filled(&request.target), &headers, body.as_bytes(), needs)
    }

    fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
        needs: Option<&Needs>,
    ) -> Answer {
        let mount = if self.setup.http.contains_key("path") { "" } else { "/manage" };
        let response = match target.strip_prefix(mount) {
            Some(target) if self.http.manages(target) => {
                let principal = self.setup.principal.as_ref().and_then(Json::as_object);
                let session = principal.map(|it| Session::read(fields(it, &Saved::new())).unwrap());
                let message = Message::new(method, target).peer(PEER).body(body);
                let lines = headers.iter();
                let message = lines.fold(message, |it, line| it.header(line.0.as_str(), line.1.as_str()));
                block_on(self.http.manage(message, session))
            }
            _ => {
                let lines: Vec<_> = headers.iter().map(|it| (it.0.as_bytes(), it.1.as_bytes())).collect();
                let head = Head::new(method, target).peer(PEER).headers(&lines);
                match block_on(self.http.authenticate(&head, needs)) {
                    Outcome::Refused(response) => response,
                    Outcome::Allowed(passed) => {
                        let (principal, org) = match &passed.principal {
                            Principal::Anyone => ("anyone", None),
                            Principal::Key(key) => ("key", Some(key.org.clone())),
                            Principal::Session(session) => ("session", Some(session.org().to_owned())),
                        };
                        let key = passed.key().map(|it| &it.name);
                        let told =
                            json!({"principal": principal, "key": key, "org": org, "agent": passed.agent.as_deref()});
                        let told = if method == "HEAD" { Vec::new() } else { told.to_string().into() };
                        match block_on(self.http.once(&passed, body)) {
                            IdempotencyCheck::Answered(response) => response,
                            IdempotencyCheck::Run(lease) => {
                                let kind = [("content-type", "application/json")];
                                let kept = lease.map(|it| block_on(self.http.finish(it, 200, kind, &told)));
                                kept.transpose().unwrap();
                                return (200, by_name(passed.headers()), told);
                            }
                        }
                    }
                }
            }
        };
        (response.status, by_name(response.headers.iter().map(|it| (it.0, it.1.as_ref()))), response.body)
    }

    /// The differences between the response and the case.
    fn differences(&mut self, case: &HttpCase) -> Vec<String> {
        self.make(&case.keys);
        let again = (1..case.repeat.unwrap_or(1)).map(|_| &case.request);
        let needs = (case.guard == Some(HttpGuard::Route)).then(Needs::by_rule);
        case.before.iter().chain(again).for_each(|it| drop(self.sent(it, needs.as_ref())));
        let (status, headers, body) = self.sent(&case.request, needs.as_ref());
        let wanted = &case.response;
        let mut out = Vec::new();
        if status != wanted.status {
            out.push(format!("status is {status} and not {}", wanted.status));
        }
        for (name, want) in &wanted.headers {
            let found = headers.get(name.as_str()).map_or(Json::Null, |it| it.as_str().into());
            out.extend(self.differ(&format!("header {name}"), &found, want));
        }
        match &wanted.body {
            Json::Null if body.is_empty() => {}
            Json::Null => out.push("the body is not empty".into()),
            Json::String(any) if any == "*" => {}
            want => {
                let found = serde_json::from_slice(&body).unwrap_or_default();
                out.extend(self.differ("body", &found, want));
            }
        }
        if let Some(names) = &wanted.names {
            let found: Names = serde_json::from_slice(&body).unwrap_or_default();
            out.extend((found.0 != *names).then(|| format!("names are {:?} and not {names:?}", found.0)));
        }
        let told = format!("{}{headers:?}", String::from_utf8_lossy(&body));
        if status >= 400 && self.secrets.iter().any(|it| told.contains(it)) {
            out.push("a secret is echoed".into());
        }
        out
    }

    fn differ(&self, place: &str, found: &Json, wanted: &Json) -> Vec<String> {
        let told = || vec![format!("{place} is {found} and not {wanted}")];
        match (wanted, found) {
            (Json::String(any), _) if any == "*" => {
                let empty = matches!(found, Json::Null) || [json!(""), json!([]), json!({})].contains(found);
                if empty { vec![format!("{place} is missing")] } else { Vec::new() }
            }
            (Json::String(any), _) if any == "uuid" => {
                let uuid = found.as_str().is_some_and(|it| it.len() == 36 && it.split('-').count() == 5);
                if uuid { Vec::new() } else { told() }
            }
            (Json::String(text), Json::String(found)) if self.filled(text) == *found => Vec::new(),
            (Json::Object(named), Json::Object(_)) => {
                named.iter().flat_map(|(name, it)| self.differ(&format!("{place}.{name}"), &found[name], it)).collect()
            }
            (Json::Array(wanted), Json::Array(items)) if wanted.len() == items.len() => {
                let pairs = items.iter().zip(wanted).enumerate();
                pairs.flat_map(|(at, (found, it))| self.differ(&format!("{place}[{at}]"), found, it)).collect()
            }
            _ if wanted == found => Vec::new(),
            _ => told(),
        }
    }
}

/// The fields of an object, or of the first object of a list, in their order.
#[derive(Default)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Names;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = entries.next_entry()? {
            names.push(name);
        }
        Ok(Names(names))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
        let first = items.next_element()?.unwrap_or_default();
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

fn step(call: &str) -> Step {
    Step { r#do: call.into(), ..Step::default() }
}

fn by_name<'a>(headers: impl Iterator<Item = (&'static str, &'a str)>) -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    for (name, value) in headers {
        assert_eq!(found.insert(name, value.to_owned()), None, "{name} stands twice");
    }
    found
}

/// A header as it is sent. Cases hold the id and secret of `Basic` without base64.
fn encoded(value: &str) -> String {
    match value.strip_prefix("Basic ").filter(|credentials| credentials.contains(':')) {
        Some(credentials) => format!("Basic {}", Base64::encode_string(credentials.as_bytes())),
        None => value.to_owned(),
    }
}

/// The text with another secret and the right checksum.
fn sealed(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let (body, last) = text[..text.len() - 6].split_at(text.len() - 7);
    let body = format!("{body}{}", if last == "a" { "b" } else { "a" });
    let mut number = crc32fast::hash(body.as_bytes()) as usize;
    let mut digits = [0; 6];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[number % 62];
        number /= 62;
    }
    body + std::str::from_utf8(&digits).unwrap()
}

#[test]
fn every_vector_holds() {
    let file = case::file::<HttpCase>("http");
    let (mut faults, mut ran, mut of_hosts) = (Vec::new(), 0, 0);
    for (name, setup) in file.setups {
        let mut site = Site::new(setup);
        for case in file.tests.iter().filter(|it| it.setup == name) {
            if HOSTS.contains(&case.request.target.split('?').next().unwrap()) {
                of_hosts += 1;
                continue;
            }
            ran += 1;
            faults.extend(site.differences(case).iter().map(|it| format!("{}: {it}", case.id)));
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    assert_eq!(ran + of_hosts, file.count, "a case names no set-up");
    let ids: std::collections::BTreeSet<_> = file.tests.iter().map(|it| &it.id).collect();
    assert_eq!(ids.len(), file.count, "two cases have one id");
    // Past the capture of the test harness: the line that counts the cases.
    writeln!(std::io::stdout(), "vectors rust: http {ran}, and {of_hosts} for hosts").unwrap();
}

#[test]
fn a_wrong_expectation_is_told() {
    let file = case::file::<HttpCase>("http");
    let mut site = Site::new(file.setups["plain"].clone());
    let mut case = file.tests.into_iter().find(|it| it.setup == "plain").unwrap();
    assert_eq!(site.differences(&case), Vec::<String>::new());
    case.response.status = 418;
    case.response.headers.insert("vary".into(), Json::Null);
    case.response.body["code"] = "OTHER".into();
    assert_eq!(site.differences(&case).len(), 3);
}

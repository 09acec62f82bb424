//! Where a secret or a pepper must never stand: in the files, in what a record shows, in what an error says. And what
//! a purge leaves.

use std::fmt::Debug;
use std::path::Path;

use keywright::blocking::Keywright;
use keywright::ffi::{Casing, Fields, FromFields, Value, block_on, read_config};
use keywright::http::{Message, Session};
use keywright::testing::ManualClock;
use keywright::{
    Change, Decision, Error, IssuedKey, KeyUpdate, ListAudit, ListKeys, ListOrgs, NewKey, OrgUpdate, Request, Rotation,
};
use serde::Serialize;

use keywright_tests::site::{
    PEPPER, Site, bytes, contains, create, files, forged, logs_in_pieces, plain, until, verdict,
};

/// A text that a client makes up is no secret of the engine, but may be one of the client.
const ATTEMPT: &str = "an-idempotency-key-that-a-client-made-up";

const NEXT: &str = "the pepper that comes next, longer than 32 bytes";

/// The forms that give a secret away: all of it, either half, and the usual ways to write it.
fn traces(secret: &str) -> Vec<String> {
    let (head, tail) = secret.split_at(secret.len() / 2);
    let hex = secret.bytes().map(|it| format!("{it:02x}")).collect::<String>();
    vec![head.to_owned(), tail.to_owned(), hex.to_uppercase(), hex, base64(secret.as_bytes())]
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |group: &[u8]| {
        let number = group.iter().fold(0, |sum, it| sum << 8 | u32::from(*it)) << (8 * (3 - group.len()));
        (0..=group.len()).map(move |at| char::from(DIGITS[(number >> (18 - 6 * at) & 63) as usize]))
    };
    bytes.chunks(3).flat_map(digits).collect()
}

/// The random part of a text of the standard format.
fn secret(text: &str) -> &str {
    let from = text.rfind('_').unwrap() + 1;
    &text[from..text.len() - 6]
}

fn all_traces(texts: &[String]) -> Vec<String> {
    texts.iter().map(|it| secret(it)).chain([PEPPER, NEXT, ATTEMPT]).flat_map(traces).collect()
}

fn clean_files(folder: &Path, traces: &[String]) {
    let mut read = 0;
    for file in folder.read_dir().unwrap() {
        let file = file.unwrap().path();
        let bytes = bytes(&file);
        read += bytes.len();
        for trace in traces {
            assert!(!contains(&bytes, trace.as_bytes()), "{trace} stands in {}", file.display());
        }
    }
    assert!(read > 4_096, "nothing was read");
}

/// Creates, verifies, rotates, fails; gives every text that was handed out.
fn use_keys(kw: &Keywright, site: &Site) -> Vec<String> {
    let first = create(kw, "first");
    let mut texts = vec![first.api_key.reveal().to_owned()];
    let keys = kw.keys();
    for rotation in [Rotation::default(), Rotation::replace_current(), Rotation::at_once()] {
        texts.push(keys.rotate(&first.id, rotation).unwrap().api_key.reveal().to_owned());
    }
    for text in &texts {
        verdict(kw, text);
        verdict(kw, &forged(text));
        verdict(kw, &text[..text.len() - 1]);
    }
    let text = texts[0].clone();
    keys.create(NewKey::named(&text)).unwrap_err();
    keys.revoke(&first.id, Change::because(format!("leaked: {text}"))).unwrap_err();
    let other = site.sql();
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END")
        .unwrap();
    keys.create(NewKey::named("second")).unwrap_err();
    keys.rotate(&first.id, Rotation::default()).unwrap_err();
    other.execute_batch("DROP TRIGGER full").unwrap();
    texts.push(create(kw, "third").api_key.reveal().to_owned());
    keys.revoke(&first.id, Change::because("leaked")).unwrap();
    texts.push(once(kw));
    texts
}

/// Asks for a key twice under one idempotency key, of which the second time shows no text.
fn once(kw: &Keywright) -> String {
    let http = kw.engine().http(keywright::http::Config::new()).unwrap();
    let ask = || {
        let session = Session::of("default").unwrap().actor("alice").may("keys:manage").unwrap();
        let message = Message::new("POST", "/keys").header("content-type", "application/json");
        let message = message.header("idempotency-key", ATTEMPT).body(r#"{"name": "fourth"}"#);
        let made = block_on(http.manage(message, Some(session)));
        serde_json::from_slice::<serde_json::Value>(&made.body).unwrap()["api_key"].clone()
    };
    let text = ask().as_str().unwrap().to_owned();
    assert!(ask().is_null());
    text
}

#[test]
fn no_secret_stands_in_a_file() {
    for slow in [false, true] {
        let site = Site::new();
        let kw = Keywright::open(if slow { plain(&site.file()) } else { site.config() }).unwrap();
        let texts = use_keys(&kw, &site);
        assert!(files(&site.file())[1].exists());
        clean_files(site.folder(), &all_traces(&texts));
        // The public part does stand there, so that the search is one.
        let prefix = kw.engine().parse(&texts[4]).unwrap().prefix;
        assert!(contains(&bytes(&files(&site.file())[1]), prefix.as_bytes()));
        kw.close();
        clean_files(site.folder(), &all_traces(&texts));
    }
}

#[test]
fn no_secret_stands_in_a_file_when_peppers_change() {
    let site = Site::new();
    let kw = site.open();
    let text = create(&kw, "CI").api_key.reveal().to_owned();
    kw.close();
    let kw = Keywright::open(plain(&site.file()).pepper(NEXT).retired_pepper(PEPPER)).unwrap();
    let verifier = || site.sql().query_row("SELECT verifier FROM secrets", [], |row| row.get::<_, String>(0)).unwrap();
    let before = verifier();
    assert_eq!(verdict(&kw, &text), "allowed");
    until("the verifier moves to the new pepper", || verifier() != before);
    assert_eq!(verdict(&kw, &text), "allowed");
    clean_files(site.folder(), &all_traces(std::slice::from_ref(&text)));
    kw.close();
    clean_files(site.folder(), &all_traces(&[text]));
}

#[derive(Default)]
struct Shown(Vec<String>);

impl Shown {
    fn debug(&mut self, it: &impl Debug) {
        self.0.extend([format!("{it:?}"), format!("{it:#?}")]);
    }

    fn record(&mut self, it: &(impl Debug + Serialize)) {
        self.debug(it);
        self.0.push(serde_json::to_string(it).unwrap());
    }

    fn error<T>(&mut self, done: Result<T, Error>) {
        let Err(error) = done else { panic!("this must be refused: {:?}", self.0.last()) };
        self.debug(&error);
        self.0.push(error.to_string());
        let mut source = std::error::Error::source(&error);
        while let Some(it) = source {
            self.0.push(it.to_string());
            source = it.source();
        }
    }

    fn decision(&mut self, decision: &Decision) {
        self.debug(decision);
        match decision {
            Decision::Allowed(it) => self.record(it.key()),
            Decision::Denied(it) => {
                self.0.push(it.to_string());
                self.debug(&it.misuse());
            }
        }
    }

    fn clean(&self, traces: &[String]) {
        assert!(self.0.len() > 20);
        for shown in &self.0 {
            let found = traces.iter().find(|it| shown.contains(it.as_str()));
            assert_eq!(found, None, "{shown}");
        }
    }
}

fn show_records(shown: &mut Shown, kw: &Keywright, new: &IssuedKey) {
    shown.record(new);
    shown.record(&new.key);
    shown.record(&new.api_key);
    shown.0.push(new.api_key.to_string());
    shown.debug(&new.reveal());
    shown.record(&kw.keys().get(&new.id).unwrap());
    shown.record(&kw.keys().find(&new.prefix).unwrap());
    shown.record(&kw.keys().list(ListKeys::new()).unwrap());
    shown.record(&kw.orgs().list(ListOrgs::new()).unwrap());
    shown.record(&kw.every_org().audit().list(ListAudit::new()).unwrap());
    shown.record(&kw.audit().verify().unwrap());
    shown.record(&kw.audit().head().unwrap());
    shown.record(&kw.engine().parse(new.api_key.reveal()));
    shown.0.push(kw.engine().redact(&format!("Bearer {} and more", new.api_key.reveal())));
}

fn show_decisions(shown: &mut Shown, kw: &Keywright, new: &IssuedKey) {
    let text = new.api_key.reveal();
    let forged = forged(text);
    for text in [text, &forged, &text[..text.len() - 1], &format!("{text}x")] {
        shown.decision(&kw.verify(text, &Request::new()));
    }
    for request in [
        Request::new().scope("deals:read"),
        Request::new().scope(text),
        Request::new().ip(text),
        Request::new().method(text),
        Request::new().environment(text),
    ] {
        shown.decision(&kw.verify(text, &request));
    }
}

fn show_errors(shown: &mut Shown, kw: &Keywright, new: &IssuedKey) {
    let (keys, orgs, text) = (kw.keys(), kw.orgs(), new.api_key.reveal());
    let metadata = || serde_json::Map::from_iter([("deep".to_owned(), serde_json::json!([{ "note": text }]))]);
    shown.error(keys.create(NewKey::named(text)));
    shown.error(keys.create(NewKey::named("CI").metadata(metadata())));
    shown.error(keys.create(NewKey::named("CI").created_by(text)));
    shown.error(keys.create(NewKey::named("CI").environment(text)));
    shown.error(NewKey::named("CI").scopes(text));
    shown.error(NewKey::named("CI").networks([text]));
    shown.error(keys.update(&new.id, KeyUpdate::new().name(format!("was {text}"))));
    shown.error(keys.update(&new.id, KeyUpdate::new().metadata(metadata())));
    shown.error(keys.update(&new.id, KeyUpdate::new().actor(text)));
    shown.error(keys.rotate(&new.id, Rotation::default().reason(text)));
    shown.error(keys.rotate(&new.id, Rotation::default().actor(text)));
    shown.error(Rotation::grace(text));
    shown.error(keys.revoke(&new.id, Change::because(text)));
    shown.error(keys.disable(&new.id, Change::default().actor(text)));
    shown.error(orgs.disable("default", Change::because(text)));
    shown.error(orgs.update("default", OrgUpdate::new().actor(text)));
    shown.error(orgs.get(&format!("{text}/")));
    shown.error(keys.get(text));
    shown.error(keys.find(text));
    shown.error(keys.list(ListKeys::new().cursor(text)));
    shown.error(keys.list(ListKeys::new().environment(text)));
    shown.error(kw.audit().list(ListAudit::new().cursor(text)));
    let given = |name: &str, value: &str| Fields::new(Casing::Snake, vec![(name.into(), Value::Text(value.into()))]);
    shown.error(ListKeys::read(given("status", text)));
    shown.error(NewKey::read(given("level", text)));
}

fn show_set_up(shown: &mut Shown, site: &Site) {
    let url = || Value::Text(format!("sqlite:{}", site.file().display()));
    let read = |name: &str, value: Value| read_config(url(), Fields::new(Casing::Snake, vec![(name.into(), value)]));
    let short = &PEPPER[..24];
    shown.debug(&site.config().retired_pepper(NEXT));
    shown.error(site.config().pepper(short).check());
    shown.error(site.config().retired_pepper(short).check());
    shown.error(site.config().retired_pepper(PEPPER).check());
    shown.error(Keywright::open(plain(&site.file()).pepper(NEXT)));
    shown.error(read("pepper", Value::Text(short.into())));
    shown.error(read("pepper", Value::Bytes(short.into())));
    shown.error(read("pepper", Value::Map(vec![(PEPPER.into(), Value::Null)])));
    shown.error(read("pepper", Value::List(vec![Value::List(vec![Value::Text(PEPPER.into())])])));
    shown.error(read("peper", Value::Text(PEPPER.into())));
    shown.error(read("hash", Value::Text(PEPPER.into())));
    shown.error(read("brand", Value::Text(PEPPER.into())));
    shown.error(read_config(Value::Text(PEPPER.into()), Fields::new(Casing::Snake, vec![])));
}

#[test]
fn no_record_and_no_error_shows_a_secret() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    let mut shown = Shown::default();
    show_set_up(&mut shown, &site);
    show_errors(&mut shown, &kw, &new);
    show_records(&mut shown, &kw, &new);
    show_decisions(&mut shown, &kw, &new);
    let rotated = kw.keys().rotate(&new.id, Rotation::default()).unwrap();
    show_records(&mut shown, &kw, &rotated);
    show_decisions(&mut shown, &kw, &new);
    kw.keys().revoke(&new.id, ()).unwrap();
    show_decisions(&mut shown, &kw, &rotated);
    kw.close();
    show_decisions(&mut shown, &kw, &new);
    shown.error(kw.keys().create(NewKey::named("CI")));
    let texts = [new, rotated].map(|it| it.api_key.reveal().to_owned());
    shown.clean(&all_traces(&texts));
}

/// The one way to see it.
#[test]
fn what_is_revealed_shows_the_text() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    assert!(serde_json::to_string(&new.reveal()).unwrap().contains(new.api_key.reveal()));
    assert!(contains(new.api_key.reveal().as_bytes(), all_traces(&[new.api_key.reveal().to_owned()])[0].as_bytes()));
    kw.close();
}

#[test]
fn a_purge_wipes_the_files() {
    let personal = ["Theodora Lindqvist", "Theodora Marchbanks", "theodora@example.com", "the third address"];
    let (site, clock) = (Site::new(), ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()));
    let kw = Keywright::open(site.config().clock(clock.clone())).unwrap();
    let metadata = |text: &str| serde_json::Map::from_iter([("mail".to_owned(), text.into())]);
    let new = kw.keys().create(NewKey::named(personal[0]).metadata(metadata(personal[2]))).unwrap();
    let kept = create(&kw, "a neighbour");
    let checkpoint = || {
        let busy: i64 = site.sql().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        assert_eq!(busy, 0, "a reader holds the log");
    };
    let found = |text: &str| files(&site.file()).iter().any(|it| contains(&bytes(it), text.as_bytes()));
    checkpoint();
    assert!(found(personal[0]) && found(personal[2]));
    kw.keys().update(&new.id, KeyUpdate::new().name(personal[1]).metadata(metadata(personal[3]))).unwrap();
    kw.keys().revoke(&new.id, ()).unwrap();
    clock.advance(chrono::TimeDelta::days(31).num_milliseconds());
    checkpoint();
    assert!(found(personal[1]) && found(personal[3]));
    let purged = kw.keys().purge(&new.id, ()).unwrap();
    assert_eq!((purged.name.as_str(), purged.metadata.len()), ("", 0));
    checkpoint();
    for text in personal {
        assert!(!found(text), "{text} is left in a file");
    }
    assert!(found("a neighbour"));
    // Purged is not forgotten.
    assert_eq!((verdict(&kw, new.api_key.reveal()), verdict(&kw, kept.api_key.reveal())), ("revoked", "allowed"));
    kw.close();
    assert!(personal.iter().all(|it| !found(it)));
}

/// A logger may write and flush wherever it likes.
#[test]
fn a_redacting_writer_shows_no_half_of_a_key() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    for escape in ["_", "%5F", "\\u005f", "\\u{5F}"] {
        let [key, prefix] = [new.api_key.reveal(), &new.prefix].map(|it| it.replace('_', escape));
        let logs = logs_in_pieces(&kw, &key);
        assert!(logs.iter().all(|log| *log == format!("got {prefix}{escape}[redacted]\n")), "{logs:?}");
    }
}

//! Repeated requests: on a clock, over several processes, through failures and kills. A request runs once per idempotency
//! key.

mod bounds;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use keywright::blocking::Keywright;
use keywright::ffi::block_on;
use keywright::http::{
    AuthContext, Config, Head, Http, IdempotencyCheck, Lease, Message, Needs, Outcome, Response, Session,
};
use keywright::testing::ManualClock;
use keywright::{ListKeys, NewKey};
use serde_json::{Value, json};

use keywright_tests::site::chance::Chance;
use keywright_tests::site::process::{self, inside, meet, release};
use keywright_tests::site::{Site, config, create, until, whole};

const SECOND: i64 = 1_000;
const DAY: i64 = 86_400 * SECOND;

fn http(kw: &Keywright) -> Http {
    kw.engine().http(Config::new()).unwrap()
}

/// A change by a session, with an idempotency key.
fn manage(http: &Http, target: &str, key: &str, body: &Value) -> Response {
    let session = Session::of("default").unwrap().actor("alice").may("keys:manage").unwrap();
    let message =
        Message::new("POST", target).header("content-type", "application/json").header("idempotency-key", key);
    block_on(http.manage(message.body(body.to_string()), Some(session)))
}

fn told(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

fn is_repeat(response: &Response) -> bool {
    response.header("idempotent-replayed") == Some("true")
}

/// An allowed request for a route of the host, with the key `text`.
fn passed(http: &Http, text: &str, key: &str) -> AuthContext {
    let lines: [(&[u8], &[u8]); 2] = [(b"api-key", text.as_bytes()), (b"idempotency-key", key.as_bytes())];
    let head = Head::new("POST", "/v1/deals").headers(&lines);
    match block_on(http.authenticate(&head, Some(&Needs::key().idempotent()))) {
        Outcome::Allowed(passed) => *passed,
        Outcome::Refused(response) => panic!("{}", response.status),
    }
}

fn once(http: &Http, text: &str, key: &str) -> Result<Lease, Response> {
    match block_on(http.once(&passed(http, text, key), b"{}")) {
        IdempotencyCheck::Run(lease) => Ok(lease.expect("it has a key")),
        IdempotencyCheck::Answered(response) => Err(response),
    }
}

fn finish(http: &Http, lease: Lease, status: u16, body: &[u8]) {
    let headers = [("Content-Type", "text/x"), ("Location", "/v1/deals/7"), ("Set-Cookie", "a=b"), ("ETag", "\"e\"")];
    block_on(http.finish(lease, status, headers, body)).unwrap();
}

/// A host with a manual clock, and the text of a key for it.
fn standing() -> (Site, ManualClock, Keywright, String) {
    let (site, clock) = (Site::new(), ManualClock::new("2026-01-10T12:00:00Z".parse().unwrap()));
    let kw = Keywright::open(site.config().clock(clock.clone())).unwrap();
    let text = create(&kw, "caller").api_key.reveal().to_owned();
    (site, clock, kw, text)
}

#[test]
fn a_lease_holds_for_a_minute_and_an_answer_for_a_day() {
    let (_site, clock, kw, text) = standing();
    let http = http(&kw);
    let first = once(&http, &text, "k").unwrap();
    let running = once(&http, &text, "k").unwrap_err();
    assert_eq!((running.status, running.header("retry-after")), (409, Some("1")));
    assert_eq!(told(&running)["code"], "IN_PROGRESS");
    clock.advance(60 * SECOND - 1);
    assert_eq!(once(&http, &text, "k").unwrap_err().status, 409);
    clock.advance(1);
    let second = once(&http, &text, "k").unwrap();
    // The first lease has ended, so its response counts no more.
    finish(&http, first, 201, b"late");
    assert_eq!(told(&once(&http, &text, "k").unwrap_err())["code"], "IN_PROGRESS");
    finish(&http, second, 201, b"made");
    let repeat = once(&http, &text, "k").unwrap_err();
    assert_eq!((repeat.status, repeat.body.as_slice(), is_repeat(&repeat)), (201, &b"made"[..], true));
    clock.advance(DAY - 1);
    assert!(is_repeat(&once(&http, &text, "k").unwrap_err()));
    clock.advance(1);
    block_on(http.release(once(&http, &text, "k").unwrap())).unwrap();
    kw.close();
}

#[test]
fn a_change_is_remembered_for_a_day() {
    let (site, clock, kw, _) = standing();
    let http = http(&kw);
    let first = manage(&http, "/keys", "k", &json!({"name": "CI"}));
    assert_eq!((first.status, is_repeat(&first)), (201, false));
    clock.advance(DAY - 1);
    let repeat = manage(&http, "/keys", "k", &json!({"name": "CI"}));
    assert_eq!((repeat.status, is_repeat(&repeat), &told(&repeat)["id"]), (201, true, &told(&first)["id"]));
    assert_eq!(told(&repeat).get("api_key"), Some(&Value::Null));
    clock.advance(1);
    let anew = manage(&http, "/keys", "k", &json!({"name": "CI"}));
    assert_eq!((anew.status, is_repeat(&anew)), (201, false));
    assert_ne!(told(&anew)["id"], told(&first)["id"]);
    // Expired rows are deleted gradually.
    let rows = || site.sql().query_row("SELECT count(*) FROM idempotency", [], |row| row.get::<_, i64>(0)).unwrap();
    for n in 0..5 {
        manage(&http, "/keys", &format!("k{n}"), &json!({"name": "CI"}));
    }
    assert_eq!(rows(), 6);
    clock.advance(DAY);
    manage(&http, "/keys", "last", &json!({"name": "CI"}));
    assert_eq!(rows(), 1);
    kw.close();
}

#[test]
fn an_answer_is_kept_as_it_was_unless_it_asks_to_come_again() {
    let (_site, _clock, kw, text) = standing();
    let http = http(&kw);
    for status in [200, 201, 204, 301, 402, 405, 410, 412, 418, 451, 499] {
        let key = format!("kept-{status}");
        finish(&http, once(&http, &text, &key).unwrap(), status, b"body");
        let repeat = once(&http, &text, &key).unwrap_err();
        assert_eq!((repeat.status, repeat.body.as_slice()), (status, &b"body"[..]));
        let kept = ["content-type", "location", "etag", "set-cookie"].map(|it| repeat.header(it));
        assert_eq!(kept, [Some("text/x"), Some("/v1/deals/7"), Some("\"e\""), None]);
        assert_eq!(repeat.header("cache-control"), Some("no-store"));
    }
    for status in [400, 401, 403, 404, 408, 409, 413, 415, 422, 425, 429, 500, 502, 503, 599] {
        let key = format!("free-{status}");
        finish(&http, once(&http, &text, &key).unwrap(), status, b"body");
        block_on(http.release(once(&http, &text, &key).unwrap())).unwrap();
        drop(once(&http, &text, &key).unwrap());
    }
    kw.close();
}

#[test]
fn bodies_are_bounded() {
    let (_site, _clock, kw, text) = standing();
    let http = http(&kw);
    finish(&http, once(&http, &text, "fits").unwrap(), 200, &vec![7; Http::LARGEST_KEPT]);
    assert_eq!(once(&http, &text, "fits").unwrap_err().body.len(), Http::LARGEST_KEPT);
    finish(&http, once(&http, &text, "long").unwrap(), 200, &vec![7; Http::LARGEST_KEPT + 1]);
    let refused = once(&http, &text, "long").unwrap_err();
    assert_eq!((refused.status, told(&refused)["code"].as_str()), (409, Some("CONFLICT")));
    let ask = |key: &str, length: usize| block_on(http.once(&passed(&http, &text, key), &vec![7; length]));
    assert!(matches!(ask("largest", Http::LARGEST_ONCE), IdempotencyCheck::Run(Some(_))));
    let IdempotencyCheck::Answered(refused) = ask("larger", Http::LARGEST_ONCE + 1) else { panic!("it was done") };
    assert_eq!((refused.status, told(&refused)["code"].as_str()), (413, Some("TOO_LARGE")));
    kw.close();
}

#[test]
fn a_guard_behind_a_guard_asks_no_second_time() {
    let (_site, _clock, kw, text) = standing();
    let http = http(&kw);
    let outer = passed(&http, &text, "k");
    let lines: [(&[u8], &[u8]); 2] = [(b"api-key", text.as_bytes()), (b"idempotency-key", b"k")];
    let earlier = outer.earlier();
    let head = Head::new("POST", "/v1/deals").headers(&lines).earlier(Some(&earlier));
    let needs = Needs::key().idempotency_key_required();
    let Outcome::Allowed(inner) = block_on(http.authenticate(&head, Some(&needs))) else { panic!("it is a valid key") };
    assert!(outer.is_once() && !inner.is_once());
    assert!(matches!(block_on(http.once(&inner, b"{}")), IdempotencyCheck::Run(None)));
    let earlier = inner.earlier().to_string().parse().unwrap();
    let head = head.earlier(Some(&earlier));
    let Outcome::Allowed(third) = block_on(http.authenticate(&head, Some(&needs))) else { panic!("it is a valid key") };
    assert!(!third.is_once(), "it would meet the lease of the first");
    kw.close();
}

#[test]
fn what_cannot_be_remembered_is_not_done() {
    let site = Site::new();
    let kw = site.open();
    let (http, sql) = (http(&kw), site.sql());
    let text = create(&kw, "caller").api_key.reveal().to_owned();
    for table in ["idempotency", "audit"] {
        let trigger = format!("CREATE TRIGGER full BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no more'); END");
        sql.execute_batch(&trigger).unwrap();
        assert_eq!(manage(&http, "/keys", "k", &json!({"name": "made"})).status, 503);
        sql.execute_batch("DROP TRIGGER full").unwrap();
    }
    assert_eq!(kw.keys().list(ListKeys::new().name("made")).unwrap().data.len(), 0);
    let first = manage(&http, "/keys", "k", &json!({"name": "made"}));
    assert_eq!((first.status, is_repeat(&first)), (201, false));
    // While the table cannot be read, neither a request for the host nor a repeat is answered.
    sql.execute_batch("ALTER TABLE idempotency RENAME TO elsewhere").unwrap();
    assert_eq!(once(&http, &text, "k").unwrap_err().status, 503);
    assert_eq!(manage(&http, "/keys", "k", &json!({"name": "made"})).status, 503);
    sql.execute_batch("ALTER TABLE elsewhere RENAME TO idempotency").unwrap();
    assert!(is_repeat(&manage(&http, "/keys", "k", &json!({"name": "made"}))));
    assert_eq!(kw.keys().list(ListKeys::new().name("made")).unwrap().data.len(), 1);
    kw.close();
    let reader = Keywright::open(site.config().read_only(true)).unwrap();
    let http = self::http(&reader);
    assert_eq!(once(&http, &text, "new").unwrap_err().status, 503);
    reader.close();
}

#[test]
fn of_many_processes_one_does_it() {
    const KEYS: usize = 20;
    if let Some((folder, name)) = inside() {
        let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
        let text = fs::read_to_string(folder.join("caller")).unwrap();
        let http = http(&kw);
        meet(&folder, &name);
        let mut out = String::new();
        for n in 0..KEYS {
            let made = manage(&http, "/keys", &format!("m{n}"), &json!({"name": format!("m{n}")}));
            let kind = if is_repeat(&made) { "repeat" } else { "first" };
            out += &format!("m{n} {} {kind} {}\n", made.status, told(&made)["id"].as_str().unwrap_or("-"));
            out += &match once(&http, &text, &format!("h{n}")) {
                Ok(lease) => {
                    finish(&http, lease, 200, name.as_bytes());
                    format!("h{n} 200 first {name}\n")
                }
                Err(it) => format!("h{n} {} repeat {}\n", it.status, String::from_utf8(it.body).unwrap()),
            };
        }
        fs::write(folder.join(format!("{name}.out")), out).unwrap();
        return kw.close();
    }
    let site = Site::new();
    let kw = site.open();
    fs::write(site.folder().join("caller"), create(&kw, "caller").api_key.reveal()).unwrap();
    let names = ["a", "b", "c", "d"];
    let processes = names.map(|it| process::start(of_many_processes_one_does_it, &[], site.folder(), it));
    release(site.folder(), &names);
    processes.into_iter().for_each(process::Process::passes);
    let mut answers: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    for name in names {
        for line in fs::read_to_string(site.folder().join(format!("{name}.out"))).unwrap().lines() {
            let [key, status, kind, what] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            answers.entry(key.into()).or_default().push((status.into(), kind.into(), what.into()));
        }
    }
    assert_eq!(answers.len(), 2 * KEYS);
    for (key, all) in answers {
        let firsts = all.iter().filter(|it| it.1 == "first" && it.0 != "409").count();
        assert_eq!((all.len(), firsts), (names.len(), 1), "{key}: {all:?}");
        // All others got the same response, or were told to wait.
        let done: BTreeSet<&String> = all.iter().filter(|it| it.0 != "409").map(|it| &it.2).collect();
        assert_eq!(done.len(), 1, "{key}: {all:?}");
        if key.starts_with('m') {
            assert_eq!(kw.keys().list(ListKeys::new().name(&key)).unwrap().data.len(), 1, "{key}");
        }
    }
    assert!(kw.audit().verify().unwrap().ok);
    kw.close();
}

/// Creates keys with idempotency keys of its own, and reports each one before and after, until it is killed.
fn work(folder: &Path, name: &str) {
    let mut said = OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.said"))).unwrap();
    let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
    let http = http(&kw);
    for n in 0.. {
        let key = format!("{name}-{n}");
        writeln!(said, "try {key} -").unwrap();
        let made = manage(&http, "/keys", &key, &json!({"name": key}));
        assert_eq!(made.status, 201);
        writeln!(said, "done {key} {}", told(&made)["id"].as_str().unwrap()).unwrap();
    }
}

#[test]
fn a_repeat_after_a_kill_finds_what_was_done() {
    if let Some((folder, name)) = inside() {
        return work(&folder, &name);
    }
    const ROUNDS: usize = 25;
    let site = Site::new();
    let kw = site.open();
    let (http, mut chance) = (http(&kw), Chance::new(5));
    let (mut acknowledged, mut met) = (0, 0);
    for round in 0..ROUNDS {
        let names = ["a", "b"].map(|it| format!("{it}{round}"));
        let of = |it: &String| process::start(a_repeat_after_a_kill_finds_what_was_done, &[], site.folder(), it);
        let mut processes: Vec<_> = names.iter().map(of).collect();
        let said = |name: &str| fs::read_to_string(site.folder().join(format!("{name}.said"))).unwrap_or_default();
        until("both are at work", || names.iter().all(|it| said(it).contains("done")));
        thread::sleep(Duration::from_micros(chance.below(20_000) as u64));
        for it in &mut processes {
            it.kill();
        }
        for name in &names {
            let said = said(name);
            // The kill may have cut the last line.
            let said = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let done: BTreeMap<&str, &str> =
                said.lines().filter_map(|it| it.strip_prefix("done ")?.split_once(' ')).collect();
            for key in said.lines().filter_map(|it| Some(it.strip_prefix("try ")?.split_once(' ')?.0)) {
                let repeat = manage(&http, "/keys", key, &json!({"name": key}));
                let id = told(&repeat)["id"].as_str().unwrap().to_owned();
                assert_eq!(repeat.status, 201);
                match done.get(key) {
                    Some(first) => assert_eq!((is_repeat(&repeat), id.as_str()), (true, *first), "{key}"),
                    None => met += 1,
                }
                assert_eq!(kw.keys().list(ListKeys::new().name(key)).unwrap().data.len(), 1, "{key}");
            }
            acknowledged += done.len();
        }
    }
    assert!(acknowledged > ROUNDS && met > 0, "{acknowledged} acknowledged, {met} met by a kill");
    whole(&site.sql());
    assert!(kw.audit().verify().unwrap().ok);
    kw.close();
}

#[test]
fn an_answer_that_is_shorter_than_it_says_has_broken_off() {
    let (site, _, kw, text) = standing();
    let http = http(&kw);
    for (status, length, is_kept) in [(200, "5", false), (200, "4", true), (200, "?", true), (204, "5", true)] {
        let key = format!("{status}-{length}");
        let lease = once(&http, &text, &key).unwrap();
        block_on(http.finish(lease, status, [("Content-Length", length)], b"made")).unwrap();
        assert_eq!(once(&http, &text, &key).is_err(), is_kept, "{key}");
    }
    kw.close();
    drop(site);
}

#[test]
fn a_release_that_knows_nothing_of_it_works_on() {
    let site = Site::new();
    let kw = site.open();
    manage(&http(&kw), "/keys", "k", &json!({"name": "CI"}));
    kw.close();
    let sql = site.sql();
    let reader: i64 = sql.query_row("SELECT oldest_reader FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!(reader, 1);
    // A change of this table makes no process read its keys again.
    let seq = || sql.query_row("SELECT seq FROM meta", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = seq();
    sql.execute_batch("UPDATE idempotency SET expires_at = expires_at + 1; DELETE FROM idempotency").unwrap();
    assert_eq!(seq(), before);
    let kw = site.open();
    kw.keys().create(NewKey::named("another")).unwrap();
    kw.close();
}

//! `keywright::Client` with a server of an engine, and with servers that fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use keywright::blocking::{Client, Keywright};
use keywright::{
    Attestation, Change, Code, Error, KeyUpdate, Limit, ListAudit, ListKeys, ListOrgs, NewKey, Request, Rotation,
    Status,
};
use serde_json::{Value, json};

/// A busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(300);
#[cfg(unix)]
const SESSION: &str = r#"{"org":"default","actor":"alice","every_org":true}"#;

#[cfg(unix)]
struct Site {
    folder: tempfile::TempDir,
    kw: Keywright,
    client: Client,
}

#[cfg(unix)]
impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/keys.db", folder.path().display());
        let kw = Keywright::open(keywright::Keywright::builder(url).brand("acme").pepper([7; 32])).unwrap();
        keywright::testing::serve(kw.engine(), &folder.path().join("kw.sock")).unwrap();
        let client = Self::client(&folder, None);
        Self { folder, kw, client }
    }

    fn client(folder: &tempfile::TempDir, staleness: Option<Duration>) -> Client {
        let builder = keywright::Client::builder(format!("unix:{}/kw.sock", folder.path().display()));
        let builder = builder.api_key(SESSION).timeout(PATIENCE);
        let builder = staleness.into_iter().fold(builder, keywright::client::ClientBuilder::max_staleness);
        builder.build().unwrap().into()
    }
}

#[cfg(unix)]
impl Drop for Site {
    fn drop(&mut self) {
        self.kw.close();
    }
}

#[cfg(unix)]
#[test]
fn records_are_those_of_the_engine() -> Result<(), Error> {
    let site = Site::new();
    let (keys, engine) = (site.client.keys(), site.kw.keys());
    let data = json!({"team": [1, 2.5]}).as_object().cloned().unwrap();
    let new =
        NewKey::named("CI").scopes("deals:read")?.metadata(data).limit(Limit::new("own", 100)).expires_in_days(30);
    let new = keys.create(new)?;
    assert_eq!((&new.key, &keys.get(&new.id)?), (&engine.get(&new.id)?, &engine.get(&new.id)?));
    assert!(!format!("{new:?}").contains(new.api_key.reveal()));
    assert_eq!(keys.update(&new.id, KeyUpdate::new().name("CD").limits([]))?, engine.get(&new.id)?);
    let rotated = keys.rotate(&new.id, Rotation::grace("2h")?)?;
    assert_eq!((rotated.secrets.len(), keys.end_grace(&new.id, ())?.secrets.len()), (2, 1));
    assert_eq!(keys.disable(&new.id, ())?.status, Status::Disabled);
    assert_eq!(keys.enable(&new.id, ())?.status, Status::Active);
    let told = keys.attest(&new.id, Attestation::of("robot", serde_json::Map::new()))?;
    assert_eq!(told.iter().map(|it| it.action.as_str()).collect::<Vec<_>>(), ["agent.attest"]);
    let request = Request::new().scope("deals:read").agent("robot");
    let allowed = site.client.authenticate(rotated.api_key.reveal(), &request).unwrap();
    assert_eq!((allowed.name.as_str(), allowed.agent()), ("CD", Some("robot")));
    assert_eq!(site.client.verify(new.api_key.reveal(), &request).code(), Some(Code::Revoked));
    assert_eq!(keys.agents(&new.id)?[0].agent.as_deref(), Some("robot"));
    assert_eq!(keys.revoke(&new.id, Change::because("leaked"))?.reason.as_deref(), Some("leaked"));
    let listed = site.client.audit().list(ListAudit::new().key_id(&new.id).limit(3))?;
    assert_eq!(
        (listed.data, listed.has_more),
        (site.kw.audit().list(ListAudit::new().key_id(&new.id).limit(3))?.data, true)
    );
    assert_eq!(site.client.orgs().list(ListOrgs::new())?, site.kw.orgs().list(ListOrgs::new())?);
    let first = keys.list(ListKeys::new().any_status().limit(1))?;
    assert_eq!(first.data[0].id, new.id);
    Ok(())
}

#[cfg(unix)]
#[test]
fn errors_are_those_of_the_engine() -> Result<(), Error> {
    let site = Site::new();
    let keys = site.client.keys();
    let new = keys.create(NewKey::named("CI"))?;
    keys.revoke(&new.id, ())?;
    for (error, code, field) in [
        (keys.get("../orgs").unwrap_err(), "not_found", "id"),
        (keys.create(NewKey::named("")).unwrap_err(), "validation_failed", "name"),
        (keys.create(NewKey::named("CI").created_by("alice")).unwrap_err(), "invalid_request", "created_by"),
        (keys.rotate(&new.id, Rotation::default()).unwrap_err(), "conflict", "id"),
    ] {
        assert_eq!((error.code(), error.field()), (code, Some(field)), "{error}");
    }
    assert_eq!(site.client.verify(None::<&str>, &Request::new()).code(), Some(Code::Missing));
    assert_eq!(site.client.verify(&[0xFF_u8, 0xFE][..], &Request::new()).code(), Some(Code::Invalid));
    let denial = site.client.authenticate("acme_live_x", &Request::new().environment("nowhere")).unwrap_err();
    assert_eq!(denial.misuse().and_then(Error::field), Some("environment"));
    assert_eq!(
        site.client.org("no such org").verify("acme_live_x", &Request::new()).code(),
        Some(Code::InvalidRequest)
    );
    Ok(())
}

#[cfg(unix)]
#[test]
fn decisions_are_repeated_within_the_bound() -> Result<(), Error> {
    let site = Site::new();
    let known = Site::client(&site.folder, Some(Duration::from_secs(3_600)));
    let (key, limited) = (
        site.kw.keys().create(NewKey::named("CI").scopes("deals:read")?)?,
        site.kw.keys().create(NewKey::named("limited").limit(Limit::new("own", 100)))?,
    );
    let (read, plain) = (Request::new().scope("deals:read"), Request::new());
    let code = |client: &Client, text: &str, request: &Request| client.verify(text, request).code();
    assert_eq!(code(&known, key.api_key.reveal(), &read), None);
    assert_eq!(code(&known, limited.api_key.reveal(), &plain), None);
    site.kw.keys().revoke(&key.id, ())?;
    site.kw.keys().revoke(&limited.id, ())?;
    assert_eq!(code(&known, key.api_key.reveal(), &read), None);
    // Other needs, a cost, an org and limits are questions of their own.
    assert_eq!(code(&known, key.api_key.reveal(), &plain), Some(Code::Revoked));
    assert_eq!(code(&known, key.api_key.reveal(), &read.clone().cost(1)), Some(Code::Revoked));
    assert_eq!(known.org("default").verify(key.api_key.reveal(), &read).code(), Some(Code::Revoked));
    assert_eq!(code(&known, limited.api_key.reveal(), &plain), Some(Code::Revoked));
    assert_eq!(code(&site.client, key.api_key.reveal(), &read), Some(Code::Revoked));
    // A change by the client forgets all decisions.
    known.keys().create(NewKey::named("other"))?;
    assert_eq!(code(&known, key.api_key.reveal(), &read), Some(Code::Revoked));
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_key_that_expires_is_not_remembered_as_allowed() -> Result<(), Error> {
    let site = Site::new();
    let key = site.kw.keys().create(NewKey::named("CI"))?;
    let mut allowed = serde_json::to_value(site.kw.verify(key.api_key.reveal(), &Request::new())).unwrap();
    allowed["key"]["expires_at"] = json!("2026-01-01T00:00:00.000Z");
    let mut denied = allowed.clone();
    (denied["allowed"], denied["code"], denied["key"]) = (json!(false), json!("expired"), json!(null));
    let script = Script::new(vec![Some((200, None, allowed)), Some((200, None, denied))]);
    let builder = keywright::Client::builder(script.url.clone()).api_key("acme_live_own").timeout(PATIENCE);
    let known = Client::from(builder.max_staleness(Duration::from_secs(3_600)).build()?);
    assert_eq!(known.verify(key.api_key.reveal(), &Request::new()).code(), None);
    assert_eq!(known.verify(key.api_key.reveal(), &Request::new()).code(), Some(Code::Expired));
    Ok(())
}

/// An answer to one request; `None` breaks off the connection.
type Answer = Option<(u16, Option<&'static str>, Value)>;

/// A server that answers each request in turn as it is told, and keeps the heads that it read.
struct Script {
    url: String,
    heads: Arc<Mutex<Vec<Vec<String>>>>,
    server: thread::JoinHandle<()>,
}

impl Script {
    fn new(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let server = thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                seen.lock().unwrap().push(read_request(&stream));
                if let Some((status, wait, body)) = answer {
                    let body = if body.is_string() { body.as_str().unwrap().to_owned() } else { body.to_string() };
                    let wait = wait.map_or(String::new(), |seconds| format!("retry-after: {seconds}\r\n"));
                    let head = format!(
                        "HTTP/1.1 {status} Told\r\ncontent-length: {}\r\nconnection: close\r\n{wait}\r\n",
                        body.len()
                    );
                    stream.write_all((head + &body).as_bytes()).unwrap();
                }
            }
        });
        Self { url, heads, server }
    }

    fn client(&self) -> Client {
        let builder = keywright::Client::builder(self.url.clone()).api_key("acme_live_own").timeout(PATIENCE);
        builder.build().unwrap().into()
    }

    /// Waits until every answer was given, and returns the values of a header.
    fn named(self, name: &str) -> Vec<String> {
        self.server.join().unwrap();
        let heads = self.heads.lock().unwrap();
        let lines = heads.iter().flatten().filter_map(|line| line.split_once(": "));
        lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    }
}

/// The lines of the head of a request, after its body was read as well.
fn read_request(stream: &TcpStream) -> Vec<String> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let length = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
    lines
}

fn told(status: u16, wait: Option<&'static str>, code: &str) -> Answer {
    Some((status, wait, json!({"code": code, "message": "later"})))
}

#[test]
fn requests_are_sent_again_where_that_is_safe() {
    let empty = || Some((200, None, json!({"data": [], "has_more": false, "next_cursor": null})));
    let busy = || told(503, Some("0"), "UNAVAILABLE");
    let late = || told(504, None, "UNAVAILABLE");
    let limited = || told(429, Some("0"), "RATE_LIMITED");
    let proxy = || Some((502, None, json!("<html>Bad Gateway</html>")));
    // Of a proxy, which may have sent the request to a server that ended.
    let outage = || Some((503, None, json!("upstream connect error or disconnect/reset before headers")));
    let past = || told(429, Some("Wed, 21 Oct 2015 07:28:00 GMT"), "RATE_LIMITED");
    let far = || told(503, Some("Fri, 31 Dec 2100 23:59:59 GMT"), "UNAVAILABLE");
    let runs = || told(409, Some("0"), "IN_PROGRESS");
    let replayed = || Some((201, None, json!({"id": "7", "name": "CI", "api_key": null})));
    type Call = fn(&Client) -> Result<(), Error>;
    let list: Call = |client| client.keys().list(ListKeys::new()).map(drop);
    let create: Call = |client| client.keys().create(NewKey::named("CI")).map(drop);
    let update: Call = |client| client.keys().update("7", KeyUpdate::new().name("CI")).map(drop);
    let attest: Call = |client| client.keys().attest("7", Attestation::of("a", serde_json::Map::new())).map(drop);
    let disable: Call = |client| client.keys().disable("7", ()).map(drop);
    for (answers, call, code, keys) in [
        (vec![busy(), limited(), empty()], list, None, 0),
        (vec![None, None, empty()], list, None, 0),
        (vec![proxy(), runs(), replayed()], create, Some("conflict"), 3),
        (vec![None, replayed()], create, Some("conflict"), 2),
        (vec![late(), replayed()], create, Some("conflict"), 2),
        (vec![None], update, Some("unavailable"), 0),
        (vec![late()], update, Some("unavailable"), 0),
        (vec![None], attest, Some("unavailable"), 0),
        (vec![outage()], update, Some("unavailable"), 0),
        (vec![outage(), past(), empty()], list, None, 0),
        (vec![far()], list, Some("unavailable"), 0),
        (vec![None, None, None], disable, Some("unavailable"), 0),
        (vec![told(429, Some("3600"), "RATE_LIMITED")], list, Some("unavailable"), 0),
        (vec![busy(), busy(), busy()], list, Some("unavailable"), 0),
        (vec![Some((302, None, json!("")))], list, Some("unavailable"), 0),
        (vec![Some((200, None, json!([])))], list, Some("unavailable"), 0),
        (vec![told(401, None, "INVALID_API_KEY")], list, Some("forbidden"), 0),
    ] {
        let requests = answers.len();
        let script = Script::new(answers);
        let got = call(&script.client());
        assert_eq!(got.as_ref().err().map(Error::code), code, "{got:?}");
        let heads = Arc::clone(&script.heads);
        let names = script.named("idempotency-key");
        assert_eq!((heads.lock().unwrap().len(), names.len()), (requests, keys));
        assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "one call has one key");
    }
}

#[test]
fn a_verification_counts_once_and_nothing_shows_a_secret() {
    let secret = "acme_live_Zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let outage = Script::new(vec![Some((503, None, json!("no healthy upstream")))]);
    assert_eq!(outage.client().verify(secret, &Request::new()).code(), Some(Code::Unavailable));
    assert_eq!(outage.named("host").len(), 1);
    let lost = Script::new(vec![None]);
    let client = lost.client();
    let decision = client.verify(secret, &Request::new());
    assert_eq!(decision.code(), Some(Code::Unavailable));
    let shown = format!("{client:?} {decision:?} {}", decision.message());
    assert!(shown.contains("127.0.0.1") && !shown.contains(secret) && !shown.contains("acme_live_own"), "{shown}");
    assert_eq!(lost.named("authorization"), ["Bearer acme_live_own"]);
    let busy = || told(503, Some("0"), "UNAVAILABLE");
    let refused = Script::new(vec![busy(), busy(), busy()]);
    assert_eq!(refused.client().verify(secret, &Request::new()).code(), Some(Code::Unavailable));
    assert_eq!(refused.named("host").len(), 3);
    let stranger = Script::new(vec![told(401, None, "INVALID_API_KEY")]);
    let denial = stranger.client().authenticate(secret, &Request::new()).unwrap_err();
    assert_eq!(denial.misuse().map(Error::code), Some("forbidden"), "no verdict about the key of a user");
}

#[test]
fn no_redirect_takes_the_key_elsewhere() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("http://{}/keys", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let head =
            format!("HTTP/1.1 {status} Told\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let server = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(read_request(&stream).iter().any(|line| line.ends_with("Bearer acme_live_own")));
                stream.write_all(head.as_bytes()).unwrap();
            }
        });
        let builder = keywright::Client::builder(url).api_key("acme_live_own").retries(0);
        let client = Client::from(builder.timeout(Duration::from_secs(30)).build().unwrap());
        let error = client.keys().list(ListKeys::new()).unwrap_err();
        assert!(error.to_string().contains(&format!("answered {status}")), "{error}");
        assert_eq!(client.verify("acme_live_secret", &Request::new()).code(), Some(Code::Unavailable));
        server.join().unwrap();
    }
    elsewhere.set_nonblocking(true).unwrap();
    assert_eq!(elsewhere.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").unwrap();
        // Each part comes in time, and the whole never does.
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let client = keywright::Client::builder(url).timeout(Duration::from_secs(1)).retries(0).build().unwrap();
    let error = Client::from(client).keys().list(ListKeys::new()).unwrap_err();
    assert!(error.to_string().contains("did not answer in time"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_server_without_tls_cannot_be_reached_by_https() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let builder = keywright::Client::builder(url).api_key("acme_live_own").timeout(PATIENCE).retries(0);
    let error = Client::from(builder.build().unwrap()).keys().list(ListKeys::new()).unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    server.join().unwrap();
}

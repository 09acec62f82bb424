//! No call needs a temporary file: a hardened container has no folder for one. The shim below SQLite refuses to open a
//! file without a name, with the error that SQLite gives where no such folder can be written.

use keywright::ffi::block_on;
use keywright::http::{Config, Message, Session};
use keywright::{ListAudit, ListKeys, NewKey, Request};
use rusqlite::ffi::SQLITE_IOERR_GETTEMPPATH;

use super::watch::Watch;
use keywright_tests::site::{Site, changes, create, verdict};

/// More rows than fit into what SQLite keeps of a statement in memory before it writes the rest to a file.
const MANY: usize = 1_000;

#[test]
fn no_call_needs_a_temporary_file() {
    let site = Site::new();
    let _watch = Watch::on(site.folder());
    let kw = site.open();
    let org = kw.org("large").unwrap();
    let note = serde_json::Value::from("x".repeat(15_000));
    let metadata: serde_json::Map<_, _> = [("note".to_owned(), note)].into_iter().collect();
    let mut texts = Vec::new();
    for n in 0..MANY {
        let new = NewKey::named(format!("{n}"));
        let new = if n % 20 == 0 { new.metadata(metadata.clone()) } else { new };
        texts.push(org.keys().create(new).unwrap().api_key.reveal().to_owned());
    }
    assert!(texts.iter().all(|text| kw.verify(text, &Request::new()).is_allowed()));
    kw.flush().unwrap();
    assert_eq!(org.keys().list(ListKeys::new().limit(MANY)).unwrap().data.len(), MANY);
    assert!(org.keys().list(ListKeys::new().idle_days(1)).unwrap().data.is_empty());
    let http = kw.engine().http(Config::new()).unwrap();
    let session = Session::of("default").unwrap().actor("alice").may("keys:manage").unwrap();
    let message = Message::new("POST", "/keys").header("content-type", "application/json");
    let message = message.header("idempotency-key", "once").body(r#"{"name": "once"}"#);
    assert_eq!(block_on(http.manage(message, Some(session))).status, 201);
    for (name, done) in changes(&kw, &create(&kw, "changed")) {
        assert_eq!(done, Ok(()), "{name}");
    }
    assert_eq!(kw.orgs().revoke_keys("large", ()), Ok(MANY as u64));
    assert!(texts.iter().all(|text| verdict(&kw, text) == "revoked"));
    assert!(kw.audit().verify().unwrap().ok);
    assert!(!kw.audit().list(ListAudit::new().limit(1_000)).unwrap().data.is_empty());
    kw.close();
    let again = site.open();
    assert_eq!(verdict(&again, &texts[0]), "revoked");
    again.close();
}

/// The shim refuses what the test above relies on it to refuse.
#[test]
fn a_temporary_file_is_refused() {
    let site = Site::new();
    let _watch = Watch::on(site.folder());
    site.open().close();
    let sql = site.sql();
    sql.execute_batch("PRAGMA temp_store = FILE; CREATE TABLE many (a); BEGIN").unwrap();
    let rows = "INSERT INTO many SELECT randomblob(2000) FROM json_each(?1)";
    let numbers = serde_json::Value::from((0..MANY).collect::<Vec<_>>()).to_string();
    sql.execute(rows, [&numbers]).unwrap();
    let refused = sql.execute("UPDATE many SET a = randomblob(2001) WHERE a IS NOT NULL RETURNING a", []).unwrap_err();
    assert_eq!(refused.sqlite_error().map(|it| it.extended_code), Some(SQLITE_IOERR_GETTEMPPATH));
}

//! Rows that cannot be checked here: their pepper is not known, or another program damaged them.

use keywright::blocking::Keywright;
use keywright::{Config, UnavailableCause};
use rusqlite::types::Value;

use keywright_tests::site::{PATIENCE, PEPPER, Site, changes, create, forged, plain, verdict};

const OTHER: &str = "another pepper, which is also longer than 32 bytes";

fn trouble(config: Config) -> Option<UnavailableCause> {
    Keywright::open(config).err().and_then(|it| it.unavailable_cause())
}

#[test]
fn without_the_pepper_of_its_keys_no_engine_opens() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    let bare = || plain(&site.file());
    for config in
        [bare(), bare().pepper(OTHER), bare().pepper(&PEPPER[..PEPPER.len() - 1]), bare().pepper(format!("{PEPPER}\n"))]
    {
        assert_eq!(trouble(config.clone()), Some(UnavailableCause::Pepper));
        assert_eq!(trouble(config.read_only(true)), Some(UnavailableCause::Pepper));
    }
    let short = Keywright::open(bare().pepper(&PEPPER[..31])).err().unwrap();
    assert_eq!((short.code(), short.field()), ("validation_failed", Some("pepper")));
    for config in [bare().pepper(OTHER).pepper(PEPPER), bare().pepper(OTHER).retired_pepper(PEPPER)] {
        let kw = Keywright::open(config).unwrap();
        assert_eq!(verdict(&kw, new.api_key.reveal()), "allowed");
        kw.close();
    }
    kw.close();
}

/// Only what can still verify binds the host to a pepper.
#[test]
fn a_pepper_that_no_live_secret_names_is_not_asked_for() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    kw.keys().revoke(&new.id, ()).unwrap();
    kw.close();
    let kw = Keywright::open(plain(&site.file()).pepper(OTHER)).unwrap();
    assert_eq!(verdict(&kw, new.api_key.reveal()), "unavailable");
    kw.close();
}

#[test]
fn a_pepper_met_later_is_unavailable_and_never_invalid() {
    let site = Site::new();
    let kw = site.open();
    let ahead = Keywright::open(plain(&site.file()).pepper(OTHER).pepper(PEPPER)).unwrap();
    let (old, new) = (create(&kw, "old"), create(&ahead, "new"));
    assert_eq!(verdict(&kw, new.api_key.reveal()), "unavailable");
    assert_eq!(verdict(&kw, &forged(new.api_key.reveal())), "unavailable");
    assert_eq!(verdict(&kw, old.api_key.reveal()), "allowed");
    assert_eq!(verdict(&ahead, new.api_key.reveal()), "allowed");
    // It can still be managed, and it reports a chain that it cannot check.
    assert!(kw.audit().verify().unwrap().problem.is_some_and(|it| it.contains("pepper")));
    for (call, done) in changes(&kw, &new) {
        done.unwrap_or_else(|it| panic!("{call}: {it}"));
    }
    kw.close();
    ahead.close();
}

/// Runs `damage` on the row of a key by another program; gives the verdicts on its text and on one with another secret.
fn damaged(config: impl Fn(&Site) -> Config, damage: &str, value: Value) -> (&'static str, &'static str) {
    let site = Site::new();
    let kw = Keywright::open(config(&site)).unwrap();
    let new = create(&kw, "CI");
    let other = site.sql();
    other.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
    assert_eq!(other.execute(damage, [value]).unwrap(), 1, "{damage}");
    let text = new.api_key.reveal();
    let verdicts = (verdict(&kw, text), verdict(&kw, &forged(text)));
    // The other calls may fail, and may not stop the program.
    let _ = (kw.keys().get(&new.id), kw.keys().list(keywright::ListKeys::new()), changes(&kw, &new));
    kw.close();
    verdicts
}

const VERIFIERS: [&str; 12] = [
    "",
    "$",
    "garbage",
    "\u{0}",
    "$hmac-sha256$v=1,p=0123456789abcdef$",
    "$hmac-sha256$v=1,p=0123456789abcdef$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "$hmac-sha256$v=9,p=0123456789abcdef$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "$argon2id$v=19$m=19456,t=4294967295,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "$argon2id$v=19$m=19456,t=2,p=255$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
];

#[test]
fn a_damaged_verifier_is_unavailable() {
    for verifier in VERIFIERS {
        let verdicts = damaged(Site::config, "UPDATE secrets SET verifier = ?1", verifier.to_owned().into());
        assert_eq!(verdicts, ("unavailable", "unavailable"), "{verifier}");
    }
}

#[test]
fn a_damaged_slow_verifier_is_unavailable_and_costs_nothing() {
    let slow = |site: &Site| plain(&site.file());
    for verifier in VERIFIERS {
        let began = std::time::Instant::now();
        let (right, wrong) = damaged(slow, "UPDATE secrets SET verifier = ?1", verifier.to_owned().into());
        // The filter alone refuses another secret.
        assert!(right == "unavailable" && matches!(wrong, "unavailable" | "invalid"), "{verifier}: {right}, {wrong}");
        assert!(began.elapsed() < PATIENCE, "{verifier} was run");
    }
    let filter = |bytes: Option<&[u8]>| bytes.map_or(Value::Null, |it| it.to_vec().into());
    let filtered = |bytes| damaged(slow, "UPDATE secrets SET filter = ?1", filter(bytes));
    assert_eq!(filtered(Some(&[])), ("unavailable", "unavailable"));
    assert_eq!(filtered(Some(&[0; 8])), ("invalid", "invalid"));
    // The filter only spares work: without one the hash itself decides.
    assert_eq!(filtered(None), ("allowed", "invalid"));
}

#[test]
fn a_damaged_row_is_never_allowed() {
    for (damage, value) in [
        ("UPDATE keys SET scopes = CAST(?1 AS TEXT)", Value::Blob(vec![0xFF])),
        ("UPDATE keys SET name = CAST(?1 AS TEXT)", Value::Blob(vec![0xFF, 0xFE])),
        ("UPDATE keys SET networks = CAST(?1 AS TEXT)", Value::Blob(vec![0xC0])),
        ("UPDATE keys SET level = ?1", Value::Text("owner".into())),
        ("UPDATE orgs SET networks = CAST(?1 AS TEXT)", Value::Blob(vec![0xC0])),
        ("UPDATE secrets SET format = CAST(?1 AS TEXT)", Value::Blob(vec![0xC0])),
    ] {
        assert_eq!(damaged(Site::config, damage, value).0, "unavailable", "{damage}");
    }
    for (damage, value, wanted) in [
        ("UPDATE keys SET environment = ?1", "test", "invalid"),
        ("UPDATE keys SET networks = ?1", "not a network", "ip_not_allowed"),
        ("UPDATE orgs SET networks = ?1", "10.0.0.0/99", "ip_not_allowed"),
        ("UPDATE secrets SET format = ?1", "{brand}", "invalid"),
        ("UPDATE keys SET org = ?1", "nobody", "invalid"),
    ] {
        assert_eq!(damaged(Site::config, damage, value.to_owned().into()).0, wanted, "{damage}");
    }
    for (damage, value, wanted) in [
        ("UPDATE keys SET expires_at = ?1", i64::MIN, "expired"),
        ("UPDATE keys SET revoked_at = ?1", i64::MAX, "revoked"),
        ("UPDATE keys SET disabled_at = ?1", i64::MIN, "disabled"),
        ("UPDATE orgs SET disabled_at = ?1", i64::MAX, "disabled"),
        ("UPDATE secrets SET grace_ends_at = ?1", i64::MIN, "revoked"),
    ] {
        assert_eq!(damaged(Site::config, damage, value.into()).0, wanted, "{damage}");
    }
}

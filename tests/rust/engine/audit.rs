//! The audit chain: one entry for each change, none without it, and no way to mend what was tampered with.

use std::fs;

use chrono::{DateTime, TimeDelta, Utc};
use keywright::blocking::Keywright;
use keywright::testing::ManualClock;
use keywright::{
    AuditCheck, AuditEntry, AuditHead, Change, Error, IssuedKey, KeyUpdate, ListAudit, ListKeys, NewKey, OrgUpdate,
    Rotation,
};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use keywright_tests::site::{Site, changes, config, create, plain, verdict};

fn entries(kw: &Keywright) -> Vec<AuditEntry> {
    let mut page = kw.every_org().audit().list(ListAudit::new().limit(1_000)).unwrap().data;
    page.reverse();
    page
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Makes every kind of change, each by another actor for another reason; gives the key and the actions.
fn every_change(kw: &Keywright, clock: &ManualClock) -> (IssuedKey, Vec<&'static str>) {
    let acme = kw.org("acme").unwrap().keys();
    let metadata = serde_json::Map::from_iter([("owner".to_owned(), "Marchbanks".into())]);
    let new = NewKey::named("Lindqvist").metadata(metadata).created_by("actor 1").scopes("deals:read").unwrap();
    let new = acme.create(new).unwrap();
    let id = &new.id;
    let why = |n: usize| Change::because(format!("reason {n}")).actor(format!("actor {n}"));
    acme.update(id, KeyUpdate::new().name("Lindqvist the younger").actor("actor 2")).unwrap();
    acme.rotate(id, Rotation::default().reason("reason 3").actor("actor 3")).unwrap();
    acme.end_grace(id, why(4)).unwrap();
    acme.disable(id, why(5)).unwrap();
    acme.enable(id, why(6)).unwrap();
    kw.orgs()
        .update("acme", OrgUpdate::new().networks(Some(vec!["10.0.0.0/8".into()])).unwrap().actor("actor 7"))
        .unwrap();
    kw.orgs().disable("acme", why(8)).unwrap();
    kw.orgs().enable("acme", why(9)).unwrap();
    acme.revoke(id, why(10)).unwrap();
    acme.create(NewKey::named("Marchbanks").created_by("actor 11")).unwrap();
    kw.orgs().revoke_keys("acme", why(12)).unwrap();
    clock.advance(TimeDelta::days(31).num_milliseconds());
    acme.purge(id, why(13)).unwrap();
    let actions = [
        "org.create",
        "key.create",
        "key.update",
        "key.rotate",
        "key.end_grace",
        "key.disable",
        "key.enable",
        "org.update",
        "org.disable",
        "org.enable",
        "key.revoke",
        "key.create",
        "org.revoke_keys",
        "key.purge",
    ];
    (new, actions.to_vec())
}

#[test]
fn each_change_has_one_entry_with_its_actor_and_reason() {
    let (site, clock) = (Site::new(), ManualClock::new(start()));
    let kw = Keywright::open(site.config().clock(clock.clone())).unwrap();
    let (new, actions) = every_change(&kw, &clock);
    let entries = entries(&kw);
    assert_eq!(entries.iter().map(|it| it.action.as_str()).collect::<Vec<_>>(), actions);
    for (entry, seq) in entries.iter().zip(1..) {
        assert_eq!((entry.seq, entry.org.as_deref()), (seq, Some("acme")));
        let of_key = entry.action.starts_with("key.") && seq != 12;
        assert_eq!(entry.target == Some(new.id.to_string()), of_key, "{entry:?}");
        // The org is made by who makes its first key.
        let actor = format!("actor {}", (seq - 1).max(1));
        assert_eq!(entry.actor, Some(actor), "{entry:?}");
        let explained = !matches!(entry.action.as_str(), "org.create" | "key.create" | "key.update" | "org.update");
        assert_eq!(entry.reason, explained.then(|| format!("reason {}", seq - 1)), "{entry:?}");
    }
    let check = kw.audit().verify().unwrap();
    assert_eq!((check.ok, check.checked, check.first_seq, check.last_seq), (true, 14, Some(1), Some(14)));
    // Names and metadata can be personal: the audit outlives the purge of a key.
    let shown = serde_json::to_string(&entries).unwrap();
    let stored: String = site
        .sql()
        .query_row("SELECT group_concat(details || quote(target) || quote(reason)) FROM audit", [], |row| row.get(0))
        .unwrap();
    for personal in ["Lindqvist", "Marchbanks", "owner"] {
        assert!(!shown.contains(personal) && !stored.contains(personal), "{personal} stands in the audit");
    }
    kw.close();
}

#[test]
fn what_changes_nothing_has_no_entry() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    let head = kw.audit().head().unwrap();
    let (keys, orgs, id) = (kw.keys(), kw.orgs(), &new.id);
    keys.update(id, KeyUpdate::new().name("CI")).unwrap();
    keys.update(id, KeyUpdate::new()).unwrap();
    keys.enable(id, ()).unwrap();
    keys.end_grace(id, ()).unwrap();
    orgs.enable("default", ()).unwrap();
    orgs.update("default", OrgUpdate::new()).unwrap();
    keys.purge(id, ()).unwrap_err();
    keys.rotate("nobody", Rotation::default()).unwrap_err();
    kw.org("acme").unwrap().keys().revoke(id, ()).unwrap_err();
    orgs.disable("acme", ()).unwrap_err();
    assert_eq!(verdict(&kw, new.api_key.reveal()), "allowed");
    assert_eq!(kw.audit().prune(start()).unwrap(), 0);
    assert_eq!(kw.audit().head().unwrap(), head);
    keys.revoke(id, ()).unwrap();
    let revoked = kw.audit().head().unwrap();
    keys.revoke(id, Change::because("again")).unwrap();
    orgs.revoke_keys("default", ()).unwrap();
    assert_eq!((revoked.seq, kw.audit().head().unwrap()), (head.seq + 1, revoked.clone()));
    kw.close();
}

#[test]
fn a_change_that_cannot_be_audited_is_not_made() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    let head = kw.audit().head().unwrap();
    let other = site.sql();
    let sequence = || other.query_row("SELECT seq FROM meta", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = sequence();
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no more'); END")
        .unwrap();
    for (call, done) in changes(&kw, &new) {
        assert_eq!(done.expect_err(call).code(), "unavailable", "{call}");
    }
    assert_eq!(kw.org("acme").unwrap().keys().create(NewKey::named("CI")).unwrap_err().code(), "unavailable");
    assert_eq!(kw.orgs().get("acme").unwrap_err().code(), "not_found");
    assert_eq!(kw.keys().get(&new.id).unwrap(), new.key);
    assert_eq!(kw.keys().list(ListKeys::new().any_status()).unwrap().data.len(), 1);
    assert_eq!((verdict(&kw, new.api_key.reveal()), kw.audit().head().unwrap(), sequence()), ("allowed", head, before));
    other.execute_batch("DROP TRIGGER full").unwrap();
    for (call, done) in changes(&kw, &new) {
        done.unwrap_or_else(|it| panic!("{call}: {it}"));
    }
    assert!(kw.audit().verify().unwrap().ok);
    kw.close();
}

/// A closed database with a whole chain, and its end.
fn sealed(pepper: bool) -> (Site, AuditHead) {
    let (site, clock) = (Site::new(), ManualClock::new(start()));
    let config = if pepper { site.config() } else { plain(&site.file()) };
    let kw = Keywright::open(config.clock(clock.clone())).unwrap();
    every_change(&kw, &clock);
    let head = kw.audit().head().unwrap();
    kw.close();
    (site, head)
}

/// Checks a copy of the database after another program changed it.
fn tampered(site: &Site, pepper: bool, change: impl FnOnce(&Connection)) -> (AuditCheck, AuditHead) {
    let copy = site.folder().join("copy.db");
    fs::copy(site.file(), &copy).unwrap();
    let other = Connection::open(&copy).unwrap();
    change(&other);
    other.close().unwrap();
    let kw = Keywright::open(if pepper { config(&copy) } else { plain(&copy) }).unwrap();
    let found = (kw.audit().verify().unwrap(), kw.audit().head().unwrap());
    kw.close();
    found
}

const EDITS: [&str; 18] = [
    "UPDATE audit SET at = at + 1 WHERE seq = 5",
    "UPDATE audit SET org = 'other' WHERE seq = 5",
    "UPDATE audit SET org = NULL WHERE seq = 5",
    "UPDATE audit SET actor = 'nobody' WHERE seq = 5",
    "UPDATE audit SET actor = NULL WHERE seq = 5",
    "UPDATE audit SET action = 'key.enable' WHERE seq = 6",
    "UPDATE audit SET target = 'another' WHERE seq = 5",
    "UPDATE audit SET reason = '' WHERE seq = 8",
    "UPDATE audit SET details = '{}' WHERE seq = 4",
    "UPDATE audit SET details = details || ' ' WHERE seq = 4",
    "UPDATE audit SET details = 'no JSON' WHERE seq = 14",
    "UPDATE audit SET hash = zeroblob(32) WHERE seq = 14",
    "UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 4) WHERE seq = 5",
    "DELETE FROM audit WHERE seq = 5",
    "DELETE FROM audit WHERE seq = 1",
    "DELETE FROM audit WHERE seq < 5",
    "UPDATE audit SET seq = seq + 1 WHERE seq = 14",
    "UPDATE audit SET seq = -6 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6; UPDATE audit SET seq = 6 WHERE seq = -6",
];

#[test]
fn each_tampering_is_told() {
    for pepper in [true, false] {
        let (site, head) = sealed(pepper);
        let (check, end) = tampered(&site, pepper, |_| ());
        assert!(check.ok && end == head, "{check:?}");
        for edit in EDITS {
            let (check, _) = tampered(&site, pepper, |it| it.execute_batch(edit).unwrap());
            assert!(!check.ok && check.problem.is_some(), "{edit} passes: {check:?}");
        }
        // A chain that was cut at its end is valid. Only a copy of the end, kept elsewhere, shows the cut.
        for cut in ["DELETE FROM audit WHERE seq = 14", "DELETE FROM audit WHERE seq > 3", "DELETE FROM audit"] {
            let (check, end) = tampered(&site, pepper, |it| it.execute_batch(cut).unwrap());
            assert!(!check.ok || end != head, "{cut} passes");
        }
    }
}

/// Seals the chain anew from an entry on, as who has no pepper can: SHA-256 over length-framed parts.
fn reseal(on: &Connection, from: i64) {
    type Row = (i64, i64, [Option<String>; 6]);
    let mut before: [u8; 32] =
        on.query_row("SELECT hash FROM audit WHERE seq = ?1", [from - 1], |row| row.get(0)).unwrap_or_default();
    let mut rows = on
        .prepare("SELECT seq, at, org, actor, action, target, reason, details FROM audit WHERE seq >= ?1 ORDER BY seq")
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let mut texts = <[Option<String>; 6]>::default();
        for (index, text) in texts.iter_mut().enumerate() {
            *text = row.get(index + 2)?;
        }
        Ok((row.get(0)?, row.get(1)?, texts))
    };
    let rows: Vec<Row> = rows.query_map([from], read).unwrap().collect::<Result<_, _>>().unwrap();
    for (seq, at, texts) in rows {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update(u32::try_from(bytes.len()).unwrap().to_be_bytes());
            hash.update(bytes);
        };
        part(b"keywright/audit/v1");
        part(&before);
        part(&seq.to_be_bytes());
        part(&at.to_be_bytes());
        for text in texts {
            part(if text.is_some() { b"1" } else { b"0" });
            part(text.unwrap_or_default().as_bytes());
        }
        before = hash.finalize().into();
        on.execute("UPDATE audit SET hash = ?2, pepper = NULL WHERE seq = ?1", rusqlite::params![seq, before]).unwrap();
    }
}

const FORGED: &str = "INSERT INTO audit SELECT 15, at, org, actor, 'key.enable', target, reason, '{}', pepper, hash FROM audit WHERE seq = 14";

#[test]
fn without_the_pepper_no_chain_is_mended() {
    let (site, head) = sealed(true);
    for from in [2, 5, 14] {
        let (check, _) = tampered(&site, true, |it| {
            it.execute("UPDATE audit SET actor = 'nobody' WHERE seq = ?1", [from]).unwrap();
            reseal(it, from);
        });
        assert!(!check.ok, "a chain sealed anew from {from} on passes");
    }
    let (check, _) = tampered(&site, true, |it| {
        it.execute_batch(FORGED).unwrap();
        reseal(it, 15);
    });
    assert!(!check.ok, "a forged entry passes");
    // A pruning that never was: the seal of its checkpoint needs the pepper too.
    let (check, _) = tampered(&site, true, |it| {
        let through: String =
            it.query_row("SELECT lower(hex(hash)) FROM audit WHERE seq = 5", [], |row| row.get(0)).unwrap();
        it.execute_batch(FORGED).unwrap();
        let details = format!(r#"{{"through_seq":5,"through_hash":"{through}"}}"#);
        it.execute("UPDATE audit SET action = 'audit.prune', details = ?1 WHERE seq = 15", [details]).unwrap();
        reseal(it, 15);
        it.execute("DELETE FROM audit WHERE seq <= 5", []).unwrap();
    });
    assert!(!check.ok, "a forged pruning passes");
    // The whole chain is hashed anew. Only the copy of the end shows it.
    let (_, end) = tampered(&site, true, |it| reseal(it, 1));
    assert_ne!(end, head);
    // This is no fault of the resealing: without a pepper the same is the engine's own seal.
    let (site, head) = sealed(false);
    let (check, end) = tampered(&site, false, |it| reseal(it, 1));
    assert!(check.ok && end == head, "{check:?}");
}

#[test]
fn pruning_leaves_a_chain_that_verifies() {
    let (site, clock) = (Site::new(), ManualClock::new(start()));
    let kw = Keywright::open(site.config().clock(clock.clone())).unwrap();
    let audit = kw.every_org().audit();
    let whole = |first: u64, last: u64| {
        let check = audit.verify().unwrap();
        assert_eq!((check.ok, check.first_seq, check.last_seq), (true, Some(first), Some(last)), "{check:?}");
        assert_eq!(audit.head().unwrap().seq, last);
    };
    let mut times = Vec::new();
    for _ in 0..5 {
        create(&kw, "CI");
        times.push(clock.now());
        clock.advance(1_000);
    }
    // An org and five keys, the first two at one time.
    whole(1, 6);
    let ahead = audit.prune(clock.now() + TimeDelta::milliseconds(1)).unwrap_err();
    assert!(matches!(&ahead, Error::ValidationFailed(it) if it.field == "before"), "{ahead:?}");
    assert_eq!(audit.prune(times[0]).unwrap(), 0);
    whole(1, 6);
    assert_eq!(audit.prune(times[2]).unwrap(), 3);
    whole(4, 7);
    assert_eq!(audit.prune(times[2]).unwrap(), 0);
    whole(4, 7);
    assert_eq!(audit.prune(times[3]).unwrap(), 1);
    whole(5, 8);
    create(&kw, "CI");
    whole(5, 9);
    clock.advance(1_000);
    assert_eq!(audit.prune(clock.now()).unwrap(), 5);
    whole(10, 10);
    clock.advance(1_000);
    assert_eq!(audit.prune(clock.now()).unwrap(), 1);
    whole(11, 11);
    create(&kw, "CI");
    whole(11, 12);
    let told: Vec<_> = entries(&kw).into_iter().map(|it| (it.seq, it.action)).collect();
    assert_eq!(told, [(11, "audit.prune".into()), (12, "key.create".into())]);
    // The tenants do not see it: it is the database's.
    assert!(kw.audit().list(ListAudit::new()).unwrap().data.iter().all(|it| it.seq == 12));
    kw.close();
    for edit in ["UPDATE audit SET details = '{}' WHERE seq = 11", "DELETE FROM audit WHERE seq = 11"] {
        let (check, _) = tampered(&site, true, |it| it.execute_batch(edit).unwrap());
        assert!(!check.ok, "{edit} passes");
    }
}

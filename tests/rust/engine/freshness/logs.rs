//! Changes of the log: checkpoints, resets, rollbacks, VACUUM.

use std::fs;

use keywright::Request;

use super::{Stage, carried_out, carry_out, pair};
use keywright_tests::site::{create, files, process};

const TENDING: [&str; 5] = [
    "PRAGMA wal_checkpoint(PASSIVE)",
    "PRAGMA wal_checkpoint(FULL)",
    "PRAGMA wal_checkpoint(RESTART)",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "VACUUM",
];

/// Each kind of tending before, between and after changes. A reset log begins anew with the next change.
fn tended(act: impl Fn(&Stage, &str)) {
    let stage = Stage::new();
    let (one, other) = pair(stage.kw());
    let texts = [one.api_key.reveal(), other.api_key.reveal()];
    for tending in TENDING {
        let tend = format!("sql {tending}");
        stage.warm(&texts);
        act(&stage, &tend);
        assert_eq!(stage.agree(&texts, tending), ["allowed"; 2]);
        for (change, expected) in [("disable", "disabled"), ("enable", "allowed")] {
            stage.warm(&texts);
            act(&stage, &format!("{change} {}", one.id));
            assert_eq!(stage.agree(&texts, change), [expected, "allowed"], "{change} after {tending}");
            stage.warm(&texts);
            act(&stage, &format!("sql UPDATE keys SET updated_at = updated_at + 1; {tending}"));
            assert_eq!(stage.agree(&texts, tending), [expected, "allowed"], "{change} before {tending}");
            act(&stage, &tend);
            act(&stage, &tend);
            assert_eq!(stage.agree(&texts, tending), [expected, "allowed"], "{tending} twice");
        }
    }
    stage.close();
}

#[test]
fn no_checkpoint_of_another_process_hides_a_change() {
    if carried_out() {
        return;
    }
    let test = no_checkpoint_of_another_process_hides_a_change;
    tended(|stage, order| process::start(test, &[], stage.site.folder(), order).passes());
}

#[test]
fn no_checkpoint_of_this_process_hides_a_change() {
    tended(|stage, order| carry_out(stage.site.folder(), order));
}

/// Changes in long series, so that the log grows, is written back by SQLite itself, and begins anew.
#[test]
fn in_a_log_that_grows_and_begins_anew_each_change_is_known() {
    let stage = Stage::new();
    let (one, other) = pair(stage.kw());
    let texts = [one.api_key.reveal(), other.api_key.reveal()];
    let on = stage.site.sql();
    on.busy_timeout(keywright_tests::site::PATIENCE).unwrap();
    on.pragma_update(None, "wal_autocheckpoint", 3).unwrap();
    for round in 0..300 {
        let (value, expected) = if round % 2 == 0 { ("1", "disabled") } else { ("NULL", "allowed") };
        on.execute(&format!("UPDATE keys SET disabled_at = {value} WHERE id = '{}'", one.id), []).unwrap();
        for (name, kw) in &stage.engines {
            let found = texts.map(|it| keywright_tests::site::verdict(kw, it));
            assert_eq!(found, [expected, "allowed"], "{name} in round {round}");
        }
    }
    stage.close();
}

/// An uncommitted change is never seen, not even when it is in the log, and no verification reads for it.
#[test]
fn what_is_rolled_back_never_shows() {
    let stage = Stage::of_readers();
    let writer = stage.site.open();
    let (one, other) = pair(&writer);
    writer.close();
    let texts = [one.api_key.reveal(), other.api_key.reveal()];
    let on = stage.site.sql();
    on.execute_batch("PRAGMA cache_size = 1; PRAGMA synchronous = FULL").unwrap();
    let log = || fs::metadata(&files(&stage.site.file())[1]).unwrap().len();
    for round in 0..20 {
        stage.warm(&texts);
        let before = log();
        on.execute_batch("BEGIN IMMEDIATE; UPDATE keys SET revoked_at = 1, disabled_at = 1").unwrap();
        let filler = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
                      INSERT INTO usage SELECT 'filler', i || hex(randomblob(32)), 0, 0, NULL FROM n";
        on.execute(filler, []).unwrap();
        assert!(log() > before || round > 0, "nothing of it reached the log");
        let known = || {
            for kw in stage.readers() {
                for text in texts {
                    let decision = kw.try_verify(text, &Request::new());
                    assert!(decision.expect("a rolled back change is looked for").is_allowed());
                }
            }
        };
        known();
        on.execute_batch("ROLLBACK").unwrap();
        known();
        assert_eq!(stage.agree(&texts, "a rollback"), ["allowed"; 2]);
        // A savepoint that is rolled back inside a commit takes its part with it, and only that.
        on.execute_batch(&format!(
            "BEGIN; UPDATE keys SET name = 'kept'; SAVEPOINT inner; UPDATE keys SET revoked_at = 1; \
             ROLLBACK TO inner; UPDATE keys SET disabled_at = {} WHERE id = '{}'; COMMIT",
            if round % 2 == 0 { "1" } else { "NULL" },
            one.id
        ))
        .unwrap();
        let expected = if round % 2 == 0 { "disabled" } else { "allowed" };
        assert_eq!(stage.agree(&texts, "a savepoint"), [expected, "allowed"]);
        on.execute("UPDATE keys SET disabled_at = NULL", []).unwrap();
    }
    drop(on);
    let late = create(&stage.site.open(), "late");
    assert_eq!(stage.agree(&[late.api_key.reveal()], "a new key"), ["allowed"]);
    stage.close();
}

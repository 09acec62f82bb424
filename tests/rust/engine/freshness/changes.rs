//! Commits of another process, and of another connection in this one.

use keywright::Rotation;

use super::{Stage, carried_out, carry_out, create_in, short};
use keywright_tests::site::create;
use keywright_tests::site::process;

const DAY: i64 = 86_400_000;

/// Lets each change happen through `act`, and looks at what all engines say next.
fn arrive(act: impl Fn(&Stage, &str)) {
    let stage = Stage::new();
    let kw = stage.kw();
    let (a, b, c, d) = (create(kw, "a"), short(kw), create_in(kw, "acme"), create(kw, "d"));
    let second = kw.keys().rotate(&d.id, Rotation::grace("1h").unwrap()).unwrap();
    let (e, f, untouched) = (create(kw, "e"), create(kw, "f"), create(kw, "untouched"));
    let lookup = kw.engine().parse(f.api_key.reveal()).unwrap().lookup;
    let texts = [&a, &b, &c, &d, &second, &f, &e, &untouched].map(|it| it.api_key.reveal());
    let sql = |set: &str, id: &dyn std::fmt::Display| format!("sql UPDATE keys SET {set} WHERE id = '{id}'");
    let whole = [
        (format!("disable {}", a.id), 0, "disabled"),
        (format!("enable {}", a.id), 0, "allowed"),
        (sql("disabled_at = 1", &a.id), 0, "disabled"),
        (sql("disabled_at = NULL", &a.id), 0, "allowed"),
        (format!("sql UPDATE secrets SET grace_ends_at = 1 WHERE lookup = '{lookup}'"), 5, "revoked"),
        (format!("extend {}", b.id), 1, "allowed"),
        (sql("expires_at = 1", &b.id), 1, "expired"),
        (sql("expires_at = NULL", &b.id), 1, "allowed"),
        ("org.disable acme".to_owned(), 2, "disabled"),
        ("org.enable acme".to_owned(), 2, "allowed"),
        ("sql UPDATE orgs SET disabled_at = 1 WHERE id = 'acme'".to_owned(), 2, "disabled"),
        ("sql UPDATE orgs SET disabled_at = NULL WHERE id = 'acme'".to_owned(), 2, "allowed"),
        (format!("end_grace {}", d.id), 3, "revoked"),
        (format!("rotate {}", d.id), 4, "revoked"),
        (sql("environment = 'test'", &e.id), 6, "invalid"),
        (sql("environment = 'live'", &e.id), 6, "allowed"),
        (format!("sql UPDATE secrets SET verifier = 'damaged' WHERE key_id = '{}'", e.id), 6, "unavailable"),
        (format!("sql DELETE FROM secrets WHERE key_id = '{}'", e.id), 6, "invalid"),
        ("org.revoke_keys acme".to_owned(), 2, "revoked"),
        (format!("revoke {}", a.id), 0, "revoked"),
        (sql("revoked_at = 1", &b.id), 1, "revoked"),
    ];
    for (order, at, expected) in whole {
        // A text that has lost its proof is not in memory.
        let known: Vec<&str> = texts.iter().filter(|it| **it != texts[6] || at < 6).copied().collect();
        stage.warm(&known[..6]);
        act(&stage, &order);
        if order.starts_with("extend") {
            stage.clock.advance(2 * DAY);
        }
        let found = stage.agree(&texts, &order);
        assert_eq!((found[at], found[7]), (expected, "allowed"), "{order}");
    }
    stage.close();
}

#[test]
fn what_another_process_commits_is_known_to_the_next_verification() {
    if carried_out() {
        return;
    }
    let test = what_another_process_commits_is_known_to_the_next_verification;
    arrive(|stage, order| process::start(test, &[], stage.site.folder(), order).passes());
}

#[test]
fn what_another_connection_of_this_process_commits_is_known_to_the_next_verification() {
    arrive(|stage, order| carry_out(stage.site.folder(), order));
}

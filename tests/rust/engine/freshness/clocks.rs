//! Processes whose clocks differ or step back: a grace that one of them has seen to be over is over in all.

use keywright::blocking::Keywright;
use keywright::testing::ManualClock;
use keywright::{ListAudit, Rotation};

use super::Stage;
use keywright_tests::site::process::{self, inside};
use keywright_tests::site::{Site, config, create, verdict};

const HOUR: i64 = 3_600_000;

fn now() -> ManualClock {
    ManualClock::new("2030-01-01T00:00:00Z".parse().unwrap())
}

/// A process whose clock is past the grace is refused, and ends.
fn refused_in_another_process() {
    let Some((folder, former)) = inside() else { return };
    let ahead = now();
    ahead.advance(2 * HOUR);
    let kw = Keywright::open(config(&folder.join("keys.db")).clock(ahead)).unwrap();
    assert_eq!(verdict(&kw, &former), "revoked");
    kw.close();
}

#[test]
fn a_grace_that_one_process_has_seen_to_be_over_is_over_in_all() {
    if inside().is_some() {
        return refused_in_another_process();
    }
    let site = Site::new();
    let open = || Keywright::open(site.config().clock(now())).unwrap();
    let kw = open();
    let reader = Keywright::open(site.config().clock(now()).read_only(true)).unwrap();
    let former = create(&kw, "CI");
    let current = kw.keys().rotate(&former.id, Rotation::grace("1h").unwrap()).unwrap();
    let said = |kw: &Keywright| [&former, &current].map(|it| verdict(kw, it.api_key.reveal()));
    for kw in [&kw, &reader, &kw, &reader] {
        assert_eq!(said(kw), ["allowed", "allowed"]);
    }
    let test = a_grace_that_one_process_has_seen_to_be_over_is_over_in_all;
    process::start(test, &[], site.folder(), former.api_key.reveal()).passes();
    for kw in [&kw, &reader, &open()] {
        assert_eq!(said(kw), ["revoked", "allowed"]);
    }
    let told = kw.audit().list(ListAudit::new().action("key.grace_ended")).unwrap().data;
    assert_eq!(told.iter().map(|it| it.target.as_deref()).collect::<Vec<_>>(), [Some(former.id.to_string().as_str())]);
}

#[test]
fn what_an_engine_has_seen_it_knows_before_it_is_written_down_and_while_nothing_can_be() {
    let stage = Stage::new();
    let former = create(stage.kw(), "CI");
    let current = stage.kw().keys().rotate(&former.id, Rotation::grace("1h").unwrap()).unwrap();
    // Nothing is written down from now on.
    let other = stage.site.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    stage.clock.advance(2 * HOUR);
    let said = |kw: &Keywright| [&former, &current].map(|it| verdict(kw, it.api_key.reveal()));
    stage.engines.iter().for_each(|(name, kw)| assert_eq!(said(kw), ["revoked", "allowed"], "{name}"));
    stage.clock.advance(-2 * HOUR);
    stage.engines.iter().for_each(|(name, kw)| assert_eq!(said(kw), ["revoked", "allowed"], "{name}, the clock back"));
    // A change of the key makes every engine read it again.
    other.execute_batch("UPDATE keys SET name = 'another'; COMMIT").unwrap();
    stage.engines.iter().for_each(|(name, kw)| assert_eq!(said(kw), ["revoked", "allowed"], "{name}, read again"));
    stage.close();
}

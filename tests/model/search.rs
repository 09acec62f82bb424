//! The searches: every state of the small systems keeps the promises, and each flaw breaks one.

use stateright::{Checker, HasDiscoveries, Model};

use crate::flaw::Flaw;
use crate::system::{FreshnessModel, R1, R3, R5, Sizes};

/// One process and one key, which a process or another program revokes.
const SMALL: Sizes = Sizes {
    processes: 1,
    keys: 1,
    changes: 1,
    harmless_changes: false,
    verifications: 2,
    max_staleness: 1,
    ticks: 2,
    failovers: 0,
    flushes: false,
    repeated_revocations: true,
};

const FLUSHES: Sizes = Sizes { verifications: 1, flushes: true, ..SMALL };

const TWO_KEYS: Sizes = Sizes { keys: 2, changes: 2, verifications: 1, repeated_revocations: false, ..SMALL };

/// Searches all states, and fails with the steps that break a promise.
fn search(sizes: Sizes) {
    let checker = FreshnessModel { sizes, flaw: None }.checker().spawn_bfs().join();
    checker.assert_properties();
    println!("{sizes:?}: {} states", checker.unique_state_count());
}

#[test]
fn two_verifications_race_with_two_changes_of_their_key() {
    search(Sizes { changes: 2, harmless_changes: true, ..SMALL });
}

#[test]
fn without_staleness_each_verification_asks() {
    search(Sizes { max_staleness: 0, ..SMALL });
}

#[test]
fn two_keys_change_in_any_order() {
    search(TWO_KEYS);
}

#[test]
fn two_processes_revoke_and_verify() {
    let sizes = Sizes { processes: 2, verifications: 1, max_staleness: 0, ticks: 1, ..SMALL };
    search(Sizes { repeated_revocations: false, ..sizes });
}

#[test]
fn a_standby_takes_over_with_or_without_the_last_change() {
    search(Sizes { changes: 2, verifications: 1, failovers: 1, ..SMALL });
}

#[test]
fn queries_of_flushes_cross_those_of_the_watcher() {
    search(FLUSHES);
}

#[test]
fn queries_of_flushes_cross_a_failover() {
    search(Sizes { failovers: 1, max_staleness: 0, ticks: 1, ..FLUSHES });
}

/// Searches a broken protocol until a promise is broken.
fn finds(flaw: Flaw, sizes: Sizes, promise: &'static str) {
    let model = FreshnessModel { sizes, flaw: Some(flaw) };
    let until = HasDiscoveries::AnyOf([promise].into());
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    let steps = checker.discovery(promise).unwrap_or_else(|| panic!("{flaw:?} breaks no {promise}")).into_actions();
    println!("{flaw:?} breaks {promise}: {steps:?}");
}

#[test]
fn confirming_at_the_arrival_of_an_answer_is_found() {
    finds(Flaw::ConfirmsAtArrival, SMALL, R3);
}

#[test]
fn confirming_at_the_arrival_of_a_flush_is_found() {
    finds(Flaw::FlushConfirmsAtArrival, FLUSHES, R3);
}

#[test]
fn confirming_by_a_notification_is_found() {
    finds(Flaw::NotificationConfirms, TWO_KEYS, R3);
}

#[test]
fn caching_an_old_row_is_found() {
    finds(Flaw::CachesOldRow, SMALL, R3);
}

#[test]
fn keeping_the_other_texts_of_a_revoked_key_is_found() {
    finds(Flaw::CachesRevocationAlone, SMALL, R5);
}

#[test]
fn trusting_notifications_is_found() {
    finds(Flaw::TrustsNotifications, SMALL, R3);
}

#[test]
fn ignoring_a_gap_is_found() {
    finds(Flaw::IgnoresGap, TWO_KEYS, R3);
}

#[test]
fn a_clock_that_stops_in_sleep_is_found() {
    finds(Flaw::ClockSleeps, SMALL, R3);
}

#[test]
fn returning_before_the_drop_is_found() {
    finds(Flaw::ReturnsBeforeDrop, SMALL, R1);
}

#[test]
fn numbers_of_another_database_in_a_transaction_are_found() {
    finds(Flaw::CommitTrustsNumbers, Sizes { changes: 2, verifications: 1, failovers: 1, ..SMALL }, R1);
}

#[test]
fn trusting_another_database_is_found() {
    finds(
        Flaw::TrustsOtherDatabase,
        Sizes { changes: 2, verifications: 1, failovers: 1, harmless_changes: true, ..SMALL },
        R3,
    );
}

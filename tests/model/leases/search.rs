//! The searches: every state of the small systems keeps the promises, and each flaw breaks one.

use stateright::{Checker, HasDiscoveries, Model};

use super::{BOUND, IN_TIME, LeaseFlaw, LeaseModel, ONCE};

const SMALL: LeaseModel = LeaseModel { processes: 2, burst: 4, requests: 4, ticks: 4, flaw: None };

#[test]
fn two_processes_lease_and_give_back_in_any_order() {
    let checker = SMALL.checker().spawn_bfs().join();
    checker.assert_properties();
    println!("{SMALL:?}: {} states", checker.unique_state_count());
}

#[test]
fn one_process_leases_for_longer() {
    let model = LeaseModel { processes: 1, requests: 5, ticks: 6, ..SMALL };
    let checker = model.checker().spawn_bfs().join();
    checker.assert_properties();
    println!("{model:?}: {} states", checker.unique_state_count());
}

fn finds(flaw: LeaseFlaw, sizes: LeaseModel, promise: &'static str) {
    let model = LeaseModel { flaw: Some(flaw), ..sizes };
    let until = HasDiscoveries::AnyOf([promise].into());
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    let steps = checker.discovery(promise).unwrap_or_else(|| panic!("{flaw:?} breaks no {promise}")).into_actions();
    println!("{flaw:?} breaks {promise}: {steps:?}");
}

#[test]
fn spending_after_the_lease_is_found() {
    finds(LeaseFlaw::SpendsLate, SMALL, IN_TIME);
}

#[test]
fn spending_what_went_back_is_found() {
    finds(LeaseFlaw::KeepsWhatItGaveBack, SMALL, ONCE);
}

#[test]
fn giving_back_twice_is_found() {
    finds(LeaseFlaw::GivesBackAgain, SMALL, ONCE);
}

#[test]
fn returning_what_came_back_by_itself_is_found() {
    // It takes a second budget to sell what came back twice.
    finds(LeaseFlaw::ReturnsTooMuch, LeaseModel { burst: 3, requests: 6, ..SMALL }, BOUND);
}

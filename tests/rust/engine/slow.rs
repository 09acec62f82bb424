//! Slow verifiers: the work that strangers can cause is bounded, and a change of one key makes no other key hash again.

use keywright::blocking::Keywright;
use keywright::testing::ManualClock;

use keywright_tests::site::{Site, create, forged, plain, verdict};

const START: &str = "2026-01-01T00:00:00Z";

fn engine(site: &Site, clock: &ManualClock) -> Keywright {
    Keywright::open(plain(&site.file()).clock(clock.clone())).unwrap()
}

#[test]
fn a_slow_row_without_a_filter_takes_five_wrong_secrets_a_minute_and_its_own_at_any_time() {
    let (site, clock) = (Site::new(), ManualClock::new(START.parse().unwrap()));
    let kw = engine(&site, &clock);
    let (tried, other) = (create(&kw, "tried"), create(&kw, "other"));
    let (right, wrong) = (tried.api_key.reveal(), forged(tried.api_key.reveal()));
    site.sql().execute("UPDATE secrets SET filter = NULL", []).unwrap();
    assert_eq!(verdict(&kw, right), "allowed");
    for _ in 0..5 {
        assert_eq!(verdict(&kw, &wrong), "invalid");
    }
    for _ in 0..3 {
        assert_eq!(verdict(&kw, &wrong), "unavailable");
        assert_eq!(verdict(&kw, right), "allowed");
    }
    // Another process has verified nothing yet, and has its own budget. Only wrong secrets spend it.
    let second = engine(&site, &clock);
    for _ in 0..5 {
        assert_eq!(verdict(&second, &wrong), "invalid");
    }
    assert_eq!((verdict(&second, right), verdict(&second, other.api_key.reveal())), ("unavailable", "allowed"));
    clock.advance(12_000);
    assert_eq!((verdict(&second, right), verdict(&second, &wrong)), ("allowed", "invalid"));
    assert_eq!(verdict(&second, &wrong), "unavailable");
}

#[test]
fn right_secrets_spend_no_failures() {
    let (site, clock) = (Site::new(), ManualClock::new(START.parse().unwrap()));
    let kw = Keywright::open(plain(&site.file()).clock(clock.clone()).keys_in_memory(0)).unwrap();
    let key = create(&kw, "often");
    site.sql().execute("UPDATE secrets SET filter = NULL", []).unwrap();
    for _ in 0..7 {
        assert_eq!(verdict(&kw, key.api_key.reveal()), "allowed");
    }
}

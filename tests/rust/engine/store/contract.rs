//! The suites that every store and every place of shared limits pass, on the store of this run.

use std::io::Write;

use keywright::testing;
use keywright_tests::interpreter::engine::Database;
use pollster::block_on;

#[test]
fn every_check_of_the_contract_passes() {
    let database = Database::new();
    let config = keywright::Keywright::builder(database.url.clone()).brand("liq").pepper([7; 32]);
    let passed = block_on(testing::contract(config)).unwrap();
    // Past the capture of the test harness: the one line that says what was run.
    writeln!(std::io::stdout(), "contract: {} checks", passed.len()).unwrap();
}

#[test]
fn every_check_of_shared_limits_passes() {
    let database = Database::new();
    let mut config = keywright::Keywright::builder(database.url.clone()).brand("liq").pepper([7; 32]);
    let limiter = std::env::var("KEYWRIGHT_TEST_LIMITER").ok();
    if let Some(limiter) = &limiter {
        config = config.limiter(limiter.parse().unwrap());
    }
    let outcome = block_on(testing::shared_limits_contract(config));
    if database.url.starts_with("sqlite:") && limiter.is_none() {
        return assert!(outcome.unwrap_err().contains("shares nothing with other machines"));
    }
    writeln!(std::io::stdout(), "shared limits: {} checks", outcome.unwrap().len()).unwrap();
}

//! The suite that every store passes, on the store of this run.

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

//! Asks for a key with a quota until the input ends. A file keeps how often it was admitted, also when the program is killed.

use std::error::Error;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use std::{env, io, thread};

use keywright::blocking::Keywright;
use keywright::{Quota, Request};
use serde_json::Value;

pub(crate) fn run(order: &Value) -> Result<(), Box<dyn Error>> {
    let number = |name: &str| order[name].as_u64().unwrap_or_default();
    let word = |name: &str| order[name].as_str().unwrap_or_default();
    let counter = OpenOptions::new().write(true).open(word("counter"))?;
    let config = keywright::Keywright::builder(word("url")).brand("check").pepper(env::var("KEYWRIGHT_PEPPER")?);
    let kw = Keywright::open(config.quota(Quota::new("all", number("amount"))))?;
    println!("ready");
    let input = thread::spawn(|| io::copy(&mut io::stdin(), &mut io::sink()));
    let mut admitted = 0_u64;
    while !input.is_finished() {
        for _ in 0..number("burst") {
            if kw.verify(word("text"), &Request::new()).is_allowed() {
                admitted += 1;
                counter.write_all_at(&admitted.to_le_bytes(), 0)?;
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
    kw.close();
    Ok(())
}

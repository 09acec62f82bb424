//! Counts how many requests a limit admits in this process, while others ask at the same time.

use std::error::Error;
use std::thread;
use std::time::Duration;
use std::{env, io};

use keywright::blocking::Keywright;
use keywright::{Code, Limit, Limiter, Request, WhenUnreachable};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Nanoseconds of CLOCK_MONOTONIC.
fn now() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Asks for as many nanoseconds as a line of the input says. Without a pause between requests it also asks until it is refused.
pub(crate) fn run(order: &Value) -> Result<(), Box<dyn Error>> {
    let number = |name: &str| order[name].as_u64().unwrap_or_default();
    let word = |name: &str| order[name].as_str().unwrap_or_default();
    let limit = Limit::new("all", number("rate")).burst(number("burst")).when_unreachable(WhenUnreachable::Refuse);
    let limiter: Limiter = word("limiter").parse()?;
    let config = keywright::Keywright::builder(word("url")).brand("check");
    let kw = Keywright::open(config.pepper(env::var("KEYWRIGHT_PEPPER")?).limit(limit).limiter(limiter))?;
    println!("ready");
    let mut span = String::new();
    io::stdin().read_line(&mut span)?;
    let (span, pause) = (span.trim().parse::<i64>()?, Duration::from_nanos(number("pause")));
    let (first, mut admitted, mut refused) = (now(), 0_u64, 0_u64);
    while now() - first < span || pause.is_zero() && refused == 0 {
        match kw.verify(word("text"), &Request::new()).code() {
            None => admitted += 1,
            Some(Code::RateLimited) => refused += 1,
            // A purchase that takes a second on a busy machine is no refusal.
            Some(_) => {}
        }
        thread::sleep(pause);
    }
    println!("{}", json!({ "first": first, "last": now(), "admitted": admitted, "refused": refused }));
    kw.close();
    Ok(())
}

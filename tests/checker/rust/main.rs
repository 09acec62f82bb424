//! The Rust side of checker.sh: verifies and changes keys on the file it is given, and writes down what it saw.

mod changer;
mod limits;
mod verifier;

use std::error::Error;
use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{env, fs, io, thread};

use keywright::blocking::Keywright;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// State that all threads of this process share.
pub(crate) struct Site {
    kw: Keywright,
    folder: PathBuf,
    name: String,
    base: i64,
    /// For how many nanoseconds a verdict is kept, against the rules: the fault that the checker must find.
    stale: i64,
    stopped: AtomicBool,
    verified: AtomicU64,
    hot: AtomicU64,
}

impl Site {
    /// Nanoseconds of CLOCK_MONOTONIC since the checker began.
    fn now(&self) -> i64 {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec * 1_000_000_000 + now.tv_nsec - self.base
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn announced(&self) -> PathBuf {
        self.folder.join("announced")
    }

    fn write(&self, name: &str, kind: &str, lines: &[String]) -> io::Result<()> {
        let mut text = lines.join("\n");
        text.push('\n');
        fs::write(self.folder.join(format!("{name}.{kind}")), text)
    }
}

/// Pseudorandom: good enough for choices.
pub(crate) struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let order: Value = serde_json::from_str(&env::args().nth(1).ok_or("no order")?)?;
    if order["limiter"].is_string() {
        return limits::run(&order);
    }
    let word = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| order[name].as_i64().unwrap_or_default();
    let url = format!("sqlite:{}", word("file"));
    let config = keywright::Keywright::builder(url).brand("check").pepper(env::var("KEYWRIGHT_PEPPER")?);
    let site = Arc::new(Site {
        kw: Keywright::open(config.busy_timeout(std::time::Duration::from_secs(60)))?,
        folder: word("folder").into(),
        name: word("name"),
        base: word("base").parse()?,
        stale: number("stale"),
        stopped: AtomicBool::new(false),
        verified: AtomicU64::new(0),
        hot: AtomicU64::new(0),
    });
    let verifiers = (0..number("verifiers")).map(|n| {
        let site = Arc::clone(&site);
        thread::spawn(move || verifier::run(&site, &format!("{}-{n}", site.name)).unwrap())
    });
    let changers = (0..number("changers")).map(|n| {
        let site = Arc::clone(&site);
        thread::spawn(move || changer::run(&site, &format!("{}-{n}", site.name)).unwrap())
    });
    let threads: Vec<_> = verifiers.chain(changers).collect();
    for line in io::stdin().lock().lines() {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let hot = Some(count(&site.hot)).filter(|it| *it > 0);
        // The time is taken between the reading of the question and the writing of the answer.
        println!("{}", json!({ "asked": line?, "now": site.now(), "verified": count(&site.verified), "hot": hot }));
    }
    site.stopped.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|it| it.join().unwrap());
    site.kw.close();
    Ok(())
}

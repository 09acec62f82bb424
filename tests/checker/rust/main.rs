//! The Rust side of the checker: verifies and changes keys in the database it is given, and writes down what it saw.

mod changer;
mod limits;
mod quotas;
mod verifier;

use std::collections::HashSet;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, io, thread};

use keywright::blocking::Keywright;
use keywright::testing::ShiftedClock;
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
    /// How long a verifier sleeps between two looks for new texts.
    pause: Duration,
    /// How many verifiers take texts that nobody here has verified. Such a verification waits for the database; the other
    /// verifiers go on from memory while the database cannot be reached.
    scouts: usize,
    /// The names of the texts that somebody here has verified.
    known: Mutex<HashSet<String>>,
    /// One verification in so many is of a text that was revoked some time ago.
    rarely: usize,
    /// The plans by which a changer takes a key through its states.
    plans: Vec<usize>,
    /// The least and the most milliseconds between two changes of a key.
    hold: [usize; 2],
    /// Whether a change that is `unavailable` is made again.
    retries: bool,
    clock: ShiftedClock,
    stopped: AtomicBool,
    verified: AtomicU64,
    hot: AtomicU64,
    /// Verifications that were not `unavailable`.
    answered: AtomicU64,
    /// Changes that were acknowledged, and those that are under way.
    changed: AtomicU64,
    changing: AtomicU64,
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

    fn lines(&self, name: &str, kind: &str) -> io::Result<Lines> {
        let path = self.folder.join(format!("{name}.{kind}"));
        Ok(Lines(OpenOptions::new().append(true).create(true).open(path)?))
    }

    /// Steps the clock of the engine back and forth while the conductor wants it.
    fn step_clock(&self) {
        let mut dice = Dice::new(self.base as u64);
        while !self.is_stopped() {
            let hour = 3_600_000;
            let steps = self.folder.join("steps").exists();
            self.clock.set(if steps { dice.below(2 * hour) as i64 - hour as i64 } else { 0 });
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// A file of lines, which are complete even if the program is killed.
pub(crate) struct Lines(File);

impl Lines {
    fn write(&mut self, lines: impl IntoIterator<Item = String>) -> io::Result<()> {
        let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        self.0.write_all(text.as_bytes())
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
    if order["burst"].is_u64() {
        return quotas::run(&order);
    }
    let word = |name: &str| order[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| order[name].as_i64().unwrap_or_default();
    let numbers = |name: &str| -> Vec<usize> {
        order[name].as_array().into_iter().flatten().filter_map(|it| Some(it.as_u64()? as usize)).collect()
    };
    let setting = |name: &str| -> Option<Duration> {
        let seconds = order["settings"][name].as_str()?.strip_suffix('s')?;
        Some(Duration::from_secs(seconds.parse().ok()?))
    };
    let clock = ShiftedClock::default();
    let mut config = keywright::Keywright::builder(word("url")).brand("check").pepper(env::var("KEYWRIGHT_PEPPER")?);
    config = config.busy_timeout(setting("busy_timeout").ok_or("no busy_timeout")?);
    if order["steps"] == true {
        config = config.clock(clock.clone());
    }
    if let Some(staleness) = setting("max_staleness") {
        config = config.max_staleness(staleness);
    }
    let retries = order["retries"] == true;
    let kw = loop {
        match Keywright::open(config.clone()) {
            Err(error) if retries && error.code() == "unavailable" => {}
            opened => break opened?,
        }
    };
    let site = Arc::new(Site {
        kw,
        folder: word("folder").into(),
        name: word("name"),
        base: word("base").parse()?,
        stale: number("stale"),
        pause: Duration::from_nanos(number("pause").unsigned_abs()),
        scouts: number("scouts") as usize,
        known: Mutex::default(),
        rarely: number("rarely") as usize,
        plans: numbers("plans"),
        hold: numbers("hold").try_into().map_err(|_| "hold takes two numbers")?,
        retries,
        clock,
        stopped: AtomicBool::new(false),
        verified: AtomicU64::new(0),
        hot: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        changed: AtomicU64::new(0),
        changing: AtomicU64::new(0),
    });
    let stepper = Arc::clone(&site);
    let stepper = thread::spawn(move || stepper.step_clock());
    let verifiers = (0..number("verifiers")).map(|n| {
        let site = Arc::clone(&site);
        thread::spawn(move || verifier::run(&site, n as usize).unwrap())
    });
    let changers = (0..number("changers")).map(|n| {
        let site = Arc::clone(&site);
        thread::spawn(move || changer::run(&site, &format!("{}-{n}", site.name)).unwrap())
    });
    let threads: Vec<_> = verifiers.chain(changers).chain([stepper]).collect();
    for line in io::stdin().lock().lines() {
        let count = |it: &AtomicU64| it.load(Ordering::Relaxed);
        let hot = Some(count(&site.hot)).filter(|it| *it > 0);
        // The time is taken between the reading of the question and the writing of the answer.
        let mut answer = json!({ "asked": line?, "now": site.now(), "verified": count(&site.verified), "hot": hot });
        answer["answered"] = count(&site.answered).into();
        answer["changed"] = count(&site.changed).into();
        answer["changing"] = count(&site.changing).into();
        println!("{answer}");
    }
    site.stopped.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|it| it.join().unwrap());
    site.kw.close();
    Ok(())
}

//! The cost of one limit for each limiter: `limits DATA FIGURES REDIS`. Two words after them, the name of a limiter and a number of
//! windows, make it one of several processes that verify at once.

#[path = "../fill.rs"]
mod fill;
mod machine;
mod shared;
#[path = "../texts.rs"]
mod texts;
#[path = "../timing.rs"]
mod timing;

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use keywright::blocking::Keywright;
use keywright::{Limit, NewKey, Request};

use timing::{Subject, share};

const PEPPER: &str = "a pepper of the benchmark, of 32 bytes or more";

/// How many calls are timed at once: one is too short. Also how many keys are in use unless a figure says otherwise.
const WINDOW: usize = 128;

/// How many keys are used in turn, so seldom that each use asks Redis.
const SLOW_KEYS: usize = 5_000;

fn main() {
    let mut arguments = env::args().skip(1);
    let [data, out, redis] = std::array::from_fn(|_| arguments.next().expect("limits DATA FIGURES REDIS"));
    let (data, out) = (PathBuf::from(data), PathBuf::from(out));
    if let (Some(limiter), Some(windows)) = (arguments.next(), arguments.next()) {
        return machine::one_of_several(&data, &limiter, windows.parse().unwrap());
    }
    let file = file(&data);
    let seed = open(&file, "process");
    seed.keys().create(NewKey::named("key")).unwrap();
    seed.close();
    let texts = fill::fill(&file, SLOW_KEYS, PEPPER, SLOW_KEYS);
    fs::write(data.join("limits.txt"), texts.join("\n")).unwrap();
    machine::measure(&data, &out, &texts[..WINDOW]);
    shared::measure(&data, &out, &redis, &texts);
}

fn file(data: &Path) -> PathBuf {
    data.join("limits.db")
}

/// An engine with one limit, which no call reaches, and that a limiter counts; without one for `none`.
fn open(file: &Path, limiter: &str) -> Keywright {
    let config = keywright::Keywright::builder(format!("sqlite:{}", file.display())).brand("bench").pepper(PEPPER);
    let config = match limiter {
        "none" => config,
        limiter => config.limit(Limit::new("wide", 1_000_000_000)).limiter(limiter.parse().unwrap()),
    };
    Keywright::open(config).unwrap()
}

/// Verifies all texts.
fn window(kw: &Keywright, texts: &[String]) {
    let request = Request::new();
    texts.iter().for_each(|text| _ = black_box(kw.verify(black_box(text.as_str()), &request)));
}

fn subject<'a>(name: impl Into<String>, kw: &'a Keywright, texts: &'a [String]) -> Subject<'a> {
    Subject::new(name, texts.len(), |_| {
        window(kw, texts);
        true
    })
}

/// Nanoseconds of a call in one window.
fn time(kw: &Keywright, texts: &[String]) -> f64 {
    let began = Instant::now();
    window(kw, texts);
    began.elapsed().as_nanos() as f64 / texts.len() as f64
}

/// Fails unless a limiter counts every request in the place that all share.
fn check(kw: &Keywright, texts: &[String], shared: bool) {
    for text in texts {
        let decision = kw.verify(text.as_str(), &Request::new());
        assert!(decision.is_allowed());
        assert!(decision.limits().iter().all(|limit| limit.shared == shared));
    }
}

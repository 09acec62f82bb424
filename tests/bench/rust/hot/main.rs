//! Measures verifications that are answered from memory, and counts what they cost: `hot DATA FIGURES`.

mod counted;
#[path = "../fill.rs"]
mod fill;
mod revoked;
mod spent;

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Instant;

use argon2::{Algorithm, Argon2, Params, Version};
use keywright::blocking::Keywright;
use keywright::testing::ask_freshness;
use keywright::{Config, Limit, NewKey, Request};

use counted::Counted;
use spent::{Figures, Spent, median, together, turns};

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const PEPPER: &str = "a pepper of the benchmark, of 32 bytes or more";

/// How many keys are in use at a time where nothing else is said.
const FEW: usize = 128;

fn main() {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (data, out) = (arguments.next().unwrap(), arguments.next().unwrap());
    if let Some(order) = arguments.next() {
        return match order.to_str() {
            Some("revoke") => revoked::obey(&data),
            _ => counted::obey(&data),
        };
    }
    let figures = Figures::new(&out);
    few(&data, &figures);
    many(&data, &figures);
    revoked::everywhere(&data, &figures);
    revoked::alone(&data, &figures);
}

fn config(file: &Path) -> Config {
    keywright::Keywright::builder(format!("sqlite:{}", file.display()))
        .brand("bench")
        .pepper(PEPPER)
        .tier("wide", [Limit::new("wide", 1_000_000_000)])
}

fn open(file: &Path) -> Keywright {
    Keywright::open(config(file)).unwrap()
}

fn request() -> Request {
    Request::new().scope("deals:read")
}

fn make(kw: &Keywright, tier: Option<&str>) -> Vec<String> {
    let keys = (0..FEW).map(|it| {
        let new = NewKey::named(format!("key {it}")).scopes("deals:read,deals:write").unwrap();
        let new = tier.map_or(new.clone(), |it| new.tier(it));
        kw.keys().create(new).unwrap().api_key.reveal().to_owned()
    });
    keys.collect()
}

/// The same length and beginning, with another last letter.
fn mistyped(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    format!("{rest}{}", if last == "x" { "y" } else { "x" })
}

/// Every `nth` text replaced by one of `others`.
fn mixed(texts: &[String], others: &[String], nth: usize) -> Vec<String> {
    let all = texts.iter().cycle().zip(others.iter().cycle()).take(FEW * 100).enumerate();
    all.map(|(at, (text, other))| if at % nth == nth - 1 { other } else { text }.clone()).collect()
}

fn few(data: &Path, figures: &Figures) {
    let file = data.join("hot.db");
    let kw = open(&file);
    let (plain, limited) = (make(&kw, None), make(&kw, Some("wide")));
    fs::write(data.join("hot.txt"), plain.join("\n")).unwrap();
    let request = request();
    for (with, texts) in [("scopes, meter", &plain), ("scopes, one limit, meter", &limited)] {
        let all_pass = || assert!(texts.iter().all(|it| kw.verify(it.as_str(), &request).is_allowed()));
        all_pass();
        let (allocations, _) = counted::allocated(all_pass);
        let what = |of: &str| format!("hot verify, {FEW} keys, {with}, {of}");
        figures.add(&what("1 thread"), &turns(&kw, texts, &request, 10_000), Some(150.0));
        figures.add(&what("each of 2 threads"), &together(&kw, texts, &request, 10_000), Some(150.0));
        figures.count(&what(&format!("allocations of {FEW} calls")), allocations as f64, "", Some(0.0));
    }
    // Counts that are written down are a change as well, so that not every answer is yes.
    let check = Spent::of(1_000, 10_000, |times| _ = black_box(ask_freshness(kw.engine(), times)));
    figures.add("the check for changes by other processes, a part of hot verify", &check, Some(5.0));

    let mut texts = fill::Texts::new(4);
    let strangers: Vec<String> = (0..FEW).map(|_| texts.draw().whole()).collect();
    let typos: Vec<String> = plain.iter().map(|it| mistyped(it)).collect();
    for (wrong, others) in [("mistyped", &typos), ("of no key", &strangers)] {
        for (share, nth) in [("1 %", 100), ("50 %", 2)] {
            let what = format!("verify, {FEW} hot keys, {share} of the texts {wrong}");
            figures.add(&what, &turns(&kw, &mixed(&plain, others, nth), &request, 100), None);
        }
    }
    figures.add(
        "malformed, of another length",
        &turns(&kw, &["bench_live_nonsense".into()], &request, 1_000_000),
        Some(60.0),
    );
    figures.add("malformed, a wrong checksum", &turns(&kw, &typos, &request, 10_000), Some(60.0));
    let forged = plain.iter().cycle().take(10_000).map(|it| {
        let lookup = it["bench_live_".len()..][..12].to_owned();
        fill::Text { lookup, secret: texts.draw().secret }.whole()
    });
    let forged =
        Spent::each(forged.collect::<Vec<_>>().iter(), |it| assert!(!kw.verify(it.as_str(), &request).is_allowed()));
    figures.add("wrong secret of a known lookup", &forged, Some(8_000.0));
    kw.close();

    match counted::syscalls(&file, &plain) {
        Some(calls) => {
            figures.count(&format!("hot verify, {FEW} keys, system calls of 10,000 calls"), calls as f64, "", Some(0.0))
        }
        None => eprintln!("system calls are not counted: strace is missing"),
    }
    figures.count("argon2id itself, on all cores at once", argon2(), "ms", None);
}

/// How the cost grows with the number of keys that are in use.
fn many(data: &Path, figures: &Figures) {
    for count in [1_000, 100_000, 1_000_000].map(|it| it / spent::share()) {
        let file = data.join(format!("hot-{count}.db"));
        let seed = open(&file);
        seed.keys().create(NewKey::named("key").scopes("deals:read,deals:write").unwrap()).unwrap();
        seed.close();
        let texts = fill::fill(&file, count, PEPPER, count);
        let (start, request) = (|| Keywright::open(config(&file).keys_in_memory(count)).unwrap(), request());
        let pass = |kw: &Keywright, text: &String| assert!(kw.verify(text.as_str(), &request).is_allowed());
        let counting = start();
        let (_, held) = counted::allocated(|| {
            texts.iter().for_each(|it| pass(&counting, it));
            counting.flush().unwrap();
        });
        counting.close();
        let held = held as f64 / texts.len() as f64;
        let kw = start();
        let cold = Spent::each(texts.iter(), |it| pass(&kw, it));
        let what = |of: &str| format!("{count} keys in turn, {of}");
        figures.add(&what("each for the first time"), &cold, None);
        figures.count(&what("memory for each that is held"), held, "bytes", (count == 100_000).then_some(400.0));
        let times = (4_000_000 / count).max(2);
        figures.add(&what("hot, 1 thread"), &turns(&kw, &texts, &request, times), None);
        figures.add(&what("hot, each of 2 threads"), &together(&kw, &texts, &request, times), None);
        kw.close();
        fs::remove_file(file).unwrap();
    }
}

/// Milliseconds of a hash while each core has one: they share what a hash needs most, the way to memory.
fn argon2() -> f64 {
    let cores = std::thread::available_parallelism().unwrap().get();
    let barrier = Barrier::new(cores);
    let hashes = || {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, Some(32)).unwrap());
        barrier.wait();
        let begin = Instant::now();
        for _ in 0..60 {
            argon2
                .hash_password_into(black_box(b"a secret of the benchmark"), b"a salt of 16 let", &mut [0; 32])
                .unwrap();
        }
        begin.elapsed().as_secs_f64() * 1_000.0 / 60.0
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(hashes)).collect();
        median(threads.into_iter().map(|it| it.join().unwrap()).collect())
    })
}

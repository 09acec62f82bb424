//! Verifications that memory answers, beside their references: `hot DATA FIGURES`.

mod counted;
#[path = "../fill.rs"]
mod fill;
mod reference;
mod revoked;
#[path = "../select.rs"]
mod select;
#[path = "../texts.rs"]
mod texts;
#[path = "../timing.rs"]
mod timing;

use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use argon2::{Algorithm, Argon2, Params, Version};
use keywright::blocking::Keywright;
use keywright::testing::ask_freshness;
use keywright::{Config, Limit, NewKey, Request};

use counted::{Counted, count};
use select::{Select, lookup};
use timing::{ROUNDS, Subject, race, share};

#[global_allocator]
static ALLOCATOR: Counted = Counted;

const PEPPER: &str = "a pepper of the benchmark, of 32 bytes or more";

/// How many calls are timed at once: one is too short. Also how many keys are in use unless a figure says otherwise.
const WINDOW: usize = 128;

fn main() {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (data, out) = (arguments.next().unwrap(), arguments.next().unwrap());
    if let Some(order) = arguments.next() {
        return match order.to_str() {
            Some("revoke") => revoked::obey(&data),
            _ => counted::obey(&data),
        };
    }
    few(&data, &out);
    many(&data, &out);
    revoked::everywhere(&data, &out);
    revoked::alone(&data, &out);
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
    let keys = (0..WINDOW).map(|number| {
        let new = NewKey::named(format!("key {number}")).scopes("deals:read,deals:write").unwrap();
        let new = tier.map_or(new.clone(), |tier| new.tier(tier));
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
    let all = texts.iter().cycle().zip(others.iter().cycle()).take(WINDOW * 100).enumerate();
    all.map(|(at, (text, other))| if at % nth == nth - 1 { other } else { text }.clone()).collect()
}

/// Verifies the texts, a window of them at a time, and accepts every decision.
fn verify<'a>(name: impl Into<String>, kw: &'a Keywright, texts: &'a [String], request: &'a Request) -> Subject<'a> {
    let windows: Vec<_> = texts.chunks_exact(WINDOW).collect();
    Subject::new(name, WINDOW, move |number| {
        let window = windows[number % windows.len()];
        window.iter().for_each(|text| _ = black_box(kw.verify(black_box(text.as_str()), request)));
        true
    })
}

fn few(data: &Path, out: &Path) {
    let file = data.join("hot.db");
    let kw = open(&file);
    let (plain, limited) = (make(&kw, None), make(&kw, Some("wide")));
    fs::write(data.join("hot.txt"), plain.join("\n")).unwrap();
    let request = request();
    for (with, texts) in [("scopes and meter", &plain), ("scopes, meter and one limit", &limited)] {
        let all_pass = || assert!(texts.iter().all(|text| kw.verify(text.as_str(), &request).is_allowed()));
        all_pass();
        let (allocations, _) = counted::allocated(all_pass);
        count(out, &format!("hot, {with}: allocations of {WINDOW} calls"), allocations as f64, "");
    }

    let typos: Vec<String> = plain.iter().map(|text| mistyped(text)).collect();
    let short = vec!["bench_live_nonsense".to_owned(); WINDOW];
    let subjects = [
        verify("hot, scopes and meter", &kw, &plain, &request),
        verify("hot, scopes, meter and one limit", &kw, &limited, &request),
        // Not always fresh: counts that are written down are a change of the database as well.
        Subject::new("the check for changes by other processes", WINDOW, |_| {
            black_box(ask_freshness(kw.engine(), WINDOW));
            true
        }),
        verify("malformed, of another length", &kw, &short, &request),
        verify("malformed, a wrong checksum", &kw, &typos, &request),
        reference::siphash(&plain),
        reference::clock(),
        reference::map(),
        reference::atomic(),
        reference::checksum(&plain),
    ];
    let [without, with, ..] = race(out, 1_000, subjects);
    let more: Vec<f64> = with.iter().zip(without).map(|(with, without)| with - without).collect();
    timing::write(out, "one limit more", "ns", &more, None, None);
    beside_another_thread(&kw, &plain, &request, || {
        race(out, 1_000, [verify("hot, scopes and meter, on each of 2 threads", &kw, &plain, &request)]);
    });

    let mut drawn = texts::Texts::new(4);
    let strangers: Vec<String> = (0..WINDOW).map(|_| drawn.draw().whole()).collect();
    for (wrong, others) in [("mistyped", &typos), ("of no key", &strangers)] {
        for (part, nth) in [("1 %", 100), ("50 %", 2)] {
            let texts = mixed(&plain, others, nth);
            race(out, 100, [verify(format!("hot, {part} of the texts {wrong}"), &kw, &texts, &request)]);
        }
    }
    let select = Select::new(&file);
    let forge = |text: &String| texts::Text { lookup: lookup(text).to_owned(), secret: drawn.draw().secret }.whole();
    let forged: Vec<String> = plain.iter().cycle().take(ROUNDS * 500).map(forge).collect();
    let subjects = [
        Subject::new("wrong secret of a known lookup", 1, |at| !kw.verify(forged[at].as_str(), &request).is_allowed()),
        Subject::new("the same SELECT by rusqlite, 256 keys", 1, |at| select.run(&forged[at])),
        reference::sha256(),
    ];
    race(out, 500, subjects);
    kw.close();

    match counted::syscalls(&file, &plain) {
        Some(calls) => count(out, "hot: system calls of 10,000 calls", calls as f64, ""),
        None => eprintln!("system calls are not counted: strace is missing"),
    }
    count(out, "argon2id by the argon2 crate, on all cores at once", argon2(), "ms");
}

/// Measures while a second thread verifies the same texts.
fn beside_another_thread(kw: &Keywright, texts: &[String], request: &Request, measure: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                texts.iter().for_each(|text| _ = black_box(kw.verify(text.as_str(), request)));
            }
        });
        measure();
        done.store(true, Ordering::Relaxed);
    });
}

/// How the cost grows with the number of keys that are in use.
fn many(data: &Path, out: &Path) {
    for (keys, said) in [(1_000, "1,000"), (100_000, "100,000"), (1_000_000, "1,000,000")] {
        let keys = share(keys).max(1_000);
        let file = data.join(format!("hot-{keys}.db"));
        let seed = open(&file);
        seed.keys().create(NewKey::named("key").scopes("deals:read,deals:write").unwrap()).unwrap();
        seed.close();
        let texts = fill::fill(&file, keys, PEPPER, keys);
        let (start, request) = (|| Keywright::open(config(&file).keys_in_memory(keys)).unwrap(), request());
        let pass = |kw: &Keywright, text: &String| kw.verify(text.as_str(), &request).is_allowed();
        let counting = start();
        let (_, held) = counted::allocated(|| {
            assert!(texts.iter().all(|text| pass(&counting, text)));
            counting.flush().unwrap();
        });
        counting.close();
        let named = |of: &str| format!("{said} keys in turn, {of}");
        count(out, &named("memory per key"), held as f64 / texts.len() as f64, "bytes");
        let kw = start();
        let first = |at: usize| pass(&kw, &texts[at]);
        race(out, keys / ROUNDS, [Subject::new(named("each for the first time"), 1, first)]);
        // The rest of them.
        assert!(texts.iter().all(|text| pass(&kw, text)));
        let windows = 4_000_000_usize.max(2 * keys) / WINDOW / ROUNDS;
        race(out, windows, [verify(named("hot"), &kw, &texts, &request)]);
        beside_another_thread(&kw, &texts, &request, || {
            race(out, windows, [verify(named("hot, on each of 2 threads"), &kw, &texts, &request)]);
        });
        kw.close();
        fs::remove_file(file).unwrap();
    }
}

/// Milliseconds of a hash while each core runs one: they share the way to memory, which a hash needs most.
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
        let mut spent: Vec<f64> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        timing::quantile(&mut spent, 50)
    })
}

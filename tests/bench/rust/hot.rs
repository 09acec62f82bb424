//! Measures verifications that are answered from memory, and counts what they allocate: `hot DATA FIGURES`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use argon2::{Algorithm, Argon2, Params, Version};
use keywright::blocking::Keywright;
use keywright::{Limit, NewKey, Request};

const PEPPER: &str = "a pepper of the benchmark, of 32 bytes or more";

/// The system's allocator, counted.
struct Counted;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicU64 = AtomicU64::new(0);

#[allow(unsafe_code, reason = "what counts allocations is an allocator")]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        HELD.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn turns(kw: &Keywright, texts: &[String], request: &Request, windows: usize) -> f64 {
    let windows = (0..windows).map(|_| {
        let begin = Instant::now();
        let mut calls = 0;
        while calls < 10_000 {
            for text in texts {
                let decision = kw.verify(black_box(text.as_str()), request);
                assert!(decision.is_allowed());
                let _ = black_box(decision);
                calls += 1;
            }
        }
        begin.elapsed().as_nanos() as f64 / f64::from(calls)
    });
    median(windows.collect())
}

fn threads(kw: &Keywright, texts: &[String], request: &Request, count: usize) -> f64 {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let one = |part: &'_ [String]| {
            let part = part.to_vec();
            let (barrier, kw) = (&barrier, &kw);
            scope.spawn(move || {
                barrier.wait();
                turns(kw, &part, request, 60)
            })
        };
        let parts: Vec<_> = texts.chunks(texts.len() / count).map(one).collect();
        median(parts.into_iter().map(|it| it.join().unwrap()).collect())
    })
}

/// One line of the table: what was measured, what came out, and how much it should be at most.
fn figure(out: &Path, what: &str, value: f64, unit: &str, goal: Option<f64>) {
    let line = serde_json::json!({"language": "Rust", "what": what, "value": value, "unit": unit, "goal": goal});
    let mut file = OpenOptions::new().create(true).append(true).open(out).unwrap();
    writeln!(file, "{line}").unwrap();
}

fn main() {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (data, out) = (arguments.next().unwrap(), arguments.next().unwrap());
    let url = format!("sqlite:{}/hot.db", data.display());
    let config = keywright::Keywright::builder(url)
        .brand("bench")
        .pepper(PEPPER)
        .tier("wide", [Limit::new("wide", 1_000_000_000)]);
    let kw = Keywright::open(config).unwrap();
    let make = |count: usize, tier: Option<&str>| -> Vec<String> {
        let keys = (0..count).map(|it| {
            let new = NewKey::named(format!("key {it}")).scopes("deals:read,deals:write").unwrap();
            let new = tier.map_or(new.clone(), |it| new.tier(it));
            kw.keys().create(new).unwrap().api_key.reveal().to_owned()
        });
        keys.collect()
    };
    let (plain, limited) = (make(128, None), make(128, Some("wide")));
    fs::write(data.join("hot.txt"), plain.join("\n")).unwrap();
    let request = Request::new().scope("deals:read");
    for (with, texts) in [("scopes, meter", &plain), ("scopes, one limit, meter", &limited)] {
        turns(&kw, texts, &request, 1);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for text in texts {
            assert!(kw.verify(text.as_str(), &request).is_allowed());
        }
        let allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / texts.len() as f64;
        let what = |of: &str| format!("hot verify, 128 keys, {with}, {of}");
        figure(&out, &what("1 thread"), turns(&kw, texts, &request, 100), "ns", Some(150.0));
        figure(&out, &what("each of 2 threads"), threads(&kw, texts, &request, 2), "ns", Some(150.0));
        figure(&out, &what("allocations"), allocations, "", Some(0.0));
    }
    let half_wrong: Vec<String> = plain.iter().flat_map(|it| [it.clone(), wrong(it)]).collect();
    figure(&out, "hot verify, every second text malformed", mixed(&kw, &half_wrong, &request), "ns", None);
    let many = make(20_000, None);
    let before = HELD.load(Ordering::Relaxed);
    for text in &many {
        assert!(kw.verify(text.as_str(), &request).is_allowed());
    }
    kw.flush().unwrap();
    let held = (HELD.load(Ordering::Relaxed) - before) as f64 / many.len() as f64;
    figure(&out, "memory per key held, as the allocator was asked", held, "bytes", Some(400.0));
    figure(&out, "hot verify, 20,000 keys in turn, 1 thread", turns(&kw, &many, &request, 20), "ns", None);
    let short = vec!["bench_live_nonsense".to_owned()];
    figure(&out, "malformed, of another length", mixed(&kw, &short, &request), "ns", Some(60.0));
    figure(&out, "malformed, a wrong checksum", mixed(&kw, &[wrong(&plain[0])], &request), "ns", Some(60.0));
    figure(&out, "argon2id itself, on all cores at once", argon2(), "ms", None);
    kw.close();
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

/// The same length and beginning, with another last letter.
fn wrong(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    format!("{rest}{}", if last == "x" { "y" } else { "x" })
}

/// As `turns`, whatever the answers are.
fn mixed(kw: &Keywright, texts: &[String], request: &Request) -> f64 {
    let windows = (0..100).map(|_| {
        let (begin, mut calls) = (Instant::now(), 0);
        while calls < 10_000 {
            for text in texts {
                let _ = black_box(kw.verify(black_box(text.as_str()), request));
                calls += 1;
            }
        }
        begin.elapsed().as_nanos() as f64 / f64::from(calls)
    });
    median(windows.collect())
}

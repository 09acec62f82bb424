//! Measures verifications that are answered from memory, and counts what they allocate: `hot DATA`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

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

fn main() {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap());
    let url = format!("sqlite:{}/hot.db", folder.display());
    let config = keywright::Keywright::builder(url)
        .brand("bench")
        .pepper(PEPPER)
        .tier("wide", [Limit::new("wide", 1_000_000_000)]);
    let kw = Keywright::open(config).unwrap();
    let new = |name: &str| NewKey::named(name).scopes("deals:read,deals:write").unwrap();
    let make = |count: usize, tier: bool| -> Vec<String> {
        let keys = (0..count).map(|it| {
            let new = new(&format!("key {it}"));
            let new = if tier { new.tier("wide") } else { new };
            kw.keys().create(new).unwrap().api_key.reveal().to_owned()
        });
        keys.collect()
    };
    let (plain, limited) = (make(128, false), make(128, true));
    let request = Request::new().scope("deals:read");
    for (name, texts) in [("scopes + meter", &plain), ("scopes + limit + meter", &limited)] {
        turns(&kw, texts, &request, 1);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for text in texts {
            assert!(kw.verify(text.as_str(), &request).is_allowed());
        }
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        println!(
            "{name}: 1 thread {:.0} ns, 2 threads {:.0} ns, allocations of {} calls: {allocations}",
            turns(&kw, texts, &request, 100),
            threads(&kw, texts, &request, 2),
            texts.len(),
        );
    }
    if env::args_os().len() > 2 {
        turns(&kw, &limited, &request, 3_000);
        return;
    }
    let many = make(20_000, false);
    let before = HELD.load(Ordering::Relaxed);
    for text in &many {
        assert!(kw.verify(text.as_str(), &request).is_allowed());
    }
    kw.flush().unwrap();
    println!("bytes a key held: {}", (HELD.load(Ordering::Relaxed) - before) / many.len() as u64);
    println!("20,000 hot keys in turn: {:.0} ns", turns(&kw, &many, &request, 20));
    let request = Request::new();
    for bad in ["bench_live_nonsense", "bench_live_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let windows = (0..100).map(|_| {
            let begin = Instant::now();
            for _ in 0..10_000 {
                let _ = black_box(kw.verify(black_box(bad), &request));
            }
            begin.elapsed().as_nanos() as f64 / 10_000.0
        });
        println!("malformed, {} letters: {:.0} ns", bad.len(), median(windows.collect()));
    }
    kw.close();
}

//! Counters: shown once while they are written, exact over threads, engines and processes. After `kill -9` they lack at most
//! one interval and are never too high.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

use keywright::blocking::Keywright;
use keywright::{IssuedKey, NewKey, Request};
use keywright_tests::site::process::{Process, inside, start};
use keywright_tests::site::{Site, config, create};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A request that is allowed to a key with the scope `a:read`, and one that is denied.
fn requests() -> [Request; 2] {
    [Request::new().scope("a:read"), Request::new().scope("a:write")]
}

fn made(kw: &Keywright) -> IssuedKey {
    kw.keys().create(NewKey::named("metered").scopes("a:read").unwrap()).unwrap()
}

#[test]
fn what_is_on_its_way_is_shown_once() {
    const LOOKS: usize = 20_000;
    let site = Site::new();
    let kw = site.open();
    let key = made(&kw);
    let (begun, done, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let until_over = |act: &dyn Fn()| {
        while !over.load(Ordering::SeqCst) {
            act();
        }
    };
    scope(|threads| {
        threads.spawn(|| {
            until_over(&|| {
                begun.fetch_add(1, Ordering::SeqCst);
                assert!(kw.verify(key.api_key.reveal(), &requests()[0]).is_allowed());
                done.fetch_add(1, Ordering::SeqCst);
            });
        });
        threads.spawn(|| until_over(&|| kw.flush().unwrap()));
        for _ in 0..LOOKS {
            let before = done.load(Ordering::SeqCst);
            let shown = kw.keys().get(&key.id).unwrap().usage_count;
            let after = begun.load(Ordering::SeqCst);
            if !(before <= shown && shown <= after) {
                over.store(true, Ordering::SeqCst);
                panic!("{shown} are shown where {before} to {after} were counted");
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    kw.close();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn after_a_clean_end_every_use_is_counted(
        work in proptest::collection::vec((0..2_usize, 0..2_usize, 1..60_u64, any::<bool>()), 1..6),
        closed in any::<bool>(),
    ) {
        let site = Site::new();
        let engines = [site.open(), site.open()];
        let keys = [made(&engines[0]), made(&engines[0])];
        let requests = requests();
        scope(|threads| {
            for (engine, key, times, flushed) in &work {
                let (kw, text, requests) = (&engines[*engine], keys[*key].api_key.reveal(), &requests);
                threads.spawn(move || {
                    for turn in 0..*times {
                        assert_eq!(kw.verify(text, &requests[turn as usize % 2]).is_allowed(), turn % 2 == 0);
                    }
                    if *flushed {
                        kw.flush().unwrap();
                    }
                });
            }
        });
        if closed {
            engines.iter().for_each(Keywright::close);
        }
        // An engine that is not closed writes its counts when it is dropped.
        drop(engines);
        let kw = site.open();
        for (place, key) in keys.iter().enumerate() {
            let sum = |odd: u64| work.iter().filter(|it| it.1 == place).map(|it| (it.2 + 1 - odd) / 2).sum::<u64>();
            let key = kw.keys().get(&key.id).unwrap();
            prop_assert_eq!((key.usage_count, key.denied_count), (sum(0), sum(1)));
        }
        kw.close();
    }
}

/// The uses of a key by each thread of a process, and the way in which the process ends.
#[derive(Debug, Clone)]
struct Work {
    key: usize,
    threads: u64,
    times: u64,
    end: &'static str,
}

fn work() -> impl Strategy<Value = Work> {
    let end = prop_oneof![Just("closed"), Just("dropped"), Just("flushed")];
    (0..2_usize, 1..4_u64, 1..40_u64, end).prop_map(|(key, threads, times, end)| Work { key, threads, times, end })
}

#[test]
fn processes_and_threads_count_together() {
    if let Some((folder, order)) = inside() {
        return count(&folder, &order);
    }
    let mut runner = TestRunner::new(ProptestConfig { cases: 8, ..ProptestConfig::default() });
    let counted = runner.run(&proptest::collection::vec(work(), 1..5), |all| {
        let site = Site::new();
        let kw = site.open();
        let keys = [made(&kw), made(&kw)];
        let begin = |it: &Work| {
            let order = format!("{} {} {} {}", keys[it.key].api_key.reveal(), it.threads, it.times, it.end);
            start(processes_and_threads_count_together, &[], site.folder(), &order)
        };
        all.iter().map(begin).collect::<Vec<_>>().into_iter().for_each(Process::passes);
        for (place, key) in keys.iter().enumerate() {
            let sum = |of: fn(u64) -> u64| -> u64 {
                all.iter().filter(|it| it.key == place).map(|it| it.threads * of(it.times)).sum()
            };
            let key = kw.keys().get(&key.id).unwrap();
            prop_assert_eq!((key.usage_count, key.denied_count), (sum(|it| it.div_ceil(2)), sum(|it| it / 2)));
        }
        kw.close();
        Ok(())
    });
    counted.unwrap();
}

/// The work of one of these processes.
fn count(folder: &Path, order: &str) {
    let [text, threads, times, end] = order.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let (threads, times): (u64, u64) = (threads.parse().unwrap(), times.parse().unwrap());
    let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
    let requests = requests();
    scope(|all| {
        for _ in 0..threads {
            all.spawn(|| {
                for turn in 0..times {
                    assert_eq!(kw.verify(text, &requests[turn as usize % 2]).is_allowed(), turn % 2 == 0);
                }
            });
        }
    });
    match end {
        "closed" => kw.close(),
        "dropped" => drop(kw),
        _ => {
            kw.flush().unwrap();
            // Nothing that writes at the end of a process can run.
            std::mem::forget(kw);
        }
    }
}

/// The counts of a process before and after its flush.
const FLUSHED: u64 = 40;
const LOST: u64 = 25;

#[test]
fn a_killed_process_loses_at_most_what_it_had_not_written() {
    if let Some((folder, text)) = inside() {
        let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
        let verify = |times| (0..times).for_each(|_| assert!(kw.verify(&text, &Request::new()).is_allowed()));
        verify(FLUSHED);
        kw.flush().unwrap();
        verify(LOST);
        std::fs::write(folder.join("counted"), "").unwrap();
        std::thread::park();
    }
    let site = Site::new();
    let kw = site.open();
    let key = create(&kw, "killed");
    kw.close();
    let text = key.api_key.reveal();
    let test = a_killed_process_loses_at_most_what_it_had_not_written;
    let mut process = start(test, &[], site.folder(), text);
    keywright_tests::site::until("the process has counted", || site.folder().join("counted").exists());
    process.kill();
    let kw = site.open();
    let counted = kw.keys().get(&key.id).unwrap().usage_count;
    assert!((FLUSHED..=FLUSHED + LOST).contains(&counted), "{counted}");
    kw.close();
}

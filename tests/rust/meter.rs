//! Counters: shown once while they are written down, exact over threads, engines and processes, and after `kill -9` at
//! most one interval short and never too high.

mod site;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::scope;

use keywright::blocking::Keywright;
use keywright::{IssuedKey, NewKey, Request};
use proptest::prelude::*;
use site::process::{inside, start};
use site::{Site, config, create};

/// A request that a key with the scope `a:read` is allowed, and one that it is not.
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
        // What is not closed writes its counts down when it is dropped.
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

/// What a process has counted before it flushed, and after.
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
    site::until("the process has counted", || site.folder().join("counted").exists());
    process.kill();
    let kw = site.open();
    let counted = kw.keys().get(&key.id).unwrap().usage_count;
    assert!((FLUSHED..=FLUSHED + LOST).contains(&counted), "{counted}");
    kw.close();
}

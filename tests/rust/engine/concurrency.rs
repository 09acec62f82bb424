//! Concurrent calls: two rotations, a revocation and a verification, a future that is dropped, a close.

use std::collections::HashSet;
use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;

use keywright::blocking::Keywright;
use keywright::{
    Change, Decision, Error, IssuedKey, KeyUpdate, ListKeys, ListOrgs, NewKey, OrgUpdate, Request, Rotation,
};

use keywright_tests::site::process::{self, Process, inside, meet, release};
use keywright_tests::site::{PATIENCE, Site, config, create, plain, until, verdict, whole, word};

/// Runs `act` on this many threads at once.
fn at_once<T: Send>(threads: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(threads);
    let run = |n| {
        barrier.wait();
        act(n)
    };
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..threads).map(|n| scope.spawn(move || run(n))).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

/// One of the rotations succeeded, and the key has its secret beside the first.
fn one_won(kw: &Keywright, first: &IssuedKey, codes: &[String]) {
    let (won, lost): (Vec<&String>, Vec<_>) = codes.iter().partition(|it| !it.starts_with("conflict"));
    assert_eq!((won.len(), lost.len()), (1, codes.len() - 1), "{codes:?}");
    let key = kw.keys().get(&first.id).unwrap();
    assert_eq!(key.secrets.len(), 2, "{key:?}");
    assert_eq!(key.secrets.iter().filter(|it| it.grace_ends_at.is_none()).count(), 1);
    assert_eq!((verdict(kw, won[0]), verdict(kw, first.api_key.reveal())), ("allowed", "allowed"));
}

fn rotate(kw: &Keywright, id: &str) -> String {
    match kw.keys().rotate(id, Rotation::default()) {
        Ok(new) => new.api_key.reveal().to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

#[test]
fn of_two_rotations_at_once_in_threads_one_wins() {
    let site = Site::new();
    let engines = [site.open(), site.open()];
    for _ in 0..20 {
        let first = create(&engines[0], "CI");
        for kw in [[&engines[0], &engines[0]], [&engines[0], &engines[1]]] {
            let codes = at_once(2, |n| rotate(kw[n], &first.id.to_string()));
            one_won(&engines[1], &first, &codes);
            engines[0].keys().end_grace(&first.id, ()).unwrap();
            if verdict(&engines[0], first.api_key.reveal()) == "revoked" {
                break;
            }
        }
    }
    assert!(engines[0].audit().verify().unwrap().ok);
    engines.iter().for_each(Keywright::close);
}

#[test]
fn of_two_rotations_at_once_in_processes_one_wins() {
    if let Some((folder, name)) = inside() {
        let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
        let ids = fs::read_to_string(folder.join("ids")).unwrap();
        meet(&folder, &name);
        let codes: Vec<String> = ids.lines().map(|it| rotate(&kw, it)).collect();
        kw.close();
        return fs::write(folder.join(format!("{name}.codes")), codes.join("\n")).unwrap();
    }
    let site = Site::new();
    let kw = site.open();
    let keys: Vec<IssuedKey> = (0..20).map(|_| create(&kw, "CI")).collect();
    let ids = keys.iter().map(|it| it.id.to_string()).collect::<Vec<_>>();
    fs::write(site.folder().join("ids"), ids.join("\n")).unwrap();
    let start = |name| process::start(of_two_rotations_at_once_in_processes_one_wins, &[], site.folder(), name);
    let started = ["a", "b"].map(start);
    release(site.folder(), &["a", "b"]);
    started.into_iter().for_each(Process::passes);
    let codes = ["a", "b"].map(|it| fs::read_to_string(site.folder().join(format!("{it}.codes"))).unwrap());
    let [a, b] = codes.each_ref().map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>());
    for ((key, a), b) in keys.iter().zip(a).zip(b) {
        one_won(&kw, key, &[a, b]);
    }
    kw.close();
}

#[test]
fn after_a_revocation_returned_no_verification_is_allowed() {
    let site = Site::new();
    let engines = [site.open(), site.open()];
    type Revoke = fn(&Keywright, &IssuedKey);
    let ways: [(Revoke, &str); 5] = [
        (|kw, key| drop(kw.keys().revoke(&key.id, ()).unwrap()), "revoked"),
        (|kw, _| assert!(kw.orgs().revoke_keys("default", ()).unwrap() > 0), "revoked"),
        (|kw, key| drop(kw.keys().disable(&key.id, ()).unwrap()), "disabled"),
        (|kw, key| drop(kw.keys().rotate(&key.id, Rotation::default().reason("compromised")).unwrap()), "revoked"),
        (|kw, _| drop(kw.orgs().disable("default", ()).unwrap()), "disabled"),
    ];
    for (revoke, code) in ways {
        let key = create(&engines[0], "CI");
        let (over, before) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for kw in [&engines[0], &engines[0], &engines[1]] {
                scope.spawn(|| {
                    loop {
                        let late = over.load(Ordering::SeqCst);
                        let found = verdict(kw, key.api_key.reveal());
                        assert!(found == code || (!late && found == "allowed"), "{found}");
                        if late {
                            break;
                        }
                        before.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            until("verifications run", || before.load(Ordering::SeqCst) > 20);
            revoke(&engines[0], &key);
            over.store(true, Ordering::SeqCst);
        });
    }
    engines.iter().for_each(Keywright::close);
}

#[test]
fn after_a_revocation_returned_no_process_allows_it() {
    if let Some((folder, text)) = inside() {
        let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
        assert_eq!(verdict(&kw, &text), "allowed");
        fs::write(folder.join("allowed"), "").unwrap();
        loop {
            let late = folder.join("revoked").exists();
            let found = verdict(&kw, &text);
            assert!(found == "revoked" || (!late && found == "allowed"), "{found}");
            if late {
                return kw.close();
            }
        }
    }
    let site = Site::new();
    let kw = site.open();
    let key = create(&kw, "CI");
    let text = key.api_key.reveal();
    let process = process::start(after_a_revocation_returned_no_process_allows_it, &[], site.folder(), text);
    until("the process verifies", || site.folder().join("allowed").exists());
    kw.keys().revoke(&key.id, ()).unwrap();
    fs::write(site.folder().join("revoked"), "").unwrap();
    process.passes();
    kw.close();
}

#[test]
fn eight_threads_create_at_once() {
    let site = Site::new();
    let kw = site.open();
    let made = at_once(8, |n| {
        let keys = kw.org(&format!("org-{}", n % 3)).unwrap().keys();
        (0..25).map(|_| keys.create(NewKey::named("CI")).unwrap()).collect::<Vec<_>>()
    });
    let made = made.concat();
    assert_eq!(made.iter().map(|it| it.id.to_string()).collect::<HashSet<_>>().len(), 200);
    assert_eq!(made.iter().map(|it| it.prefix.clone()).collect::<HashSet<_>>().len(), 200);
    let verdicts =
        at_once(8, |n| made.iter().skip(n * 25).take(25).all(|it| verdict(&kw, it.api_key.reveal()) == "allowed"));
    assert_eq!(verdicts, [true; 8]);
    assert_eq!(kw.every_org().keys().list(ListKeys::new().limit(1_000)).unwrap().data.len(), 200);
    let check = kw.audit().verify().unwrap();
    assert_eq!((check.ok, check.checked), (true, 203));
    kw.close();
}

/// Polls a future this many times and drops it; `true` if it was ready by then.
fn dropped(future: impl Future, polls: usize) -> bool {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    (0..polls).any(|_| matches!(future.as_mut().poll(&mut context), Poll::Ready(_)))
}

/// The audit chain and every key are consistent.
fn consistent(site: &Site, kw: &Keywright) -> i64 {
    create(kw, "behind all that is queued");
    assert!(kw.audit().verify().unwrap().ok);
    whole(&site.sql())
}

#[test]
fn a_dropped_future_leaves_the_change_done_or_not_begun() {
    for slow in [false, true] {
        let site = Site::new();
        let kw = Keywright::open(if slow { plain(&site.file()) } else { site.config() }).unwrap();
        let first = create(&kw, "first");
        let keys = kw.engine().keys();
        // A future that is never polled does not start its call.
        assert!(!dropped(keys.create(NewKey::named("never")), 0));
        assert!(!dropped(keys.rotate(&first.id, Rotation::default()), 0));
        assert_eq!(consistent(&site, &kw), 2);
        for polls in [1, 1, 2, 3] {
            dropped(keys.create(NewKey::named("gone")), polls);
            dropped(keys.rotate(&first.id, Rotation::at_once()), polls);
            dropped(keys.update(&first.id, KeyUpdate::new().name(format!("{polls}"))), polls);
            dropped(kw.engine().verify(first.api_key.reveal(), &Request::new()), polls);
            consistent(&site, &kw);
        }
        let key = kw.keys().get(&first.id).unwrap();
        assert_eq!((key.secrets.len(), key.secrets[0].grace_ends_at), (1, None));
        let last = kw.keys().rotate(&first.id, Rotation::at_once()).unwrap();
        assert_eq!(verdict(&kw, last.api_key.reveal()), "allowed");
        kw.close();
    }
}

#[test]
fn close_answers_every_call_that_runs() {
    for slow in [false, true] {
        let site = Site::new();
        let kw = Keywright::open(if slow { plain(&site.file()) } else { site.config() }).unwrap();
        let first = create(&kw, "first");
        let (done, finished) = channel();
        let made = std::sync::Arc::new(AtomicUsize::new(0));
        for n in 0..8 {
            let (kw, done, text, made) = (kw.clone(), done.clone(), first.api_key.clone(), made.clone());
            thread::spawn(move || {
                loop {
                    let closed = if n % 2 == 0 {
                        match kw.keys().create(NewKey::named("CI")) {
                            Ok(_) => made.fetch_add(1, Ordering::SeqCst) > 1_000_000,
                            Err(error) => error == Error::Closed || panic!("{error:?}"),
                        }
                    } else {
                        match kw.verify(text.reveal(), &Request::new()) {
                            Decision::Denied(it) => it.misuse() == Some(&Error::Closed) || panic!("{it:?}"),
                            Decision::Allowed(_) => false,
                        }
                    };
                    if closed {
                        return done.send(()).unwrap();
                    }
                }
            });
        }
        drop(done);
        until("calls run", || made.load(Ordering::SeqCst) > 3);
        let (shut, closed) = channel();
        let closing = kw.clone();
        thread::spawn(move || {
            closing.close();
            shut.send(()).unwrap();
        });
        closed.recv_timeout(PATIENCE).unwrap();
        for _ in 0..8 {
            finished.recv_timeout(PATIENCE).unwrap();
        }
        // Only the keys that calls have returned exist.
        let kw = Keywright::open(if slow { plain(&site.file()) } else { site.config() }).unwrap();
        assert_eq!(consistent(&site, &kw), made.load(Ordering::SeqCst) as i64 + 2);
        kw.close();
    }
}

#[test]
fn after_close_every_call_says_so() {
    let site = Site::new();
    let kw = site.open();
    let key = create(&kw, "CI");
    let (clone, keys, orgs, audit, org) = (kw.clone(), kw.keys(), kw.orgs(), kw.audit(), kw.org("default").unwrap());
    kw.close();
    kw.close();
    clone.close();
    let (id, change) = (&key.id, Change::default);
    let calls: [(&str, Option<Error>); 23] = [
        ("keys.create", keys.create(NewKey::named("CI")).err()),
        ("keys.list", keys.list(ListKeys::new()).err()),
        ("keys.get", keys.get(id).err()),
        ("keys.find", keys.find(&key.prefix).err()),
        ("keys.update", keys.update(id, KeyUpdate::new().name("x")).err()),
        ("keys.rotate", keys.rotate(id, Rotation::default()).err()),
        ("keys.end_grace", keys.end_grace(id, change()).err()),
        ("keys.revoke", keys.revoke(id, change()).err()),
        ("keys.disable", keys.disable(id, change()).err()),
        ("keys.enable", keys.enable(id, change()).err()),
        ("keys.purge", keys.purge(id, change()).err()),
        ("org.keys", org.keys().create(NewKey::named("CI")).err()),
        ("clone", clone.keys().get(id).err()),
        ("orgs.get", orgs.get("default").err()),
        ("orgs.list", orgs.list(ListOrgs::new()).err()),
        ("orgs.update", orgs.update("default", OrgUpdate::new()).err()),
        ("orgs.disable", orgs.disable("default", change()).err()),
        ("orgs.enable", orgs.enable("default", change()).err()),
        ("orgs.revoke_keys", orgs.revoke_keys("default", change()).err()),
        ("audit.list", audit.list(keywright::ListAudit::new()).err()),
        ("audit.head", audit.head().err()),
        ("audit.verify", audit.verify().err()),
        ("audit.prune", audit.prune(key.created_at).err()),
    ];
    for (call, error) in calls {
        assert_eq!(error, Some(Error::Closed), "{call}");
    }
    for decision in
        [kw.verify(key.api_key.reveal(), &Request::new()), org.verify(key.api_key.reveal(), &Request::new())]
    {
        let Decision::Denied(denial) = &decision else { panic!("a closed engine allows") };
        assert_eq!((denial.misuse(), word(&decision)), (Some(&Error::Closed), "unavailable"));
    }
    // `close` closes this engine, not the file.
    let kw = site.open();
    assert_eq!(verdict(&kw, key.api_key.reveal()), "allowed");
    kw.close();
}

/// With any number of callers, one key costs one slow hash at a time, and no caller is refused.
#[test]
fn many_verifications_of_one_slow_key_share_a_hash() {
    let site = Site::new();
    let kw = Keywright::open(plain(&site.file())).unwrap();
    let key = create(&kw, "CI");
    let request = Request::new();
    let mut asked: Vec<_> = (0..1_000).map(|_| Box::pin(kw.engine().verify(key.api_key.reveal(), &request))).collect();
    let mut context = Context::from_waker(Waker::noop());
    let waiting = asked.iter_mut().map(|it| it.as_mut().poll(&mut context)).filter(Poll::is_pending).count();
    assert!(waiting > 500, "the hash was not waited for: {waiting}");
    // Half of the callers drop their futures, which does not stop the hash.
    asked.truncate(500);
    for it in asked {
        assert_eq!(word(&keywright::ffi::block_on(it)), "allowed");
    }
}

/// A request that arrives before an expiry, and waits until after it, is denied.
#[test]
fn an_extension_that_waits_past_the_expiry_is_refused() {
    let site = Site::new();
    let clock = keywright::testing::ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap());
    let kw = Keywright::open(site.config().clock(clock.clone())).unwrap();
    let key = kw.keys().create(NewKey::named("CI").expires_in_days(1)).unwrap();
    let other = site.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let (sent, asked) = channel();
        let extended = scope.spawn({
            let kw = &kw;
            let id = &key.id;
            move || {
                sent.send(()).unwrap();
                kw.keys().update(id, KeyUpdate::new().expires_in_days(9))
            }
        });
        asked.recv().unwrap();
        thread::sleep(std::time::Duration::from_millis(50));
        clock.advance(2 * 86_400_000);
        assert_eq!(verdict(&kw, key.api_key.reveal()), "expired");
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(extended.join().unwrap().unwrap_err().code(), "conflict");
    });
    assert_eq!(verdict(&kw, key.api_key.reveal()), "expired");
}

//! Limits that all processes of a machine share: exact while processes are killed, and each process on its own where the
//! file of limits cannot be used. Linux alone has such a file.

#![cfg(all(target_os = "linux", not(keywright_portable)))]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use keywright::blocking::Keywright;
use keywright::{Config, Event, EventKind, Limit, LimitState, Limiter, Request};
use keywright_tests::site::process::{self, Process, after_mounting, again, inside, words};
use keywright_tests::site::{PATIENCE, Site, config, create, until};

/// More than a process spends before it can be killed.
const BURST: u64 = 20_000;

/// The configuration of all processes: one request a minute comes back.
fn limited(file: &Path, burst: u64) -> Config {
    config(file).limit(Limit::new("all", 1).burst(burst))
}

#[test]
fn processes_that_are_killed_admit_no_more_than_the_limit() {
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
    const KILLED: usize = 2;
    if let Some((folder, name)) = inside() {
        return spend(&folder, &name);
    }
    let site = Site::new();
    let kw = Keywright::open(limited(&site.file(), BURST)).unwrap();
    fs::write(site.folder().join("key"), create(&kw, "limited").api_key.reveal()).unwrap();
    let begin = Instant::now();
    let test = processes_that_are_killed_admit_no_more_than_the_limit;
    let mut processes = NAMES.map(|name| process::start(test, &[], site.folder(), name)).into_iter();
    process::release(site.folder(), &NAMES);
    let admitted = |name: &str| fs::metadata(site.folder().join(name)).map_or(0, |file| file.len());
    for name in NAMES.iter().take(KILLED) {
        let mut process = processes.next().unwrap();
        until("a process was admitted", || admitted(name) > 50);
        process.kill();
    }
    processes.for_each(Process::passes);
    let sum: u64 = NAMES.iter().map(|name| admitted(name)).sum();
    // A killed process may have been admitted once more than it wrote down.
    let (least, most) = (BURST - KILLED as u64, BURST + begin.elapsed().as_secs() / 60 + 1);
    assert!((least..=most).contains(&sum), "{sum} were admitted, and not {least} to {most}");
    kw.close();
}

/// Writes a byte for each request that is admitted, until one is refused.
fn spend(folder: &Path, name: &str) {
    let text = fs::read_to_string(folder.join("key")).unwrap();
    let mut admitted = OpenOptions::new().create(true).append(true).open(folder.join(name)).unwrap();
    process::meet(folder, name);
    let kw = Keywright::open(limited(&folder.join("keys.db"), BURST)).unwrap();
    while kw.verify(&text, &Request::new()).is_allowed() {
        admitted.write_all(b".").unwrap();
    }
    assert_eq!(kw.verify(&text, &Request::new()).code().map(|it| it.as_str()), Some("rate_limited"));
    kw.close();
}

/// The cost of a request that comes back in an hour, however long a test takes.
const HOUR: u64 = 60;

/// An engine with a limit of one such request, and the events about its limits.
fn listening(file: &Path) -> (Keywright, Receiver<Event>) {
    let (send, events) = channel();
    let listener = move |event: &Event| {
        if event.kind == EventKind::LimitsUnshared {
            send.send(event.clone()).unwrap();
        }
    };
    (Keywright::open(limited(file, HOUR).on_event(listener)).unwrap(), events)
}

/// Whether a key is admitted, and the state of its limit.
fn ask(kw: &Keywright, text: &str) -> (bool, LimitState) {
    let decision = kw.verify(text, &Request::new().cost(HOUR));
    (decision.is_allowed(), decision.limits().pop().unwrap())
}

#[test]
fn engines_share_limits_unless_they_are_told_otherwise() {
    let site = Site::new();
    let (kw, events) = listening(&site.file());
    let key = create(&kw, "limited");
    let text = key.api_key.reveal();
    assert_eq!(
        fs::metadata(site.folder().join("keys.db-limits")).ok().map(|file| file.len()),
        None,
        "no limit was used"
    );
    let (admitted, state) = ask(&kw, text);
    assert!(admitted && state.shared && state.remaining == 0);
    let other = Keywright::open(limited(&site.file(), HOUR)).unwrap();
    assert!(!ask(&other, text).0);
    let reader = Keywright::open(limited(&site.file(), HOUR).read_only(true)).unwrap();
    assert!(!ask(&reader, text).0 && ask(&reader, text).1.shared);
    // Other numbers are another limit.
    let wider = Keywright::open(limited(&site.file(), 2 * HOUR)).unwrap();
    assert!(ask(&wider, text).0);
    let alone = Keywright::open(limited(&site.file(), HOUR).limiter(Limiter::Process)).unwrap();
    let (admitted, state) = ask(&alone, text);
    assert!(admitted && !state.shared && !ask(&alone, text).0);
    // A restart keeps the budget.
    kw.close();
    assert!(!ask(&Keywright::open(limited(&site.file(), HOUR)).unwrap(), text).0);
    assert_eq!(events.try_iter().count(), 0);
}

/// A process that has no file of limits counts alone, and says so once.
fn counts_alone(kw: &Keywright, text: &str, events: &Receiver<Event>, reason: &str) {
    let (admitted, state) = ask(kw, text);
    assert!(admitted && !state.shared && !ask(kw, text).0);
    let told = events.recv_timeout(PATIENCE).unwrap().reason.unwrap();
    assert!(told.contains(reason), "{told}");
    let key = create(kw, "another");
    assert!(ask(kw, key.api_key.reveal()).0 && !ask(kw, key.api_key.reveal()).0);
    kw.close();
    assert_eq!(events.try_iter().count(), 0, "it was told again");
}

#[test]
fn a_foreign_file_is_left_alone() {
    let site = Site::new();
    let (kw, events) = listening(&site.file());
    let path = site.folder().join("keys.db-limits");
    File::create(&path).unwrap().write_all(b"a text of somebody").unwrap();
    let key = create(&kw, "limited");
    counts_alone(&kw, key.api_key.reveal(), &events, "another user");
    assert_eq!(fs::read(&path).unwrap(), b"a text of somebody");
}

#[test]
fn a_full_disk_is_left_to_the_database() {
    let Some((folder, _)) = inside() else {
        let site = Site::new();
        let shell = format!("mount -t tmpfs -o size=4m tmpfs '{}'", site.folder().display());
        let Some(through) = after_mounting(&shell) else { return };
        return again(a_full_disk_is_left_to_the_database, &words(&through), site.folder());
    };
    let (kw, events) = listening(&folder.join("keys.db"));
    let key = create(&kw, "limited");
    counts_alone(&kw, key.api_key.reveal(), &events, "free space");
}

#[test]
fn a_medium_that_cannot_be_written_shares_no_limits() {
    let Some((folder, _)) = inside() else {
        let site = Site::new();
        let kw = site.open();
        fs::write(site.folder().join("key"), create(&kw, "limited").api_key.reveal()).unwrap();
        kw.close();
        let folder = site.folder().display();
        let shell = format!("mount --bind '{folder}' '{folder}'; mount -o remount,bind,ro '{folder}'");
        let Some(through) = after_mounting(&shell) else { return };
        return again(a_medium_that_cannot_be_written_shares_no_limits, &words(&through), site.folder());
    };
    let text = fs::read_to_string(folder.join("key")).unwrap();
    let (send, events) = channel();
    let config =
        limited(&folder.join("keys.db"), HOUR).read_only(true).on_event(move |event| send.send(event.clone()).unwrap());
    let kw = Keywright::open(config).unwrap();
    let (admitted, state) = ask(&kw, &text);
    assert!(admitted && !state.shared && !ask(&kw, &text).0);
    kw.close();
    assert_eq!(events.try_iter().count(), 0, "the guide says it, and nobody is told");
}

//! Many who open one file at once, and one who is killed.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use keywright::blocking::Keywright;
use keywright::{ListKeys, NewKey};

use keywright_tests::site::process::{self, inside, meet, release};
use keywright_tests::site::{Site, config, create, until, verdict};

const MANY: usize = 10;

/// Makes a key in an org of its own.
fn take_part(file: &Path, name: &str) -> (Keywright, String) {
    let kw = Keywright::open(config(file)).unwrap();
    let new = kw.org(name).unwrap().keys().create(NewKey::named(name)).unwrap();
    (kw, new.api_key.reveal().to_owned())
}

fn holds(kw: &Keywright, texts: &[String]) {
    for text in texts {
        assert_eq!(verdict(kw, text), "allowed");
    }
    let keys = kw.every_org().keys().list(ListKeys::new()).unwrap();
    assert_eq!(keys.data.len(), texts.len());
    // An org and a key by each.
    let check = kw.audit().verify().unwrap();
    assert!(check.ok && check.checked == 2 * texts.len() as u64, "{check:?}");
}

#[test]
fn ten_threads_open_a_new_file_at_once() {
    let (site, barrier) = (Site::new(), Barrier::new(MANY));
    let open = |n: usize| {
        barrier.wait();
        take_part(&site.file(), &format!("org-{n}"))
    };
    let (engines, texts): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let open = &open;
        let threads: Vec<_> = (0..MANY).map(|n| scope.spawn(move || open(n))).collect();
        threads.into_iter().map(|it| it.join().unwrap()).unzip()
    });
    engines.iter().for_each(|it| holds(it, &texts));
    // Only one of them made the database: the cursors of each serve all.
    let page = engines[0].every_org().keys().list(ListKeys::new().limit(4)).unwrap();
    for kw in &engines {
        let rest = ListKeys::new().cursor(page.next_cursor.clone().unwrap());
        assert_eq!(kw.every_org().keys().list(rest).unwrap().data.len(), MANY - 4);
    }
    engines.iter().for_each(Keywright::close);
}

#[test]
fn ten_processes_open_a_new_file_at_once() {
    if let Some((folder, name)) = inside() {
        meet(&folder, &name);
        let (kw, text) = take_part(&folder.join("keys.db"), &name);
        assert_eq!(verdict(&kw, &text), "allowed");
        kw.close();
        return fs::write(folder.join(format!("{name}.text")), text).unwrap();
    }
    let site = Site::new();
    let names: Vec<String> = (0..MANY).map(|n| format!("org-{n}")).collect();
    let start = |name: &String| process::start(ten_processes_open_a_new_file_at_once, &[], site.folder(), name);
    let started: Vec<_> = names.iter().map(start).collect();
    release(site.folder(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    started.into_iter().for_each(process::Process::passes);
    let text = |name: &String| fs::read_to_string(site.folder().join(format!("{name}.text"))).unwrap();
    let kw = site.open();
    holds(&kw, &names.iter().map(text).collect::<Vec<_>>());
    kw.close();
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Some((folder, _)) = inside() {
        let kw = Keywright::open(config(&folder.join("keys.db"))).unwrap();
        let mut acknowledged = fs::File::create(folder.join("acknowledged")).unwrap();
        loop {
            let (revoked, active) = (create(&kw, "revoked"), create(&kw, "active"));
            kw.keys().revoke(&revoked.id, ()).unwrap();
            let line = format!("{} {}\n", revoked.api_key.reveal(), active.api_key.reveal());
            std::io::Write::write_all(&mut acknowledged, line.as_bytes()).unwrap();
        }
    }
    let site = Site::new();
    let mut process = process::start(what_was_acknowledged_survives_a_kill, &[], site.folder(), "");
    let lines = || fs::read_to_string(site.folder().join("acknowledged")).unwrap_or_default();
    until("ten keys are acknowledged", || lines().lines().count() >= 10);
    process.kill();
    let kw = site.open();
    let told = lines();
    for line in told.split_inclusive('\n').filter_map(|it| it.strip_suffix('\n')) {
        let (revoked, active) = line.split_once(' ').unwrap();
        assert_eq!((verdict(&kw, revoked), verdict(&kw, active)), ("revoked", "allowed"));
    }
    assert!(kw.audit().verify().unwrap().ok);
    let integrity: String = site.sql().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    create(&kw, "after");
    kw.close();
}

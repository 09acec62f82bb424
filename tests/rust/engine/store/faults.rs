//! Locks that last, disks that fill and writes that fail. Whatever fails changes nothing, and verifying goes on.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keywright::blocking::Keywright;
use keywright::{AuditHead, Error, IssuedKey, Key, ListKeys, NewKey, UnavailableCause};

use keywright_tests::site::process::{after, after_mounting, again, inside, words};
use keywright_tests::site::{Site, changes, config, create, forged, verdict};

/// An engine with an active and a revoked key, and how its chain ended.
struct Running {
    kw: Keywright,
    active: IssuedKey,
    revoked: IssuedKey,
    head: AuditHead,
}

impl Running {
    fn on(kw: Keywright) -> Self {
        let (active, revoked) = (create(&kw, "active"), create(&kw, "revoked"));
        kw.keys().revoke(&revoked.id, ()).unwrap();
        Self { head: kw.audit().head().unwrap(), kw, active, revoked }
    }

    /// Reads answer as before, and nothing has changed.
    fn stands(&self) {
        assert_eq!(verdict(&self.kw, self.active.api_key.reveal()), "allowed");
        assert_eq!(verdict(&self.kw, self.revoked.api_key.reveal()), "revoked");
        assert_eq!(verdict(&self.kw, &forged(self.active.api_key.reveal())), "invalid");
        assert_eq!(uncounted(self.kw.keys().get(&self.active.id).unwrap()), self.active.key);
        assert_eq!(self.kw.keys().list(ListKeys::new().any_status()).unwrap().data.len(), 2);
        assert_eq!(self.kw.audit().head().unwrap(), self.head);
        assert!(self.kw.audit().verify().unwrap().ok);
    }

    /// The trouble is over: every change is done.
    fn recovers(&self) {
        for (call, done) in changes(&self.kw, &self.active) {
            done.unwrap_or_else(|it| panic!("{call}: {it}"));
        }
        assert!(self.kw.audit().verify().unwrap().ok);
        assert_eq!(verdict(&self.kw, self.active.api_key.reveal()), "revoked");
        self.kw.close();
    }

    fn refuses(&self, troubles: &[UnavailableCause]) {
        for (call, done) in changes(&self.kw, &self.active) {
            let error = done.expect_err(call);
            assert!(error.unavailable_cause().is_some_and(|it| troubles.contains(&it)), "{call}: {error:?}");
        }
    }
}

/// The key as it was made, whatever it was used since.
fn uncounted(mut key: Key) -> Key {
    (key.usage_count, key.denied_count, key.last_used_at) = (0, 0, None);
    for secret in &mut key.secrets {
        secret.last_used_at = None;
    }
    key
}

fn trouble<T>(done: Result<T, Error>) -> Option<UnavailableCause> {
    done.err().and_then(|it| it.unavailable_cause())
}

#[test]
fn a_lock_that_outlasts_the_busy_timeout_refuses_changes_alone() {
    let site = Site::new();
    let short = site.config().busy_timeout(Duration::from_millis(50));
    let running = Running::on(Keywright::open(short.clone()).unwrap());
    let other = site.sql();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE keys SET name = 'of another program'").unwrap();
    running.refuses(&[UnavailableCause::Locked]);
    running.stands();
    // Reading what is there needs no lock; making or changing it does.
    assert_eq!(trouble(Keywright::open(short.clone())), Some(UnavailableCause::Locked));
    let reader = Keywright::open(short.read_only(true)).unwrap();
    assert_eq!(verdict(&reader, running.active.api_key.reveal()), "allowed");
    reader.close();
    other.execute_batch("ROLLBACK").unwrap();
    running.stands();
    running.recovers();
}

#[test]
fn a_lock_that_ends_in_time_is_waited_for() {
    let site = Site::new();
    let running = Running::on(site.open());
    let other = site.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let release = std::thread::spawn({
        let ends = Arc::clone(&ends);
        move || {
            // The call below waits meanwhile, or comes when the lock is gone.
            std::thread::sleep(Duration::from_millis(200));
            ends.store(true, Ordering::SeqCst);
            other.execute_batch("ROLLBACK").unwrap();
        }
    });
    create(&running.kw, "waited");
    assert!(ends.load(Ordering::SeqCst), "the call did not wait for the lock");
    release.join().unwrap();
    running.recovers();
}

#[test]
fn a_file_that_another_program_has_for_itself_opens_when_it_is_free() {
    let site = Site::new();
    let text = {
        let kw = site.open();
        let text = create(&kw, "CI").api_key.reveal().to_owned();
        kw.close();
        text
    };
    let other = site.sql();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let short = site.config().busy_timeout(Duration::from_millis(50));
    let refused = [short.clone(), short.read_only(true)].map(|it| trouble(Keywright::open(it)));
    assert_eq!(refused, [Some(UnavailableCause::Locked), Some(UnavailableCause::Locked)]);
    drop(other);
    let kw = site.open();
    assert_eq!(verdict(&kw, &text), "allowed");
    kw.close();
}

/// Fills the file system of a folder to its last block.
fn fill(folder: &Path) {
    let mut ballast = File::create(folder.join("ballast")).unwrap();
    for size in [65_536, 4_096, 1] {
        while ballast.write_all(&vec![1; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_refuses_changes_alone() {
    let Some((folder, _)) = inside() else {
        let site = Site::new();
        let shell = format!("mount -t tmpfs -o size=4m tmpfs '{}'", site.folder().display());
        let Some(through) = after_mounting(&shell) else { return };
        again(a_full_disk_refuses_changes_alone, &words(&through), site.folder());
        return assert_eq!(fs::read_dir(site.folder()).unwrap().count(), 0, "the mount was not the process's own");
    };
    let file = folder.join("keys.db");
    let running = Running::on(Keywright::open(config(&file)).unwrap());
    fill(&folder);
    for _ in 0..3 {
        running.refuses(&[UnavailableCause::Full]);
        running.stands();
    }
    let another = Keywright::open(config(&file)).unwrap();
    assert_eq!(verdict(&another, running.active.api_key.reveal()), "allowed");
    assert_eq!(trouble(another.keys().create(NewKey::named("another"))), Some(UnavailableCause::Full));
    another.close();
    running.stands();
    assert_eq!(trouble(Keywright::open(config(&folder.join("new.db")))), Some(UnavailableCause::Full));
    fs::remove_file(folder.join("ballast")).unwrap();
    running.recovers();
    let new = Keywright::open(config(&folder.join("new.db"))).unwrap();
    create(&new, "first");
    new.close();
}

/// A limit on the size of files makes each write past it fail, as a broken disk would.
#[test]
fn a_failing_write_is_undone_wherever_it_fails() {
    let Some((folder, _)) = inside() else {
        // From before the first page of the log to some way into it; shells count in half or whole KiB.
        for limit in [8, 64, 136, 200, 264, 328, 400] {
            let site = Site::new();
            Running::on(site.open()).kw.close();
            let through = after(&format!("trap '' XFSZ; ulimit -f {limit}"));
            again(a_failing_write_is_undone_wherever_it_fails, &words(&through), site.folder());
            let kw = site.open();
            assert!(kw.audit().verify().unwrap().ok);
            create(&kw, "after");
            kw.close();
            let integrity: String = site.sql().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!(integrity, "ok");
        }
        return;
    };
    let file = folder.join("keys.db");
    let kw = match Keywright::open(config(&file)) {
        Ok(kw) => kw,
        Err(error) => return assert!(error.unavailable_cause().is_some(), "{error:?}"),
    };
    let mut made: Vec<IssuedKey> = Vec::new();
    let failure = loop {
        match kw.keys().create(NewKey::named("CI")) {
            Ok(key) => made.push(key),
            Err(error) => break error,
        }
        assert!(made.len() < 10_000, "nothing fails");
    };
    assert!(matches!(failure.unavailable_cause(), Some(UnavailableCause::Io | UnavailableCause::Full)), "{failure:?}");
    let head = kw.audit().head().unwrap();
    assert_eq!(trouble(kw.keys().create(NewKey::named("CI"))), failure.unavailable_cause());
    assert_eq!(kw.audit().head().unwrap(), head);
    assert!(made.iter().all(|it| verdict(&kw, it.api_key.reveal()) == "allowed"));
    // An org, two keys and a revocation were there before.
    assert_eq!((head.seq, kw.audit().verify().unwrap().ok), (made.len() as u64 + 4, true));
    kw.close();
}

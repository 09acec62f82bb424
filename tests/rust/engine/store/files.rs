//! Files that are no database of ours, or no longer a whole one, and places where none can be.

use std::fs;
#[cfg(not(keywright_portable))]
use std::fs::Permissions;
#[cfg(not(keywright_portable))]
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use keywright::blocking::Keywright;
use keywright::{Error, NewKey, UnavailableCause};
use rusqlite::Connection;

#[cfg(not(keywright_portable))]
use keywright_tests::site::process::{after, again, inside, words};
use keywright_tests::site::{Site, bytes, config, create, files, forged, verdict};

fn refused(file: &Path) -> Error {
    match Keywright::open(config(file)) {
        Err(error) => error,
        Ok(_) => panic!("{} opens", file.display()),
    }
}

/// The error of opening the file, both ways, which must leave it as it is.
fn refused_untouched(file: &Path) -> Error {
    let before = fs::read(file).unwrap();
    let error = refused(file);
    assert_eq!(Keywright::open(config(file).read_only(true)).err().map(|it| it.code()), Some("unavailable"));
    assert!(fs::read(file).unwrap() == before, "{} was written", file.display());
    error
}

/// A closed database with a log all in the file, and the texts of its keys: active ones, and one that is revoked.
fn closed() -> (Site, Vec<String>, String) {
    let site = Site::new();
    let kw = site.open();
    let active = |n: usize| {
        let padding = serde_json::Map::from_iter([("padding".to_owned(), "x".repeat(400).into())]);
        let new = kw.keys().create(NewKey::named(format!("key {n}")).metadata(padding)).unwrap();
        new.api_key.reveal().to_owned()
    };
    let texts = (0..40).map(active).collect();
    let revoked = create(&kw, "revoked");
    kw.keys().revoke(&revoked.id, ()).unwrap();
    kw.close();
    assert!(!files(&site.file())[1].exists(), "the log outlives the engine");
    (site, texts, revoked.api_key.reveal().to_owned())
}

/// Opens a damaged copy and verifies: who is allowed must be who was, and no other answer than `unavailable` may
/// stand for a damage. Says how many answered so; a refusal to open counts for all.
fn judge(file: &Path, active: &[String], revoked: &str) -> usize {
    let kw = match Keywright::open(config(file)) {
        Ok(kw) => kw,
        Err(error) => {
            let trouble = error.unavailable_cause();
            assert!(matches!(trouble, Some(UnavailableCause::Corrupt | UnavailableCause::Foreign)), "{error:?}");
            return active.len();
        }
    };
    let verdicts: Vec<_> = active.iter().map(|it| verdict(&kw, it)).collect();
    assert!(verdicts.iter().all(|it| matches!(*it, "allowed" | "unavailable")), "{verdicts:?}");
    assert!(matches!(verdict(&kw, revoked), "revoked" | "unavailable"));
    assert!(matches!(verdict(&kw, &forged(&active[0])), "invalid" | "unavailable"));
    if let Err(error) = kw.keys().create(NewKey::named("another")) {
        assert_eq!(error.unavailable_cause(), Some(UnavailableCause::Corrupt), "{error:?}");
    }
    kw.close();
    verdicts.iter().filter(|it| **it == "unavailable").count()
}

#[test]
fn a_damaged_page_is_told_and_allows_nobody() {
    let (site, active, revoked) = closed();
    let whole = fs::read(site.file()).unwrap();
    let size = usize::from(u16::from_be_bytes([whole[16], whole[17]]));
    assert_eq!(judge(&site.file(), &active, &revoked), 0);
    let copy = site.folder().join("copy.db");
    let mut told = 0;
    for page in 0..whole.len() / size {
        let mut bytes = whole.clone();
        bytes[page * size..(page + 1) * size].fill(0xA5);
        fs::write(&copy, bytes).unwrap();
        let unavailable = judge(&copy, &active, &revoked);
        assert!(page > 0 || unavailable == active.len(), "the header is damaged and the file opens");
        told += usize::from(unavailable > 0);
    }
    assert!(told > 5, "only {told} pages mattered");
}

#[test]
fn a_damaged_header_is_told_apart_from_a_damaged_body() {
    let (site, ..) = closed();
    let whole = fs::read(site.file()).unwrap();
    let copy = site.folder().join("copy.db");
    let damaged = |from: usize, to: usize| {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0xA5);
        fs::write(&copy, bytes).unwrap();
        refused_untouched(&copy).unavailable_cause()
    };
    assert_eq!(damaged(0, 16), Some(UnavailableCause::Foreign));
    assert_eq!(damaged(68, 72), Some(UnavailableCause::Foreign));
    assert_eq!(damaged(100, 4_096), Some(UnavailableCause::Corrupt));
}

#[test]
fn a_truncated_file_is_told_and_allows_nobody() {
    let (site, active, revoked) = closed();
    let whole = fs::read(site.file()).unwrap();
    let copy = site.folder().join("copy.db");
    for length in [1, 50, 99, 100, 511, 4_096, 5_000, 8_192, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
        fs::write(&copy, &whole[..length]).unwrap();
        let told = judge(&copy, &active, &revoked) > 0;
        // Without checksums a last page that lacks a byte passes for one with a zero there.
        assert!(told || length > whole.len() - 4_096, "{length} bytes pass for the whole file");
    }
}

#[test]
fn the_files_of_others_are_refused_untouched() {
    let site = Site::new();
    let file = |name: &str| site.folder().join(name);
    fs::write(file("notes.txt"), "a text that is no database, and longer than the header of one: ".repeat(20)).unwrap();
    fs::write(file("short.txt"), "x").unwrap();
    let database = |name: &str, sql: &str| Connection::open(file(name)).unwrap().execute_batch(sql).unwrap();
    database("theirs.db", "CREATE TABLE theirs (id INTEGER PRIMARY KEY); INSERT INTO theirs VALUES (7)");
    database("wal.db", "PRAGMA journal_mode = WAL; CREATE TABLE keys (id TEXT PRIMARY KEY)");
    database("named.db", "PRAGMA application_id = 252006675; CREATE TABLE theirs (id INTEGER)");
    database("reserved.db", "PRAGMA application_id = 252006675");
    for name in ["notes.txt", "short.txt", "theirs.db", "wal.db", "named.db", "reserved.db"] {
        let error = refused_untouched(&file(name));
        assert_eq!(error.unavailable_cause(), Some(UnavailableCause::Foreign), "{name}: {error:?}");
    }
}

/// Our mark alone makes no database of ours.
#[test]
fn a_mark_without_the_tables_is_refused() {
    let site = Site::new();
    site.open().close();
    let mark: i64 = site.sql().query_row("PRAGMA application_id", [], |row| row.get(0)).unwrap();
    for (name, sql) in [("bare.db", ""), ("other.db", "CREATE TABLE theirs (id INTEGER)")] {
        let file = site.folder().join(name);
        Connection::open(&file).unwrap().execute_batch(&format!("PRAGMA application_id = {mark}; {sql}")).unwrap();
        let error = refused_untouched(&file);
        assert!(
            matches!(error.unavailable_cause(), Some(UnavailableCause::Foreign | UnavailableCause::Corrupt)),
            "{name}: {error:?}"
        );
    }
    site.sql().execute_batch("PRAGMA foreign_keys = OFF; DROP TABLE secrets").unwrap();
    let error = refused(&site.file());
    assert!(
        matches!(error.unavailable_cause(), Some(UnavailableCause::Foreign | UnavailableCause::Corrupt)),
        "{error:?}"
    );
}

/// The advice of the error makes it a database again.
#[test]
fn a_database_restored_from_sql_text_is_told_and_can_be_marked() {
    let (site, active, revoked) = closed();
    let site_of_copy = Site::new();
    let program = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).iterdump(), sep=chr(10))";
    let dump = Command::new("python3").args(["-c", program]).arg(site.file()).output().unwrap();
    assert!(dump.status.success(), "{dump:?}");
    let text = format!("PRAGMA foreign_keys = OFF; {}", String::from_utf8(dump.stdout).unwrap());
    site_of_copy.sql().execute_batch(&text).unwrap();
    let error = refused(&site_of_copy.file()).to_string();
    let (_, advice) = error.split_once("run ").unwrap();
    site_of_copy.sql().execute_batch(advice.strip_suffix(" on it").unwrap()).unwrap();
    assert_eq!(judge(&site_of_copy.file(), &active, &revoked), 0);
}

#[test]
fn an_empty_file_becomes_a_database() {
    let site = Site::new();
    fs::write(site.file(), "").unwrap();
    let unread = Keywright::open(site.config().read_only(true)).err();
    assert_eq!(unread.and_then(|it| it.unavailable_cause()), Some(UnavailableCause::Foreign));
    let kw = site.open();
    create(&kw, "CI");
    kw.close();
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let site = Site::new();
    let at = |name: &str| site.folder().join(name);
    site.open().close();
    fs::create_dir(at("folder")).unwrap();
    symlink(site.file(), at("link.db")).unwrap();
    symlink(at("nothing"), at("loose.db")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe.db")).status().unwrap().success());
    let _listens = std::os::unix::net::UnixListener::bind(at("socket.db")).unwrap();
    fs::write(at("first.db"), "").unwrap();
    fs::hard_link(at("first.db"), at("second.db")).unwrap();
    let hard_link = (!cfg!(keywright_portable)).then_some("second.db");
    for name in ["folder", "link.db", "loose.db", "pipe.db", "socket.db"].into_iter().chain(hard_link) {
        let trouble = refused(&at(name)).unavailable_cause();
        assert!(matches!(trouble, Some(UnavailableCause::Access | UnavailableCause::Location)), "{name}: {trouble:?}");
        assert!(!files(&at(name))[1].exists(), "{name} has a log");
    }
    assert!(!at("nothing").exists(), "a link was followed");
    assert!(fs::symlink_metadata(at("link.db")).unwrap().is_symlink());
    assert!(refused(&at("folder")).to_string().starts_with("the path names a folder; name a file"));
    // A folder may be reached by a link: it is the folder itself that is opened.
    symlink(site.folder(), at("way")).unwrap();
    Keywright::open(config(&at("way").join("keys.db"))).unwrap().close();
    fs::write(at("file"), "x").unwrap();
    assert_eq!(refused(&at("file").join("keys.db")).unavailable_cause(), Some(UnavailableCause::Access));
}

#[cfg(not(keywright_portable))]
fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
#[cfg(not(keywright_portable))]
fn new_files_and_folders_are_private_whatever_the_umask() {
    let Some((folder, _)) = inside() else {
        for umask in ["0", "022", "077"] {
            let site = Site::new();
            let through = after(&format!("umask {umask}"));
            again(new_files_and_folders_are_private_whatever_the_umask, &words(&through), site.folder());
        }
        return;
    };
    let file = folder.join("new/newer/keys.db");
    let kw = Keywright::open(config(&file)).unwrap();
    create(&kw, "CI");
    for made in files(&file) {
        assert_eq!(mode(&made), 0o600, "{}", made.display());
    }
    for made in [folder.join("new"), folder.join("new/newer")] {
        assert_eq!(mode(&made), 0o700, "{}", made.display());
    }
    kw.close();
    // A log takes the mode that an operator gave the database.
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let kw = Keywright::open(config(&file)).unwrap();
    create(&kw, "CI");
    for made in files(&file) {
        assert_eq!(mode(&made), 0o640, "{}", made.display());
    }
    kw.close();
}

#[test]
fn a_file_replaced_under_an_open_engine_allows_nobody_new() {
    let (site, active, _) = closed();
    let kw = site.open();
    assert_eq!(verdict(&kw, &active[0]), "allowed");
    // As a program would that writes over the file without asking SQLite.
    let damage = format!("dd if=/dev/zero of='{}' bs=4096 seek=1 count=400 conv=notrunc 2>&1", site.file().display());
    assert!(Command::new("sh").args(["-c", &damage]).output().unwrap().status.success());
    assert!(bytes(&site.file())[4_096..].iter().all(|it| *it == 0));
    let other = Keywright::open(site.config()).ok();
    for kw in [Some(&kw), other.as_ref()].into_iter().flatten() {
        assert!(matches!(verdict(kw, &forged(&active[0])), "invalid" | "unavailable"));
        assert!(active.iter().all(|it| matches!(verdict(kw, it), "allowed" | "unavailable")));
    }
}

/// A file that is deleted, or replaced by another, is no longer the one that others see.
#[test]
fn a_file_taken_from_under_an_engine_is_noticed_before_anything_is_told() {
    for replaced in [false, true] {
        let (site, active, _) = closed();
        let kw = site.open();
        let key = create(&kw, "CI");
        let copy = site.folder().join("copy.db");
        fs::copy(site.file(), &copy).unwrap();
        fs::remove_file(site.file()).unwrap();
        if replaced {
            fs::rename(&copy, site.file()).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(verdict(&kw, &active[0]), "unavailable");
            assert_eq!(
                kw.keys().revoke(&key.id, ()).unwrap_err().unavailable_cause(),
                Some(UnavailableCause::Location)
            );
            assert_eq!(kw.keys().get(&key.id).unwrap_err().unavailable_cause(), Some(UnavailableCause::Location));
        }
        kw.close();
    }
}

/// Removes log and index, as another SQLite library in this process does when it closes the file.
#[test]
fn a_log_taken_from_under_an_engine_is_noticed_before_anything_is_told() {
    let (site, active, _) = closed();
    let kw = site.open();
    let key = create(&kw, "CI");
    for ending in ["-wal", "-shm"] {
        fs::remove_file(format!("{}{ending}", site.file().display())).unwrap();
    }
    assert_eq!(kw.keys().revoke(&key.id, ()).unwrap_err().unavailable_cause(), Some(UnavailableCause::Location));
    assert_eq!(verdict(&kw, &active[0]), "unavailable");
    kw.close();
}

//! Files, folders and engines that may be read and not written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use keywright::blocking::Keywright;
use keywright::{Error, ListAudit, ListKeys, ListOrgs, UnavailableCause};

use keywright_tests::site::process::{self, after_mounting, again, bound_by_modes, inside, words};
use keywright_tests::site::{Site, bytes, changes, config, create, files, forged, verdict};

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn error(file: &Path, read_only: bool) -> Error {
    match Keywright::open(config(file).read_only(read_only)) {
        Err(error) => error,
        Ok(_) => panic!("{} opens", file.display()),
    }
}

/// The calls of a reader work, and every change is refused with its true cause.
fn reads_alone(reader: &Keywright, text: &str) {
    let id = reader.keys().find(&reader.engine().parse(text).unwrap().prefix).unwrap().id;
    let head = reader.audit().head().unwrap();
    assert_eq!((verdict(reader, text), verdict(reader, &forged(text))), ("allowed", "invalid"));
    assert_eq!(reader.keys().list(ListKeys::new()).unwrap().data[0].id, id);
    assert_eq!(reader.orgs().list(ListOrgs::new()).unwrap().data.len(), 1);
    assert_eq!(reader.audit().list(ListAudit::new()).unwrap().data.len(), 2);
    assert!(reader.audit().verify().unwrap().ok);
    let key = reader.keys().get(&id).unwrap();
    for (call, done) in changes(reader, &key) {
        let refused = done.expect_err(call);
        assert_eq!(refused.unavailable_cause(), Some(UnavailableCause::ReadOnly), "{call}: {refused:?}");
    }
    assert_eq!((reader.keys().get(&id).unwrap(), reader.audit().head().unwrap()), (key, head));
}

#[test]
fn a_read_only_engine_reads_alone_with_a_writer_and_without() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    let text = new.api_key.reveal();
    let reader = Keywright::open(site.config().read_only(true)).unwrap();
    reads_alone(&reader, text);
    // It sees what the writer does at once.
    kw.keys().disable(&new.id, ()).unwrap();
    assert_eq!(verdict(&reader, text), "disabled");
    kw.keys().enable(&new.id, ()).unwrap();
    kw.close();
    assert_eq!(verdict(&reader, text), "allowed");
    reader.close();
    let late = Keywright::open(site.config().read_only(true)).unwrap();
    assert_eq!(verdict(&late, text), "allowed");
    late.close();
}

#[test]
fn a_read_only_engine_makes_nothing() {
    let site = Site::new();
    let inner = site.folder().join("none/keys.db");
    assert_eq!(error(&site.file(), true).unavailable_cause(), Some(UnavailableCause::Access));
    assert_eq!(error(&inner, true).unavailable_cause(), Some(UnavailableCause::Access));
    assert_eq!(fs::read_dir(site.folder()).unwrap().count(), 0);
}

/// Opens the file as a user who may not write it: refused as what it is, or good for reading alone.
fn read_or_refuse(file: &Path, text: &str) -> usize {
    let open = |read_only| match Keywright::open(config(file).read_only(read_only)) {
        Ok(reader) => {
            reads_alone(&reader, text);
            reader.close();
            1
        }
        Err(error) => {
            assert!(
                matches!(error.unavailable_cause(), Some(UnavailableCause::ReadOnly | UnavailableCause::Access)),
                "{error:?}"
            );
            0
        }
    };
    open(false) + open(true)
}

#[test]
fn a_user_without_the_right_to_write_is_told() {
    let test = a_user_without_the_right_to_write_is_told;
    if let Some((folder, text)) = inside() {
        let (file, folder_binds) = (folder.join("keys.db"), fs::write(folder.join("probe"), "").is_err());
        assert!(fs::OpenOptions::new().append(true).open(&file).is_err(), "file modes do not bind this process");
        let log = files(&file)[1].exists();
        // Where there is no log and none may be made, the file is read as it lies.
        assert_eq!(read_or_refuse(&file, &text), if log || !folder_binds { 2 } else { 1 });
        if folder_binds {
            assert_eq!(error(&folder.join("new.db"), false).unavailable_cause(), Some(UnavailableCause::Access));
            assert_eq!(error(&folder.join("new/keys.db"), false).unavailable_cause(), Some(UnavailableCause::Access));
        }
        return;
    }
    for folder in [0o700, 0o500] {
        let site = Site::new();
        let kw = site.open();
        let new = create(&kw, "CI");
        kw.close();
        let run = || process::start(test, bound_by_modes(), site.folder(), new.api_key.reveal()).passes();
        let before = fs::read(site.file()).unwrap();
        allow(&site.file(), 0o400);
        allow(site.folder(), folder);
        run();
        assert!(fs::read(site.file()).unwrap() == before, "the file was written");
        allow(site.folder(), 0o700);
        // A reader that made a log leaves it, with the mode of the file.
        files(&site.file()).iter().filter(|it| it.exists()).for_each(|it| allow(it, 0o600));
        // With a writer at work, its log is there to be read.
        let kw = site.open();
        kw.keys().get(&new.id).unwrap();
        files(&site.file()).iter().for_each(|it| allow(it, 0o400));
        allow(site.folder(), folder);
        run();
        allow(site.folder(), 0o700);
        assert_eq!(verdict(&kw, new.api_key.reveal()), "allowed");
        kw.close();
    }
}

#[test]
fn a_file_that_may_not_be_read_is_told() {
    let Some((folder, _)) = inside() else {
        let site = Site::new();
        site.open().close();
        allow(&site.file(), 0o000);
        return again(a_file_that_may_not_be_read_is_told, bound_by_modes(), site.folder());
    };
    for read_only in [false, true] {
        assert_eq!(error(&folder.join("keys.db"), read_only).unavailable_cause(), Some(UnavailableCause::Access));
    }
}

#[test]
fn a_read_only_file_system_is_told() {
    let Some((folder, _)) = inside() else {
        let site = Site::new();
        let shell = format!("mount -t tmpfs tmpfs '{}'", site.folder().display());
        let Some(through) = after_mounting(&shell) else { return };
        return again(a_read_only_file_system_is_told, &words(&through), site.folder());
    };
    let file = folder.join("keys.db");
    let kw = Keywright::open(config(&file)).unwrap();
    let new = create(&kw, "CI");
    kw.close();
    // Left by a program that was killed: a log without its index.
    let [copy, log, _] = files(&folder.join("left.db"));
    let kw = Keywright::open(config(&file)).unwrap();
    assert_eq!(verdict(&kw, new.api_key.reveal()), "allowed");
    kw.flush().unwrap();
    fs::write(&copy, bytes(&file)).unwrap();
    fs::write(&log, bytes(&files(&file)[1])).unwrap();
    kw.close();
    let remount = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&folder).status().unwrap();
    assert!(remount.success());
    let refused = error(&file, false);
    assert!(
        matches!(refused.unavailable_cause(), Some(UnavailableCause::ReadOnly | UnavailableCause::Access)),
        "{refused:?}"
    );
    let reader = Keywright::open(config(&file).read_only(true)).unwrap();
    reads_alone(&reader, new.api_key.reveal());
    reader.close();
    let unread = error(&copy, true);
    assert!(unread.to_string().starts_with("the -wal file holds changes"), "{unread}");
    assert_eq!(error(&folder.join("new.db"), false).unavailable_cause(), Some(UnavailableCause::ReadOnly));
    assert_eq!(error(&folder.join("new/keys.db"), false).unavailable_cause(), Some(UnavailableCause::ReadOnly));
}

/// Its log would be beside the other name, where no other process looks for it.
#[test]
#[cfg(not(keywright_portable))]
fn a_file_mounted_on_its_own_is_refused() {
    let Some((folder, _)) = inside() else {
        let site = Site::new();
        site.open().close();
        let mounted = site.folder().join("a place/keys.db");
        fs::create_dir(mounted.parent().unwrap()).unwrap();
        fs::write(&mounted, "").unwrap();
        let shell = format!("mount --bind '{}' '{}'", site.file().display(), mounted.display());
        let Some(through) = after_mounting(&shell) else { return };
        return again(a_file_mounted_on_its_own_is_refused, &words(&through), site.folder());
    };
    for read_only in [false, true] {
        assert_eq!(
            error(&folder.join("a place/keys.db"), read_only).unavailable_cause(),
            Some(UnavailableCause::Location)
        );
    }
    Keywright::open(config(&folder.join("keys.db"))).unwrap().close();
}

//! A database that is read where SQLite may make no file beside it, as on a medium that cannot be written: each change by a
//! program that may is seen all the same.

use keywright::blocking::Keywright;
use rusqlite::ffi::SQLITE_CANTOPEN;

use super::watch::{Call, Fault, Watch};
use keywright_tests::site::{Site, create, verdict};

#[test]
fn a_file_is_read_as_it_lies_until_another_program_changes_it() {
    let site = Site::new();
    let watch = Watch::on(site.folder());
    let no_index =
        || watch.breaks(Fault { call: Some(Call::ShmMap), nth: 1, lasts: true, code: Some(SQLITE_CANTOPEN) });
    let kw = site.open();
    let (first, second) = (create(&kw, "first"), create(&kw, "second"));
    kw.close();
    no_index();
    let reader = Keywright::open(site.config().read_only(true)).unwrap();
    assert!(watch.hit(), "the reader has an index");
    let says = |key: &keywright::IssuedKey| verdict(&reader, key.api_key.reveal());
    assert_eq!((says(&first), says(&second)), ("allowed", "allowed"));
    assert_eq!((says(&first), says(&second)), ("allowed", "allowed"));
    // The other program has come and gone between two verifications.
    watch.mends();
    let kw = site.open();
    kw.keys().revoke(&first.id, ()).unwrap();
    kw.close();
    no_index();
    assert_eq!((says(&first), says(&second)), ("revoked", "allowed"));
    // It is still there.
    watch.mends();
    let kw = site.open();
    assert_eq!((says(&first), says(&second)), ("revoked", "allowed"));
    kw.keys().revoke(&second.id, ()).unwrap();
    assert_eq!((says(&first), says(&second)), ("revoked", "revoked"));
    kw.close();
    assert_eq!((says(&first), says(&second)), ("revoked", "revoked"));
    reader.close();
}

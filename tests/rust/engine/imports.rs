//! Keys of another product: what a stranger can cause, what the database keeps, and which engines know of them.

use std::io::Write;

use keywright::blocking::Keywright;
use keywright::testing::ManualClock;
use keywright::{Hashed, HashedImport, HashedKey, ImportFormat, ImportReport, ListKeys, NewKey};

use keywright_tests::site::{Site, logs_in_pieces, plain, until, verdict};

const START: &str = "2026-01-01T00:00:00Z";

/// bcrypt of `xxxxxxxxxxxxxxxx`, as libxcrypt computes it.
const BCRYPT: &str = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.7WDVSaVQwOHZuKt6UlRF7.xxAzeypHu";
const BCRYPT_TEXT: &str = "lw_abc12_xxxxxxxxxxxxxxxx";

/// SHA-256 of `12345678`.
const DIGEST: &str = "sha256$ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f";

fn import(kw: &Keywright, format: ImportFormat, keys: impl IntoIterator<Item = HashedKey>) -> ImportReport {
    kw.keys().import_hashed(HashedImport::new(format).keys(keys)).unwrap()
}

fn lendworks(kw: &Keywright) {
    let format = ImportFormat::named("bcrypt", Some("lw")).unwrap();
    let report = import(kw, format, [HashedKey::new("CI", BCRYPT).lookup("abc12")]);
    assert_eq!((report.imported, report.existing, report.refused), (1, 0, 0));
}

fn sanctum(kw: &Keywright, lookup: &str) {
    let format = ImportFormat::named("sanctum", None).unwrap();
    assert_eq!(import(kw, format, [HashedKey::new("CI", DIGEST).lookup(lookup)]).imported, 1);
}

fn stored(site: &Site) -> (String, Option<Vec<u8>>) {
    site.sql().query_row("SELECT verifier, filter FROM secrets", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[test]
fn a_slow_imported_row_takes_five_wrong_secrets_a_minute_and_its_own_at_any_time() {
    let (site, clock) = (Site::new(), ManualClock::new(START.parse().unwrap()));
    // Read-only, no use replaces the verifier by a fast one.
    lendworks(&Keywright::open(site.config().clock(clock.clone())).unwrap());
    let kw = Keywright::open(site.config().clock(clock.clone()).read_only(true)).unwrap();
    let wrong = |place: usize| format!("{}{place}", &BCRYPT_TEXT[..BCRYPT_TEXT.len() - 1]);
    assert_eq!(verdict(&kw, BCRYPT_TEXT), "allowed");
    for place in 0..5 {
        assert_eq!(verdict(&kw, &wrong(place)), "invalid");
    }
    for place in 5..8 {
        assert_eq!(verdict(&kw, &wrong(place)), "unavailable");
        assert_eq!(verdict(&kw, BCRYPT_TEXT), "allowed");
    }
    assert_eq!(verdict(&kw, "lw_abc13_xxxxxxxxxxxxxxxx"), "invalid");
    // Another process has proved nothing, and has its own budget.
    let second = Keywright::open(site.config().clock(clock.clone()).read_only(true)).unwrap();
    (0..5).for_each(|place| assert_eq!(verdict(&second, &wrong(place)), "invalid"));
    assert_eq!(verdict(&second, BCRYPT_TEXT), "unavailable");
    clock.advance(12_000);
    assert_eq!(verdict(&second, BCRYPT_TEXT), "allowed");
}

#[test]
fn the_first_good_use_replaces_what_the_product_stored_and_no_wrong_one_does() {
    for with_pepper in [true, false] {
        let site = Site::new();
        let config = || if with_pepper { site.config() } else { plain(&site.file()) };
        let kw = Keywright::open(config()).unwrap();
        lendworks(&kw);
        assert_eq!(verdict(&kw, "lw_abc12_xxxxxxxxxxxxxxxy"), "invalid");
        assert_eq!(stored(&site), (format!("$import$secret${BCRYPT}"), None));
        assert_eq!(verdict(&kw, BCRYPT_TEXT), "allowed");
        let scheme = if with_pepper { "$hmac-sha256$" } else { "$argon2id$" };
        until("the verifier is replaced", || stored(&site).0.starts_with(scheme));
        // The secret may be one that can be guessed, so that nothing stands beside a slow hash of it.
        assert_eq!(stored(&site).1, None);
        for kw in [&kw, &Keywright::open(config()).unwrap()] {
            assert_eq!((verdict(kw, BCRYPT_TEXT), verdict(kw, "lw_abc12_xxxxxxxxxxxxxxxy")), ("allowed", "invalid"));
        }
        assert!(kw.audit().verify().unwrap().ok);
    }
}

#[test]
fn a_text_that_bcrypt_cuts_off_is_not_tied_to_its_end() {
    let site = Site::new();
    let kw = site.open();
    let format = ImportFormat::named("bcrypt", Some("lw")).unwrap();
    // The test of crypt_blowfish for the first 72 bytes.
    let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let stored_as = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    import(&kw, format, [HashedKey::new("CI", stored_as).lookup("long")]);
    assert_eq!(verdict(&kw, &format!("lw_long_{long}-and-a-wrong-end")), "allowed");
    // Where the whole text is proved, it is the only one.
    assert_eq!(verdict(&kw, &format!("lw_long_{long}")), "allowed");
    until("the verifier is replaced", || stored(&site).0.starts_with("$hmac-sha256$"));
    let other = site.open();
    assert_eq!(verdict(&other, &format!("lw_long_{long}")), "allowed");
    assert_eq!(verdict(&other, &format!("lw_long_{long}-and-a-wrong-end")), "invalid");
}

#[test]
fn engines_that_were_open_before_an_import_accept_its_keys() {
    let site = Site::new();
    let (kw, other) = (site.open(), site.open());
    assert_eq!(verdict(&other, "4711|12345678"), "invalid");
    sanctum(&kw, "4711");
    assert_eq!(verdict(&kw, "4711|12345678"), "allowed");
    until("the other engine looks again", || verdict(&other, "4711|12345678") == "allowed");
    assert_eq!(verdict(&other, "4711|12345679"), "invalid");
    // A revocation holds there at once, as for any key.
    let key = kw.keys().find("4711").unwrap();
    kw.keys().revoke(&key.id, ()).unwrap();
    assert_eq!((verdict(&kw, "4711|12345678"), verdict(&other, "4711|12345678")), ("revoked", "revoked"));
    // A second format is no news that waits.
    lendworks(&kw);
    until("the other engine looks again", || verdict(&other, BCRYPT_TEXT) == "allowed");
}

#[test]
fn a_text_of_no_format_asks_the_database_once_in_a_while_only() {
    let (site, clock) = (Site::new(), ManualClock::new(START.parse().unwrap()));
    let kw = Keywright::open(site.config().clock(clock.clone())).unwrap();
    let odd = |kw: &Keywright| kw.try_verify("4711|12345678", &keywright::Request::new()).map(|it| it.is_allowed());
    // The first one may have to look.
    assert_eq!(verdict(&kw, "4711|12345678"), "invalid");
    assert_eq!(odd(&kw), Some(false));
    let other = Keywright::open(site.config().clock(clock.clone())).unwrap();
    keywright_tests::site::create(&other, "a change of another process");
    assert_eq!(odd(&kw), Some(false));
    clock.advance(1_000);
    assert_eq!(odd(&kw), None);
    assert_eq!(verdict(&kw, "4711|12345678"), "invalid");
    assert_eq!(odd(&kw), Some(false));
    for implausible in ["", "short", "4711|1234 5678", "4711|1234567\u{e9}", &"x".repeat(257)] {
        clock.advance(1_000);
        assert_eq!(kw.try_verify(implausible, &keywright::Request::new()).map(|it| it.is_allowed()), Some(false));
    }
}

/// The portable code asks the database at each verification.
#[test]
#[cfg(not(keywright_portable))]
fn imported_keys_are_answered_from_memory() {
    let site = Site::new();
    let kw = site.open();
    sanctum(&kw, "4711");
    let (text, request) = ("4711|12345678", keywright::Request::new());
    assert!(kw.try_verify(text, &request).is_none());
    assert!(kw.verify(text, &request).is_allowed());
    until("the verifier is replaced", || stored(&site).0.starts_with("$hmac-sha256$"));
    assert!(kw.verify(text, &request).is_allowed());
    assert!(kw.try_verify(text, &request).is_some_and(|it| it.is_allowed()));
    kw.flush().unwrap();
    assert_eq!(kw.keys().find("4711").unwrap().usage_count, 3);
}

#[test]
fn a_thousand_keys_commit_together_or_not_at_all() {
    let site = Site::new();
    let kw = site.open();
    let format = || ImportFormat::named("sanctum", None).unwrap();
    let rows = |broken: bool| {
        (0..1_000).map(move |place| {
            let verifier = if broken && place == 999 { "sha256$00" } else { DIGEST };
            HashedKey::new("CI", verifier).lookup(place.to_string())
        })
    };
    let error = kw.keys().import_hashed(HashedImport::new(format()).keys(rows(true))).unwrap_err();
    assert_eq!((error.code(), error.field()), ("validation_failed", Some("keys[999].verifier")));
    assert!(!error.to_string().contains("sha256$00"));
    let count = |table: &str| -> i64 {
        site.sql().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("keys"), count("secrets"), count("audit")), (0, 0, 0));
    assert_eq!(import(&kw, format(), rows(false)).imported, 1_000);
    assert_eq!((count("keys"), count("secrets"), count("audit")), (1_000, 1_000, 1_001));
    assert_eq!(import(&kw, format(), rows(false)).existing, 1_000);
    assert!(kw.audit().verify().unwrap().ok);
    let too_many = HashedImport::new(format()).keys((0..1_001).map(|_| HashedKey::new("CI", DIGEST)));
    assert_eq!(kw.keys().import_hashed(too_many).unwrap_err().field(), Some("keys"));
    // Opening steps over the verifiers of imported keys.
    assert_eq!(verdict(&site.open(), "999|12345678"), "allowed");
}

#[test]
fn a_database_has_sixteen_formats_at_most() {
    let site = Site::new();
    let kw = site.open();
    let format = |place: usize| ImportFormat::named("bcrypt", Some(&format!("product{place}"))).unwrap();
    for place in 0..16 {
        import(&kw, format(place), [HashedKey::new("CI", DIGEST).lookup("1")]);
    }
    let one_more = HashedImport::new(format(16)).keys([HashedKey::new("CI", DIGEST).lookup("1")]);
    assert_eq!(kw.keys().import_hashed(one_more).unwrap_err().code(), "validation_failed");
    import(&kw, format(3), [HashedKey::new("CI", DIGEST).lookup("2")]);
    assert_eq!(verdict(&kw, "product15_1_12345678"), "allowed");
}

#[test]
fn a_text_of_two_keys_is_not_allowed_by_the_second_while_the_first_is_in_doubt() {
    let (site, clock) = (Site::new(), ManualClock::new(START.parse().unwrap()));
    let kw = Keywright::open(site.config().clock(clock.clone())).unwrap();
    lendworks(&kw);
    let id = kw.keys().list(ListKeys::new()).unwrap().data.first().unwrap().id.clone();
    // SHA-256 of `xxxxxxxxxxxxxxxx`.
    let digest = "sha256$9c5729595fb287cc2a2256280448bbe706c0a866f0372515c7483de2af4e6532";
    let format = ImportFormat::template("{lookup:8}_{secret:16}", Hashed::Secret).unwrap();
    import(&kw, format, [HashedKey::new("Again", digest).lookup("lw_abc12")]);
    kw.keys().revoke(&id, ()).unwrap();
    let second = Keywright::open(site.config().clock(clock).read_only(true)).unwrap();
    for place in 0..5 {
        assert_eq!(verdict(&second, &format!("lw_abc12_xxxxxxxxxxxxxxx{place}")), "invalid");
    }
    assert_eq!(verdict(&second, BCRYPT_TEXT), "unavailable");
    assert_eq!(verdict(&kw, BCRYPT_TEXT), "revoked");
}

#[test]
fn a_hash_that_reads_the_public_part_alone_is_refused() {
    let site = Site::new();
    let kw = site.open();
    for (length, is_accepted) in [(48, true), (49, false)] {
        let format = ImportFormat::template(&format!("{{lookup:{length}}}.{{secret:32}}"), Hashed::Text).unwrap();
        let key = HashedKey::new("CI", BCRYPT).lookup("a".repeat(length));
        let refused = kw.keys().import_hashed(HashedImport::new(format).keys([key])).err();
        let field = refused.as_ref().and_then(|it| it.field()).map(str::to_owned);
        assert_eq!(field.as_deref(), (!is_accepted).then_some("keys[0].verifier"), "{length}");
    }
}

#[test]
fn an_imported_key_is_no_name() {
    let site = Site::new();
    let kw = site.open();
    lendworks(&kw);
    let refused = kw.keys().create(NewKey::named(format!("my key is {BCRYPT_TEXT}"))).err().unwrap();
    assert_eq!((refused.code(), refused.field()), ("validation_failed", Some("name")));
}

#[test]
fn a_redacting_writer_masks_imported_keys_also_in_pieces() {
    let site = Site::new();
    let kw = site.open();
    // A writer that was made before the import masks its keys too.
    let mut log = Vec::new();
    let mut early = kw.engine().redacting(&mut log);
    lendworks(&kw);
    let format = ImportFormat::named("djangorestframework-api-key", None).unwrap();
    let sha512 = format!("sha512$${}", "ab".repeat(64));
    assert_eq!(import(&kw, format, [HashedKey::new("CI", sha512).lookup("AbCdEfGh")]).imported, 1);
    let of_drf = "AbCdEfGh.0123456789abcdefghijklmnopqrstuv";
    writeln!(early, "{BCRYPT_TEXT} {of_drf}").unwrap();
    drop(early);
    assert_eq!(String::from_utf8(log).unwrap(), "lw_abc12_[redacted] AbCdEfGh.[redacted]\n");
    let other = site.open();
    for (key, masked) in [(BCRYPT_TEXT, "lw_abc12_[redacted]"), (of_drf, "AbCdEfGh.[redacted]")] {
        let logs = logs_in_pieces(&other, key);
        assert!(logs.iter().all(|log| *log == format!("got {masked}\n")), "{logs:?}");
    }
}

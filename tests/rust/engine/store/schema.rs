//! Databases of an older and of a newer release, and what is fixed when a database is made.

use keywright::blocking::Keywright;
use keywright::{Error, KeyId, KeyUpdate, Limit, ListKeys, NewKey, UnavailableCause};

use keywright_tests::site::{Site, changes, create, verdict};

/// The schema of this release.
const NEWEST: i64 = 12;

fn refused(site: &Site, read_only: bool) -> Error {
    Keywright::open(site.config().read_only(read_only)).err().unwrap()
}

#[test]
fn a_schema_beyond_this_release_is_refused_with_both_versions() {
    let site = Site::new();
    site.open().close();
    site.sql().execute_batch("UPDATE meta SET schema = 905, oldest_reader = 904").unwrap();
    for read_only in [false, true] {
        let error = refused(&site, read_only);
        assert_eq!(error.unavailable_cause(), Some(UnavailableCause::Newer));
        for version in [905, 904, NEWEST] {
            let text = error.to_string();
            let mut numbers = text.split(|it: char| !it.is_ascii_digit());
            assert!(numbers.any(|it| it == version.to_string()), "{text} does not name {version}");
        }
    }
    let kept: (i64, i64) = site
        .sql()
        .query_row("SELECT schema, oldest_reader FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(kept, (905, 904));
}

/// The keys' trigger of the first schema.
fn first_trigger() -> &'static str {
    let first = include_str!("../../../../core/src/store/sqlite/migrations/0001_keys.sql");
    let (_, trigger) = first.split_once("CREATE TRIGGER keys_updated").unwrap();
    trigger.split_once("END;").unwrap().0
}

/// Takes a database back to the first schema.
fn first_schema(site: &Site) {
    let trigger = first_trigger();
    site.sql()
        .execute_batch(&format!(
            "DROP TRIGGER audit_queued;
             DROP TABLE webhook_outbox;
             DROP TABLE webhook_endpoints;
             DROP TABLE usage;
             DROP TABLE quotas;
             DROP TABLE idempotency;
             DROP TABLE idempotency_callers;
             DROP TABLE agents;
             DROP INDEX audit_of_agent;
             ALTER TABLE meta DROP COLUMN looked_on;
             DROP TRIGGER secrets_imported;
             DROP INDEX secrets_imported_prefix;
             ALTER TABLE meta DROP COLUMN imported_formats;
             DROP TRIGGER secrets_shortened;
             DROP TRIGGER secrets_not_replaced;
             DROP TRIGGER secrets_kept;
             DROP TRIGGER keys_updated;
             DROP TRIGGER keys_orphaned;
             DROP INDEX keys_of_parent;
             ALTER TABLE keys DROP COLUMN parent;
             ALTER TABLE keys DROP COLUMN tier;
             ALTER TABLE keys DROP COLUMN limits;
             ALTER TABLE keys DROP COLUMN description;
             ALTER TABLE keys DROP COLUMN quotas;
             CREATE TRIGGER keys_updated{trigger}END;
             UPDATE meta SET schema = 1, oldest_reader = 1"
        ))
        .unwrap();
}

#[test]
fn a_database_of_the_first_schema_is_brought_up_to_date() {
    let site = Site::new();
    let kw = site.open();
    let old = create(&kw, "of the first release");
    kw.close();
    first_schema(&site);
    let error = refused(&site, true);
    assert_eq!(error.unavailable_cause(), Some(UnavailableCause::ReadOnly));
    assert!(error.to_string().contains(&format!("schema 1 and this release needs {NEWEST}")), "{error}");

    let kw = Keywright::open(site.config().tier("basic", [Limit::new("basic", 100)])).unwrap();
    let key = kw.keys().get(&old.id).unwrap();
    assert_eq!((key.tier, key.limits, verdict(&kw, old.api_key.reveal())), (None, vec![], "allowed"));
    let own = Limit::new("import", 10).burst(2);
    let update = KeyUpdate::new().tier(Some("basic".into())).limits([own.clone()]);
    let key = kw.keys().update(&old.id, update).unwrap();
    assert_eq!((key.tier.as_deref(), key.limits), (Some("basic"), vec![own]));
    assert!(kw.audit().verify().unwrap().ok);
    kw.close();
    let kept: (i64, i64) = site
        .sql()
        .query_row("SELECT schema, oldest_reader FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(kept, (NEWEST, 1));
}

#[test]
fn limits_that_no_release_wrote_are_trouble_and_no_key_without_limits() {
    let site = Site::new();
    let kw = site.open();
    let new = kw.keys().create(NewKey::named("CI").limit(Limit::new("own", 5))).unwrap();
    let stored = |text: &str| site.sql().execute("UPDATE keys SET limits = ?1", [text]).unwrap();
    for foreign in ["", "{}", "[{}]", "no JSON", r#"[{"name":"own","rate":-1,"burst":1,"per":"key","operation":null}]"#]
    {
        stored(foreign);
        assert_eq!(
            kw.keys().get(&new.id).unwrap_err().unavailable_cause(),
            Some(UnavailableCause::Corrupt),
            "{foreign}"
        );
        assert_eq!(verdict(&kw, new.api_key.reveal()), "unavailable", "{foreign}");
    }
    // A member that a later release adds to a limit is left alone.
    stored(r#"[{"name":"own","rate":5,"burst":5,"per":"key","operation":null,"window":"day"}]"#);
    assert_eq!(kw.keys().get(&new.id).unwrap().limits, [Limit::new("own", 5)]);
    kw.close();
}

/// The release after only adds: tables, columns, indexes. This one goes on as if they were not there.
#[test]
fn a_newer_schema_that_lets_this_release_go_on_works_whole() {
    let site = Site::new();
    let kw = site.open();
    let old = create(&kw, "of this release");
    kw.close();
    site.sql()
        .execute_batch(
            "CREATE TABLE plans (key_id TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT;
             ALTER TABLE orgs ADD COLUMN plan TEXT;
             ALTER TABLE keys ADD COLUMN plan TEXT;
             ALTER TABLE secrets ADD COLUMN label TEXT;
             ALTER TABLE usage ADD COLUMN bytes INTEGER;
             ALTER TABLE audit ADD COLUMN request TEXT;
             ALTER TABLE meta ADD COLUMN region TEXT;
             CREATE INDEX keys_plan ON keys (plan);
             UPDATE meta SET schema = 900, oldest_reader = 1",
        )
        .unwrap();
    let kw = site.open();
    for (call, done) in changes(&kw, &create(&kw, "CI")) {
        done.unwrap_or_else(|it| panic!("{call}: {it}"));
    }
    kw.orgs().enable("default", ()).unwrap();
    kw.orgs().update("default", keywright::OrgUpdate::new().networks(None).unwrap()).unwrap();
    let new = kw.org("later").unwrap().keys().create(keywright::NewKey::named("later")).unwrap();
    assert_eq!((verdict(&kw, new.api_key.reveal()), verdict(&kw, old.api_key.reveal())), ("allowed", "revoked"));
    assert_eq!(kw.every_org().keys().list(ListKeys::new().any_status()).unwrap().data.len(), 4);
    assert!(kw.audit().verify().unwrap().ok);
    kw.close();
    let schema: i64 = site.sql().query_row("SELECT schema FROM meta", [], |row| row.get(0)).unwrap();
    assert_eq!(schema, 900, "the newer schema was taken back");
    let reader = Keywright::open(site.config().read_only(true)).unwrap();
    assert_eq!(verdict(&reader, new.api_key.reveal()), "allowed");
    reader.close();
}

#[test]
fn the_style_of_ids_is_fixed_at_birth() {
    for integer in [false, true] {
        let site = Site::new();
        let kw = Keywright::open(site.config().integer_ids(integer)).unwrap();
        let first = create(&kw, "first");
        kw.close();
        let error = Keywright::open(site.config().integer_ids(!integer)).err().unwrap();
        assert_eq!((error.code(), error.field()), ("validation_failed", Some("id_style")));
        for config in [site.config(), site.config().integer_ids(integer)] {
            let kw = Keywright::open(config).unwrap();
            assert_eq!(matches!(create(&kw, "second").id, KeyId::Integer(_)), integer);
            assert_eq!(kw.keys().get(&first.id).unwrap().id, first.id);
            assert_eq!(kw.keys().get(first.id.to_string()).unwrap().id, first.id);
            kw.close();
        }
    }
}

//! Every change of keys, secrets and orgs by any program raises the sequence and stamps the row, and no program takes a
//! revocation back.

use rusqlite::Connection;

use keywright_tests::site::{Site, create, verdict};

/// Another program on a database with two rows in each table; the key `gone` is revoked.
struct Other {
    on: Connection,
    _site: Site,
}

const ROWS: &str = "
    INSERT INTO orgs (id, created_at, updated_at) VALUES ('acme', 1, 1), ('umbrella', 1, 1);
    INSERT INTO keys (id, org, environment, name, scopes, metadata, created_at, updated_at, revoked_at)
        VALUES ('live', 'acme', 'live', 'CI', '', '{}', 1, 1, NULL), ('gone', 'acme', 'live', 'CI', '', '{}', 1, 1, 7);
    INSERT INTO secrets (lookup, key_id, prefix, format, verifier, created_at)
        VALUES ('one', 'live', 'liq_live_one', 'f', 'v', 1), ('two', 'gone', 'liq_live_two', 'f', 'v', 1);";

/// Each table with its key, a row, and a column to change.
const TABLES: [(&str, &str, &str, &str); 3] =
    [("orgs", "id", "umbrella", "reason"), ("keys", "id", "live", "name"), ("secrets", "lookup", "one", "verifier")];

impl Other {
    fn new() -> Self {
        let site = Site::new();
        site.open().close();
        let on = site.sql();
        on.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        on.execute_batch(ROWS).unwrap();
        Self { on, _site: site }
    }

    fn number(&self, sql: &str) -> i64 {
        self.on.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|it| panic!("{sql}: {it}"))
    }

    fn seq(&self) -> i64 {
        self.number("SELECT seq FROM meta")
    }

    /// Runs a change of one row, which must raise the sequence and stamp the row with it.
    fn stamps(&self, sql: &str, table: &str, key: &str, row: &str) {
        let (before, deleted) = (self.seq(), self.number("SELECT deleted_seq FROM meta"));
        assert_eq!(self.on.execute(sql, []).unwrap(), 1, "{sql}");
        assert!(self.seq() > before, "{sql} raises nothing");
        let stamp = self.number(&format!("SELECT changed_seq FROM {table} WHERE {key} = '{row}'"));
        assert_eq!(stamp, self.seq(), "{sql} stamps the row with another sequence");
        assert_eq!(self.number("SELECT deleted_seq FROM meta"), deleted, "{sql} deletes nothing");
    }
}

#[test]
fn the_end_of_a_grace_is_final() {
    let other = Other::new();
    let set =
        |end: &str| other.on.execute(&format!("UPDATE secrets SET grace_ends_at = {end} WHERE lookup = 'one'"), []);
    for end in ["9", "8", "8"] {
        set(end).unwrap();
    }
    for longer in ["9", "NULL"] {
        assert!(set(longer).unwrap_err().to_string().contains("a grace never gets longer"), "{longer}");
    }
    set("0").unwrap();
    let again = "SELECT lookup, key_id, prefix, format, verifier, filter, created_at, NULL, 0 FROM secrets WHERE lookup = 'one'";
    for sql in [
        "UPDATE secrets SET grace_ends_at = 8 WHERE lookup = 'one'".to_owned(),
        "UPDATE OR REPLACE secrets SET grace_ends_at = NULL WHERE lookup = 'one'".to_owned(),
        "DELETE FROM secrets WHERE lookup = 'one'".to_owned(),
        format!("INSERT OR REPLACE INTO secrets {again}"),
    ] {
        assert!(other.on.execute(&sql, []).is_err(), "{sql}");
    }
    assert_eq!(other.number("SELECT grace_ends_at FROM secrets WHERE lookup = 'one'"), 0);
}

#[test]
fn an_insert_is_stamped() {
    let other = Other::new();
    for (table, key, row) in [("orgs", "id", "acme"), ("keys", "id", "live"), ("secrets", "lookup", "two")] {
        assert!(other.number(&format!("SELECT changed_seq FROM {table} WHERE {key} = '{row}'")) > 0);
        let columns: Vec<String> = other
            .on
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}') WHERE name <> '{key}'"))
            .and_then(|mut it| it.query_map([], |row| row.get(0))?.collect())
            .unwrap();
        let columns = columns.join(", ");
        let copy = |verb: &str| {
            format!("{verb} INTO {table} ({key}, {columns}) SELECT 'new', {columns} FROM {table} WHERE {key} = '{row}'")
        };
        other.stamps(&copy("INSERT"), table, key, "new");
        other.stamps(&copy("INSERT OR REPLACE"), table, key, "new");
    }
}

#[test]
fn an_update_is_stamped_also_one_that_changes_nothing() {
    let other = Other::new();
    for (table, key, row, column) in TABLES {
        for verb in ["UPDATE", "UPDATE OR IGNORE", "UPDATE OR REPLACE"] {
            for value in ["'another'", column] {
                other.stamps(&format!("{verb} {table} SET {column} = {value} WHERE {key} = '{row}'"), table, key, row);
            }
        }
    }
}

#[test]
fn an_update_of_any_column_is_stamped() {
    let other = Other::new();
    for (table, key, row, _) in TABLES {
        let columns: Vec<String> = other
            .on
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .and_then(|mut it| it.query_map([], |row| row.get(0))?.collect())
            .unwrap();
        // A column that never changes needs no stamp, and the stamp itself is no change.
        for column in columns.iter().filter(|it| ![key, "key_id", "changed_seq"].contains(&it.as_str())) {
            other.stamps(&format!("UPDATE {table} SET {column} = {column} WHERE {key} = '{row}'"), table, key, row);
        }
    }
}

#[test]
fn what_a_row_speaks_of_never_changes() {
    let other = Other::new();
    let before = other.seq();
    for sql in [
        "UPDATE orgs SET id = 'moved' WHERE id = 'umbrella'",
        "UPDATE keys SET id = 'moved' WHERE id = 'live'",
        "UPDATE secrets SET lookup = 'moved' WHERE lookup = 'one'",
        "UPDATE secrets SET key_id = 'gone' WHERE lookup = 'one'",
    ] {
        assert!(other.on.execute(sql, []).unwrap_err().to_string().contains("never changes"), "{sql}");
    }
    assert_eq!(other.seq(), before);
}

#[test]
fn an_update_that_sets_the_stamp_itself_is_stamped_all_the_same() {
    let other = Other::new();
    for (table, key, row, column) in TABLES {
        // Another row is changed in between, so that this one bears an older stamp.
        let between =
            || other.on.execute(&format!("UPDATE {table} SET {column} = 'x' WHERE {key} <> '{row}'"), []).unwrap();
        let current = "(SELECT seq FROM meta)";
        for stamp in ["0", "-1", "changed_seq", current, "(SELECT seq + 1 FROM meta)", "9000000"] {
            between();
            let both = format!("UPDATE {table} SET {column} = 'y', changed_seq = {stamp} WHERE {key} = '{row}'");
            other.stamps(&both, table, key, row);
            between();
            // The current sequence alone is what the trigger itself writes, and hides nothing.
            if stamp != current {
                other.stamps(
                    &format!("UPDATE {table} SET changed_seq = {stamp} WHERE {key} = '{row}'"),
                    table,
                    key,
                    row,
                );
            }
        }
    }
}

/// A program may let triggers fire triggers: its change is stamped, or refused.
#[test]
fn with_recursive_triggers_no_update_passes_unstamped() {
    let other = Other::new();
    other.on.pragma_update(None, "recursive_triggers", true).unwrap();
    for (table, key, row, column) in TABLES {
        for set in [format!("{column} = 'y'"), format!("{column} = 'z', changed_seq = (SELECT seq FROM meta)")] {
            let before = other.seq();
            let done = other.on.execute(&format!("UPDATE {table} SET {set} WHERE {key} = '{row}'"), []);
            let stamp = other.number(&format!("SELECT changed_seq FROM {table} WHERE {key} = '{row}'"));
            match done {
                Ok(_) => assert!(other.seq() > before && stamp == other.seq(), "{table}: {set}"),
                Err(_) => assert_eq!(other.seq(), before, "{table}: {set}"),
            }
        }
    }
}

#[test]
fn every_row_of_a_statement_is_stamped() {
    let other = Other::new();
    for (table, _, _, column) in TABLES {
        let before = other.seq();
        assert_eq!(other.on.execute(&format!("UPDATE {table} SET {column} = 'x'"), []).unwrap(), 2);
        assert_eq!(other.number(&format!("SELECT min(changed_seq) FROM {table}")), before + 1);
        assert_eq!(other.number(&format!("SELECT max(changed_seq) FROM {table}")), other.seq());
    }
}

#[test]
fn a_delete_is_told_also_of_all_rows_at_once() {
    let other = Other::new();
    for (table, key, row, _) in TABLES {
        // Of the keys one is revoked, which no statement deletes.
        let whole = (table != "keys").then(|| format!("DELETE FROM {table}"));
        for which in [Some(format!("DELETE FROM {table} WHERE {key} = '{row}'")), whole].into_iter().flatten() {
            let before = other.seq();
            assert!(other.on.execute(&which, []).unwrap() > 0);
            assert!(other.seq() > before, "{which} raises nothing");
            assert_eq!(other.number("SELECT deleted_seq FROM meta"), other.seq(), "{which}");
        }
    }
}

#[test]
fn what_is_rolled_back_raises_nothing() {
    let other = Other::new();
    let before = other.seq();
    other.on.execute_batch("BEGIN; UPDATE keys SET name = 'x'; DELETE FROM orgs; ROLLBACK").unwrap();
    assert_eq!(other.seq(), before);
}

#[test]
fn no_statement_takes_a_revocation_back() {
    for recursive in ["OFF", "ON"] {
        let other = Other::new();
        other.on.pragma_update(None, "recursive_triggers", recursive).unwrap();
        let before = other.seq();
        for sql in [
            "UPDATE keys SET revoked_at = NULL WHERE id = 'gone'",
            "UPDATE keys SET revoked_at = 8 WHERE id = 'gone'",
            "UPDATE keys SET revoked_at = 6, reason = 'x' WHERE id = 'gone'",
            "UPDATE keys SET revoked_at = NULL",
            "UPDATE OR IGNORE keys SET revoked_at = NULL WHERE id = 'gone'",
            "UPDATE OR REPLACE keys SET revoked_at = NULL WHERE id = 'gone'",
            "UPDATE OR FAIL keys SET revoked_at = NULL",
            "UPDATE keys SET id = 'back', revoked_at = NULL WHERE id = 'gone'",
            "DELETE FROM keys WHERE id = 'gone'",
            "DELETE FROM keys",
            "INSERT OR REPLACE INTO keys (id, org, environment, name, scopes, metadata, created_at, updated_at) \
             VALUES ('gone', 'acme', 'live', 'CI', '', '{}', 1, 1)",
            "INSERT INTO keys SELECT * FROM keys WHERE id = 'gone' ON CONFLICT (id) DO UPDATE SET revoked_at = NULL",
        ] {
            let error = other.on.execute(sql, []).expect_err(sql);
            assert!(error.to_string().contains("a revocation is final"), "{sql}: {error}");
            assert_eq!(other.number("SELECT revoked_at FROM keys WHERE id = 'gone'"), 7, "{sql}");
            assert_eq!(other.number("SELECT count(*) FROM keys WHERE revoked_at IS NULL"), 1, "{sql}");
        }
        assert_eq!(other.seq(), before, "a refused update has left its mark");
    }
    // The rest of a revoked key may change.
    let other = Other::new();
    other.stamps("UPDATE keys SET name = '', revoked_at = 7 WHERE id = 'gone'", "keys", "id", "gone");
    other.stamps("UPDATE keys SET revoked_at = 9 WHERE id = 'live'", "keys", "id", "live");
}

#[test]
fn another_program_revokes_for_good() {
    let site = Site::new();
    let kw = site.open();
    let new = create(&kw, "CI");
    let other = site.sql();
    other.execute("UPDATE keys SET revoked_at = 1", []).unwrap();
    assert_eq!(verdict(&kw, new.api_key.reveal()), "revoked");
    assert!(other.execute("UPDATE keys SET revoked_at = NULL", []).is_err());
    assert_eq!(verdict(&kw, new.api_key.reveal()), "revoked");
    kw.close();
}

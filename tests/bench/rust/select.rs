//! The look-up of a cold verification, by rusqlite alone.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// A connection with the engine's settings.
pub struct Select(Connection);

impl Select {
    pub fn new(file: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(file, flags).unwrap();
        database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
        database.execute_batch("PRAGMA cache_size=-16384; PRAGMA query_only=ON").unwrap();
        Self(database)
    }

    /// Finds the key of a text by its lookup and reads every column. Returns whether there is one.
    pub fn run(&self, text: &str) -> bool {
        let mut statement = self.0.prepare_cached(keywright::testing::find_statement()).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params![0, lookup(text)]).unwrap();
        let mut found = false;
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<Value> = (0..columns).map(|column| row.get_unwrap(column)).collect();
            found = !std::hint::black_box(values).is_empty();
        }
        found
    }
}

/// The public part that finds the row.
pub fn lookup(text: &str) -> &str {
    &text["bench_live_".len()..][..12]
}

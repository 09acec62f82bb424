//! Files of many keys: one key that the engine made, copied with ids, lookups and verifiers of their own.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use crate::texts::{Texts, verifier};

/// Fills the file up to about `count` keys and gives the texts of `sample` of them. It has one key of the engine's own.
pub fn fill(file: &Path, count: usize, pepper: &str, sample: usize) -> Vec<String> {
    let mut database = Connection::open(file).unwrap();
    let (key_columns, key) = template(&database, "keys");
    let (secret_columns, secret) = template(&database, "secrets");
    let id = text(&key, &key_columns, "id");

    let mut texts = Texts::new(count as u64);
    let every = (count / sample).max(1);
    let mut sample = Vec::with_capacity(sample);
    for batch in (0..count).collect::<Vec<_>>().chunks(20_000) {
        let transaction = database.transaction().unwrap();
        {
            let mut add_key = transaction.prepare(&insert("keys", &key_columns)).unwrap();
            let mut add_secret = transaction.prepare(&insert("secrets", &secret_columns)).unwrap();
            for index in batch {
                let drawn = texts.draw();
                let key_id = format!("{}{index:012x}", &id[..24]);
                let verifier = verifier(&key_id, &drawn, pepper);
                let key = changed(&key, &key_columns, &[("id", &key_id)]);
                let secret = changed(
                    &secret,
                    &secret_columns,
                    &[
                        ("lookup", &drawn.lookup),
                        ("key_id", &key_id),
                        ("prefix", &drawn.prefix()),
                        ("verifier", &verifier),
                    ],
                );
                add_key.execute(rusqlite::params_from_iter(key)).unwrap();
                add_secret.execute(rusqlite::params_from_iter(secret)).unwrap();
                if index % every == 0 {
                    sample.push(drawn.whole());
                }
            }
        }
        transaction.commit().unwrap();
    }
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    sample
}

/// The names and values of the newest row of a table.
pub fn template(database: &Connection, table: &str) -> (Vec<String>, Vec<Cell>) {
    let mut statement = database.prepare(&format!("SELECT * FROM {table} LIMIT 1")).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let row = statement.query_row([], |row| (0..columns.len()).map(|at| row.get(at)).collect()).unwrap();
    (columns, row)
}

pub fn insert(table: &str, columns: &[String]) -> String {
    format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), vec!["?"; columns.len()].join(", "))
}

/// A row with some of its values replaced.
pub fn changed(row: &[Cell], columns: &[String], to: &[(&str, &str)]) -> Vec<Cell> {
    let mut row = row.to_vec();
    for (column, value) in to {
        let at = columns.iter().position(|it| it == column).unwrap();
        row[at] = Cell::Text((*value).to_owned());
    }
    row
}

fn text(row: &[Cell], columns: &[String], column: &str) -> String {
    match &row[columns.iter().position(|it| it == column).unwrap()] {
        Cell::Text(text) => text.clone(),
        other => panic!("{column} is {other:?}"),
    }
}

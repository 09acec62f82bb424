//! Files of many keys: one key that the engine made, copied with ids, lookups and verifiers of their own.

use std::path::Path;

use keywright::ffi::Value;
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

/// Texts of our format, random enough for a benchmark and the same in each run.
pub struct Texts(u64);

/// A text in its parts.
pub struct Text {
    pub lookup: String,
    pub secret: String,
}

impl Texts {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> Text {
        Text { lookup: self.letters(12), secret: self.letters(32) }
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(ALPHABET[(self.next() % 62) as usize])).collect()
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Text {
    pub fn prefix(&self) -> String {
        format!("bench_live_{}", self.lookup)
    }

    pub fn whole(&self) -> String {
        let mut text = format!("{}_{}", self.prefix(), self.secret);
        let mut sum = crc32fast::hash(text.as_bytes());
        let mut checksum = [b'0'; 6];
        for place in checksum.iter_mut().rev() {
            *place = ALPHABET[(sum % 62) as usize];
            sum /= 62;
        }
        text.extend(checksum.map(char::from));
        text
    }
}

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

/// Returns the verifier that the engine stores for this secret.
pub fn verifier(key_id: &str, text: &Text, pepper: &str) -> String {
    let field = |name: &str, value: &str| (name.to_owned(), Value::Text(value.to_owned()));
    let input = Value::Map(vec![
        field("scheme", "hmac-sha256"),
        field("pepper", pepper),
        field("environment", "live"),
        field("key_id", key_id),
        field("lookup", &text.lookup),
        field("secret", &text.secret),
    ]);
    let Ok(Value::Map(answer)) = keywright::testing::hash_case("stored", input) else { panic!("no verifier") };
    match &answer[0].1 {
        Value::Text(stored) => stored.clone(),
        other => panic!("the verifier is {other:?}"),
    }
}

//! A database of many keys: one key that the engine made, copied with ids, lookups and verifiers of their own.

use std::pin::pin;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::Client;

use crate::raw::connect;
use crate::texts::{Texts, verifier};
use crate::timing::{share, write};
use crate::{PEPPER, Run, new, open};

/// How many keys are sent at once.
const CHUNK: usize = 20_000;

/// One key of so many gives its text.
const EVERY: usize = 50;

/// The keys of the database.
pub struct Keys {
    /// The texts of some.
    pub texts: Vec<String>,
    /// The first part of each id; the second one is a number.
    start: String,
}

impl Keys {
    /// The id of a key whose text is not among the texts: `of` in `1..EVERY` tells apart the users of these keys.
    pub fn other(&self, number: usize, of: usize) -> String {
        id(&self.start, number * EVERY + of)
    }
}

fn id(start: &str, number: usize) -> String {
    format!("{start}{number:012x}")
}

/// A row of the database, as `COPY` writes it.
struct Line {
    values: Vec<String>,
    columns: Vec<String>,
}

impl Line {
    async fn first(client: &Client, table: &str) -> Self {
        let name = "SELECT column_name::text FROM information_schema.columns \
            WHERE table_schema = 'keywright' AND table_name = $1::text ORDER BY ordinal_position";
        let columns = client.query(name, &[&table]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let copy = format!("COPY (SELECT * FROM keywright.{table} LIMIT 1) TO STDOUT");
        let parts: Vec<Bytes> = client.copy_out(&copy).await.unwrap().try_collect().await.unwrap();
        let line = String::from_utf8(parts.concat()).unwrap();
        Self { values: line.trim_end_matches('\n').split('\t').map(str::to_owned).collect(), columns }
    }

    fn value(&self, column: &str) -> &str {
        &self.values[self.place(column)]
    }

    fn place(&self, column: &str) -> usize {
        self.columns.iter().position(|name| name == column).unwrap()
    }

    /// Adds the row to `out`, with some values replaced.
    fn copy(&self, out: &mut String, replaced: &[(usize, &str)]) {
        for (place, value) in self.values.iter().enumerate() {
            let new = replaced.iter().find(|(of, _)| *of == place).map(|(_, new)| *new);
            out.push_str(new.unwrap_or(value));
            out.push('\t');
        }
        out.pop();
        out.push('\n');
    }
}

/// Fills the database, and reports how long that takes.
pub fn fill(run: &Run<'_>) -> Keys {
    let kw = open(run.url);
    kw.keys().create(new()).unwrap();
    kw.close();
    let count = share(1_000_000);
    let begin = Instant::now();
    let keys = run.runtime.block_on(copy(run.url, count));
    let spent = begin.elapsed().as_nanos() as f64;
    write(run.out, "loading 1,000,000 keys by COPY, without triggers", "ns", &[spent], None, Some(count));
    keys
}

async fn copy(url: &str, count: usize) -> Keys {
    let client = connect(url).await;
    let (key, secret) = (Line::first(&client, "keys").await, Line::first(&client, "secrets").await);
    let start = key.value("id")[..24].to_owned();
    let (send, chunks) = sync_channel::<(String, String)>(1);
    let first = start.clone();
    // Hashes while the server writes.
    let maker = thread::spawn(move || {
        let mut drawn = Texts::new(count as u64);
        let mut texts = Vec::with_capacity(count / EVERY + 1);
        let places = (key.place("id"), ["lookup", "key_id", "prefix", "verifier"].map(|column| secret.place(column)));
        for chunk in (0..count).collect::<Vec<_>>().chunks(CHUNK) {
            let (mut keys, mut secrets) = (String::new(), String::new());
            for number in chunk {
                let (text, id) = (drawn.draw(), id(&first, *number));
                let (prefix, verifier) = (text.prefix(), verifier(&id, &text, PEPPER));
                let values = [&text.lookup, &id, &prefix, &verifier].map(String::as_str);
                let replaced: Vec<_> = places.1.into_iter().zip(values).collect();
                key.copy(&mut keys, &[(places.0, &id)]);
                secret.copy(&mut secrets, &replaced);
                if number % EVERY == 0 {
                    texts.push(text.whole());
                }
            }
            send.send((keys, secrets)).unwrap();
        }
        texts
    });
    client.batch_execute("BEGIN; SET LOCAL session_replication_role = replica").await.unwrap();
    for (keys, secrets) in chunks {
        for (table, rows) in [("keys", keys), ("secrets", secrets)] {
            let sink = client.copy_in(&format!("COPY keywright.{table} FROM STDIN")).await.unwrap();
            let mut sink = pin!(sink);
            sink.send(Bytes::from(rows)).await.unwrap();
            sink.finish().await.unwrap();
        }
    }
    client.batch_execute("COMMIT").await.unwrap();
    for settle in ["VACUUM ANALYZE keywright.keys", "VACUUM ANALYZE keywright.secrets", "CHECKPOINT"] {
        client.batch_execute(settle).await.unwrap();
    }
    Keys { texts: maker.join().unwrap(), start }
}

//! Fills the files of the benchmark and measures the core: `bench DATA FIGURES`.

mod fill;
mod slow;
mod timing;

use std::cell::RefCell;
use std::env;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use keywright::blocking::Keywright;
use keywright::{Config, ListKeys, NewKey, Request};
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use timing::{Subject, race};

const SCHEME: &str = "hmac-sha256";
/// How many keys of a file are verified.
const SAMPLE: usize = 20_000;
const PEPPER: &str = "a pepper of the benchmark, of 32 bytes or more";

fn main() {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (data, out) = (arguments.next().unwrap(), arguments.next().unwrap());
    fs::write(data.join("pepper"), PEPPER).unwrap();

    let mut strangers = fill::Texts::new(1);
    let strangers: Vec<String> = (0..20_000).map(|_| strangers.draw().whole()).collect();
    fs::write(data.join("strangers.txt"), strangers.join("\n")).unwrap();

    for count in [1_000, 100_000, 1_000_000] {
        let file = data.join(format!("keys-{count}.db"));
        drop(engine(&file, true));
        let texts = fill::fill(&file, count, PEPPER, SAMPLE.min(count));
        fs::write(data.join(format!("keys-{count}.txt")), texts.join("\n")).unwrap();
        verify(&file, &out, count, &texts, &strangers);
    }
    malformed(&data.join("keys-100000.db"), &out);
    list(&data.join("keys-100000.db"), &out);
    create(&data, &out);
    slow::measure(&data, &out);
}

fn new() -> NewKey {
    NewKey::named("bench").scopes("deals:read").unwrap()
}

fn config(file: &Path) -> Config {
    keywright::Keywright::builder(format!("sqlite:{}", file.display())).brand("bench").pepper(PEPPER)
}

/// An engine on the file; a new file gets one key.
fn engine(file: &Path, seed: bool) -> Keywright {
    let kw = Keywright::open(config(file)).unwrap();
    if seed {
        kw.keys().create(new()).unwrap();
    }
    kw
}

fn verify(file: &Path, out: &Path, count: usize, texts: &[String], strangers: &[String]) {
    // So few keys are held that each is looked for in the store, also where they take turns.
    let kw = Keywright::open(config(file).keys_in_memory(SAMPLE.min(count) / 2)).unwrap();
    let (known, unknown) = (format!("verify {count}"), format!("unknown {count}"));
    let request = Request::new();
    let subjects = &mut [
        Subject {
            figure: &known,
            name: "keywright",
            scheme: SCHEME,
            times: 1,
            call: Box::new(|at| kw.verify(texts[at % texts.len()].as_str(), &request).is_allowed()),
        },
        Subject {
            figure: &unknown,
            name: "keywright",
            scheme: SCHEME,
            times: 1,
            call: Box::new(|at| !kw.verify(strangers[at].as_str(), &request).is_allowed()),
        },
    ];
    race(out, subjects, 40, 500);
}

fn malformed(file: &Path, out: &Path) {
    let kw = engine(file, false);
    let request = Request::new();
    let call = |_| (0..1_000).all(|_| !kw.verify(black_box("bench_live_nonsense"), &request).is_allowed());
    let subject =
        Subject { figure: "malformed", name: "keywright", scheme: SCHEME, times: 1_000, call: Box::new(call) };
    race(out, &mut [subject], 50, 10);
}

fn list(file: &Path, out: &Path) {
    let kw = engine(file, false);
    let call = |_| kw.keys().list(ListKeys::new().limit(1_000)).unwrap().data.len() == 1_000;
    let subject = Subject { figure: "list", name: "keywright", scheme: SCHEME, times: 1, call: Box::new(call) };
    race(out, &mut [subject], 10, 10);
}

/// The engine's `create` beside an insert of the same rows, each on a file of its own that the engine made.
fn create(data: &Path, out: &Path) {
    let ours = engine(&data.join("create.db"), true);
    let theirs = data.join("insert.db");
    drop(engine(&theirs, true));
    let insert = RefCell::new(Insert::new(&theirs));
    let subjects = &mut [
        Subject {
            figure: "create",
            name: "keywright",
            scheme: SCHEME,
            times: 1,
            call: Box::new(|_| ours.keys().create(new()).is_ok()),
        },
        Subject {
            figure: "create",
            name: "rusqlite",
            scheme: "none",
            times: 1,
            call: Box::new(|at| insert.borrow_mut().run(at)),
        },
    ];
    race(out, subjects, 100, 10);
}

/// The rows that `create` writes, by rusqlite alone.
struct Insert {
    database: Connection,
    tables: [(String, Vec<String>, Vec<Cell>); 3],
    texts: fill::Texts,
}

impl Insert {
    fn new(file: &Path) -> Self {
        let database = Connection::open(file).unwrap();
        database.execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON").unwrap();
        let tables = ["keys", "secrets", "audit"].map(|table| {
            let (columns, row) = fill::template(&database, table);
            (fill::insert(table, &columns), columns, row)
        });
        Self { database, tables, texts: fill::Texts::new(2) }
    }

    fn run(&mut self, at: usize) -> bool {
        let drawn = self.texts.draw();
        let [(keys, key_columns, key), (secrets, secret_columns, secret), (audit, audit_columns, entry)] = &self.tables;
        let id = format!("00000000-0000-7000-8000-{at:012x}");
        let key = fill::changed(key, key_columns, &[("id", &id)]);
        let replaced = [("lookup", drawn.lookup.as_str()), ("key_id", &id), ("prefix", &drawn.prefix())];
        let secret = fill::changed(secret, secret_columns, &replaced);
        let mut entry = fill::changed(entry, audit_columns, &[("target", &id)]);
        entry[0] = Cell::Integer(1_000 + at as i64);
        let transaction = self.database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        for (statement, row) in [(keys, key), (secrets, secret), (audit, entry)] {
            transaction.prepare_cached(statement).unwrap().execute(rusqlite::params_from_iter(row)).unwrap();
        }
        transaction.commit().is_ok()
    }
}

//! Fills the files of the benchmark and measures the core beside rusqlite: `bench DATA FIGURES`. With `beside` as a third
//! argument it is the reference of the other languages, see [`beside`].

mod fill;
mod select;
mod slow;
mod texts;
mod timing;

use std::env;
use std::fs;
use std::hint::black_box;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use keywright::blocking::Keywright;
use keywright::{Config, ListKeys, NewKey, Request};
use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use select::Select;
use timing::{Subject, race};

/// How many keys of a file are verified.
const SAMPLE: usize = 20_000;
const PEPPER: &str = "a pepper of the benchmark, of 32 bytes or more";

fn main() {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (data, out) = (arguments.next().unwrap(), arguments.next().unwrap());
    if arguments.next().is_some() {
        return beside(&data);
    }
    fs::write(data.join("pepper"), PEPPER).unwrap();

    let mut strangers = texts::Texts::new(1);
    let strangers: Vec<String> = (0..SAMPLE).map(|_| strangers.draw().whole()).collect();
    fs::write(data.join("strangers.txt"), strangers.join("\n")).unwrap();

    for (count, said) in [(1_000, "1,000"), (100_000, "100,000"), (1_000_000, "1,000,000")] {
        let file = data.join(format!("keys-{count}.db"));
        drop(engine(&file, true));
        let texts = fill::fill(&file, timing::share(count).max(1_000), PEPPER, SAMPLE.min(count));
        fs::write(data.join(format!("keys-{count}.txt")), texts.join("\n")).unwrap();
        verify(&file, &out, said, &texts, &strangers);
    }
    let kw = engine(&data.join("keys-100000.db"), false);
    let request = Request::new();
    let malformed = |_| (0..1_000).all(|_| !kw.verify(black_box("bench_live_nonsense"), &request).is_allowed());
    race(&out, 25, [Subject::new("malformed text", 1_000, malformed)]);
    race(&out, 5, [Subject::new("list of 1,000", 1, |_| lists(&kw))]);
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

fn lists(kw: &Keywright) -> bool {
    kw.keys().list(ListKeys::new().limit(1_000)).unwrap().data.len() == 1_000
}

/// Lists 1,000 keys as often as each line of the standard input says, and answers with a line.
fn beside(data: &Path) {
    let kw = engine(&data.join("keys-100000.db"), false);
    for times in stdin().lines() {
        let times: usize = times.unwrap().parse().unwrap();
        println!("{}", (0..times).all(|_| lists(&kw)));
    }
}

fn verify(file: &Path, out: &Path, said: &str, texts: &[String], strangers: &[String]) {
    // So few keys stay in memory that each verification asks the store, also when the texts come again.
    let kw = Keywright::open(config(file).keys_in_memory(texts.len() / 2)).unwrap();
    let (select, request) = (Select::new(file), Request::new());
    let text = |at: usize| texts[at % texts.len()].as_str();
    let subjects = [
        Subject::new(format!("verify, {said} keys"), 1, |at| kw.verify(text(at), &request).is_allowed()),
        // Other keys than the engine in the same round, which would have brought their pages into the CPU's caches.
        Subject::new(format!("the same SELECT by rusqlite, {said} keys"), 1, |at| {
            select.run(text(at + texts.len() / 2))
        }),
        Subject::new(format!("well-formed text of no key, {said} keys"), 1, |at| {
            !kw.verify(strangers[at % strangers.len()].as_str(), &request).is_allowed()
        }),
    ];
    race(out, 900, subjects);
}

/// The engine's `create` beside an insert of the same rows, each on a file of its own that the engine made.
fn create(data: &Path, out: &Path) {
    let ours = engine(&data.join("create.db"), true);
    let theirs = data.join("insert.db");
    drop(engine(&theirs, true));
    let beside = data.join("insert-beside.db");
    drop(engine(&beside, true));
    let mut insert = Insert::new(&theirs);
    let beside = on_a_thread(Insert::new(&beside));
    let subjects = [
        Subject::new("create", 1, |_| ours.keys().create(new()).is_ok()),
        Subject::new("rusqlite's transaction of the same rows", 1, move |at| insert.run(at)),
        Subject::new("the same on a thread of its own", 1, beside),
    ];
    race(out, 50, subjects);
}

/// Inserts on a thread of its own and waits for it, as a create waits for the thread that writes.
fn on_a_thread(mut insert: Insert) -> impl FnMut(usize) -> bool {
    let (order, orders) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    thread::spawn(move || orders.iter().try_for_each(|at| answer.send(insert.run(at))));
    move |at| order.send(at).is_ok() && answers.recv() == Ok(true)
}

/// The rows that `create` writes, by rusqlite alone.
struct Insert {
    database: Connection,
    tables: [(String, Vec<String>, Vec<Cell>); 3],
    texts: texts::Texts,
}

impl Insert {
    fn new(file: &Path) -> Self {
        let database = Connection::open(file).unwrap();
        database.execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=ON").unwrap();
        let tables = ["keys", "secrets", "audit"].map(|table| {
            let (columns, row) = fill::template(&database, table);
            (fill::insert(table, &columns), columns, row)
        });
        Self { database, tables, texts: texts::Texts::new(2) }
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

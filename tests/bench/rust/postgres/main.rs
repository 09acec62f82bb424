//! Keywright on PostgreSQL beside tokio-postgres alone: `postgres DATA FIGURES URL TCP_URL`. A word after them makes it one of
//! the programs that are asked in turn: `select`, `watch` or `listen`.

mod changes;
mod cold;
mod flush;
mod hot;
mod load;
mod polls;
mod raw;
mod revoked;
mod servers;
#[path = "../texts.rs"]
mod texts;
#[path = "../timing.rs"]
mod timing;

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use keywright::blocking::Keywright;
use keywright::{Config, NewKey, Request};
use tokio::runtime::Runtime;

const PEPPER: &str = "a pepper of the benchmark, of 32 bytes or more";

/// How many callers run at once where there is more than one.
const AT_ONCE: usize = 64;

/// A run: where its files and figures are, the server, and the runtime of the references.
struct Run<'a> {
    data: &'a Path,
    out: &'a Path,
    url: &'a str,
    /// The same database through a port, so that a proxy can stand between.
    tcp_url: &'a str,
    runtime: Runtime,
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [data, out, url, tcp_url, rest @ ..] = arguments.as_slice() else {
        panic!("postgres DATA FIGURES URL TCP_URL")
    };
    // As `#[tokio::main]` makes it.
    let runtime = Runtime::new().unwrap();
    let run = Run { data: Path::new(data), out: Path::new(out), url, tcp_url, runtime };
    match rest.first().map(String::as_str) {
        Some("select") => cold::answer(&run),
        Some("watch") => revoked::watch(url),
        Some("listen") => revoked::listen(url),
        _ => measure(&run),
    }
}

fn measure(run: &Run<'_>) {
    fs::write(run.data.join("pepper"), PEPPER).unwrap();
    let keys = load::fill(run);
    fs::write(run.data.join("postgres.txt"), keys.texts.join("\n")).unwrap();
    hot::measure(run);
    cold::one_at_a_time(run, &keys.texts);
    cold::at_once(run, &keys.texts);
    changes::round_trips(run);
    changes::one_at_a_time(run, &keys);
    changes::at_once(run);
    revoked::measure(run);
    flush::measure(run, &keys.texts);
    polls::measure(run, &keys.texts);
}

/// The configuration of every engine of the run.
fn config(url: &str) -> Config {
    keywright::Keywright::builder(url).brand("bench").pepper(PEPPER)
}

fn open(url: &str) -> Keywright {
    Keywright::open(config(url)).unwrap()
}

/// An engine that no poll disturbs.
fn open_without_polls(url: &str) -> Keywright {
    Keywright::open(config(url).max_staleness(Duration::from_secs(3_600))).unwrap()
}

fn new() -> NewKey {
    NewKey::named("bench").scopes("deals:read").unwrap()
}

fn request() -> Request {
    Request::new().scope("deals:read")
}

/// Runs as many tasks at once as there are callers, and returns whether all were right.
async fn together<F: Future<Output = bool> + Send + 'static>(task: impl Fn(usize) -> F) -> bool {
    let tasks: Vec<_> = (0..AT_ONCE).map(|number| tokio::spawn(task(number))).collect();
    let mut right = true;
    for task in tasks {
        right &= task.await.unwrap();
    }
    right
}

//! Limits in Redis: a key that is used all the time, and keys that are used so seldom that each use asks Redis.

use std::hint::spin_loop;
use std::path::Path;
use std::time::{Duration, Instant};

use keywright::Request;
use keywright::blocking::Keywright;
use redis::aio::MultiplexedConnection;
use redis::{Client, Script, Value};
use tokio::runtime::Runtime;

use super::timing::{self, ROUNDS, Subject, race};
use super::{check, file, open, share, time};

/// The pause between two windows of a hot key, and the calls in a window: 100,000 requests a second.
const PACE: Duration = Duration::from_millis(1);
const CALLS: usize = 100;

/// The script of the limiter.
const SCRIPT: &str = include_str!("../../../../core/src/limit/redis/purchase.lua");

/// The arguments of a purchase of one request from a limit of 1,000,000,000 a minute.
const ARGUMENTS: [u64; 8] = [50, 0, 3, 1_000_000_000, 1, 1, 0, 0];

/// A client of the driver, as its documentation shows it.
struct Raw {
    runtime: Runtime,
    connection: MultiplexedConnection,
}

impl Raw {
    fn connect(url: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let client = Client::open(url).unwrap();
        let connection = runtime.block_on(client.get_multiplexed_async_connection()).unwrap();
        Self { runtime, connection }
    }

    fn call(&mut self, script: &Script, key: usize) -> bool {
        let mut call = script.prepare_invoke();
        call.key(format!("raw:{key}"));
        ARGUMENTS.iter().for_each(|number| _ = call.arg(number));
        let connection = &mut self.connection;
        let answer = self.runtime.block_on(async { call.invoke_async::<Value>(connection).await.unwrap() });
        matches!(answer, Value::Array(numbers) if numbers.get(2) == Some(&Value::Int(1)))
    }

    /// How many scripts the server has run.
    fn scripts(&mut self) -> u64 {
        let ask = async { redis::cmd("INFO").arg("commandstats").query_async(&mut self.connection).await };
        let told: String = self.runtime.block_on(ask).unwrap();
        let line = told.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    }
}

pub fn measure(data: &Path, out: &Path, url: &str, texts: &[String]) {
    let mut raw = Raw::connect(url);
    hot(data, out, url, &texts[..1], &mut raw);
    slow(data, out, url, texts, &mut raw);
}

fn hot(data: &Path, out: &Path, url: &str, texts: &[String], raw: &mut Raw) {
    let limiters = ["none", "process", url];
    let engines = limiters.map(|limiter| open(&file(data), limiter));
    check(&engines[2], texts, true);
    let windows: Vec<String> = texts.iter().cycle().take(CALLS).cloned().collect();
    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (kw, rounds) in engines.iter().zip(&mut rounds) {
            rounds.push(paced(kw, &windows));
        }
    }
    // Scripts are counted without pauses in between: after a pause, purchases begin small.
    paced(&engines[2], &windows);
    let mut trips = Vec::new();
    for _ in 0..ROUNDS {
        let (scripts, began) = (raw.scripts(), Instant::now());
        paced(&engines[2], &windows);
        trips.push((raw.scripts() - scripts) as f64 / began.elapsed().as_secs_f64());
    }
    let [without, process, redis] = &rounds;
    let named = |limiter: &str| format!("at 100,000 requests a second, {limiter}");
    for (limiter, rounds) in ["none", "process", "redis"].iter().zip(&rounds) {
        timing::write(out, &named(limiter), "ns", rounds, None, None);
    }
    for (limiter, rounds) in [("process", process), ("redis", redis)] {
        let more: Vec<f64> = rounds.iter().zip(without).map(|(with, without)| with - without).collect();
        timing::write(out, &format!("one limit more {}", named(limiter)), "ns", &more, None, None);
    }
    timing::write(out, &named("redis: scripts a second"), "", &trips, None, None);
    engines.iter().for_each(Keywright::close);
}

/// The mean nanoseconds of a call over half a second of windows at their pace.
fn paced(kw: &Keywright, texts: &[String]) -> f64 {
    let windows = share(500);
    let mut next = Instant::now();
    let mut sum = 0.0;
    for _ in 0..windows {
        next += PACE;
        // As in a service at this rate, the processor does not sleep in between: that of a virtual machine wakes slowly.
        while Instant::now() < next {
            spin_loop();
        }
        sum += time(kw, texts);
    }
    sum / windows as f64
}

fn slow(data: &Path, out: &Path, url: &str, texts: &[String], raw: &mut Raw) {
    let (kw, request, script) = (open(&file(data), url), Request::new(), Script::new(SCRIPT));
    check(&kw, texts, true);
    let scripts = raw.scripts();
    check(&kw, texts, true);
    let trips = (raw.scripts() - scripts) as f64 / texts.len() as f64;
    timing::write(out, "a slow key, redis: scripts of a request", "", &[trips], None, None);
    let subjects = [
        Subject::new("a slow key, redis", 1, |at| kw.verify(texts[at % texts.len()].as_str(), &request).is_allowed()),
        Subject::new("one raw call of the same script", 1, |at| raw.call(&script, at % texts.len())),
    ];
    race(out, 400, subjects);
    kw.close();
}

//! How long another process still allows a key that is revoked, beside a bare notification.

use std::io::{BufRead, BufReader, Lines, Write, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keywright::{IssuedKey, Request};
use tokio::runtime::Builder;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::raw::connect;
use crate::servers::Proxy;
use crate::timing::{ROUNDS, quantile, share, write};
use crate::{Run, new, open};

/// How many revocations and notifications there are in each round.
const BLOCK: usize = 10;

/// How often everything is cut off.
const CUTS: usize = 3;

/// How long the other process pauses between two verifications. It does not spin, since it would take the core of the server.
const PAUSE: Duration = Duration::from_micros(20);

/// How long the other process verifies a key before it says so: a notification of the key's creation may come late.
const SETTLE: Duration = Duration::from_millis(30);

/// Nanoseconds of the clock that all processes share.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as f64
}

/// For each text that it reads: verifies it until it is allowed, says so, and verifies it until it is refused. Then it writes
/// when it was allowed last, and when it was refused.
pub fn watch(url: &str) {
    let (kw, request) = (open(url), Request::new());
    for text in stdin().lines() {
        let text = text.unwrap();
        let allows = || kw.verify(text.as_str(), &request).is_allowed();
        let settled = now() + SETTLE.as_nanos() as f64;
        while now() < settled || !allows() {
            sleep(Duration::from_millis(1));
            allows();
        }
        println!("ready");
        let mut last = now();
        let refused = loop {
            let at = now();
            if !allows() {
                break now();
            }
            last = at;
            sleep(PAUSE);
        };
        println!("{last} {refused}");
    }
}

/// Writes when each notification comes.
pub fn listen(url: &str) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let (client, mut connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let messages = tokio::spawn(async move {
            while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(_) = message.unwrap() {
                    println!("{}", now());
                }
            }
        });
        client.batch_execute("LISTEN bench").await.unwrap();
        println!("ready");
        messages.await.unwrap();
    });
}

/// This program in another process.
struct Other {
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(url: &str, does: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["-", "-", url, "-", does]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (orders, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, orders, answers: BufReader::new(answers).lines() }
    }

    fn line(&mut self) -> String {
        self.answers.next().unwrap().unwrap()
    }

    /// Hands over a key, and returns once the process has it in memory.
    fn take(&mut self, key: &IssuedKey) {
        writeln!(self.orders, "{}", key.api_key.reveal()).unwrap();
        assert_eq!(self.line(), "ready");
    }

    /// When it last allowed the key, and when it refused it.
    fn times(&mut self) -> (f64, f64) {
        let line = self.line();
        let (allowed, refused) = line.split_once(' ').unwrap();
        (allowed.parse().unwrap(), refused.parse().unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub fn measure(run: &Run<'_>) {
    let kw = open(run.url);
    let (mut other, mut listener) = (Other::start(run.url, "watch"), Other::start(run.url, "listen"));
    assert_eq!(listener.line(), "ready");
    let sender = run.runtime.block_on(connect(run.url));
    // From the acknowledgement, from the call, and the bare notification.
    let mut rounds: [Vec<f64>; 3] = Default::default();
    let mut all: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        let mut spent: [Vec<f64>; 3] = Default::default();
        for _ in 0..share(BLOCK) {
            let key = kw.keys().create(new()).unwrap();
            other.take(&key);
            let called = now();
            kw.keys().revoke(&key.id, ()).unwrap();
            let acknowledged = now();
            let (_, refused) = other.times();
            // It may hear of the commit before the process that made it.
            spent[0].push((refused - acknowledged).max(0.0));
            spent[1].push(refused - called);
            let sent = now();
            run.runtime.block_on(sender.batch_execute("NOTIFY bench")).unwrap();
            spent[2].push(listener.line().parse::<f64>().unwrap() - sent);
        }
        for (at, mut spent) in spent.into_iter().enumerate() {
            all[at].extend_from_slice(&spent);
            rounds[at].push(quantile(&mut spent, 50));
        }
    }
    let names = [
        "revoke → refused in another process",
        "the same from the call of revoke",
        "a bare NOTIFY → heard in another process",
    ];
    for ((name, rounds), mut all) in names.into_iter().zip(&rounds).zip(all) {
        let (p99, calls) = (quantile(&mut all, 99), all.len());
        write(run.out, name, "ns", rounds, Some(p99), Some(calls));
        if name == names[0] {
            write(run.out, &format!("{name}: 99th percentile"), "ms", &[p99 / 1e6], None, None);
        }
    }
    cut_off(run);
}

/// The longest time for which a process that is cut off from the server allows a revoked key.
fn cut_off(run: &Run<'_>) {
    let (kw, mut proxy) = (open(run.url), Proxy::start(run.tcp_url));
    let mut other = Other::start(&proxy.url, "watch");
    let mut longest = 0.0_f64;
    for _ in 0..share(CUTS) {
        let key = kw.keys().create(new()).unwrap();
        other.take(&key);
        proxy.cut_off(true);
        kw.keys().revoke(&key.id, ()).unwrap();
        let acknowledged = now();
        let (allowed, _) = other.times();
        longest = longest.max((allowed - acknowledged) / 1e6);
        proxy.cut_off(false);
    }
    let name = "revoke → last allowed in a process that is cut off";
    write(run.out, name, "ms", &[longest], None, Some(share(CUTS)));
}

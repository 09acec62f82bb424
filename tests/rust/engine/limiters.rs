//! The contract of limiters, which each of them keeps: several engines on one database, as several processes have them. No
//! request comes back while a check runs.
//!
//! `KEYWRIGHT_TEST_LIMITER` names another limiter than those of the store of this run.

use std::cell::Cell;
use std::env;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use keywright::blocking::Keywright;
use keywright::{Code, Config, Decision, Limit, NewKey, Per, Request, WhenUnreachable};
use keywright_tests::interpreter::engine::Database;
use keywright_tests::site::PATIENCE;

/// The checks, each on engines of its own.
const CHECKS: [(&str, Check); 8] = [
    ("engines give one burst", one_burst),
    ("a refusal takes from none", takes_from_none),
    ("a cost is taken as a whole", whole_costs),
    ("keys, orgs and agents have budgets of their own", owners),
    ("an operation counts where it is named", operations),
    ("other numbers are another limit", other_numbers),
    ("a new engine finds what was spent", found_again),
    ("threads get a burst once", threads),
];

type Check = fn(&Engines) -> Result<(), String>;

/// Engines with one limiter.
struct Engines {
    database: Database,
    limiter: String,
    /// Whether an answer of the shared place was lost, and what it had sold.
    lost: AtomicBool,
}

/// Limits, the engines that have them, and the next one to ask.
struct Sharing<'a> {
    of: &'a Engines,
    limits: Vec<Limit>,
    running: Vec<Keywright>,
    next: Cell<usize>,
}

/// One request a minute.
fn slow(name: &str, burst: u64) -> Limit {
    Limit::new(name, 1).burst(burst).when_unreachable(WhenUnreachable::Refuse)
}

impl Engines {
    fn new(limiter: &str) -> Self {
        Self { database: Database::new(), limiter: limiter.to_owned(), lost: AtomicBool::new(false) }
    }

    fn shares(&self) -> bool {
        self.limiter != "process"
    }

    fn config(&self, limits: &[Limit]) -> Config {
        let config = keywright::Keywright::builder(self.database.url.clone()).brand("liq").pepper([7; 32]);
        let limiter = self.limiter.parse().unwrap();
        limits.iter().fold(config.busy_timeout(PATIENCE).limiter(limiter), |config, limit| config.limit(limit.clone()))
    }

    fn open(&self, limits: &[Limit]) -> Keywright {
        Keywright::open(self.config(limits)).unwrap()
    }

    fn with(&self, limits: &[Limit]) -> Sharing<'_> {
        let running = (0..if self.shares() { 3 } else { 1 }).map(|_| self.open(limits)).collect();
        Sharing { of: self, limits: limits.to_vec(), running, next: Cell::new(0) }
    }

    /// Asks until the place answers in time.
    fn ask(&self, kw: &Keywright, text: &str, request: &Request) -> Decision {
        let begin = Instant::now();
        loop {
            let decision = kw.verify(text, request);
            if decision.code() != Some(Code::Unavailable) {
                return decision;
            }
            self.lost.store(true, Ordering::Relaxed);
            assert!(begin.elapsed() < PATIENCE, "{decision:?}");
        }
    }
}

impl Sharing<'_> {
    fn key(&self, org: &str) -> String {
        let new = self.running[0].org(org).unwrap().keys().create(NewKey::named("CI")).unwrap();
        new.api_key.reveal().to_owned()
    }

    /// Whether the next engine admits a request, and what is left of each limit.
    fn ask(&self, text: &str, request: &Request) -> (bool, Vec<u64>) {
        let turn = self.next.replace(self.next.get() + 1);
        let decision = self.of.ask(&self.running[turn % self.running.len()], text, request);
        assert!(decision.limits().iter().all(|limit| limit.shared == self.of.shares()));
        assert_eq!(decision.is_allowed(), decision.code() != Some(Code::RateLimited), "{decision:?}");
        if !decision.is_allowed() {
            assert!(decision.retry_after_seconds().is_some_and(|wait| wait > 0));
        }
        (decision.is_allowed(), decision.limits().iter().map(|limit| limit.remaining).collect())
    }

    fn admits(&self, text: &str, request: &Request) -> bool {
        self.ask(text, request).0
    }
}

impl Drop for Sharing<'_> {
    fn drop(&mut self) {
        self.running.iter().for_each(Keywright::close);
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, wanted: &T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{found:?} and not {wanted:?}")) }
}

fn one_burst(engines: &Engines) -> Result<(), String> {
    let all = engines.with(&[slow("all", 5)]);
    let text = all.key("acme");
    let found: Vec<_> = (0..8).map(|_| all.ask(&text, &Request::new())).collect();
    let left = [4, 3, 2, 1, 0, 0, 0, 0];
    same(&found, &left.iter().zip(0..).map(|(left, turn)| (turn < 5, vec![*left])).collect())
}

fn takes_from_none(engines: &Engines) -> Result<(), String> {
    let all = engines.with(&[slow("wide", 9), slow("narrow", 2), slow("other", 4)]);
    let text = all.key("acme");
    let found: Vec<_> = (0..4).map(|_| all.ask(&text, &Request::new())).collect();
    same(&found[..2].to_vec(), &vec![(true, vec![8, 1, 3]), (true, vec![7, 0, 2])])?;
    same(&found[2..].to_vec(), &vec![(false, vec![7, 0, 2]); 2])
}

fn whole_costs(engines: &Engines) -> Result<(), String> {
    let all = engines.with(&[slow("all", 5)]);
    let text = all.key("acme");
    let found: Vec<_> = [4, 2, 2, 1, 1].map(|cost| all.admits(&text, &Request::new().cost(cost))).to_vec();
    same(&found, &vec![true, false, false, true, false])
}

fn owners(engines: &Engines) -> Result<(), String> {
    let all = engines.with(&[slow("keys", 2), slow("orgs", 3).per(Per::Org), slow("agents", 1).per(Per::Agent)]);
    let [one, beside, other] = ["acme", "acme", "other"].map(|org| all.key(org));
    let agent = |name: &str| Request::new().agent(name);
    let asked = [
        (&one, agent("a"), true),
        (&beside, agent("a"), false),
        (&other, agent("a"), true),
        (&one, agent("b"), true),
        (&one, agent("c"), false),
        (&beside, agent("c"), true),
        (&beside, agent("d"), false),
        (&other, agent("d"), true),
    ];
    let found: Vec<_> = asked.iter().map(|(text, request, _)| all.admits(text, request)).collect();
    same(&found, &asked.iter().map(|(.., admitted)| *admitted).collect())
}

fn operations(engines: &Engines) -> Result<(), String> {
    let all = engines.with(&[slow("reads", 1).operation("read"), slow("writes", 2).operation("write")]);
    let text = all.key("acme");
    let asked =
        ["read", "write", "read", "write", "write"].map(|name| all.admits(&text, &Request::new().operation(name)));
    same(&asked, &[true, true, false, true, false])?;
    same(&all.ask(&text, &Request::new()), &(true, Vec::new()))
}

fn other_numbers(engines: &Engines) -> Result<(), String> {
    let all = engines.with(&[slow("all", 1)]);
    let text = all.key("acme");
    same(&[all.admits(&text, &Request::new()), all.admits(&text, &Request::new())], &[true, false])?;
    let wider = engines.open(&[slow("all", 2)]);
    let found = [(); 3].map(|()| engines.ask(&wider, &text, &Request::new()).is_allowed());
    wider.close();
    same(&found, &[true, true, false])
}

fn found_again(engines: &Engines) -> Result<(), String> {
    let mut all = engines.with(&[slow("all", 4)]);
    let text = all.key("acme");
    same(&[all.admits(&text, &Request::new()), all.admits(&text, &Request::new())], &[true, true])?;
    all.running.iter().for_each(Keywright::close);
    all.running = vec![engines.open(&all.limits)];
    let left = if engines.shares() { 1 } else { 3 };
    same(&all.ask(&text, &Request::new()), &(true, vec![left]))
}

fn threads(engines: &Engines) -> Result<(), String> {
    const BURST: u64 = 400;
    let all = engines.with(&[slow("all", BURST).per(Per::Org)]);
    let keys = [all.key("acme"), all.key("acme")];
    let begin = Instant::now();
    let spend = |kw: &Keywright, text: &str| {
        let admitted = || engines.ask(kw, text, &Request::new()).is_allowed();
        std::iter::repeat_with(admitted).take_while(|admitted| *admitted).count() as u64
    };
    let mut sum = 0;
    // An engine may hold a few requests in stock for a moment, while the others are refused.
    while sum < BURST && begin.elapsed() < PATIENCE {
        sum += std::thread::scope(|scope| {
            let running = (0..4).map(|thread| {
                let (kw, text) = (&all.running[thread % all.running.len()], &keys[thread % 2]);
                scope.spawn(move || spend(kw, text))
            });
            let running: Vec<_> = running.collect();
            running.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
        });
    }
    let most = BURST + begin.elapsed().as_secs() / 60 + 1;
    if (BURST..=most).contains(&sum) { Ok(()) } else { Err(format!("{sum} of {BURST} to {most}")) }
}

/// The limiters of this run.
fn limiters() -> Vec<String> {
    if let Ok(limiter) = env::var("KEYWRIGHT_TEST_LIMITER") {
        return vec![limiter];
    }
    let shared = match Database::new().url.starts_with("sqlite:") {
        // Linux alone has a file that processes map.
        true if cfg!(all(target_os = "linux", not(keywright_portable))) => Some("machine"),
        true => None,
        false => Some("store"),
    };
    ["process"].into_iter().chain(shared).map(str::to_owned).collect()
}

#[test]
fn every_check_of_limiters_passes() {
    let found = limiters();
    for limiter in &found {
        for (name, check) in CHECKS {
            loop {
                let engines = Engines::new(limiter);
                match check(&engines) {
                    Ok(()) => break,
                    // An answer that came too late has sold what nobody spends.
                    Err(_) if engines.lost.load(Ordering::Relaxed) => {}
                    Err(problem) => panic!("{limiter}: {name}: {problem}"),
                }
            }
        }
    }
    // Past the capture of the test harness: the one line that says what was run.
    writeln!(std::io::stdout(), "limiters: {} checks of {}", CHECKS.len(), found.len()).unwrap();
}

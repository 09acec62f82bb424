//! Runs verifications beside a revocation, on the cache itself, in every order that their steps can have.
//!
//! A step is what other threads cannot divide: a load, a look-up, or what runs under the lock of the cache. The steps are those
//! of [`Verifier::load`](super::Verifier) and [`VerificationCache::catch_up`].

use std::num::NonZeroU64;
use std::sync::Arc;

use super::cache::{Generation, VerificationCache};
use super::cached_key::CachedKey;
use crate::key::MatchedText;
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::store::{ChangeCursor, Changes, Freshness, KeyRow, KeyView, LookupResult, SecretRow};

/// Both are texts of the same key.
const TEXTS: [&[u8]; 2] = [b"current secret", b"former secret"];
const ID: &str = "key";

/// How often a thread that could go on is interrupted, at most. Few interruptions are enough to find an error of this kind.
const INTERRUPTIONS: usize = 2;

/// Whether the store knows of a change as soon as it is committed, as SQLite does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    AtOnce,
    Late,
}

/// The order of the two reads of a look-up that is not in memory, and of the changes, which are read beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FillOrder {
    RowBeforeChanges,
    ChangesBetween,
    RowAfterChanges,
    /// A flaw: a change between the two reads goes unnoticed.
    RowBeforeGeneration,
}

/// The database, and what the verifications have seen of it.
struct Site {
    cache: VerificationCache,
    revoked: bool,
    acknowledged: bool,
    denied: bool,
    /// How many changes the store knows of.
    seq: u64,
    /// The verification that holds the lock under which changes are read.
    reader: Option<usize>,
    news: News,
    problem: Option<&'static str>,
}

impl Site {
    fn new(news: News) -> Self {
        let cache = VerificationCache::new(1, "", 10);
        Self { cache, revoked: false, acknowledged: false, denied: false, seq: 1, reader: None, news, problem: None }
    }

    fn freshness(&self) -> Freshness {
        Freshness(NonZeroU64::new(self.seq).unwrap())
    }

    fn changes(&self) -> Changes {
        let cursor = ChangeCursor { seq: self.seq as i64, generation: 0 };
        let known = self.cache.known();
        let keys = if known.is_some_and(|it| it.seq < cursor.seq) { vec![ID.to_owned()] } else { Vec::new() };
        Changes { cursor, keys, all: known.is_none(), ..Changes::default() }
    }
}

fn cached(revoked: bool) -> Arc<CachedKey> {
    let life = Lifecycle { revoked_at: revoked.then_some(1), ..Lifecycle::default() };
    let key = KeyRow { id: ID.to_owned(), life, ..KeyRow::default() };
    let secret = SecretRow {
        lifetime: SecretLifetime { lookup: "lookup".to_owned(), grace_ends_at: None },
        prefix: String::new(),
        format: String::new(),
        verifier: String::new(),
        filter: None,
        created_at: 0,
    };
    let view = KeyView { key, ..KeyView::default() };
    let found = LookupResult { secret, view, org_disabled: false, org_networks: None };
    Arc::new(CachedKey::new(found, &[], None, false, 0))
}

/// The next step of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    LookUp,
    /// Decides whether the text is in memory, and so in which order to read.
    Enter,
    Generation,
    Row,
    CheckFreshness,
    LockReader,
    ReadChanges,
    Apply,
    Confirm,
    Fill,
    Revoke,
    Acknowledge,
    Tell,
}

/// A verification, or the change, as the steps that it still has to take.
struct Thread {
    number: usize,
    left: Vec<Step>,
    order: FillOrder,
    was_acknowledged: bool,
    was_denied: bool,
    generation: Option<Generation>,
    row: bool,
    freshness: Option<Freshness>,
    changes: Option<Changes>,
}

impl Thread {
    fn new(number: usize, steps: &[Step], order: FillOrder) -> Self {
        Self {
            number,
            left: steps.iter().rev().copied().collect(),
            order,
            was_acknowledged: false,
            was_denied: false,
            generation: None,
            row: false,
            freshness: None,
            changes: None,
        }
    }

    fn text(&self) -> MatchedText<'static> {
        MatchedText { start: 0, rest: TEXTS[self.number % TEXTS.len()] }
    }

    fn can_go_on(&self, site: &Site) -> bool {
        match self.left.last() {
            None => false,
            Some(Step::LockReader) => site.reader.is_none(),
            Some(Step::Tell) => site.revoked,
            Some(_) => true,
        }
    }

    fn then(&mut self, steps: &[Step]) {
        self.left.extend(steps.iter().rev());
    }

    fn decide(&mut self, site: &mut Site, revoked: bool) {
        self.left.clear();
        site.denied |= revoked;
        if !revoked && self.was_denied {
            site.problem = Some("a verification was allowed that started after a denial");
        }
        if !revoked && self.was_acknowledged && site.news == News::AtOnce {
            site.problem = Some("a verification was allowed that started after the acknowledgement");
        }
    }

    fn step(&mut self, site: &mut Site) {
        use Step::*;
        const CATCH_UP: [Step; 5] = [CheckFreshness, LockReader, ReadChanges, Apply, Confirm];
        match self.left.pop().unwrap() {
            Start => {
                (self.was_acknowledged, self.was_denied) = (site.acknowledged, site.denied);
                self.then(if site.cache.is_fresh(site.freshness()) { &[LookUp, Enter] } else { &[Enter] });
            }
            LookUp => {
                if let Some(key) = site.cache.key(self.text()) {
                    self.decide(site, key.is_ended());
                }
            }
            Enter if site.cache.key(self.text()).is_some() => {
                self.then(&[LookUp, Generation, Row, Fill]);
                self.then(&CATCH_UP);
            }
            Enter => match self.order {
                FillOrder::RowBeforeChanges => {
                    self.then(&[Fill]);
                    self.then(&CATCH_UP);
                    self.then(&[Generation, Row]);
                }
                FillOrder::ChangesBetween => {
                    self.then(&[Row, Fill]);
                    self.then(&CATCH_UP);
                    self.then(&[Generation]);
                }
                FillOrder::RowAfterChanges => {
                    self.then(&[Generation, Row, Fill]);
                    self.then(&CATCH_UP);
                }
                FillOrder::RowBeforeGeneration => {
                    self.then(&[Fill]);
                    self.then(&CATCH_UP);
                    self.then(&[Row, Generation]);
                }
            },
            Generation => self.generation = Some(site.cache.generation()),
            Row => self.row = site.revoked,
            CheckFreshness => {
                if site.cache.is_fresh(site.freshness()) {
                    self.left.truncate(self.left.len() - (CATCH_UP.len() - 1));
                }
            }
            LockReader => {
                self.freshness = Some(site.freshness());
                if site.cache.is_fresh(site.freshness()) {
                    self.left.truncate(self.left.len() - (CATCH_UP.len() - 2));
                } else {
                    site.reader = Some(self.number);
                }
            }
            ReadChanges => self.changes = Some(site.changes()),
            Apply => site.cache.apply(self.changes.take().unwrap()),
            Confirm => {
                site.cache.confirm(self.freshness.unwrap());
                site.reader = None;
            }
            Fill => {
                site.cache.insert(self.text(), "verifier", (self.generation.unwrap(), cached(self.row)));
                self.decide(site, self.row);
            }
            Revoke => {
                site.revoked = true;
                site.seq += u64::from(site.news == News::AtOnce);
            }
            Acknowledge => site.acknowledged = true,
            Tell => site.seq += u64::from(site.news == News::Late),
        }
    }
}

/// Chooses, and in the next run chooses differently, until it has chosen everything.
#[derive(Default)]
struct Choices {
    made: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn one_of(&mut self, options: usize) -> usize {
        if self.at == self.made.len() {
            self.made.push((0, options));
        }
        self.at += 1;
        self.made[self.at - 1].0
    }

    /// Whether there is another run.
    fn next_run(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, options)) = self.made.pop() {
            if chosen + 1 < options {
                self.made.push((chosen + 1, options));
                return true;
            }
        }
        false
    }
}

/// Runs one order of the steps. One of the texts is in memory before.
fn run(choices: &mut Choices, order: FillOrder, news: News) -> Option<&'static str> {
    let mut site = Site::new(news);
    let verification = |number| Thread::new(number, &[Step::Start], order);
    let mut first = verification(0);
    while first.can_go_on(&site) {
        first.step(&mut site);
    }
    let change = Thread::new(9, &[Step::Revoke, Step::Acknowledge, Step::Tell], order);
    let mut threads = [verification(0), verification(1), verification(3), change];
    let (mut running, mut interruptions) = (None, INTERRUPTIONS);
    loop {
        let able: Vec<usize> = (0..threads.len()).filter(|it| threads[*it].can_go_on(&site)).collect();
        let chosen = match running.filter(|it| able.contains(it)) {
            _ if able.is_empty() => return site.problem,
            Some(same) if interruptions == 0 => same,
            same => {
                let chosen = able[choices.one_of(able.len())];
                interruptions -= usize::from(same.is_some_and(|same| same != chosen));
                chosen
            }
        };
        threads[chosen].step(&mut site);
        running = Some(chosen);
    }
}

fn problem(order: FillOrder, news: News) -> (usize, Option<&'static str>) {
    let (mut choices, mut runs) = (Choices::default(), 0);
    loop {
        runs += 1;
        let problem = run(&mut choices, order, news);
        if problem.is_some() || !choices.next_run() {
            return (runs, problem);
        }
    }
}

#[test]
fn no_order_of_fills_and_drops_brings_a_revoked_key_back() {
    for order in [FillOrder::RowBeforeChanges, FillOrder::ChangesBetween, FillOrder::RowAfterChanges] {
        for news in [News::AtOnce, News::Late] {
            let (runs, problem) = problem(order, news);
            assert_eq!(problem, None, "{order:?}, {news:?}, run {runs}");
            assert!(runs > 10_000, "{runs}");
        }
    }
}

#[test]
fn a_row_that_is_read_before_the_generation_is_found() {
    let (_, problem) = problem(FillOrder::RowBeforeGeneration, News::AtOnce);
    assert_eq!(problem, Some("a verification was allowed that started after the acknowledgement"));
}

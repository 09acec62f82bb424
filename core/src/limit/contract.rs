//! The contract of limiters, which each of them keeps: several processes on one clock, compared with a model.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use proptest::prelude::*;
use tempfile::TempDir;

use super::any::{AnyLimiter, KeyLimit, LimiterSettings, spent};
use super::charge::{Charge, ChargeOutcome, ChargedLimit};
use super::machine::MachineSettings;
use super::rule::LimitRule;
use crate::clock::{Clock, ManualClock, time};
use crate::health::Health;
use crate::record::{Limit, Per};
use crate::wait::block_on;

const KEYS: [(&str, &str); 3] = [("k", "acme"), ("l", "acme"), ("m", "other")];

/// Processes that share the budgets of one limiter. A limiter that shares nothing has one process.
struct Processes {
    limits: Vec<Limit>,
    manual: ManualClock,
    clock: Clock,
    settings: LimiterSettings,
    shares: bool,
    running: Vec<SimulatedProcess>,
    folder: TempDir,
}

struct SimulatedProcess {
    limiter: AnyLimiter,
    /// The limits of each key.
    keys: Vec<Vec<KeyLimit>>,
}

/// The settings of the machine limiter on a database in a folder.
fn machine(folder: &Path, clock: &Clock) -> LimiterSettings {
    let database = folder.join("keys.db");
    if !database.exists() {
        crate::sys::create_private_file(&database).unwrap();
    }
    let health = Arc::new(Health::new(|report| panic!("{report:?}")));
    LimiterSettings::Machine(MachineSettings { database, hash_key: [7; 16], boot: clock.boot_id(), health })
}

impl Processes {
    /// The same limits under each limiter that this system has.
    fn of_each_limiter(limits: &[Limit]) -> Vec<Self> {
        let of = |shares: bool| {
            let (folder, manual) = (tempfile::tempdir().unwrap(), ManualClock::new(time(1_000_000)));
            let clock = Clock::from(manual.clone());
            let settings = if shares { machine(folder.path(), &clock) } else { LimiterSettings::Process };
            let (limits, running) = (limits.to_vec(), Vec::new());
            let mut processes = Self { limits, manual, clock, settings, shares, running, folder };
            processes.running = (0..if shares { 3 } else { 1 }).map(|_| processes.start()).collect();
            processes
        };
        let has_machine = Clock::default().boot_id().is_some();
        [Some(false), has_machine.then_some(true)].into_iter().flatten().map(of).collect()
    }

    fn start(&self) -> SimulatedProcess {
        let limiter = AnyLimiter::new(self.settings.clone());
        let rules: Vec<_> = self.limits.iter().map(|limit| Arc::new(LimitRule::new(limit.clone()))).collect();
        let limit = |rule: &Arc<LimitRule>, (id, org)| limiter.key_limit(Arc::clone(rule), id, org, &self.clock);
        let keys = KEYS.map(|key| rules.iter().map(|rule| limit(rule, key)).collect());
        SimulatedProcess { keys: keys.into(), limiter }
    }

    /// Starts all processes again, on a clock that runs.
    fn use_clock_of_the_system(&mut self) {
        self.clock = Clock::default();
        if self.shares {
            self.settings = machine(self.folder.path(), &self.clock);
        }
        self.running = (0..self.running.len()).map(|_| self.start()).collect();
    }

    fn charge(&self, process: usize, key: usize, charge: &Charge<'_>) -> ChargeOutcome {
        let process = &self.running[process % self.running.len()];
        spent(block_on(process.limiter.charge(&process.keys[key], KEYS[key].1, charge, &self.clock)).unwrap())
    }

    /// The index, the sum that was charged and what is left of each limit.
    fn shown(&self, outcome: &ChargeOutcome) -> Vec<(u32, u32, u64)> {
        let left = |limit: &ChargedLimit| {
            assert_eq!(limit.shared, self.shares);
            LimitRule::new(self.limits[limit.index as usize].clone()).params.remaining(limit.backlog)
        };
        outcome.limits.iter().map(|limit| (limit.index, limit.charged, left(limit))).collect()
    }
}

fn cost(cost: u64) -> Charge<'static> {
    Charge { cost, ..Charge::default() }
}

#[test]
fn a_refusal_takes_from_none() {
    let limits = [Limit::new("wide", 100), Limit::new("other", 1).operation("other"), Limit::new("narrow", 2)];
    for all in Processes::of_each_limiter(&limits) {
        assert_eq!(all.shown(&all.charge(0, 0, &cost(2))), [(0, 2, 98), (2, 2, 0)]);
        let refused = all.charge(1, 0, &cost(1));
        assert_eq!((refused.refused, all.shown(&refused)), (Some(2), vec![(0, 0, 98), (2, 0, 0)]));
        let wait =
            refused.limits.last().map(|limit| LimitRule::new(limits[2].clone()).params.wait_seconds(limit.backlog, 1));
        assert_eq!(wait, Some(Some(30)));
    }
}

#[test]
fn an_earlier_charge_of_the_request_is_not_made_again() {
    let limits =
        [Limit::new("all", 10), Limit::new("reads", 10).operation("read"), Limit::new("writes", 4).operation("write")];
    for all in Processes::of_each_limiter(&limits) {
        let charge = |operation, cost, before: &ChargeOutcome| {
            let charged: Vec<_> = before.limits.iter().map(|it| (it.index, it.charged)).collect();
            all.charge(0, 0, &Charge { operation: Some(operation), cost, charged: &charged, ..Charge::default() })
        };
        let first = charge("read", 2, &ChargeOutcome::default());
        assert_eq!(all.shown(&first), [(0, 2, 8), (1, 2, 8)]);
        // The sum is the greater of the two costs, and the outcome lists the limits of both operations.
        let second = charge("write", 3, &first);
        assert_eq!(all.shown(&second), [(0, 3, 7), (1, 2, 8), (2, 3, 1)]);
        assert_eq!(all.shown(&charge("write", 1, &second)), all.shown(&second));
        // A refusal refunds its own charge and no more.
        let refused = charge("write", 2, &first);
        assert_eq!((refused.refused, all.shown(&refused)), (Some(2), vec![(0, 2, 7), (1, 2, 8), (2, 0, 1)]));
    }
}

#[test]
fn each_agent_of_each_org_has_a_budget() {
    for all in Processes::of_each_limiter(&[Limit::new("agents", 1).per(Per::Agent)]) {
        let refused = |key, agent| all.charge(key, key, &Charge { agent, ..cost(1) }).refused;
        assert_eq!((refused(0, Some("a")), refused(0, Some("b")), refused(2, Some("a"))), (None, None, None));
        // Two keys of one org share the budget of an agent, and requests without an agent share one.
        assert_eq!((refused(1, Some("a")), refused(0, None), refused(1, None)), (Some(0), None, Some(0)));
        all.manual.advance(60_000);
        assert_eq!((refused(1, Some("a")), refused(1, None)), (None, None));
    }
}

#[test]
fn the_first_request_of_an_agent_is_admitted() {
    // A request's cost comes back in an hour, longer than any run of this test.
    let limits = [Limit::new("agents", 1).burst(60).per(Per::Agent), Limit::new("keys", 1_000_000)];
    for mut all in Processes::of_each_limiter(&limits) {
        all.use_clock_of_the_system();
        for agent in 0..500 {
            let agent = format!("agent {agent}");
            let charge = Charge { agent: Some(&agent), ..cost(60) };
            assert_eq!(all.charge(0, 0, &charge).refused, None);
            assert_eq!(all.charge(1, 0, &charge).refused, Some(0));
        }
    }
}

/// The obvious implementation: a level in 60,000ths of a request, which the rate fills each millisecond.
#[derive(Default)]
struct Model(HashMap<(usize, String), (u64, u64)>);

impl Model {
    /// The index of the limit that refuses the request, and the limits that apply, with what is left of each.
    fn charge(
        &mut self,
        limits: &[Limit],
        key: usize,
        charge: &Charge<'_>,
        now: u64,
    ) -> (Option<u32>, Vec<(u32, u64)>) {
        let (id, org) = KEYS[key];
        let mut levels = Vec::new();
        for (index, limit) in limits.iter().enumerate() {
            if limit.operation.is_some() && limit.operation.as_deref() != charge.operation {
                continue;
            }
            let owner = match limit.per {
                Per::Key => id.to_owned(),
                Per::Org => org.to_owned(),
                Per::Agent => format!("{org} {}", charge.agent.unwrap_or_default()),
            };
            let (full, budget) = (limit.burst * 60_000, (index, owner));
            let (level, at) = self.0.get(&budget).copied().unwrap_or((full, now));
            levels.push((budget, (level + (now - at) * limit.rate).min(full)));
        }
        let refusing = levels.iter().find(|(_, level)| *level < charge.cost * 60_000);
        let refused = refusing.map(|((index, _), _)| *index as u32);
        let taken = if refused.is_none() { charge.cost * 60_000 } else { 0 };
        let left = levels.into_iter().map(|(budget, level)| {
            let index = budget.0 as u32;
            self.0.insert(budget, (level - taken, now));
            (index, (level - taken) / 60_000)
        });
        (refused, left.collect())
    }
}

#[derive(Debug, Clone)]
enum HistoryStep {
    Wait(i64),
    Charge {
        process: usize,
        key: usize,
        operation: Option<&'static str>,
        agent: Option<&'static str>,
        cost: u64,
    },
    /// A process ends at once, and another one takes its place.
    Replace(usize),
}

fn limit() -> impl Strategy<Value = Limit> {
    let per = prop_oneof![Just(Per::Key), Just(Per::Org), Just(Per::Agent)];
    let operation = prop_oneof![Just(None), Just(Some("read")), Just(Some("write"))];
    (prop_oneof![1..30_u64, 1..4_000_u64], 1..12_u64, per, operation).prop_map(|(rate, burst, per, operation)| {
        let limit = Limit::new("any", rate).burst(burst).per(per);
        operation.map_or(limit.clone(), |operation| limit.operation(operation))
    })
}

fn step() -> impl Strategy<Value = HistoryStep> {
    let operation = prop_oneof![Just(None), Just(Some("read")), Just(Some("write"))];
    let agent = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    let charge = (0..3_usize, 0..KEYS.len(), operation, agent, 1..4_u64);
    prop_oneof![
        2 => prop_oneof![0..50_i64, 0..5_000_i64, 0..200_000_i64].prop_map(HistoryStep::Wait),
        8 => charge.prop_map(|(process, key, operation, agent, cost)| HistoryStep::Charge { process, key, operation, agent, cost }),
        1 => (0..3_usize).prop_map(HistoryStep::Replace),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn processes_that_share_budgets_admit_what_one_budget_admits(
        limits in prop::collection::vec(limit(), 1..4),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        for mut all in Processes::of_each_limiter(&limits) {
            let mut model = Model::default();
            let mut now = 0;
            for step in &steps {
                match *step {
                    HistoryStep::Wait(millis) => {
                        all.manual.advance(millis);
                        now += millis.unsigned_abs();
                    }
                    HistoryStep::Charge { process, key, operation, agent, cost } => {
                        let charge = Charge { operation, agent, cost, charged: &[] };
                        let outcome = all.charge(process, key, &charge);
                        let (refused, left) = model.charge(&limits, key, &charge, now);
                        prop_assert_eq!(outcome.refused, refused);
                        let shown: Vec<_> = all.shown(&outcome).into_iter().map(|it| (it.0, it.2)).collect();
                        prop_assert_eq!(shown, left);
                    }
                    HistoryStep::Replace(process) if all.shares => {
                        let place = process % all.running.len();
                        all.running[place] = all.start();
                    }
                    // Without a shared place, the budgets end with the process.
                    HistoryStep::Replace(_) => {
                        all.running[0] = all.start();
                        model = Model::default();
                    }
                }
            }
        }
    }
}

#[test]
fn threads_of_several_processes_share_one_budget_to_the_last_request() {
    const BURST: u64 = 50_000;
    let limits = [Limit::new("all", 600).burst(BURST).per(Per::Org)];
    for mut all in Processes::of_each_limiter(&limits) {
        all.use_clock_of_the_system();
        let (begin, barrier) = (Instant::now(), Barrier::new(6));
        let work = |thread: usize| {
            barrier.wait();
            let admitted = |_: &u64| all.charge(thread, thread % 2, &cost(1)).refused.is_none();
            (0..BURST / 5).filter(admitted).count() as u64
        };
        let admitted: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|thread| {
                    scope.spawn({
                        let work = &work;
                        move || work(thread)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let most = BURST + u64::try_from(begin.elapsed().as_millis()).unwrap() / 100 + 1;
        assert!((BURST..=most).contains(&admitted), "{admitted} of {BURST} to {most}");
    }
}

//! The contract of leases: random histories of several processes on one shared place, whose answers come late or never.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::simulation::{SimulatedConnection, SimulatedPlace};
use super::*;
use crate::clock::{ManualClock, time};
use crate::error::Error;
use crate::limit::any::{AnyLimiter, KeyLimit, LimiterSettings, spent};
use crate::limit::charge::{Charge, ChargeOutcome};
use crate::limit::gcra::{GcraCell, GcraParams};
use crate::record::{Limit, Per, WhenUnreachable};

type Charging = std::pin::Pin<Box<dyn Future<Output = Result<ChargeOutcome, Error>>>>;

/// A process on a shared place. Its clock has an origin of its own.
#[derive(Clone)]
struct LeasingProcess {
    limiter: Arc<AnyLimiter>,
    limits: Arc<[KeyLimit]>,
    number: usize,
    clock: ManualClock,
    connection: Arc<SimulatedConnection>,
}

/// A request of one process that waits for a purchase.
struct Caller {
    process: usize,
    cost: u64,
    charging: Charging,
}

struct LeaseSite {
    place: Arc<SimulatedPlace>,
    limits: Vec<Limit>,
    processes: Vec<LeasingProcess>,
    callers: Vec<Caller>,
    /// The time, the process and the cost of each admitted request.
    admitted: Vec<(u64, usize, u64)>,
    refused: usize,
    started: usize,
}

impl LeaseSite {
    fn new(limits: &[Limit], processes: usize) -> Self {
        let place = Arc::<SimulatedPlace>::default();
        place.advance(1_000_000_000);
        let mut site = Self {
            place,
            limits: limits.to_vec(),
            processes: Vec::new(),
            callers: Vec::new(),
            admitted: Vec::new(),
            refused: 0,
            started: 0,
        };
        site.processes = (0..processes).map(|_| site.start()).collect();
        site
    }

    fn start(&mut self) -> LeasingProcess {
        self.started += 1;
        let clock = ManualClock::new(time(1_000_000));
        clock.advance(i64::try_from(self.started).unwrap() * 7_919);
        let connection = self.place.connect();
        let settings = LeaseSettings {
            place: Arc::clone(&connection) as Arc<dyn SharedBudgets>,
            hash_key: [7; 16],
            health: Arc::new(Health::new(|_| {})),
            clock: clock.clone().into(),
        };
        let limiter = Arc::new(AnyLimiter::new(LimiterSettings::Leased(settings)));
        let rules = self.limits.iter().map(|limit| Arc::new(LimitRule::new(limit.clone())));
        let limits = rules.map(|rule| limiter.key_limit(rule, "k", "acme", &clock.clone().into())).collect();
        LeasingProcess { limiter, limits, number: self.started, clock, connection }
    }

    fn wait(&mut self, millis: i64) {
        self.place.advance(millis.unsigned_abs() * 1_000);
        self.processes.iter().for_each(|process| process.clock.advance(millis));
    }

    /// A request, which ends at once or waits.
    fn charge(&mut self, at: usize, cost: u64) {
        let process = self.processes[at].clone();
        let charge = Charge { cost, ..Charge::default() };
        let clock: Clock = process.clock.clone().into();
        let tried = process.limiter.try_charge(&process.limits, "acme", &charge, &clock);
        match tried.map(|outcome| outcome.map(spent)) {
            Some(outcome) => self.note(process.number, cost, outcome),
            None => {
                let number = process.number;
                let charging: Charging = Box::pin(async move {
                    let charge = Charge { cost, ..Charge::default() };
                    process.limiter.charge(&process.limits, "acme", &charge, &clock).await.map(spent)
                });
                self.callers.push(Caller { process: number, cost, charging });
            }
        }
    }

    fn note(&mut self, process: usize, cost: u64, outcome: Result<ChargeOutcome, Error>) {
        match outcome {
            Ok(ChargeOutcome { refused: None, .. }) => self.admitted.push((self.place.now(), process, cost)),
            _ => self.refused += 1,
        }
    }

    /// Runs the tasks of a process, and the callers that wait.
    fn run(&mut self, at: usize) {
        self.processes[at].connection.run_tasks();
        let mut context = Context::from_waker(Waker::noop());
        for mut caller in std::mem::take(&mut self.callers) {
            match caller.charging.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => self.note(caller.process, caller.cost, outcome),
                Poll::Pending => self.callers.push(caller),
            }
        }
    }

    /// Runs all until nobody waits.
    fn finish(&mut self) {
        for _ in 0..10_000 {
            for at in 0..self.processes.len() {
                self.run(at);
            }
            if self.callers.is_empty() {
                return;
            }
        }
        panic!("a caller waits for ever");
    }

    /// A request whose purchases are answered at once.
    fn request(&mut self, at: usize, cost: u64) -> bool {
        let before = self.admitted.len();
        self.charge(at, cost);
        self.finish();
        self.admitted.len() > before
    }

    /// A process is killed.
    fn replace(&mut self, at: usize) {
        let number = self.processes[at].number;
        self.callers.retain(|caller| caller.process != number);
        self.processes[at].connection.end();
        self.processes[at] = self.start();
    }

    /// The promise. A request that waited for its purchase counts from the sale, so that the time of the slowest answer may
    /// take the place of the lease.
    fn holds(&self, limit: &Limit) -> bool {
        let late = super::purchase::LEASE_TIME.max(self.place.slowest());
        let (rate, burst) = (u128::from(limit.rate), u128::from(limit.burst) * 60_000_000);
        (0..self.admitted.len()).all(|first| {
            let (mut sum, begin) = (0, self.admitted[first].0);
            self.admitted[first..].iter().all(|(end, _, cost)| {
                sum += u128::from(*cost) * 60_000_000;
                sum <= burst + u128::from(end - begin + late) * rate
            })
        })
    }
}

#[derive(Debug, Clone)]
enum LeaseStep {
    Wait(i64),
    Charge(usize, u64),
    Run(usize),
    /// The last caller that waits gives up.
    Cancel,
    Replace(usize),
    /// The place fails, or its answers are lost.
    Fail(bool, bool),
}

fn step() -> impl Strategy<Value = LeaseStep> {
    prop_oneof![
        4 => prop_oneof![0..4_i64, 0..40_i64, 0..400_i64].prop_map(LeaseStep::Wait),
        12 => (0..3_usize, prop_oneof![4 => Just(1), 1 => 1..4_u64]).prop_map(|(at, cost)| LeaseStep::Charge(at, cost)),
        12 => (0..3_usize).prop_map(LeaseStep::Run),
        1 => Just(LeaseStep::Cancel),
        1 => (0..3_usize).prop_map(LeaseStep::Replace),
        1 => any::<(bool, bool)>().prop_map(|(fails, loses)| LeaseStep::Fail(fails, loses)),
    ]
}

fn limit() -> impl Strategy<Value = Limit> {
    let rate = prop_oneof![1..60_u64, 60..6_000_u64, 6_000..600_000_u64];
    (rate, prop_oneof![1..12_u64, 1..2_000_u64], any::<bool>()).prop_map(|(rate, burst, exact)| {
        // A process that counts on its own admits more, as the option says.
        Limit::new("all", rate).burst(burst).exact(exact).when_unreachable(WhenUnreachable::Refuse)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_window_admits_at_most_the_burst_and_the_rate_over_it_and_a_lease(
        limits in prop::collection::vec(limit(), 1..3),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let mut limits = limits;
        limits.iter_mut().enumerate().for_each(|(at, limit)| limit.name = format!("l{at}"));
        let mut site = LeaseSite::new(&limits, 3);
        for step in steps {
            match step {
                LeaseStep::Wait(millis) => site.wait(millis),
                LeaseStep::Charge(at, cost) => {
                    if limits.iter().all(|limit| cost <= limit.burst) {
                        site.charge(at, cost);
                    }
                }
                LeaseStep::Run(at) => site.run(at),
                LeaseStep::Cancel => drop(site.callers.pop()),
                LeaseStep::Replace(at) => site.replace(at),
                LeaseStep::Fail(fails, loses) => {
                    site.place.fails.store(fails, Ordering::SeqCst);
                    site.place.loses_answers.store(loses, Ordering::SeqCst);
                }
            }
            for process in &site.processes {
                // Nothing is spent that was not bought, and nothing goes back that was spent.
                let own = site.admitted.iter().filter(|it| it.1 == process.number);
                let admitted: u64 = own.map(|it| it.2 * limits.len() as u64).sum();
                let (sold, back) = (&process.connection.sold, &process.connection.given_back);
                prop_assert!(admitted + back.load(Ordering::SeqCst) <= sold.load(Ordering::SeqCst));
            }
        }
        for limit in &limits {
            prop_assert!(site.holds(limit), "{limit:?}: {:?}", site.admitted);
        }
    }

    #[test]
    fn an_exact_limit_admits_what_one_budget_admits(
        limit in limit(),
        steps in prop::collection::vec((0..400_i64, 0..3_usize, 1..3_u64), 1..120),
    ) {
        let limit = limit.exact(true);
        let mut site = LeaseSite::new(std::slice::from_ref(&limit), 3);
        let alone = GcraCell::new(GcraParams::of(&limit));
        for (wait, at, cost) in steps {
            site.wait(wait);
            let allowed = alone.take(cost.min(limit.burst), site.place.now()).is_some();
            prop_assert_eq!(site.request(at, cost.min(limit.burst)), allowed);
        }
    }
}

#[test]
fn a_slow_limit_gives_its_whole_burst_to_whichever_process_asks() {
    for (rate, burst) in [(100, 20), (30, 10), (10, 5)] {
        let mut site = LeaseSite::new(&[Limit::new("all", rate).burst(burst)], 4);
        let mut answers = (0..2 * burst).map(|turn| site.request(usize::try_from(turn % 3).unwrap(), 1));
        assert!(answers.by_ref().take(usize::try_from(burst).unwrap()).all(|allowed| allowed));
        assert!(answers.all(|allowed| !allowed));
    }
}

#[test]
fn callers_that_wait_share_a_purchase_and_each_gets_its_own() {
    let mut site = LeaseSite::new(&[Limit::new("all", 600).burst(100)], 1);
    for _ in 0..50 {
        site.charge(0, 1);
    }
    site.finish();
    assert_eq!((site.admitted.len(), site.refused), (50, 0));
    assert!(site.place.trips.load(Ordering::SeqCst) <= 4);
}

#[test]
fn a_hot_key_takes_few_trips_and_a_flood_takes_none() {
    let mut site = LeaseSite::new(&[Limit::new("all", 60_000).burst(60_000)], 1);
    for _ in 0..20 {
        // 10,000 requests in a second are under the limit.
        for _ in 0..50 {
            site.wait(1);
            (0..10).for_each(|_| assert!(site.request(0, 1)));
        }
    }
    let trips = site.place.trips.swap(0, Ordering::SeqCst);
    assert!(trips <= 40, "{trips}");
    while site.request(0, 1) {}
    site.place.trips.store(0, Ordering::SeqCst);
    for _ in 0..1_000 {
        site.wait(1);
        (0..10).for_each(|_| {
            let _ = site.request(0, 1);
        });
    }
    let trips = site.place.trips.load(Ordering::SeqCst);
    assert!(trips <= 60, "{trips}");
}

#[test]
fn a_slow_place_is_asked_no_more_often() {
    for trip in [1, 20, 60, 90] {
        let mut site = LeaseSite::new(&[Limit::new("all", 1_000_000)], 1);
        // Each request comes when the one before has its answer.
        for _ in 0..5_000 {
            site.charge(0, 1);
            if !site.callers.is_empty() {
                site.run(0);
                site.wait(trip);
                site.finish();
            }
        }
        let trips = site.place.trips.load(Ordering::SeqCst);
        assert!(trips <= 16, "{trips} trips of {trip} ms");
    }
}

#[test]
fn requests_that_waited_for_a_slow_place_are_no_steady_demand() {
    let mut site = LeaseSite::new(&[Limit::new("all", 600_000)], 1);
    // 1,000 requests a second, and purchases of 0.9 s.
    for _ in 0..20 {
        for _ in 0..900 {
            site.wait(1);
            site.charge(0, 1);
            if site.callers.len() == 1 {
                site.run(0);
            }
        }
        site.finish();
    }
    let connection = &site.processes[0].connection;
    let (sold, admitted) = (connection.sold.load(Ordering::SeqCst), site.admitted.len() as u64);
    assert_eq!((admitted, site.refused), (18_000, 0));
    assert!(sold <= 4 * admitted, "{sold} were bought for {admitted}");
}

#[test]
fn nobody_is_refused_at_half_the_rate() {
    for (rate, burst) in [(600, 10), (6_000, 100), (60_000, 200), (600_000, 10_000)] {
        let mut site = LeaseSite::new(&[Limit::new("all", rate).burst(burst)], 4);
        let mut due = 0_u64;
        for turn in 0..4_000_u64 {
            site.wait(1);
            due += rate / 2;
            while due >= 60_000 {
                due -= 60_000;
                let at = usize::try_from(((turn * 2_654_435_761) >> 7) % 4).unwrap();
                assert!(site.request(at, 1), "{rate}, {burst}, {turn}");
            }
        }
    }
}

#[test]
fn a_caller_that_gives_up_loses_nothing() {
    let limits = [Limit::new("few", 60).burst(3), Limit::new("many", 6_000)];
    let mut site = LeaseSite::new(&limits, 2);
    site.charge(0, 3);
    // It has not been sent, and the caller goes.
    site.callers.clear();
    site.finish();
    assert!(site.request(1, 3));
    site.wait(3_000);
    site.charge(0, 3);
    site.run(0);
    // Sold, and not answered yet.
    site.callers.clear();
    for _ in 0..8 {
        site.run(0);
        site.wait(50);
    }
    assert!(site.request(1, 3));
    assert_eq!(site.refused, 0);
}

#[test]
fn what_is_not_spent_goes_back() {
    let mut site = LeaseSite::new(&[Limit::new("all", 60_000).burst(1_000)], 2);
    for _ in 0..400 {
        assert!(site.request(0, 1));
    }
    for _ in 0..6 {
        site.wait(50);
        site.run(0);
    }
    let connection = &site.processes[0].connection;
    assert_eq!(connection.sold.load(Ordering::SeqCst) - connection.given_back.load(Ordering::SeqCst), 400);
    assert!(connection.given_back.load(Ordering::SeqCst) > 0);
}

#[test]
fn an_outage_is_answered_as_the_limit_says_and_ends() {
    let answers = [WhenUnreachable::Local, WhenUnreachable::Allow, WhenUnreachable::Refuse];
    for answer in answers {
        let mut site = LeaseSite::new(&[Limit::new("all", 6).burst(2).when_unreachable(answer)], 1);
        let process = site.processes[0].clone();
        let clock: Clock = process.clock.clone().into();
        site.place.fails.store(true, Ordering::SeqCst);
        site.charge(0, 1);
        site.finish();
        let charge = Charge { cost: 1, ..Charge::default() };
        let attempt = || Some(process.limiter.try_charge(&process.limits, "acme", &charge, &clock)?.map(spent));
        let passed: Vec<_> =
            (0..4).map(|_| attempt().unwrap().map(|it| (it.refused.is_none(), it.limits[0].shared))).collect();
        match answer {
            WhenUnreachable::Local => {
                assert_eq!(passed, [Ok((true, false)), Ok((false, false)), Ok((false, false)), Ok((false, false))]);
            }
            WhenUnreachable::Allow => assert_eq!(passed, vec![Ok((true, false)); 4]),
            WhenUnreachable::Refuse => {
                assert!(passed.iter().all(|it| it.as_ref().is_err_and(|error| error.code() == "unavailable")));
            }
        }
        // The place is asked again after a second, by one request that does not wait.
        site.place.fails.store(false, Ordering::SeqCst);
        assert_eq!(site.place.trips.load(Ordering::SeqCst), 1);
        site.wait(1_000);
        let _ = attempt().unwrap();
        site.run(0);
        site.run(0);
        assert_eq!(attempt().unwrap().map(|it| (it.refused, it.limits[0].shared)), Ok((None, true)));
    }
}

#[test]
fn agents_have_budgets_up_to_a_number() {
    let mut site = LeaseSite::new(&[], 1);
    let (process, clock) = (site.start(), Clock::default());
    let AnyLimiter::Leased(limiter) = &*process.limiter else { panic!("another limiter") };
    let rule = LimitRule::new(Limit::new("agents", 1).per(Per::Agent));
    let of = |org: &str, agent: &str| limiter.agent_budget((org, agent), &rule, || clock.monotonic_micros());
    assert!(Arc::ptr_eq(&of("acme", "a"), &of("acme", "a")) && !Arc::ptr_eq(&of("acme", "a"), &of("other", "a")));
    let held: Vec<_> = (0..MAX_AGENTS).map(|agent| of("acme", &agent.to_string())).collect();
    assert!(Arc::ptr_eq(&of("acme", "further"), &of("acme", "another")));
    assert!(!Arc::ptr_eq(&of("other", "further"), &of("other", "another")));
    drop(held);
}

#[test]
fn the_simulated_place_keeps_the_rules_of_every_place() {
    let place = Arc::<SimulatedPlace>::default();
    place.advance(10_000_000_000);
    assert!(place_contract::check(&*place.connect()).unwrap().len() >= 6);
}

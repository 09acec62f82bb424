//! The generic cell rate algorithm (GCRA) on one atomic number: the theoretical arrival time, at which the budget is
//! unspent again, on a monotonic clock of microseconds that the caller reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::Limit;

/// A minute in microseconds.
const MINUTE: u64 = 60_000_000;

/// A budget counts in grains, so many to the microsecond that the time between two requests is a whole number of them.
/// Where that took more than this, which only rates above it can, the time is rounded up by less than one grain.
const FINEST: u64 = 1 << 15;

/// The longest time a whole budget may take to come back, in grains, so that sums of two stay within 64 bits. A burst
/// that would take longer counts as one that takes so long.
const LONGEST: u64 = 1 << 62;

/// What a limit means in numbers, for one of so many processes that divide it between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// How many make a microsecond.
    grains: u64,
    /// After how many grains one more request is allowed; never too few.
    interval: u64,
    /// How many grains a whole budget takes to come back.
    depth: u64,
}

impl Pace {
    /// Numbers that no limit may have count as the nearest that one may.
    pub(crate) fn new(rate: u64, burst: u64, processes: u64) -> Self {
        let (rate, processes) = (rate.max(1), processes.max(1));
        // The rate is divided here and not before, so that it is exact where it is lower than the processes are many.
        let minute = MINUTE.saturating_mul(processes);
        let grains = (rate / greatest_common_divisor(rate, minute)).min(FINEST);
        let interval = (u128::from(minute) * u128::from(grains)).div_ceil(rate.into());
        let interval = u64::try_from(interval).unwrap_or(LONGEST).min(LONGEST);
        let burst = (burst / processes).clamp(1, LONGEST / interval);
        Self { grains, interval, depth: burst * interval }
    }

    pub(crate) fn of(limit: &Limit, processes: u64) -> Self {
        Self::new(limit.rate, limit.burst, processes)
    }

    #[cfg(test)]
    pub(crate) fn burst(&self) -> u64 {
        self.depth / self.interval
    }

    fn at(&self, micros: u64) -> u64 {
        micros.saturating_mul(self.grains)
    }

    /// The arrival time after so many requests, `None` when they are not allowed.
    fn after(&self, arrival: u64, cost: u64, now: u64) -> Option<u64> {
        let next = arrival.max(now).checked_add(self.interval.checked_mul(cost)?)?;
        (next.saturating_sub(now) <= self.depth).then_some(next)
    }

    /// Requests that are allowed now.
    pub(crate) fn remaining(&self, debt: Debt) -> u64 {
        self.depth.saturating_sub(debt.0) / self.interval
    }

    /// After how many seconds the budget is unspent again.
    pub(crate) fn reset_seconds(&self, debt: Debt) -> u64 {
        self.seconds(debt.0)
    }

    /// After how many seconds so many requests pass: 0 when they do now, `None` for more than the burst.
    pub(crate) fn wait_seconds(&self, debt: Debt, cost: u64) -> Option<u64> {
        self.lacks(debt, cost).map(|it| self.seconds(it))
    }

    fn lacks(&self, debt: Debt, cost: u64) -> Option<u64> {
        let cost = self.interval.checked_mul(cost).filter(|it| *it <= self.depth)?;
        Some(debt.0.saturating_add(cost).saturating_sub(self.depth))
    }

    /// Rounded up, so that who waits so long has waited long enough.
    fn seconds(&self, grains: u64) -> u64 {
        grains.div_ceil(self.grains * 1_000_000)
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// How far a budget is from unspent; the pace that it keeps says what that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Debt(u64);

/// The arrival time of a budget that was ended.
const ENDED: u64 = u64::MAX;

/// One budget, for one pace: a limit that has changed begins a new one. In any time `t`, at most `burst` requests and
/// what the rate gives in `t` are taken and kept.
///
/// `now` may be a little older than what another thread has brought: then less is allowed, never more.
#[derive(Debug)]
pub(crate) struct Gcra {
    pace: Pace,
    arrival: AtomicU64,
}

impl Gcra {
    /// An unspent budget.
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, arrival: AtomicU64::new(0) }
    }

    /// Takes a request of that cost, or nothing.
    pub(crate) fn take(&self, cost: u64, now: u64) -> Option<Debt> {
        let now = self.pace.at(now);
        let mut arrival = self.arrival.load(Ordering::Acquire);
        loop {
            let next = self.pace.after(arrival, cost, now)?;
            match self.arrival.compare_exchange_weak(arrival, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Debt(next.saturating_sub(now))),
                Err(other) => arrival = other,
            }
        }
    }

    /// Gives back what was taken at `taken`, since another limit refuses.
    ///
    /// What has come back by itself since then is not given a second time: others may have taken from it, and the
    /// budget would hold more than if nothing had been taken. That is why the clock is read here, after what others
    /// took has been seen.
    pub(crate) fn give_back(&self, cost: u64, taken: u64, clock: impl Fn() -> u64) {
        let (taken, cost) = (self.pace.at(taken), self.pace.interval.saturating_mul(cost));
        let mut arrival = self.arrival.load(Ordering::Acquire);
        while arrival != ENDED {
            let since = self.pace.at(clock()).saturating_sub(taken);
            let next = arrival.saturating_sub(cost.saturating_sub(since));
            match self.arrival.compare_exchange_weak(arrival, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(other) => arrival = other,
            }
        }
    }

    pub(crate) fn debt(&self, now: u64) -> Debt {
        Debt(self.arrival.load(Ordering::Acquire).saturating_sub(self.pace.at(now)))
    }

    /// Ends it if it is unspent, so that a new one in its place changes nothing. From one that was ended nothing can be
    /// taken.
    pub(crate) fn end(&self, now: u64) -> bool {
        let arrival = self.arrival.load(Ordering::Acquire);
        arrival <= self.pace.at(now)
            && self.arrival.compare_exchange(arrival, ENDED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.arrival.load(Ordering::Acquire) == ENDED
    }

    /// Whether it is unspent.
    pub(crate) fn is_full(&self, now: u64) -> bool {
        self.debt(now) == Debt(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    /// So long, 4 years, any clock may have run.
    const FAR: u64 = LONGEST / FINEST;

    /// The budget as anybody would count it: what was kept is replayed from the beginning, in grains of budget.
    struct Reference {
        pace: Pace,
        /// When and how much, in the order of the calls.
        kept: Vec<(u64, u64)>,
    }

    impl Reference {
        fn in_time(&self) -> Vec<(u64, u64)> {
            let mut kept = self.kept.clone();
            kept.sort_by_key(|it| it.0);
            kept
        }

        fn remaining(&self, now: u64) -> u64 {
            let [grains, interval, depth] = [self.pace.grains, self.pace.interval, self.pace.depth].map(u128::from);
            let (mut level, mut at) = (depth, 0);
            for (taken, cost) in self.in_time().into_iter().chain([(now, 0)]) {
                level = (level + u128::from(taken - at) * grains).min(depth);
                level = level.checked_sub(u128::from(cost) * interval).expect("more was taken than there was");
                at = taken;
            }
            u64::try_from(level / interval).unwrap()
        }

        /// The promise itself, for the true rate: no window holds more than the burst and what the rate gives in it.
        fn holds(&self, rate: u64, burst: u64, processes: u64) -> bool {
            let (kept, burst) = (self.in_time(), u128::from((burst / processes).max(1)));
            let minute = u128::from(MINUTE * processes);
            (0..kept.len()).all(|first| {
                let (mut sum, begin) = (0, kept[first].0);
                kept[first..].iter().all(|(end, cost)| {
                    sum += u128::from(*cost);
                    let given = u128::from(end - begin) * u128::from(rate);
                    sum * minute <= burst * minute + given
                })
            })
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Wait(u64),
        Take(u64),
        /// A thread whose clock was read a little earlier.
        Late(u64, u64),
        GiveBack(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => prop_oneof![0..10_u64, 0..SECOND, 0..600 * SECOND, Just(FAR / 64)].prop_map(Step::Wait),
            6 => prop_oneof![Just(1), 1..12_u64].prop_map(Step::Take),
            1 => (prop_oneof![0..10_u64, 0..SECOND], 1..4_u64).prop_map(|(ago, cost)| Step::Late(ago, cost)),
            2 => any::<usize>().prop_map(Step::GiveBack),
        ]
    }

    fn numbers() -> impl Strategy<Value = (u64, u64, u64)> {
        let rate = prop_oneof![1..20_u64, 1..10_000_u64, 1..=1_000_000_000_u64];
        let burst = prop_oneof![1..20_u64, 1..10_000_u64, 1..=1_000_000_000_u64];
        (rate, burst, prop_oneof![Just(1), 1..9_u64, 1..=4_096_u64])
    }

    proptest! {
        #[test]
        fn never_more_than_the_reference_and_the_same_without_delays(
            (rate, burst, processes) in numbers(),
            start in prop_oneof![Just(0), 0..FAR],
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let pace = Pace::new(rate, burst, processes);
            let budget = Gcra::new(pace);
            let mut reference = Reference { pace, kept: Vec::new() };
            // Which of the kept may still be given back, and whether all that was done had no delay in it.
            let (mut now, mut open, mut exact) = (start, Vec::new(), true);
            for step in steps {
                match step {
                    Step::Wait(by) => {
                        now = (now + by).min(2 * FAR);
                        open.clear();
                    }
                    Step::Take(cost) => {
                        let before = budget.debt(now);
                        let lacks = pace.lacks(before, cost);
                        match budget.take(cost, now) {
                            Some(debt) => {
                                prop_assert_eq!(pace.remaining(debt), pace.remaining(before) - cost);
                                prop_assert_eq!(lacks, Some(0));
                                open.push(reference.kept.len());
                                reference.kept.push((now, cost));
                            }
                            None => {
                                prop_assert!(pace.remaining(before) < cost);
                                prop_assert_eq!(budget.debt(now), before);
                                prop_assert_eq!(lacks.is_none(), cost > pace.burst());
                                if let Some(lacks) = lacks {
                                    prop_assert!(pace.remaining(Debt(before.0 - lacks)) >= cost);
                                    prop_assert!(pace.remaining(Debt(before.0 - lacks + 1)) < cost);
                                }
                            }
                        }
                    }
                    Step::Late(ago, cost) => {
                        let late = now.saturating_sub(ago);
                        if budget.take(cost, late).is_some() {
                            reference.kept.push((late, cost));
                            exact = false;
                        }
                    }
                    Step::GiveBack(which) if !open.is_empty() => {
                        let index = open.swap_remove(which % open.len());
                        let (taken, cost) = reference.kept[index];
                        budget.give_back(cost, taken, || now);
                        reference.kept[index].1 = 0;
                    }
                    Step::GiveBack(_) => {}
                }
                let (debt, most) = (budget.debt(now), reference.remaining(now));
                let mine = pace.remaining(debt);
                prop_assert!(if exact { mine == most } else { mine <= most }, "{mine}, {most}");
                prop_assert_eq!(pace.wait_seconds(debt, 1) == Some(0), mine > 0);
                prop_assert_eq!(budget.is_full(now), pace.reset_seconds(debt) == 0);
                prop_assert!(budget.is_full(now + debt.0.div_ceil(pace.grains)));
            }
            prop_assert!(reference.holds(rate, burst, processes));
        }

        #[test]
        fn a_late_give_back_never_gives_more_than_if_nothing_had_been_taken(
            (rate, burst, processes) in numbers(),
            steps in prop::collection::vec((0..4_u64 * SECOND, 1..6_u64, any::<bool>(), 0..4_usize), 1..40),
        ) {
            let pace = Pace::new(rate, burst, processes);
            let budget = Gcra::new(pace);
            let mut reference = Reference { pace, kept: Vec::new() };
            let (mut now, mut open) = (0, Vec::new());
            for (wait, cost, back, which) in steps {
                now += wait;
                if budget.take(cost, now).is_some() {
                    open.push(reference.kept.len());
                    reference.kept.push((now, cost));
                }
                if back && !open.is_empty() {
                    let index = open.swap_remove(which % open.len());
                    let (taken, cost) = reference.kept[index];
                    budget.give_back(cost, taken, || now);
                    reference.kept[index].1 = 0;
                }
                prop_assert!(pace.remaining(budget.debt(now)) <= reference.remaining(now));
            }
            prop_assert!(reference.holds(rate, burst, processes));
        }

        #[test]
        fn any_numbers_are_survived(
            (rate, burst, processes, cost) in any::<(u64, u64, u64, u64)>(),
            times in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let pace = Pace::new(rate, burst, processes);
            let budget = Gcra::new(pace);
            for now in times {
                let _ = budget.take(cost, now);
                let debt = budget.debt(now);
                prop_assert!(pace.remaining(debt) <= pace.burst());
                let _ = (pace.reset_seconds(debt), pace.wait_seconds(debt, cost));
                budget.give_back(cost, now, || now);
                let _ = budget.is_full(now);
            }
        }

        /// Whatever the rate, who takes so many waits for as long as the rate says, and not a second more.
        #[test]
        fn seconds_are_those_of_the_true_rate(
            rate in 1..=FINEST,
            processes in prop_oneof![Just(1), 1..=4_096_u64],
            share in 1..=1_000_u64,
            start in 0..FAR,
        ) {
            let burst = rate * processes;
            let (pace, taken) = (Pace::new(rate, burst, processes), (rate * share / 1_000).max(1));
            let budget = Gcra::new(pace);
            let seconds = |requests: u64| (requests * 60 * processes).div_ceil(rate);
            // One by one as well as at once.
            for cost in [1; 20].into_iter().take(taken.min(20) as usize).chain([taken.saturating_sub(20)]) {
                prop_assert!(budget.take(cost, start).is_some());
            }
            let debt = budget.debt(start);
            prop_assert_eq!((pace.burst(), pace.remaining(debt)), (rate, rate - taken));
            prop_assert_eq!(pace.reset_seconds(debt), seconds(taken));
            prop_assert_eq!(pace.wait_seconds(debt, rate), Some(seconds(taken)));
        }
    }

    #[test]
    fn a_budget_runs_out_and_comes_back() {
        let pace = Pace::new(60, 3, 1);
        let budget = Gcra::new(pace);
        let left = |now| pace.remaining(budget.debt(now));
        for left in [2, 1, 0] {
            assert_eq!(budget.take(1, 7).map(|it| pace.remaining(it)), Some(left));
        }
        assert_eq!((budget.take(1, 7), left(7), pace.reset_seconds(budget.debt(7))), (None, 0, 3));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|it| pace.wait_seconds(budget.debt(7), it)),
            [Some(0), Some(1), Some(2), Some(3), None]
        );
        assert_eq!(budget.take(1, 6 + SECOND), None);
        assert_eq!(pace.lacks(budget.debt(6 + SECOND), 1), Some(1));
        assert!(budget.take(1, 7 + SECOND).is_some());
        assert!(!budget.is_full(6 + 4 * SECOND) && budget.is_full(7 + 4 * SECOND));
        assert_eq!(left(7 + 4 * SECOND), 3);
    }

    #[test]
    fn intervals_are_exact_up_to_the_finest_grain_and_then_rounded_up() {
        let numbers = |rate, processes| {
            let it = Pace::new(rate, 1, processes);
            (it.grains, it.interval)
        };
        assert_eq!(numbers(60, 1), (1, SECOND));
        assert_eq!(numbers(7, 1), (7, MINUTE));
        assert_eq!(numbers(1_000_000_000, 1), (50, 3));
        // A prime, of which no minute is a multiple: 1,966.08 grains.
        assert_eq!(numbers(1_000_000_007, 1), (FINEST, 1_967));
        assert_eq!(Pace::of(&Limit::new("read", 100).burst(20), 4), Pace::new(25, 5, 1));
        // Two a minute between four: each has one in two minutes.
        assert_eq!(Pace::new(2, 2, 4), Pace { grains: 1, interval: 120 * SECOND, depth: 120 * SECOND });
    }

    #[test]
    fn the_widest_numbers() {
        let fast = Pace::new(1_000_000_000, 1_000_000_000, 1);
        let budget = Gcra::new(fast);
        assert_eq!(budget.take(1_000_000_000, 0).map(|it| fast.remaining(it)), Some(0));
        assert_eq!(budget.take(17, 1), None);
        assert_eq!(budget.take(16, 1).map(|it| fast.remaining(it)), Some(0));
        let slow = Pace::new(1, 1_000_000_000, 4_096);
        assert!(slow.burst() > 10_000 && slow.depth <= LONGEST);
        for now in [0, 1, u64::MAX - 1, u64::MAX] {
            let budget = Gcra::new(slow);
            // Beyond the end of the clock nothing is allowed, and nothing overflows.
            assert_eq!(budget.take(1, now).is_some(), now < 2);
            assert!(budget.take(u64::MAX, now).is_none() && budget.take(slow.burst() + 1, now).is_none());
            assert_eq!(slow.wait_seconds(budget.debt(now), slow.burst() + 1), None);
        }
    }

    #[test]
    fn what_came_back_by_itself_is_not_given_back_again() {
        let pace = Pace::new(60, 10, 1);
        let budget = Gcra::new(pace);
        budget.take(10, 0).unwrap();
        // Eight have come back when another takes one; without the ten it would have left nine.
        budget.take(1, 8 * SECOND).unwrap();
        budget.give_back(10, 0, || 8 * SECOND);
        assert_eq!(pace.remaining(budget.debt(8 * SECOND)), 9);
        budget.give_back(10, 0, || 30 * SECOND);
        assert_eq!(pace.remaining(budget.debt(8 * SECOND)), 9);
    }

    #[test]
    fn only_an_unspent_budget_is_ended_and_then_gives_nothing() {
        let budget = Gcra::new(Pace::new(60, 2, 1));
        budget.take(1, 10).unwrap();
        assert!(!budget.end(10) && !budget.is_ended());
        assert!(budget.end(10 + SECOND) && budget.is_ended() && !budget.end(10 + SECOND));
        budget.give_back(1, 10, || 10);
        assert!(budget.is_ended() && budget.take(1, 100 * SECOND).is_none());
    }

    #[test]
    fn an_older_clock_allows_less() {
        let pace = Pace::new(60, 2, 1);
        let budget = Gcra::new(pace);
        budget.take(1, 10 * SECOND).unwrap();
        assert_eq!(pace.remaining(budget.debt(9 * SECOND)), 0);
        assert!(budget.take(1, 9 * SECOND).is_none());
        assert!(budget.take(1, 10 * SECOND).is_some());
    }

    /// Each thread takes, and gives back every third of what it got; what it kept is returned.
    fn crowd(budget: &Gcra, clock: impl Fn() -> u64 + Sync) -> u64 {
        const THREADS: u64 = 8;
        let (barrier, clock) = (Barrier::new(8), &clock);
        let work = |thread: u64| {
            let mut kept = 0;
            barrier.wait();
            for turn in 0..20_000 {
                let (cost, now) = (1 + (thread + turn) % 3, clock());
                if budget.take(cost, now).is_some() {
                    if turn % 3 == 0 { budget.give_back(cost, now, clock) } else { kept += cost }
                }
            }
            kept
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|it| scope.spawn(move || work(it))).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        })
    }

    #[test]
    fn many_threads_share_one_budget_to_the_last_request() {
        // For most of the run there is something to race for: the threads ask for a little more than there is.
        const BURST: u64 = 150_000;
        let pace = Pace::new(60, BURST, 1);
        let budget = Gcra::new(pace);
        let kept = crowd(&budget, || 5);
        assert_eq!(pace.remaining(budget.debt(5)), BURST - kept);
        assert!(budget.take(BURST + 1 - kept, 5).is_none());
    }

    #[test]
    fn many_threads_on_a_running_clock_keep_no_more_than_burst_and_rate_give() {
        let (budget, begin) = (Gcra::new(Pace::new(6_000_000, 100, 1)), Instant::now());
        let clock = || u64::try_from(begin.elapsed().as_micros()).unwrap();
        let kept = crowd(&budget, clock);
        assert!(kept <= 100 + clock() / 10, "{kept}");
    }
}

//! The generic cell rate algorithm (GCRA) on one atomic number: the theoretical arrival time, at which the budget is
//! unspent again, in nanoseconds of a monotonic clock that the caller reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::Limit;

/// A minute in nanoseconds.
const MINUTE: u128 = 60_000_000_000;

/// The longest time a whole budget may take to come back: 146 years, so that sums of two stay within 64 bits. A burst
/// that would take longer counts as one that takes so long.
const LONGEST: u64 = 1 << 62;

/// What a limit means in numbers, for one of so many processes that divide it between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// After how many nanoseconds one more request is allowed; rounded up, which never allows too many.
    interval: u64,
    burst: u64,
}

impl Pace {
    /// Numbers that no limit may have count as the nearest that one may.
    pub(crate) fn new(rate: u64, burst: u64, processes: u64) -> Self {
        let (rate, processes) = (rate.max(1), processes.max(1));
        // The rate is divided here and not before, so that it is exact where it is lower than the processes are many.
        let interval = (MINUTE * u128::from(processes)).div_ceil(u128::from(rate));
        let interval = u64::try_from(interval).unwrap_or(LONGEST).min(LONGEST);
        Self { interval, burst: (burst / processes).clamp(1, (LONGEST / interval).max(1)) }
    }

    pub(crate) fn of(limit: &Limit, processes: u64) -> Self {
        Self::new(limit.rate, limit.burst, processes)
    }

    #[cfg(test)]
    pub(crate) fn burst(&self) -> u64 {
        self.burst
    }

    /// The time in which a whole budget comes back.
    fn depth(&self) -> u64 {
        self.burst.saturating_mul(self.interval)
    }

    /// The arrival time after so many requests, `None` when they are not allowed.
    fn after(&self, arrival: u64, cost: u64, now: u64) -> Option<u64> {
        let next = arrival.max(now).checked_add(self.interval.checked_mul(cost)?)?;
        (next.saturating_sub(now) <= self.depth()).then_some(next)
    }

    fn standing(&self, arrival: u64, now: u64) -> Standing {
        let reset = arrival.saturating_sub(now);
        Standing { remaining: self.depth().saturating_sub(reset) / self.interval, reset, retry_after: 0 }
    }

    /// As it stands for so many requests that are not allowed.
    fn refusal(&self, arrival: u64, cost: u64, now: u64) -> Standing {
        let standing = self.standing(arrival, now);
        let retry_after = match self.interval.checked_mul(cost).filter(|_| cost <= self.burst) {
            Some(cost) => standing.reset.saturating_add(cost).saturating_sub(self.depth()).max(1),
            None => u64::MAX,
        };
        Standing { retry_after, ..standing }
    }
}

/// Where a budget stands. Times are in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Requests that are allowed now.
    pub(crate) remaining: u64,
    /// After how long it is unspent again.
    pub(crate) reset: u64,
    /// After how long what was asked passes: 0 when it did, [`u64::MAX`] when it costs more than the burst.
    pub(crate) retry_after: u64,
}

/// The arrival time of a budget that was ended.
const ENDED: u64 = u64::MAX;

/// One budget, for one pace: a limit that has changed begins a new one. In any time `t`, at most `burst` requests and
/// what the rate gives in `t` are taken and kept.
///
/// `now` may be a little older than what another thread has brought: then less is allowed, never more.
#[derive(Debug, Default)]
pub(crate) struct Gcra(AtomicU64);

impl Gcra {
    /// An unspent budget.
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Takes a request of that cost, or nothing.
    pub(crate) fn take(&self, pace: &Pace, cost: u64, now: u64) -> Result<Standing, Standing> {
        let mut arrival = self.0.load(Ordering::Acquire);
        loop {
            let Some(next) = pace.after(arrival, cost, now) else { return Err(pace.refusal(arrival, cost, now)) };
            match self.0.compare_exchange_weak(arrival, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(pace.standing(next, now)),
                Err(other) => arrival = other,
            }
        }
    }

    /// Gives back what was taken at `taken`, since another limit refuses.
    ///
    /// What has come back by itself since then is not given a second time: others may have taken from it, and the
    /// budget would hold more than if nothing had been taken. That is why the clock is read here, after what others
    /// took has been seen.
    pub(crate) fn give_back(&self, pace: &Pace, cost: u64, taken: u64, clock: impl Fn() -> u64) {
        let mut arrival = self.0.load(Ordering::Acquire);
        while arrival != ENDED {
            let since = clock().saturating_sub(taken);
            let next = arrival.saturating_sub(pace.interval.saturating_mul(cost).saturating_sub(since));
            match self.0.compare_exchange_weak(arrival, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(other) => arrival = other,
            }
        }
    }

    /// As it stands for a request of that cost.
    pub(crate) fn standing(&self, pace: &Pace, cost: u64, now: u64) -> Standing {
        let arrival = self.0.load(Ordering::Acquire);
        match pace.after(arrival, cost, now) {
            Some(_) => pace.standing(arrival, now),
            None => pace.refusal(arrival, cost, now),
        }
    }

    /// Ends it if it is unspent, so that a new one in its place changes nothing. From one that was ended nothing can be
    /// taken.
    pub(crate) fn end(&self, now: u64) -> bool {
        let arrival = self.0.load(Ordering::Acquire);
        arrival <= now && self.0.compare_exchange(arrival, ENDED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.0.load(Ordering::Acquire) == ENDED
    }

    /// Whether it is unspent.
    pub(crate) fn is_full(&self, now: u64) -> bool {
        self.0.load(Ordering::Acquire) <= now
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// The budget as anybody would count it: what was kept is replayed from the beginning, in nanoseconds of budget.
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
            let (interval, burst) = (u128::from(self.pace.interval), u128::from(self.pace.burst));
            let (mut level, mut at) = (burst * interval, 0);
            for (taken, cost) in self.in_time().into_iter().chain([(now, 0)]) {
                level = (level + u128::from(taken - at)).min(burst * interval);
                level = level.checked_sub(u128::from(cost) * interval).expect("more was taken than there was");
                at = taken;
            }
            u64::try_from(level / interval).unwrap()
        }

        /// The promise itself, for the true rate: no window holds more than the burst and what the rate gives in it.
        fn holds(&self, rate: u64, burst: u64, processes: u64) -> bool {
            let (kept, burst) = (self.in_time(), u128::from((burst / processes).max(1)));
            (0..kept.len()).all(|first| {
                let (mut sum, begin) = (0, kept[first].0);
                kept[first..].iter().all(|(end, cost)| {
                    sum += u128::from(*cost);
                    let given = u128::from(end - begin) * u128::from(rate);
                    sum * MINUTE * u128::from(processes) <= burst * MINUTE * u128::from(processes) + given
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
            3 => prop_oneof![0..1_000_u64, 0..SECOND, 0..600 * SECOND, Just(u64::MAX / 64)].prop_map(Step::Wait),
            6 => prop_oneof![Just(1), 1..12_u64].prop_map(Step::Take),
            1 => (prop_oneof![0..1_000_u64, 0..SECOND], 1..4_u64).prop_map(|(ago, cost)| Step::Late(ago, cost)),
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
            start in prop_oneof![Just(0), 0..u64::MAX / 4],
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let pace = Pace::new(rate, burst, processes);
            let budget = Gcra::new();
            let mut reference = Reference { pace, kept: Vec::new() };
            // Which of the kept may still be given back, and whether all that was done had no delay in it.
            let (mut now, mut open, mut exact) = (start, Vec::new(), true);
            for step in steps {
                match step {
                    Step::Wait(by) => {
                        now = now.saturating_add(by).min(u64::MAX / 2);
                        open.clear();
                    }
                    Step::Take(cost) => {
                        let before = budget.standing(&pace, 1, now);
                        match budget.take(&pace, cost, now) {
                            Ok(standing) => {
                                prop_assert_eq!(standing.remaining, before.remaining - cost);
                                prop_assert_eq!(standing.retry_after, 0);
                                open.push(reference.kept.len());
                                reference.kept.push((now, cost));
                            }
                            Err(standing) => {
                                prop_assert!(before.remaining < cost);
                                prop_assert_eq!(standing.remaining, before.remaining);
                                if cost > pace.burst() {
                                    prop_assert_eq!(standing.retry_after, u64::MAX);
                                } else {
                                    let later = now + standing.retry_after;
                                    prop_assert!(budget.standing(&pace, 1, later).remaining >= cost);
                                    prop_assert!(budget.standing(&pace, 1, later - 1).remaining < cost);
                                }
                            }
                        }
                    }
                    Step::Late(ago, cost) => {
                        let late = now.saturating_sub(ago);
                        if budget.take(&pace, cost, late).is_ok() {
                            reference.kept.push((late, cost));
                            exact = false;
                        }
                    }
                    Step::GiveBack(which) if !open.is_empty() => {
                        let index = open.swap_remove(which % open.len());
                        let (taken, cost) = reference.kept[index];
                        budget.give_back(&pace, cost, taken, || now);
                        reference.kept[index].1 = 0;
                    }
                    Step::GiveBack(_) => {}
                }
                let (mine, most) = (budget.standing(&pace, 1, now), reference.remaining(now));
                prop_assert!(if exact { mine.remaining == most } else { mine.remaining <= most }, "{mine:?}, {most}");
                prop_assert_eq!(mine.retry_after == 0, mine.remaining > 0);
                prop_assert_eq!(budget.is_full(now), mine.reset == 0);
                prop_assert!(budget.is_full(now + mine.reset));
            }
            prop_assert!(reference.holds(rate, burst, processes));
        }

        #[test]
        fn a_late_give_back_never_gives_more_than_if_nothing_had_been_taken(
            (rate, burst, processes) in numbers(),
            steps in prop::collection::vec((0..4_u64 * SECOND, 1..6_u64, any::<bool>(), 0..4_usize), 1..40),
        ) {
            let pace = Pace::new(rate, burst, processes);
            let budget = Gcra::new();
            let mut reference = Reference { pace, kept: Vec::new() };
            let (mut now, mut open) = (0, Vec::new());
            for (wait, cost, back, which) in steps {
                now += wait;
                if budget.take(&pace, cost, now).is_ok() {
                    open.push(reference.kept.len());
                    reference.kept.push((now, cost));
                }
                if back && !open.is_empty() {
                    let index = open.swap_remove(which % open.len());
                    let (taken, cost) = reference.kept[index];
                    budget.give_back(&pace, cost, taken, || now);
                    reference.kept[index].1 = 0;
                }
                prop_assert!(budget.standing(&pace, 1, now).remaining <= reference.remaining(now));
            }
            prop_assert!(reference.holds(rate, burst, processes));
        }

        #[test]
        fn any_numbers_are_survived(
            (rate, burst, processes, cost) in any::<(u64, u64, u64, u64)>(),
            times in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let pace = Pace::new(rate, burst, processes);
            let budget = Gcra::new();
            for now in times {
                let _ = budget.take(&pace, cost, now);
                let standing = budget.standing(&pace, 1, now);
                prop_assert!(standing.remaining <= pace.burst());
                budget.give_back(&pace, cost, now, || now);
                let _ = budget.is_full(now);
            }
        }
    }

    #[test]
    fn a_budget_runs_out_and_comes_back() {
        let (pace, budget) = (Pace::new(60, 3, 1), Gcra::new());
        for left in [2, 1, 0] {
            let standing = budget.take(&pace, 1, 7).unwrap();
            assert_eq!((standing.remaining, standing.retry_after), (left, 0));
        }
        let refused = budget.take(&pace, 1, 7).unwrap_err();
        assert_eq!(refused, Standing { remaining: 0, reset: 3 * SECOND, retry_after: SECOND });
        assert_eq!(budget.take(&pace, 2, 7).unwrap_err().retry_after, 2 * SECOND);
        assert_eq!(budget.take(&pace, 1, 6 + SECOND).unwrap_err().retry_after, 1);
        assert!(budget.take(&pace, 1, 7 + SECOND).is_ok());
        assert!(!budget.is_full(6 + 4 * SECOND) && budget.is_full(7 + 4 * SECOND));
        assert_eq!(budget.standing(&pace, 1, 7 + 4 * SECOND).remaining, 3);
    }

    #[test]
    fn intervals_are_rounded_up_and_divided() {
        assert_eq!(Pace::new(7, 7, 1).interval, 8_571_428_572);
        assert_eq!(Pace::new(1_000_000_000, 1, 1).interval, 60);
        assert_eq!(Pace::new(999_999_999, 1, 1).interval, 61);
        assert_eq!(Pace::of(&Limit::new("read", 100).burst(20), 4), Pace::new(25, 5, 1));
        // Two a minute between four: each has one in two minutes.
        assert_eq!(Pace::new(2, 2, 4), Pace { interval: 120 * SECOND, burst: 1 });
    }

    #[test]
    fn the_widest_numbers() {
        let fast = Pace::new(1_000_000_000, 1_000_000_000, 1);
        let budget = Gcra::new();
        assert_eq!(budget.take(&fast, 1_000_000_000, 0).map(|it| it.remaining), Ok(0));
        assert_eq!(budget.take(&fast, 1, 60).map(|it| it.remaining), Ok(0));
        let slow = Pace::new(1, 1_000_000_000, 4_096);
        assert!(slow.burst() > 10_000 && slow.depth() <= LONGEST);
        for now in [0, 1, u64::MAX - 1, u64::MAX] {
            let budget = Gcra::new();
            // Beyond the end of the clock nothing is allowed, and nothing overflows.
            assert_eq!(budget.take(&slow, 1, now).is_ok(), now < 2);
            assert!(budget.take(&slow, u64::MAX, now).is_err());
            assert_eq!(budget.take(&slow, slow.burst() + 1, now).unwrap_err().retry_after, u64::MAX);
        }
    }

    #[test]
    fn what_came_back_by_itself_is_not_given_back_again() {
        let (pace, budget) = (Pace::new(60, 10, 1), Gcra::new());
        budget.take(&pace, 10, 0).unwrap();
        // Eight have come back when another takes one; without the ten it would have left nine.
        budget.take(&pace, 1, 8 * SECOND).unwrap();
        budget.give_back(&pace, 10, 0, || 8 * SECOND);
        assert_eq!(budget.standing(&pace, 1, 8 * SECOND).remaining, 9);
        budget.give_back(&pace, 10, 0, || 30 * SECOND);
        assert_eq!(budget.standing(&pace, 1, 8 * SECOND).remaining, 9);
    }

    #[test]
    fn only_an_unspent_budget_is_ended_and_then_gives_nothing() {
        let (pace, budget) = (Pace::new(60, 2, 1), Gcra::new());
        budget.take(&pace, 1, 10).unwrap();
        assert!(!budget.end(10) && !budget.is_ended());
        assert!(budget.end(10 + SECOND) && budget.is_ended() && !budget.end(10 + SECOND));
        budget.give_back(&pace, 1, 10, || 10);
        assert!(budget.is_ended() && budget.take(&pace, 1, 100 * SECOND).is_err());
    }

    #[test]
    fn an_older_clock_allows_less() {
        let (pace, budget) = (Pace::new(60, 2, 1), Gcra::new());
        budget.take(&pace, 1, 10 * SECOND).unwrap();
        assert_eq!(budget.standing(&pace, 1, 9 * SECOND).remaining, 0);
        assert!(budget.take(&pace, 1, 9 * SECOND).is_err());
        assert!(budget.take(&pace, 1, 10 * SECOND).is_ok());
    }

    /// Each thread takes, and gives back every third of what it got; what it kept is returned.
    fn crowd(budget: &Gcra, pace: &Pace, clock: impl Fn() -> u64 + Sync) -> u64 {
        const THREADS: u64 = 8;
        let (barrier, clock) = (Barrier::new(8), &clock);
        let work = |thread: u64| {
            let mut kept = 0;
            barrier.wait();
            for turn in 0..20_000 {
                let (cost, now) = (1 + (thread + turn) % 3, clock());
                if budget.take(pace, cost, now).is_ok() {
                    if turn % 3 == 0 { budget.give_back(pace, cost, now, clock) } else { kept += cost }
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
        let (pace, budget) = (Pace::new(60, BURST, 1), Gcra::new());
        let kept = crowd(&budget, &pace, || 5);
        assert_eq!(budget.standing(&pace, 1, 5).remaining, BURST - kept);
        assert!(budget.take(&pace, BURST + 1 - kept, 5).is_err());
    }

    #[test]
    fn many_threads_on_a_running_clock_keep_no_more_than_burst_and_rate_give() {
        let (pace, budget, begin) = (Pace::new(6_000_000, 100, 1), Gcra::new(), Instant::now());
        let clock = || u64::try_from(begin.elapsed().as_nanos()).unwrap();
        let kept = crowd(&budget, &pace, clock);
        assert!(kept <= 100 + clock() / 10_000, "{kept}");
    }
}

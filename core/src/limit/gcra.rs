//! The generic cell rate algorithm (GCRA) on one number: the theoretical arrival time (TAT), at which the budget is unspent
//! again, on a monotonic clock of microseconds that the caller reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::Limit;

/// A minute in microseconds.
const MINUTE: u64 = 60_000_000;

/// The most ticks to a microsecond. Budgets count time in ticks, with as many to the microsecond as make the emission
/// interval a whole number of them. Rates above this number can need more; their interval is rounded up by less than one
/// tick.
pub(super) const MAX_TICKS: u64 = 1 << 12;

/// The bits of an arrival time. The machine limiter uses the other four bits of a word. At the most ticks they last for
/// eight years.
pub(super) const TAT_BITS: u32 = 60;

/// The longest time that a whole budget may take to come back, in ticks. A larger burst counts as the largest one that fits.
const MAX_TOLERANCE: u64 = 1 << 58;

/// The parameters of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GcraParams {
    /// Ticks to a microsecond.
    ticks: u64,
    /// Ticks between two requests at the limit's rate. It is never too short.
    emission_interval: u64,
    /// Ticks in which a whole budget comes back: the burst times the emission interval.
    tolerance: u64,
}

impl GcraParams {
    /// A number outside the range of limits counts as the nearest one inside.
    pub(crate) fn new(rate: u64, burst: u64) -> Self {
        let rate = rate.max(1);
        let ticks = (rate / greatest_common_divisor(rate, MINUTE)).min(MAX_TICKS);
        let emission_interval = (MINUTE * ticks).div_ceil(rate);
        let burst = burst.clamp(1, MAX_TOLERANCE / emission_interval);
        Self { ticks, emission_interval, tolerance: burst * emission_interval }
    }

    pub(crate) fn of(limit: &Limit) -> Self {
        Self::new(limit.rate, limit.burst)
    }

    /// Ticks to a microsecond: 1 to [`MAX_TICKS`].
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks
    }

    /// The ticks in which one request comes back, at least 1.
    pub(crate) fn emission_interval(&self) -> u64 {
        self.emission_interval
    }

    /// The ticks in which a whole budget comes back: at most 2^58, and a multiple of the emission interval.
    pub(crate) fn tolerance(&self) -> u64 {
        self.tolerance
    }

    pub(crate) fn burst(&self) -> u64 {
        self.tolerance / self.emission_interval
    }

    fn ticks_at(&self, micros: u64) -> u64 {
        micros.saturating_mul(self.ticks)
    }

    /// The arrival time after requests of this cost, `None` if the limit does not allow them now.
    pub(crate) fn tat_after(&self, tat: u64, cost: u64, now: u64) -> Option<u64> {
        let now = self.ticks_at(now);
        let next = tat.max(now).checked_add(self.emission_interval.checked_mul(cost)?)?;
        (next.saturating_sub(now) <= self.tolerance && next >> TAT_BITS == 0).then_some(next)
    }

    /// The arrival time after the refund of a cost that was taken so many microseconds ago.
    ///
    /// The part that has come back by itself since then is not returned a second time: others may have taken it, and the
    /// budget would hold more than if nobody had taken the cost. Therefore the caller reads the clock only after it has
    /// seen the charges of others.
    pub(crate) fn tat_refunded(&self, tat: u64, cost: u64, ago: u64) -> u64 {
        let cost = self.emission_interval.saturating_mul(cost);
        tat.saturating_sub(cost.saturating_sub(self.ticks_at(ago)))
    }

    pub(crate) fn backlog(&self, tat: u64, now: u64) -> Backlog {
        Backlog(tat.saturating_sub(self.ticks_at(now)))
    }

    /// The number of requests that the limit allows now.
    pub(crate) fn remaining(&self, backlog: Backlog) -> u64 {
        self.tolerance.saturating_sub(backlog.0) / self.emission_interval
    }

    /// The backlog as if so many requests fewer had been taken.
    pub(super) fn backlog_without(&self, backlog: Backlog, amount: u64) -> Backlog {
        Backlog(backlog.0.saturating_sub(self.emission_interval.saturating_mul(amount)))
    }

    /// The backlog of a budget that is used up.
    pub(super) fn whole_backlog(&self) -> Backlog {
        Backlog(self.tolerance)
    }

    /// The requests that come back in so many microseconds.
    pub(super) fn gained_in(&self, micros: u64) -> u64 {
        self.ticks_at(micros) / self.emission_interval
    }

    /// The arrival time of a budget with this backlog.
    pub(super) fn tat_of(&self, backlog: Backlog, now: u64) -> u64 {
        self.ticks_at(now).saturating_add(backlog.0).min((1 << TAT_BITS) - 1)
    }

    /// The microseconds until requests of this cost pass. More than the burst never pass.
    pub(super) fn wait_micros(&self, backlog: Backlog, cost: u64) -> u64 {
        self.shortfall(backlog, cost).map_or(u64::MAX, |ticks| ticks.div_ceil(self.ticks))
    }

    /// The backlog from which one request passes after so many microseconds.
    pub(super) fn backlog_before(&self, micros: u64) -> Backlog {
        Backlog((self.tolerance - self.emission_interval).saturating_add(self.ticks_at(micros)))
    }

    /// The seconds until the budget is unspent again.
    pub(crate) fn reset_seconds(&self, backlog: Backlog) -> u64 {
        self.seconds(backlog.0)
    }

    /// The seconds until requests of this cost pass: 0 if they pass now, `None` for more than the burst.
    pub(crate) fn wait_seconds(&self, backlog: Backlog, cost: u64) -> Option<u64> {
        self.shortfall(backlog, cost).map(|ticks| self.seconds(ticks))
    }

    fn shortfall(&self, backlog: Backlog, cost: u64) -> Option<u64> {
        let cost = self.emission_interval.checked_mul(cost).filter(|ticks| *ticks <= self.tolerance)?;
        Some(backlog.0.saturating_add(cost).saturating_sub(self.tolerance))
    }

    /// Rounds up, so that a client that waits this long has waited long enough.
    fn seconds(&self, ticks: u64) -> u64 {
        ticks.div_ceil(self.ticks * 1_000_000)
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The ticks from now until the arrival time of a budget: 0 is unspent. Its [`GcraParams`] give it a meaning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Backlog(u64);

impl Backlog {
    pub(crate) fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    #[cfg(test)]
    pub(crate) fn ticks(self) -> u64 {
        self.0
    }
}

/// The arrival time of a retired budget.
const RETIRED: u64 = u64::MAX;

/// One budget with fixed parameters: a changed limit gets a new one. In any time `t`, callers take and keep at most the
/// burst plus the requests that the rate gives in `t`.
///
/// `now` may be a little older than the time that another thread used. The budget then allows less, never more.
#[derive(Debug)]
pub(crate) struct GcraCell {
    params: GcraParams,
    tat: AtomicU64,
}

impl GcraCell {
    /// An unspent budget.
    pub(crate) const fn new(params: GcraParams) -> Self {
        Self { params, tat: AtomicU64::new(0) }
    }

    /// Takes the whole cost, or nothing.
    pub(crate) fn take(&self, cost: u64, now: u64) -> Option<Backlog> {
        let mut tat = self.tat.load(Ordering::Acquire);
        loop {
            let next = self.params.tat_after(tat, cost, now)?;
            match self.tat.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(self.params.backlog(next, now)),
                Err(other) => tat = other,
            }
        }
    }

    /// Returns a cost that was taken at `taken`, because another limit refuses the request.
    pub(crate) fn refund(&self, cost: u64, taken: u64, clock: impl Fn() -> u64) {
        let mut tat = self.tat.load(Ordering::Acquire);
        while tat != RETIRED {
            let next = self.params.tat_refunded(tat, cost, clock().saturating_sub(taken));
            match self.tat.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(other) => tat = other,
            }
        }
    }

    pub(crate) fn backlog(&self, now: u64) -> Backlog {
        self.params.backlog(self.tat.load(Ordering::Acquire), now)
    }

    /// Retires the budget if it is unspent, so that a new one can replace it without effect. A retired budget gives
    /// nothing.
    pub(crate) fn retire(&self, now: u64) -> bool {
        let tat = self.tat.load(Ordering::Acquire);
        tat <= self.params.ticks_at(now)
            && self.tat.compare_exchange(tat, RETIRED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.tat.load(Ordering::Acquire) == RETIRED
    }

    pub(crate) fn is_unspent(&self, now: u64) -> bool {
        self.backlog(now) == Backlog(0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    /// 2 years. Twice as long is longer than any clock has run.
    const FAR: u64 = MAX_TOLERANCE / MAX_TICKS;

    /// The obvious implementation of a budget: it replays all kept charges from the beginning, in ticks.
    struct Reference {
        params: GcraParams,
        /// The time and cost of each charge, in the order of the calls.
        kept: Vec<(u64, u64)>,
    }

    impl Reference {
        fn in_time(&self) -> Vec<(u64, u64)> {
            let mut kept = self.kept.clone();
            kept.sort_by_key(|it| it.0);
            kept
        }

        fn remaining(&self, now: u64) -> u64 {
            let [ticks, interval, tolerance] =
                [self.params.ticks, self.params.emission_interval, self.params.tolerance].map(u128::from);
            let (mut level, mut at) = (tolerance, 0);
            for (taken, cost) in self.in_time().into_iter().chain([(now, 0)]) {
                level = (level + u128::from(taken - at) * ticks).min(tolerance);
                level = level.checked_sub(u128::from(cost) * interval).expect("more was taken than there was");
                at = taken;
            }
            u64::try_from(level / interval).unwrap()
        }

        /// The promise, for the true rate: no window holds more than the burst plus the requests that the rate gives in it.
        fn holds(&self, rate: u64, burst: u64) -> bool {
            let (kept, burst, minute) = (self.in_time(), u128::from(burst), u128::from(MINUTE));
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
        /// A thread that read the clock a little earlier.
        Late(u64, u64),
        Refund(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => prop_oneof![0..10_u64, 0..SECOND, 0..600 * SECOND, Just(FAR / 64)].prop_map(Step::Wait),
            6 => prop_oneof![Just(1), 1..12_u64].prop_map(Step::Take),
            1 => (prop_oneof![0..10_u64, 0..SECOND], 1..4_u64).prop_map(|(ago, cost)| Step::Late(ago, cost)),
            2 => any::<usize>().prop_map(Step::Refund),
        ]
    }

    fn numbers() -> impl Strategy<Value = (u64, u64)> {
        let rate = prop_oneof![1..20_u64, 1..10_000_u64, 1..=1_000_000_000_u64];
        let burst = prop_oneof![1..20_u64, 1..10_000_u64, 1..=1_000_000_000_u64];
        (rate, burst)
    }

    proptest! {
        #[test]
        fn never_more_than_the_reference_and_the_same_without_delays(
            (rate, burst) in numbers(),
            start in prop_oneof![Just(0), 0..FAR],
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let params = GcraParams::new(rate, burst);
            let budget = GcraCell::new(params);
            let mut reference = Reference { params, kept: Vec::new() };
            // The charges that may still be refunded, and whether no step so far had a delay.
            let (mut now, mut open, mut exact) = (start, Vec::new(), true);
            for step in steps {
                match step {
                    Step::Wait(by) => {
                        now = (now + by).min(2 * FAR);
                        open.clear();
                    }
                    Step::Take(cost) => {
                        let before = budget.backlog(now);
                        let shortfall = params.shortfall(before, cost);
                        match budget.take(cost, now) {
                            Some(backlog) => {
                                prop_assert_eq!(params.remaining(backlog), params.remaining(before) - cost);
                                prop_assert_eq!(shortfall, Some(0));
                                open.push(reference.kept.len());
                                reference.kept.push((now, cost));
                            }
                            None => {
                                prop_assert!(params.remaining(before) < cost);
                                prop_assert_eq!(budget.backlog(now), before);
                                prop_assert_eq!(shortfall.is_none(), cost > params.burst());
                                if let Some(shortfall) = shortfall {
                                    prop_assert!(params.remaining(Backlog(before.0 - shortfall)) >= cost);
                                    prop_assert!(params.remaining(Backlog(before.0 - shortfall + 1)) < cost);
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
                    Step::Refund(which) if !open.is_empty() => {
                        let index = open.swap_remove(which % open.len());
                        let (taken, cost) = reference.kept[index];
                        budget.refund(cost, taken, || now);
                        reference.kept[index].1 = 0;
                    }
                    Step::Refund(_) => {}
                }
                let (backlog, most) = (budget.backlog(now), reference.remaining(now));
                let mine = params.remaining(backlog);
                prop_assert!(if exact { mine == most } else { mine <= most }, "{mine}, {most}");
                prop_assert_eq!(params.wait_seconds(backlog, 1) == Some(0), mine > 0);
                prop_assert_eq!(budget.is_unspent(now), params.reset_seconds(backlog) == 0);
                prop_assert!(budget.is_unspent(now + backlog.0.div_ceil(params.ticks)));
            }
            prop_assert!(reference.holds(rate, burst));
        }

        #[test]
        fn a_late_give_back_never_gives_more_than_if_nothing_had_been_taken(
            (rate, burst) in numbers(),
            steps in prop::collection::vec((0..4_u64 * SECOND, 1..6_u64, any::<bool>(), 0..4_usize), 1..40),
        ) {
            let params = GcraParams::new(rate, burst);
            let budget = GcraCell::new(params);
            let mut reference = Reference { params, kept: Vec::new() };
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
                    budget.refund(cost, taken, || now);
                    reference.kept[index].1 = 0;
                }
                prop_assert!(params.remaining(budget.backlog(now)) <= reference.remaining(now));
            }
            prop_assert!(reference.holds(rate, burst));
        }

        #[test]
        fn any_numbers_are_accepted(
            (rate, burst, cost) in any::<(u64, u64, u64)>(),
            times in prop::collection::vec(any::<u64>(), 1..20),
        ) {
            let params = GcraParams::new(rate, burst);
            let budget = GcraCell::new(params);
            for now in times {
                let _ = budget.take(cost, now);
                let backlog = budget.backlog(now);
                prop_assert!(params.remaining(backlog) <= params.burst());
                let _ = (params.reset_seconds(backlog), params.wait_seconds(backlog, cost));
                budget.refund(cost, now, || now);
                let _ = budget.is_unspent(now);
            }
        }

        /// At any rate, a client waits for exactly as long as the rate says, in whole seconds.
        #[test]
        fn seconds_are_those_of_the_true_rate(
            rate in 1..=MAX_TICKS,
            share in 1..=1_000_u64,
            start in 0..FAR,
        ) {
            let (params, taken) = (GcraParams::new(rate, rate), (rate * share / 1_000).max(1));
            let budget = GcraCell::new(params);
            let seconds = |requests: u64| (requests * 60).div_ceil(rate);
            // Both one by one and all at once.
            for cost in [1; 20].into_iter().take(taken.min(20) as usize).chain([taken.saturating_sub(20)]) {
                prop_assert!(budget.take(cost, start).is_some());
            }
            let backlog = budget.backlog(start);
            prop_assert_eq!((params.burst(), params.remaining(backlog)), (rate, rate - taken));
            prop_assert_eq!(params.reset_seconds(backlog), seconds(taken));
            prop_assert_eq!(params.wait_seconds(backlog, rate), Some(seconds(taken)));
        }
    }

    #[test]
    fn a_budget_runs_out_and_comes_back() {
        let params = GcraParams::new(60, 3);
        let budget = GcraCell::new(params);
        let left = |now| params.remaining(budget.backlog(now));
        for left in [2, 1, 0] {
            assert_eq!(budget.take(1, 7).map(|backlog| params.remaining(backlog)), Some(left));
        }
        assert_eq!((budget.take(1, 7), left(7), params.reset_seconds(budget.backlog(7))), (None, 0, 3));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|cost| params.wait_seconds(budget.backlog(7), cost)),
            [Some(0), Some(1), Some(2), Some(3), None]
        );
        assert_eq!(budget.take(1, 6 + SECOND), None);
        assert_eq!(params.shortfall(budget.backlog(6 + SECOND), 1), Some(1));
        assert!(budget.take(1, 7 + SECOND).is_some());
        assert!(!budget.is_unspent(6 + 4 * SECOND) && budget.is_unspent(7 + 4 * SECOND));
        assert_eq!(left(7 + 4 * SECOND), 3);
    }

    #[test]
    fn intervals_are_exact_up_to_the_finest_tick_and_then_rounded_up() {
        let numbers = |rate| {
            let params = GcraParams::new(rate, 1);
            (params.ticks, params.emission_interval)
        };
        assert_eq!(numbers(60), (1, SECOND));
        assert_eq!(numbers(7), (7, MINUTE));
        assert_eq!(numbers(1_000_000_000), (50, 3));
        // A minute is not a multiple of this prime: the interval is 245.76 ticks.
        assert_eq!(numbers(1_000_000_007), (MAX_TICKS, 246));
        assert_eq!(GcraParams::of(&Limit::new("read", 100).burst(20)), GcraParams::new(100, 20));
    }

    #[test]
    fn the_widest_numbers() {
        let fast = GcraParams::new(1_000_000_000, 1_000_000_000);
        let budget = GcraCell::new(fast);
        assert_eq!(budget.take(1_000_000_000, 0).map(|backlog| fast.remaining(backlog)), Some(0));
        assert_eq!(budget.take(17, 1), None);
        assert_eq!(budget.take(16, 1).map(|backlog| fast.remaining(backlog)), Some(0));
        let slow = GcraParams::new(1, 1_000_000_000);
        assert!(slow.burst() == 1_000_000_000 && slow.tolerance <= MAX_TOLERANCE);
        assert!(GcraParams::new(1, u64::MAX).burst() < u64::MAX);
        for now in [0, 1, u64::MAX - 1, u64::MAX] {
            let budget = GcraCell::new(slow);
            // At the end of the clock the budget allows nothing, and nothing overflows.
            assert_eq!(budget.take(1, now).is_some(), now < 2);
            assert!(budget.take(u64::MAX, now).is_none() && budget.take(slow.burst() + 1, now).is_none());
            assert_eq!(slow.wait_seconds(budget.backlog(now), slow.burst() + 1), None);
        }
    }

    #[test]
    fn a_refund_leaves_out_what_came_back_by_itself() {
        let params = GcraParams::new(60, 10);
        let budget = GcraCell::new(params);
        budget.take(10, 0).unwrap();
        // Eight have come back when another caller takes one. Without the ten it would have left nine.
        budget.take(1, 8 * SECOND).unwrap();
        budget.refund(10, 0, || 8 * SECOND);
        assert_eq!(params.remaining(budget.backlog(8 * SECOND)), 9);
        budget.refund(10, 0, || 30 * SECOND);
        assert_eq!(params.remaining(budget.backlog(8 * SECOND)), 9);
    }

    #[test]
    fn only_an_unspent_budget_is_retired_and_then_gives_nothing() {
        let budget = GcraCell::new(GcraParams::new(60, 2));
        budget.take(1, 10).unwrap();
        assert!(!budget.retire(10) && !budget.is_retired());
        assert!(budget.retire(10 + SECOND) && budget.is_retired() && !budget.retire(10 + SECOND));
        budget.refund(1, 10, || 10);
        assert!(budget.is_retired() && budget.take(1, 100 * SECOND).is_none());
    }

    #[test]
    fn an_older_clock_allows_less() {
        let params = GcraParams::new(60, 2);
        let budget = GcraCell::new(params);
        budget.take(1, 10 * SECOND).unwrap();
        assert_eq!(params.remaining(budget.backlog(9 * SECOND)), 0);
        assert!(budget.take(1, 9 * SECOND).is_none());
        assert!(budget.take(1, 10 * SECOND).is_some());
    }

    /// Each thread takes, and refunds every third charge. Returns the sum that all threads kept.
    fn crowd(budget: &GcraCell, clock: impl Fn() -> u64 + Sync) -> u64 {
        const THREADS: u64 = 8;
        let (barrier, clock) = (Barrier::new(8), &clock);
        let work = |thread: u64| {
            let mut kept = 0;
            barrier.wait();
            for turn in 0..20_000 {
                let (cost, now) = (1 + (thread + turn) % 3, clock());
                if budget.take(cost, now).is_some() {
                    if turn % 3 == 0 { budget.refund(cost, now, clock) } else { kept += cost }
                }
            }
            kept
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        })
    }

    #[test]
    fn many_threads_share_one_budget_to_the_last_request() {
        // The threads ask for a little more than there is, so that they compete for most of the run.
        const BURST: u64 = 150_000;
        let params = GcraParams::new(60, BURST);
        let budget = GcraCell::new(params);
        let kept = crowd(&budget, || 5);
        assert_eq!(params.remaining(budget.backlog(5)), BURST - kept);
        assert!(budget.take(BURST + 1 - kept, 5).is_none());
    }

    #[test]
    fn many_threads_on_a_running_clock_keep_no_more_than_burst_and_rate_give() {
        let (budget, begin) = (GcraCell::new(GcraParams::new(6_000_000, 100)), Instant::now());
        let clock = || u64::try_from(begin.elapsed().as_micros()).unwrap();
        let kept = crowd(&budget, clock);
        assert!(kept <= 100 + clock() / 10, "{kept}");
    }
}

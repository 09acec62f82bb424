//! Budgets in the memory of this process.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex};

use super::gcra::{GcraCell, GcraParams};
use super::rule::LimitRule;
use crate::clock::Clock;
use crate::fork::lock;

/// The number of budgets at which the first sweep drops the unspent ones. The next sweep comes when the number has
/// doubled.
const MIN_BUDGETS: usize = 1_024;

/// The most agents of one org with a budget each. Clients name agents, so their number has to have a bound: past it,
/// further agents of that org share one budget.
const MAX_AGENTS: usize = 10_000;

/// The pause between two sweeps of an org with the most agents, in microseconds.
const PAUSE: u64 = 1_000_000;

/// Budgets in the memory of this process. A limit with other numbers gets a new budget.
pub(crate) struct ProcessLimiter {
    /// Hashes ids under a key of this process: two ids that collide share a budget, and nobody can choose such ids.
    hash: RandomState,
    keys: Mutex<KeyBudgets>,
    /// Each org has its own, so that the number of its agents does not affect another org.
    agents: papaya::HashMap<u64, AgentBudgets>,
}

/// The budgets of the agents of one org.
struct AgentBudgets {
    budgets: papaya::HashMap<u64, GcraCell>,
    sweep: Mutex<Sweep>,
}

/// The next sweep of unspent budgets: at this number, and not before this time.
struct Sweep {
    at: usize,
    not_before: u64,
}

/// The budgets of keys and orgs.
struct KeyBudgets {
    budgets: HashMap<u64, Arc<GcraCell>>,
    sweep_at: usize,
}

impl AgentBudgets {
    fn new() -> Self {
        Self { budgets: papaya::HashMap::new(), sweep: Mutex::new(Sweep { at: MIN_BUDGETS, not_before: 0 }) }
    }
}

impl ProcessLimiter {
    pub(crate) fn new() -> Self {
        Self {
            hash: RandomState::new(),
            keys: Mutex::new(KeyBudgets { budgets: HashMap::new(), sweep_at: MIN_BUDGETS }),
            agents: papaya::HashMap::new(),
        }
    }

    fn slot(&self, owner: impl Hash, rule: &LimitRule) -> u64 {
        let limit = &rule.limit;
        self.hash.hash_one((owner, &limit.name, limit.rate, limit.burst, limit.per, &limit.operation))
    }

    /// The budget of a key or an org, by its id.
    pub(crate) fn budget(&self, id: &str, rule: &LimitRule, clock: &Clock) -> Arc<GcraCell> {
        self.budget_in(self.slot(id, rule), rule.params, || clock.monotonic_micros())
    }

    /// The budget in a slot, by a hash that nobody can choose.
    pub(super) fn budget_in(&self, slot: u64, params: GcraParams, now: impl Fn() -> u64) -> Arc<GcraCell> {
        let mut keys = lock(&self.keys);
        if keys.budgets.len() >= keys.sweep_at {
            let now = now();
            keys.budgets.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_unspent(now));
            keys.sweep_at = MIN_BUDGETS.max(keys.budgets.len() * 2);
        }
        Arc::clone(keys.budgets.entry(slot).or_insert_with(|| Arc::new(GcraCell::new(params))))
    }

    /// Calls `with` on the budget of one agent of an org.
    pub(super) fn with_agent<T>(
        &self,
        owner: (&str, &str),
        rule: &LimitRule,
        clock: &Clock,
        with: impl Fn(&GcraCell) -> T,
    ) -> T {
        let orgs = self.agents.pin();
        let agents = orgs.get_or_insert_with(self.hash.hash_one(owner.0), AgentBudgets::new);
        let pinned = agents.budgets.pin();
        let mut slot = self.slot(owner, rule);
        loop {
            if let Some(budget) = pinned.get(&slot) {
                let done = with(budget);
                if !budget.is_retired() {
                    return done;
                }
                // A sweep has just retired it, so that it gave nothing.
                let _ = pinned.remove_if(&slot, |_, budget| budget.is_retired());
            }
            let mut sweep = lock(&agents.sweep);
            if pinned.len() >= sweep.at {
                let now = clock.monotonic_micros();
                if now >= sweep.not_before {
                    pinned.retain(|_, budget| !budget.is_retired() && !budget.retire(now));
                    let at = MIN_BUDGETS.max(pinned.len() * 2).min(MAX_AGENTS);
                    *sweep = Sweep { at, not_before: now + if at == MAX_AGENTS { PAUSE } else { 0 } };
                }
            }
            drop(sweep);
            if pinned.len() >= MAX_AGENTS {
                slot = self.slot((owner.0, ()), rule);
            }
            pinned.get_or_insert_with(slot, || GcraCell::new(rule.params));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, time};
    use crate::record::{Limit, Per};

    #[test]
    fn a_budget_outlives_its_holders_until_it_is_unspent() {
        let manual = ManualClock::new(time(1_000_000));
        let (limiter, clock) = (ProcessLimiter::new(), Clock::from(manual.clone()));
        let rule = LimitRule::new(Limit::new("one", 1));
        let one = |id: &str| limiter.budget(id, &rule, &clock);
        let is_allowed = |id: &str| one(id).take(1, clock.monotonic_micros()).is_some();
        assert!(is_allowed("spent"));
        for id in 0..3 * MIN_BUDGETS {
            drop(one(&id.to_string()));
        }
        assert!(lock(&limiter.keys).budgets.len() <= 2 * MIN_BUDGETS);
        assert_eq!((is_allowed("spent"), is_allowed("other")), (false, true));
        manual.advance(60_000);
        assert!(is_allowed("spent"));
    }

    #[test]
    fn unspent_budgets_of_agents_are_dropped_and_their_number_is_bounded() {
        let manual = ManualClock::new(time(1_000_000));
        let (limiter, clock) = (ProcessLimiter::new(), Clock::from(manual.clone()));
        let rule = LimitRule::new(Limit::new("agents", 1).per(Per::Agent));
        let is_allowed = |org: &str, agent: &str| {
            let take = |budget: &GcraCell| budget.take(1, clock.monotonic_micros()).is_some();
            limiter.with_agent((org, agent), &rule, &clock, take)
        };
        for agent in 0..3 * MIN_BUDGETS {
            assert!(is_allowed("o", &format!("early {agent}")));
            if agent == 0 {
                assert!(is_allowed("p", "a"));
            }
        }
        manual.advance(60_000);
        for agent in 0..3 * MIN_BUDGETS {
            assert!(is_allowed("o", &agent.to_string()));
        }
        let held = |org: &str| limiter.agents.pin().get(&limiter.hash.hash_one(org)).map(|it| it.budgets.len());
        assert!(held("o").is_some_and(|it| it <= 5 * MIN_BUDGETS), "the earlier budgets are dropped");
        assert!(!is_allowed("o", "7"));
        // The number of agents of one org does not affect another org.
        for agent in 0..2 * MAX_AGENTS {
            let _ = is_allowed("many", &agent.to_string());
        }
        assert_eq!((held("many"), held("p").is_some()), (Some(MAX_AGENTS + 1), true));
        assert_eq!((is_allowed("many", "another"), is_allowed("p", "b"), is_allowed("o", "7")), (false, true, false));
        // An hour later all budgets are unspent, and each agent has its own again.
        manual.advance(3_600_000);
        assert!(is_allowed("many", "x") && is_allowed("many", "y"));
    }
}

//! Budgets in the memory of this process.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex};

use super::charge::{Charge, ChargeOutcome, ChargedLimit, KeyLimit, Limiter};
use super::gcra::GcraCell;
use super::rule::LimitRule;
use crate::clock::Clock;
use crate::error::Error;
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

    /// Calls `with` on the budget of one agent of an org.
    fn with_agent<T>(&self, owner: (&str, &str), rule: &LimitRule, clock: &Clock, with: impl Fn(&GcraCell) -> T) -> T {
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

    fn with<T>(
        &self,
        limit: &KeyLimit<Arc<GcraCell>>,
        agent: (&str, &str),
        clock: &Clock,
        act: impl Fn(&GcraCell) -> T,
    ) -> T {
        match &limit.budget {
            Some(budget) => act(budget),
            None => self.with_agent(agent, &limit.rule, clock, act),
        }
    }
}

impl Limiter for ProcessLimiter {
    type Budget = Arc<GcraCell>;

    const SHARED: bool = false;

    fn budget(&self, id: &str, rule: &LimitRule, clock: &Clock) -> Arc<GcraCell> {
        let mut keys = lock(&self.keys);
        if keys.budgets.len() >= keys.sweep_at {
            let now = clock.monotonic_micros();
            keys.budgets.retain(|_, budget| Arc::strong_count(budget) > 1 || !budget.is_unspent(now));
            keys.sweep_at = MIN_BUDGETS.max(keys.budgets.len() * 2);
        }
        Arc::clone(keys.budgets.entry(self.slot(id, rule)).or_insert_with(|| Arc::new(GcraCell::new(rule.params))))
    }

    async fn charge(
        &self,
        limits: &[KeyLimit<Arc<GcraCell>>],
        org: &str,
        charge: &Charge<'_>,
        clock: &Clock,
    ) -> Result<ChargeOutcome, Error> {
        let now = clock.monotonic_micros();
        let agent = (org, charge.agent.unwrap_or_default());
        let applying = || {
            let numbered = (0..).zip(limits);
            numbered.filter_map(|(index, limit)| Some((index, limit, charge.due(index, &limit.rule)?)))
        };
        let backlog = |limit: &KeyLimit<_>| self.with(limit, agent, clock, |budget| budget.backlog(now));
        let mut outcome = ChargeOutcome::default();
        for (index, limit, due) in applying() {
            let taken = match due.cost {
                0 => Some(backlog(limit)),
                cost => self.with(limit, agent, clock, |budget| budget.take(cost, now)),
            };
            match taken {
                Some(backlog) => outcome.limits.push(ChargedLimit { index, charged: due.total(), backlog }),
                None => {
                    outcome.refused = Some(index);
                    break;
                }
            }
        }
        if outcome.refused.is_some() {
            for (_, limit, due) in applying().take(outcome.limits.len()) {
                self.with(limit, agent, clock, |budget| budget.refund(due.cost, now, || clock.monotonic_micros()));
            }
            // Reads all backlogs after the refunds: the limits after the refusing one have not been read at all.
            let states = applying().map(|(index, limit, due)| ChargedLimit {
                index,
                charged: due.charged,
                backlog: backlog(limit),
            });
            outcome.limits = states.collect();
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, time};
    use crate::record::{Limit, Per};
    use crate::wait::block_on;

    fn key_limit(limiter: &ProcessLimiter, limit: Limit, id: &str, clock: &Clock) -> KeyLimit<Arc<GcraCell>> {
        let rule = Arc::new(LimitRule::new(limit, 1));
        let budget = (rule.limit.per != Per::Agent).then(|| limiter.budget(id, &rule, clock));
        KeyLimit { rule, budget }
    }

    #[test]
    fn a_refusal_takes_from_none() {
        let (limiter, clock) = (ProcessLimiter::new(), Clock::from(ManualClock::new(time(1_000_000))));
        let limits = [
            key_limit(&limiter, Limit::new("wide", 100), "k", &clock),
            key_limit(&limiter, Limit::new("other", 1).operation("other"), "k", &clock),
            key_limit(&limiter, Limit::new("narrow", 2), "k", &clock),
        ];
        let charge =
            |cost| block_on(limiter.charge(&limits, "o", &Charge { cost, ..Charge::default() }, &clock)).unwrap();
        let params = |limit: &ChargedLimit| limits[limit.index as usize].rule.params;
        let remaining = |outcome: &ChargeOutcome| {
            outcome.limits.iter().map(|limit| params(limit).remaining(limit.backlog)).collect::<Vec<_>>()
        };
        assert_eq!(remaining(&charge(2)), [98, 0]);
        let refused = charge(1);
        assert_eq!((refused.refused, remaining(&refused)), (Some(2), vec![98, 0]));
        assert_eq!(refused.limits.last().map(|limit| params(limit).wait_seconds(limit.backlog, 1)), Some(Some(30)));
    }

    #[test]
    fn an_earlier_charge_of_the_request_is_not_made_again() {
        let (limiter, clock) = (ProcessLimiter::new(), Clock::from(ManualClock::new(time(1_000_000))));
        let limits = [
            key_limit(&limiter, Limit::new("all", 10), "k", &clock),
            key_limit(&limiter, Limit::new("reads", 10).operation("read"), "k", &clock),
            key_limit(&limiter, Limit::new("writes", 4).operation("write"), "k", &clock),
        ];
        let charge = |operation, cost, before: &ChargeOutcome| {
            let charged: Vec<_> = before.limits.iter().map(|it| (it.index, it.charged)).collect();
            let request = Charge { operation: Some(operation), cost, charged: &charged, ..Charge::default() };
            block_on(limiter.charge(&limits, "o", &request, &clock)).unwrap()
        };
        let shown = |outcome: &ChargeOutcome| {
            let left = |limit: &ChargedLimit| limits[limit.index as usize].rule.params.remaining(limit.backlog);
            outcome.limits.iter().map(|limit| (limit.index, limit.charged, left(limit))).collect::<Vec<_>>()
        };
        let first = charge("read", 2, &ChargeOutcome::default());
        assert_eq!(shown(&first), [(0, 2, 8), (1, 2, 8)]);
        // The sum is the greater of the two costs, and the outcome lists the limits of both operations.
        let second = charge("write", 3, &first);
        assert_eq!(shown(&second), [(0, 3, 7), (1, 2, 8), (2, 3, 1)]);
        assert_eq!(shown(&charge("write", 1, &second)), shown(&second));
        // A refusal refunds its own charge and no more.
        let refused = charge("write", 2, &first);
        assert_eq!((refused.refused, shown(&refused)), (Some(2), vec![(0, 2, 7), (1, 2, 8), (2, 0, 1)]));
    }

    #[test]
    fn a_budget_outlives_its_holders_until_it_is_unspent() {
        let manual = ManualClock::new(time(1_000_000));
        let (limiter, clock) = (ProcessLimiter::new(), Clock::from(manual.clone()));
        let one = |id: &str| key_limit(&limiter, Limit::new("one", 1), id, &clock);
        let charge = |limit| {
            block_on(limiter.charge(&[limit], "o", &Charge { cost: 1, ..Charge::default() }, &clock)).unwrap().refused
        };
        assert_eq!(charge(one("spent")), None);
        for id in 0..3 * MIN_BUDGETS {
            drop(one(&id.to_string()));
        }
        assert!(lock(&limiter.keys).budgets.len() <= 2 * MIN_BUDGETS);
        assert_eq!((charge(one("spent")), charge(one("other"))), (Some(0), None));
        manual.advance(60_000);
        assert_eq!(charge(one("spent")), None);
    }

    #[test]
    fn each_agent_has_a_budget_and_unspent_ones_are_dropped() {
        let manual = ManualClock::new(time(1_000_000));
        let (limiter, clock) = (ProcessLimiter::new(), Clock::from(manual.clone()));
        let limits = [key_limit(&limiter, Limit::new("agents", 1).per(Per::Agent), "", &clock)];
        let charge = |org: &str, agent: Option<&str>| {
            block_on(limiter.charge(&limits, org, &Charge { agent, cost: 1, ..Charge::default() }, &clock))
                .unwrap()
                .refused
        };
        assert_eq!((charge("o", Some("a")), charge("o", Some("b")), charge("p", Some("a"))), (None, None, None));
        assert_eq!((charge("o", None), charge("o", None), charge("o", Some("a"))), (None, Some(0), Some(0)));
        manual.advance(60_000);
        for agent in 0..3 * MIN_BUDGETS {
            assert_eq!(charge("o", Some(&agent.to_string())), None);
        }
        let held = |org: &str| limiter.agents.pin().get(&limiter.hash.hash_one(org)).map(|it| it.budgets.len());
        assert!(held("o").is_some_and(|it| it <= 3 * MIN_BUDGETS), "the earlier budgets are dropped");
        assert_eq!(charge("o", Some("7")), Some(0));
        // The number of agents of one org does not affect another org.
        for agent in 0..2 * MAX_AGENTS {
            let _ = charge("many", Some(&agent.to_string()));
        }
        assert_eq!((held("many"), held("p").is_some()), (Some(MAX_AGENTS + 1), true));
        assert_eq!(
            (charge("many", Some("another")), charge("p", Some("b")), charge("o", Some("7"))),
            (Some(0), None, Some(0))
        );
        // An hour later all budgets are unspent, and each agent has its own again.
        manual.advance(3_600_000);
        assert_eq!((charge("many", Some("x")), charge("many", Some("y"))), (None, None));
    }
}

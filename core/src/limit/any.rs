//! The limiter of an engine, whichever it is.

use std::sync::Arc;

use super::charge::{Charge, ChargeOutcome, ChargedLimit};
use super::gcra::{Backlog, GcraCell};
use super::machine::{MachineBudget, MachineLimiter, MachineSettings};
use super::process::ProcessLimiter;
use super::rule::LimitRule;
use crate::clock::Clock;
use crate::error::Error;
use crate::record::Per;

/// The settings of a limiter. Each process of an engine makes its own limiter from them.
#[derive(Clone)]
pub(crate) enum LimiterSettings {
    Process,
    Machine(MachineSettings),
}

/// The place that keeps the budgets of an engine: the memory of one process, or a place that several processes share.
pub(crate) enum AnyLimiter {
    Process(ProcessLimiter),
    Machine(MachineLimiter),
}

/// A limit of a key, and the budget that enforces it.
pub(crate) struct KeyLimit {
    pub(crate) rule: Arc<LimitRule>,
    /// `None` for a limit per agent: the request names the agent, and with it the budget.
    budget: Option<Budget>,
}

/// The budget of a key or an org.
enum Budget {
    Process(Arc<GcraCell>),
    Machine(MachineBudget),
}

/// A budget of any limiter.
#[derive(Clone, Copy)]
enum BudgetRef<'a> {
    Process(&'a GcraCell),
    Machine(&'a MachineBudget),
    /// The budget of an agent, which may have been given its cell a moment ago.
    MachineAgent(&'a MachineBudget),
}

impl AnyLimiter {
    pub(crate) fn new(settings: LimiterSettings) -> Self {
        match settings {
            LimiterSettings::Process => Self::Process(ProcessLimiter::new()),
            LimiterSettings::Machine(settings) => Self::Machine(MachineLimiter::new(settings)),
        }
    }

    /// The limiter for budgets that each process has for itself.
    pub(crate) fn local(&self) -> &ProcessLimiter {
        match self {
            Self::Process(limiter) => limiter,
            Self::Machine(limiter) => limiter.local(),
        }
    }

    /// The limit of a key of an org, with its budget. A rule with other numbers has another budget.
    pub(crate) fn key_limit(&self, rule: Arc<LimitRule>, key_id: &str, org: &str, clock: &Clock) -> KeyLimit {
        let owner = match rule.limit.per {
            Per::Key => key_id,
            Per::Org => org,
            Per::Agent => return KeyLimit { rule, budget: None },
        };
        let shared = match self {
            Self::Process(_) => None,
            Self::Machine(limiter) => limiter.budget(owner, &rule),
        };
        let local = || Budget::Process(self.local().budget(owner, &rule, clock));
        KeyLimit { budget: Some(shared.map_or_else(local, Budget::Machine)), rule }
    }

    /// Charges each limit that applies to the request, in order. An agent's budget belongs to one `org`; requests without
    /// an agent share one budget.
    pub(crate) async fn charge(
        &self,
        limits: &[KeyLimit],
        org: &str,
        charge: &Charge<'_>,
        clock: &Clock,
    ) -> Result<ChargeOutcome, Error> {
        let now = clock.monotonic_micros();
        if let Self::Machine(limiter) = self {
            limiter.watch_file(now);
        }
        let agent = (org, charge.agent.unwrap_or_default());
        let applying = || {
            let numbered = (0..).zip(limits);
            numbered.filter_map(|(index, limit)| Some((index, limit, charge.due(index, &limit.rule)?)))
        };
        let read = |limit: &KeyLimit, index, charged| {
            self.with(limit, agent, clock, |budget| ChargedLimit {
                index,
                charged,
                shared: budget.is_shared(),
                backlog: budget.backlog(now),
            })
        };
        let mut outcome = ChargeOutcome::default();
        for (index, limit, due) in applying() {
            let charged = due.total();
            let taken = match due.cost {
                0 => Some(read(limit, index, charged)),
                cost => self.with(limit, agent, clock, |budget| {
                    let backlog = budget.take(cost, now, || clock.monotonic_micros())?;
                    Some(ChargedLimit { index, charged, shared: budget.is_shared(), backlog })
                }),
            };
            match taken {
                Some(state) => outcome.limits.push(state),
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
            outcome.limits = applying().map(|(index, limit, due)| read(limit, index, due.charged)).collect();
        }
        Ok(outcome)
    }

    fn with<T>(&self, limit: &KeyLimit, agent: (&str, &str), clock: &Clock, act: impl Fn(BudgetRef<'_>) -> T) -> T {
        match &limit.budget {
            Some(Budget::Process(budget)) => return act(BudgetRef::Process(budget)),
            Some(Budget::Machine(budget)) => return act(BudgetRef::Machine(budget)),
            None => {}
        }
        if let Self::Machine(limiter) = self
            && let Some(budget) = limiter.agent_budget(agent, &limit.rule, || clock.monotonic_micros())
        {
            return act(BudgetRef::MachineAgent(&budget));
        }
        self.local().with_agent(agent, &limit.rule, clock, |budget| act(BudgetRef::Process(budget)))
    }
}

impl BudgetRef<'_> {
    /// Takes the whole cost, or nothing.
    fn take(self, cost: u64, now: u64, clock: impl Fn() -> u64) -> Option<Backlog> {
        match self {
            Self::Process(budget) => budget.take(cost, now),
            Self::Machine(budget) => budget.take(cost, now, clock),
            // A new cell is unspent from a later time than `now`.
            Self::MachineAgent(budget) => budget.take(cost, clock(), clock),
        }
    }

    /// Returns a cost that was taken at `taken`.
    fn refund(self, cost: u64, taken: u64, clock: impl Fn() -> u64) {
        match self {
            Self::Process(budget) => budget.refund(cost, taken, clock),
            Self::Machine(budget) | Self::MachineAgent(budget) => budget.refund(cost, taken, clock),
        }
    }

    fn backlog(self, now: u64) -> Backlog {
        match self {
            Self::Process(budget) => budget.backlog(now),
            Self::Machine(budget) | Self::MachineAgent(budget) => budget.backlog(now),
        }
    }

    fn is_shared(self) -> bool {
        match self {
            Self::Process(_) => false,
            Self::Machine(budget) | Self::MachineAgent(budget) => budget.is_shared(),
        }
    }
}

//! The limiter of an engine, whichever it is.

use std::sync::Arc;

use smallvec::SmallVec;

use super::charge::{AmountDue, Charge, ChargeOutcome, ChargedLimit};
use super::gcra::GcraCell;
#[cfg(feature = "testing")]
use super::lease::SharedBudgets;
use super::lease::{
    Bought, LeaseSettings, LeasedBudget, LeasedLimiter, PurchaseOutcome, Source, Taken, Taking, Wanted, buy, take,
};
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
    Leased(LeaseSettings),
}

/// The place that keeps the budgets of an engine: the memory of one process, or a place that several processes share.
pub(crate) enum AnyLimiter {
    Process(ProcessLimiter),
    Machine(MachineLimiter),
    Leased(LeasedLimiter),
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
    Leased(Arc<LeasedBudget>),
}

/// A budget of any limiter.
#[derive(Clone, Copy)]
enum BudgetRef<'a> {
    Process(&'a GcraCell),
    Machine(&'a MachineBudget),
    /// The budget of an agent, which may have been given its cell a moment ago.
    MachineAgent(&'a MachineBudget),
    Leased(&'a Arc<LeasedBudget>),
}

/// The outcome of a charge without a purchase.
enum Attempt {
    /// The outcome, and from where its costs were taken, if not from the budgets themselves.
    Done(ChargeOutcome, Sources),
    /// Only a purchase from the budgets of these limits can tell.
    Lacking(SmallVec<[u32; 2]>),
}

/// The purchases of one request, by the index of the limit.
type Purchased = SmallVec<[(u32, Bought); 2]>;

/// Where costs were taken from, if not from the budget itself, by the index of the limit.
type Sources = SmallVec<[(u32, Source); 1]>;

/// The costs of a request that every limit has allowed. They go back unless they are spent: something else may refuse the
/// request.
pub(crate) struct HeldCharge<'a> {
    limiter: &'a AnyLimiter,
    request: ChargedRequest<'a>,
    sources: Sources,
    bought: Purchased,
    taken_at: u64,
    is_spent: bool,
}

/// The outcome of a charge that nothing else refuses.
#[cfg(test)]
pub(super) fn spent((outcome, held): HeldOutcome<'_>) -> ChargeOutcome {
    held.into_iter().for_each(HeldCharge::spend);
    outcome
}

impl HeldCharge<'_> {
    pub(crate) fn spend(mut self) {
        self.is_spent = true;
        std::mem::take(&mut self.bought).into_iter().for_each(|(_, bought)| bought.spend());
    }

    /// Gives the costs back. The outcome is the state of the limits after that.
    pub(crate) fn put_back(mut self) -> ChargeOutcome {
        self.give_back();
        self.limiter.refusal(self.request, None)
    }

    fn give_back(&mut self) {
        if std::mem::replace(&mut self.is_spent, true) {
            return;
        }
        for (index, limit, due) in self.request.applying() {
            // Requests that were bought return by themselves.
            if !self.bought.iter().any(|(of, _)| *of == index) {
                self.limiter.put_back(self.request, (index, limit, due), &self.sources, self.taken_at);
            }
        }
        self.bought.clear();
    }
}

impl Drop for HeldCharge<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// A request that is charged.
#[derive(Clone, Copy)]
struct ChargedRequest<'a> {
    limits: &'a [KeyLimit],
    /// The org and the agent.
    agent: (&'a str, &'a str),
    charge: &'a Charge<'a>,
    clock: &'a Clock,
}

/// An outcome, with the costs if no limit has refused them.
pub(crate) type HeldOutcome<'a> = (ChargeOutcome, Option<HeldCharge<'a>>);

impl<'a> ChargedRequest<'a> {
    /// The limits that apply to the request, with their indexes and what is due.
    fn applying(self) -> impl Iterator<Item = (u32, &'a KeyLimit, AmountDue)> {
        let numbered = (0..).zip(self.limits);
        numbered.filter_map(move |(index, limit)| Some((index, limit, self.charge.due(index, &limit.rule)?)))
    }
}

impl AnyLimiter {
    pub(crate) fn new(settings: LimiterSettings) -> Self {
        match settings {
            LimiterSettings::Process => Self::Process(ProcessLimiter::new()),
            LimiterSettings::Machine(settings) => Self::Machine(MachineLimiter::new(settings)),
            LimiterSettings::Leased(settings) => Self::Leased(LeasedLimiter::new(settings)),
        }
    }

    /// The limiter for budgets that each process has for itself.
    pub(crate) fn local(&self) -> &ProcessLimiter {
        match self {
            Self::Process(limiter) => limiter,
            Self::Machine(limiter) => limiter.local(),
            Self::Leased(limiter) => limiter.local(),
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
            Self::Machine(limiter) => limiter.budget(owner, &rule).map(Budget::Machine),
            Self::Leased(limiter) => Some(Budget::Leased(limiter.budget(owner, &rule))),
        };
        let local = || Budget::Process(self.local().budget(owner, &rule, clock));
        KeyLimit { budget: Some(shared.unwrap_or_else(local)), rule }
    }

    /// Charges each limit that applies to the request, in order, without leaving the caller's thread. `None` if only a shared
    /// place can tell; then nothing is charged. An agent's budget belongs to one `org`; requests without an agent share one budget.
    pub(crate) fn try_charge<'a>(
        &'a self,
        limits: &'a [KeyLimit],
        org: &'a str,
        charge: &'a Charge<'a>,
        clock: &'a Clock,
    ) -> Option<Result<HeldOutcome<'a>, Error>> {
        let request = ChargedRequest { limits, agent: (org, charge.agent.unwrap_or_default()), charge, clock };
        let taken_at = clock.monotonic_micros();
        match self.attempt(request, &[], taken_at) {
            Ok(Attempt::Done(outcome, sources)) => {
                Some(Ok(self.held(request, outcome, sources, Purchased::new(), taken_at)))
            }
            Ok(Attempt::Lacking(_)) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Charges as [`try_charge`](Self::try_charge) does, and buys what the request lacks. What a caller that has gone has bought
    /// is spent by others.
    pub(crate) async fn charge<'a>(
        &'a self,
        limits: &'a [KeyLimit],
        org: &'a str,
        charge: &'a Charge<'a>,
        clock: &'a Clock,
    ) -> Result<HeldOutcome<'a>, Error> {
        let request = ChargedRequest { limits, agent: (org, charge.agent.unwrap_or_default()), charge, clock };
        let mut bought = Purchased::new();
        loop {
            let taken_at = clock.monotonic_micros();
            let lacking = match self.attempt(request, &bought, taken_at)? {
                Attempt::Done(outcome, sources) => return Ok(self.held(request, outcome, sources, bought, taken_at)),
                Attempt::Lacking(lacking) => lacking,
            };
            let (indexes, wanted) = self.wanted(request, &lacking);
            if wanted.is_empty() {
                return Ok((self.refusal(request, lacking.first().copied()), None));
            }
            match buy(&wanted).await {
                PurchaseOutcome::Bought(sold) => bought.extend(indexes.into_iter().zip(sold)),
                PurchaseOutcome::Refused(place) => {
                    return Ok((self.refusal(request, indexes.get(place).copied()), None));
                }
                PurchaseOutcome::TryAgain => {}
            }
        }
    }

    fn held<'a>(
        &'a self,
        request: ChargedRequest<'a>,
        outcome: ChargeOutcome,
        sources: Sources,
        bought: Purchased,
        taken_at: u64,
    ) -> HeldOutcome<'a> {
        // A refused request has taken nothing, and what it has bought returns by itself.
        let is_allowed = outcome.refused.is_none();
        let held = || HeldCharge { limiter: self, request, sources, bought, taken_at, is_spent: false };
        let held = is_allowed.then(held);
        (outcome, held)
    }

    /// The budgets from which to buy next, with the indexes of their limits. Those of another place come later.
    fn wanted(&self, request: ChargedRequest<'_>, lacking: &[u32]) -> (SmallVec<[u32; 2]>, Vec<Wanted>) {
        let (mut indexes, mut wanted) = (SmallVec::new(), Vec::<Wanted>::new());
        for (index, limit, due) in request.applying().filter(|(index, ..)| lacking.contains(index)) {
            let leased = |budget: BudgetRef<'_>| match budget {
                BudgetRef::Leased(budget) => Some(Arc::clone(budget)),
                _ => None,
            };
            if let Some(budget) = self.with(limit, request, leased)
                && wanted.first().is_none_or(|(first, _)| first.is_beside(&budget))
            {
                indexes.push(index);
                wanted.push((budget, due.cost));
            }
        }
        (indexes, wanted)
    }

    /// Charges all limits, or none.
    fn attempt(&self, request: ChargedRequest<'_>, bought: &[(u32, Bought)], now: u64) -> Result<Attempt, Error> {
        if let Self::Machine(limiter) = self {
            limiter.watch_file(now);
        }
        let is_bought = |index| bought.iter().any(|(of, _)| *of == index);
        let (mut outcome, mut lacking) = (ChargeOutcome::default(), SmallVec::new());
        let mut sources = Sources::new();
        let mut failed = None;
        for (index, limit, due) in request.applying() {
            if !lacking.is_empty() {
                // A purchase is needed in any case. It is for all limits, unless one of them refuses the request.
                match self.with(limit, request, |budget| budget.look(due.cost, now)) {
                    Taking::Refused => {
                        outcome.refused = Some(index);
                        break;
                    }
                    Taking::Lacking if !is_bought(index) => lacking.push(index),
                    _ => {}
                }
                continue;
            }
            let taken = self.with(limit, request, |budget| match due.cost {
                cost if cost > 0 && !is_bought(index) => budget.take(cost, now, || request.clock.monotonic_micros()),
                _ => Ok(Taking::Taken(budget.read(now))),
            });
            match taken {
                Ok(Taking::Taken(Taken { backlog, shared, source })) => {
                    outcome.limits.push(ChargedLimit { index, charged: due.total(), shared, backlog });
                    if source != Source::Budget {
                        sources.push((index, source));
                    }
                }
                Ok(Taking::Refused) => {
                    outcome.refused = Some(index);
                    break;
                }
                Ok(Taking::Lacking) => lacking.push(index),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if outcome.refused.is_none() && lacking.is_empty() && failed.is_none() {
            return Ok(Attempt::Done(outcome, sources));
        }
        for taken in request.applying().take(outcome.limits.len()) {
            self.put_back(request, taken, &sources, now);
        }
        match (failed, outcome.refused) {
            (Some(error), _) => Err(error),
            (None, None) => Ok(Attempt::Lacking(lacking)),
            // Reads all backlogs after the refunds: the limits after the refusing one have not been read at all.
            (None, refused) => Ok(Attempt::Done(self.refusal(request, refused), sources)),
        }
    }

    /// Returns the cost of one limit, which was taken at `taken_at`.
    fn put_back(
        &self,
        request: ChargedRequest<'_>,
        (index, limit, due): (u32, &KeyLimit, AmountDue),
        sources: &Sources,
        taken_at: u64,
    ) {
        let source = sources.iter().find(|(of, _)| *of == index).map_or(Source::Budget, |(_, source)| *source);
        self.with(limit, request, |budget| {
            budget.put_back(due.cost, source, taken_at, || request.clock.monotonic_micros())
        });
    }

    /// The outcome of a request that is refused, by a limit or by something else.
    fn refusal(&self, request: ChargedRequest<'_>, refused: Option<u32>) -> ChargeOutcome {
        let now = request.clock.monotonic_micros();
        let limits = request.applying().map(|(index, limit, due)| {
            let Taken { backlog, shared, .. } = self.with(limit, request, |budget| budget.read(now));
            ChargedLimit { index, charged: due.charged, shared, backlog }
        });
        ChargeOutcome { limits: limits.collect(), refused, quotas: None }
    }

    fn with<T>(&self, limit: &KeyLimit, request: ChargedRequest<'_>, act: impl Fn(BudgetRef<'_>) -> T) -> T {
        let ChargedRequest { agent, clock, .. } = request;
        match &limit.budget {
            Some(Budget::Process(budget)) => return act(BudgetRef::Process(budget)),
            Some(Budget::Machine(budget)) => return act(BudgetRef::Machine(budget)),
            Some(Budget::Leased(budget)) => return act(BudgetRef::Leased(budget)),
            None => {}
        }
        match self {
            Self::Process(_) => {}
            Self::Machine(limiter) => {
                if let Some(budget) = limiter.agent_budget(agent, &limit.rule, || clock.monotonic_micros()) {
                    return act(BudgetRef::MachineAgent(&budget));
                }
            }
            Self::Leased(limiter) => {
                let budget = limiter.agent_budget(agent, &limit.rule, || clock.monotonic_micros());
                return act(BudgetRef::Leased(&budget));
            }
        }
        self.local().with_agent(agent, &limit.rule, clock, |budget| act(BudgetRef::Process(budget)))
    }

    /// The place that processes of several machines share.
    #[cfg(feature = "testing")]
    pub(crate) fn place(&self) -> Option<&dyn SharedBudgets> {
        match self {
            Self::Leased(limiter) => Some(limiter.place()),
            _ => None,
        }
    }

    /// Gives back what other processes may need.
    pub(crate) async fn close(&self) {
        if let Self::Leased(limiter) = self {
            limiter.close().await;
        }
    }
}

impl BudgetRef<'_> {
    /// Takes the whole cost, or nothing.
    fn take(self, cost: u64, now: u64, clock: impl Fn() -> u64) -> Result<Taking, Error> {
        let taken = match self {
            Self::Process(budget) => budget.take(cost, now),
            Self::Machine(budget) => budget.take(cost, now, clock),
            // A new cell is unspent from a later time than `now`.
            Self::MachineAgent(budget) => budget.take(cost, clock(), clock),
            Self::Leased(budget) => return take(budget, cost, now),
        };
        let whole = |backlog| Taking::Taken(Taken { backlog, shared: self.is_shared(), source: Source::Budget });
        Ok(taken.map_or(Taking::Refused, whole))
    }

    /// The result that taking the cost would have, as far as this process knows. It takes nothing.
    fn look(self, cost: u64, now: u64) -> Taking {
        match self {
            Self::Leased(budget) if cost > 0 => budget.look(cost, now),
            _ => Taking::Taken(self.read(now)),
        }
    }

    /// Returns a cost that was taken at `taken`.
    fn put_back(self, cost: u64, source: Source, taken: u64, clock: impl Fn() -> u64) {
        match self {
            _ if source == Source::Nothing => {}
            Self::Process(budget) => budget.refund(cost, taken, clock),
            Self::Machine(budget) | Self::MachineAgent(budget) => budget.refund(cost, taken, clock),
            Self::Leased(budget) => budget.put_back(cost, source, taken, clock),
        }
    }

    /// The state without a charge.
    fn read(self, now: u64) -> Taken {
        let (backlog, shared) = match self {
            Self::Process(budget) => (budget.backlog(now), false),
            Self::Machine(budget) | Self::MachineAgent(budget) => (budget.backlog(now), budget.is_shared()),
            Self::Leased(budget) => budget.shown(now),
        };
        Taken { backlog, shared, source: Source::Nothing }
    }

    fn is_shared(self) -> bool {
        match self {
            Self::Process(_) => false,
            Self::Machine(budget) | Self::MachineAgent(budget) => budget.is_shared(),
            Self::Leased(_) => true,
        }
    }
}

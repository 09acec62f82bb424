//! A model of the leases of one limit: processes that buy requests in a shared place and spend them in memory, and the messages
//! between them, which may come late or never. The lease is the engine's own, from `core/src/limit/lease/`.

#[cfg(test)]
mod search;

use keywright::testing::{LeasePurchase, LeaseSale, LeasedRequest, ProcessLease, SharedBudget};
use stateright::{Model, Property};

/// A tick of the model, in microseconds. One request comes back in it.
pub const TICK: u64 = 50_000;
const RATE: u64 = 60_000_000 / TICK;

/// How long a request may be spent after it was sold.
const LEASE: u64 = 2 * TICK;

/// Ways to break the leases. The checker must find a counterexample for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseFlaw {
    /// Requests are spent also after the time of their lease.
    SpendsLate,
    /// A process gives back what it goes on to spend.
    KeepsWhatItGaveBack,
    /// After an answer that was lost, the same requests go back once more.
    GivesBackAgain,
    /// The place returns all that goes back, also what has come back by itself.
    ReturnsTooMuch,
}

/// A system of some size, with at most one broken rule.
#[derive(Debug, Clone, Copy)]
pub struct LeaseModel {
    pub processes: usize,
    pub burst: u64,
    pub requests: usize,
    pub ticks: u64,
    pub flaw: Option<LeaseFlaw>,
}

/// A purchase that was sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Lot {
    at: u64,
    sold: u64,
    spent: u64,
    returned: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Message {
    purchase: LeasePurchase,
    sent: u64,
    /// The lot from which requests go back.
    from: Option<usize>,
    /// The answer, and the lot that it brings.
    answer: Option<(LeaseSale, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Process {
    lease: ProcessLease,
    /// The lot in stock, and when it arrived.
    lot: Option<(usize, u64)>,
    message: Option<Message>,
    /// With a flaw: what goes back once more.
    again: Option<((u64, u64), usize)>,
}

/// The promises that were broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Broken {
    late: bool,
    twice: bool,
    oversold: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Leases {
    now: u64,
    budget: SharedBudget,
    processes: Vec<Process>,
    lots: Vec<Lot>,
    requests: usize,
    broken: Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStep {
    Tick,
    /// A request comes, and buys if it has to.
    Request(usize),
    /// Requests that may no longer be spent are sent back.
    GiveBack(usize),
    /// The message of a process reaches the place.
    Reach(usize),
    /// The answer reaches the process.
    Answer(usize),
    /// The message or its answer is lost.
    Lose(usize),
}

impl Leases {
    /// Spends one request of a lot.
    fn spend(&mut self, lot: usize, arrived: u64) {
        self.lots[lot].spent += 1;
        // A request that waited for its purchase is spent when the answer arrives.
        self.broken.late |= self.now > arrived.max(self.lots[lot].at + LEASE);
        self.broken.twice |= self.lots[lot].spent + self.lots[lot].returned > self.lots[lot].sold;
    }

    /// Whether one budget could have sold all that was kept.
    fn is_oversold(&self, burst: u64) -> bool {
        let (mut level, mut at) = (burst * TICK, 0);
        self.lots.iter().any(|lot| {
            level = (level + lot.at - at).min(burst * TICK);
            at = lot.at;
            let kept = lot.sold.saturating_sub(lot.returned) * TICK;
            let is_too_much = kept > level;
            level = level.saturating_sub(kept);
            is_too_much
        })
    }
}

impl LeaseModel {
    fn request(&self, state: &mut Leases, at: usize) {
        let now = state.now;
        let process = &mut state.processes[at];
        let time = match (self.flaw, process.lot) {
            (Some(LeaseFlaw::SpendsLate), Some((lot, _))) => now.min(state.lots[lot].at),
            _ => now,
        };
        match (process.lease.take(time), process.lot) {
            (LeasedRequest::Spent, Some((lot, arrived))) => state.spend(lot, arrived),
            (LeasedRequest::Lacking, lot) => {
                let Some(mut purchase) = process.lease.buy(now) else { return };
                let mut from = purchase.give_back.and(lot).map(|(lot, _)| lot);
                if let Some((again, lot)) = process.again.take().filter(|_| from.is_none()) {
                    (purchase.give_back, from) = (Some(again), Some(lot));
                }
                process.message = Some(Message { purchase, sent: now, from, answer: None });
            }
            _ => {}
        }
    }

    fn reach(&self, state: &mut Leases, at: usize) {
        let (now, number) = (state.now, state.lots.len());
        let Some(message) = &mut state.processes[at].message else { return };
        let mut purchase = message.purchase;
        if let (Some((amount, sold_at)), Some(from)) = (&mut purchase.give_back, message.from) {
            let lot = &mut state.lots[from];
            lot.returned += *amount;
            state.broken.twice |= lot.spent + lot.returned > lot.sold;
            if self.flaw == Some(LeaseFlaw::ReturnsTooMuch) {
                *sold_at = now;
            }
        }
        let sale = state.budget.buy(purchase, now);
        message.answer = Some((sale, number));
        state.lots.push(Lot { at: now, sold: sale.sold, spent: 0, returned: 0 });
        state.broken.oversold |= state.is_oversold(self.burst);
    }

    fn answer(state: &mut Leases, at: usize) {
        let now = state.now;
        let process = &mut state.processes[at];
        let Some(Message { purchase, sent, answer: Some((sale, lot)), .. }) = process.message.take() else { return };
        if purchase.need == 0 {
            return;
        }
        process.lease.settle(sale, sent, now);
        process.lot = Some((lot, now));
        if sale.sold > 0 {
            state.spend(lot, now);
        }
    }
}

impl Model for LeaseModel {
    type State = Leases;
    type Action = LeaseStep;

    fn init_states(&self) -> Vec<Leases> {
        let process = Process { lease: ProcessLease::new(RATE, self.burst), lot: None, message: None, again: None };
        vec![Leases {
            now: TICK,
            budget: SharedBudget::new(RATE, self.burst),
            processes: vec![process; self.processes],
            lots: Vec::new(),
            requests: 0,
            broken: Broken::default(),
        }]
    }

    fn actions(&self, state: &Leases, steps: &mut Vec<LeaseStep>) {
        if state.broken != Broken::default() {
            return;
        }
        if state.now < self.ticks * TICK {
            steps.push(LeaseStep::Tick);
        }
        for (at, process) in state.processes.iter().enumerate() {
            if state.requests < self.requests {
                steps.push(LeaseStep::Request(at));
            }
            match &process.message {
                None => steps.push(LeaseStep::GiveBack(at)),
                Some(Message { answer: None, .. }) => steps.extend([LeaseStep::Reach(at), LeaseStep::Lose(at)]),
                Some(_) => steps.extend([LeaseStep::Answer(at), LeaseStep::Lose(at)]),
            }
        }
    }

    fn next_state(&self, last: &Leases, step: LeaseStep) -> Option<Leases> {
        let mut state = last.clone();
        match step {
            LeaseStep::Tick => state.now += TICK,
            LeaseStep::Request(at) => {
                state.requests += 1;
                self.request(&mut state, at);
            }
            LeaseStep::GiveBack(at) => {
                let now = state.now;
                let process = &mut state.processes[at];
                let unspent = if self.flaw == Some(LeaseFlaw::KeepsWhatItGaveBack) {
                    process.lease.clone().unspent(now + LEASE)?
                } else {
                    process.lease.unspent(now)?
                };
                let purchase = LeasePurchase { need: 0, want: 0, give_back: Some(unspent) };
                let from = process.lot.map(|(lot, _)| lot);
                process.message = Some(Message { purchase, sent: now, from, answer: None });
            }
            LeaseStep::Reach(at) => self.reach(&mut state, at),
            LeaseStep::Answer(at) => Self::answer(&mut state, at),
            LeaseStep::Lose(at) => {
                let process = &mut state.processes[at];
                let message = process.message.take()?;
                process.lease.fail();
                if self.flaw == Some(LeaseFlaw::GivesBackAgain) {
                    process.again = message.purchase.give_back.zip(message.from);
                }
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(IN_TIME, |_, state: &Leases| !state.broken.late),
            Property::always(ONCE, |_, state: &Leases| !state.broken.twice),
            Property::always(BOUND, |_, state: &Leases| !state.broken.oversold),
            Property::sometimes("a process buys in advance", |_, state: &Leases| {
                state.processes.iter().any(|process| process.lease.in_stock() > 0)
            }),
            Property::sometimes("something goes back", |_, state: &Leases| {
                state.lots.iter().any(|lot| lot.returned > 0)
            }),
        ]
    }
}

/// A request is spent within the time of a lease after it was sold, or at once when the answer to its purchase arrives.
pub const IN_TIME: &str = "in time";
/// No request is spent twice, or spent and given back.
pub const ONCE: &str = "once";
/// The requests that were sold and kept are never more than one budget gives.
pub const BOUND: &str = "bound";

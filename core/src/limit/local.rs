use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex};

use super::{Charge, Draw, Drawn, Gcra, Limiter, Rule, Share};
use crate::clock::Clock;
use crate::error::Error;
use crate::fork::lock;

/// Once so many budgets are kept, those that are unspent are forgotten, and again each time they have doubled.
const FEW: usize = 1_024;

/// Agents are named by whoever sends a request. Past so many of an org with a spent budget, further ones of that org share
/// one.
const MOST_AGENTS: usize = 10_000;

/// An org with so many agents looks for unspent budgets this often, in microseconds.
const PAUSE: u64 = 1_000_000;

/// Budgets in the memory of this process. A limit that was given other numbers begins anew.
pub(crate) struct Local {
    /// Names are hashed under a key of this process: two that meet share a budget, and nobody can make such.
    hash: RandomState,
    held: Mutex<Held>,
    /// Those of each org stand by themselves: no number of them touches another org's.
    agents: papaya::HashMap<u64, Agents>,
}

/// The budgets of the agents of one org.
struct Agents {
    budgets: papaya::HashMap<u64, Gcra>,
    sweep: Mutex<Sweep>,
}

/// When the unspent budgets are forgotten next: at so many, and not before a time.
struct Sweep {
    before: usize,
    after: u64,
}

/// The budgets of keys and orgs.
struct Held {
    budgets: HashMap<u64, Arc<Gcra>>,
    before_sweep: usize,
}

impl Agents {
    fn new() -> Self {
        Self { budgets: papaya::HashMap::new(), sweep: Mutex::new(Sweep { before: FEW, after: 0 }) }
    }
}

impl Local {
    pub(crate) fn new() -> Self {
        Self {
            hash: RandomState::new(),
            held: Mutex::new(Held { budgets: HashMap::new(), before_sweep: FEW }),
            agents: papaya::HashMap::new(),
        }
    }

    fn place(&self, owner: impl Hash, rule: &Rule) -> u64 {
        let limit = &rule.limit;
        self.hash.hash_one((owner, &limit.name, limit.rate, limit.burst, limit.per, &limit.operation))
    }

    /// Works with the budget of one agent of an org.
    fn with_agent<T>(&self, owner: (&str, &str), rule: &Rule, clock: &Clock, with: impl Fn(&Gcra) -> T) -> T {
        let orgs = self.agents.pin();
        let agents = orgs.get_or_insert_with(self.hash.hash_one(owner.0), Agents::new);
        let pinned = agents.budgets.pin();
        let mut place = self.place(owner, rule);
        loop {
            if let Some(budget) = pinned.get(&place) {
                let done = with(budget);
                if !budget.is_ended() {
                    return done;
                }
                // It was forgotten at this moment, and gave nothing.
                let _ = pinned.remove_if(&place, |_, it| it.is_ended());
            }
            let mut sweep = lock(&agents.sweep);
            if pinned.len() >= sweep.before {
                let now = clock.monotonic_micros();
                if now >= sweep.after {
                    pinned.retain(|_, it| !it.is_ended() && !it.end(now));
                    let before = FEW.max(pinned.len() * 2).min(MOST_AGENTS);
                    *sweep = Sweep { before, after: now + if before == MOST_AGENTS { PAUSE } else { 0 } };
                }
            }
            drop(sweep);
            if pinned.len() >= MOST_AGENTS {
                place = self.place((owner.0, ()), rule);
            }
            pinned.get_or_insert_with(place, || Gcra::new(rule.pace));
        }
    }

    fn with<T>(&self, charge: &Charge<Arc<Gcra>>, agent: (&str, &str), clock: &Clock, act: impl Fn(&Gcra) -> T) -> T {
        match &charge.budget {
            Some(budget) => act(budget),
            None => self.with_agent(agent, &charge.rule, clock, act),
        }
    }
}

impl Limiter for Local {
    type Budget = Arc<Gcra>;

    const SHARED: bool = false;

    fn hold(&self, id: &str, rule: &Rule, clock: &Clock) -> Arc<Gcra> {
        let mut held = lock(&self.held);
        if held.budgets.len() >= held.before_sweep {
            let now = clock.monotonic_micros();
            held.budgets.retain(|_, it| Arc::strong_count(it) > 1 || !it.is_full(now));
            held.before_sweep = FEW.max(held.budgets.len() * 2);
        }
        Arc::clone(held.budgets.entry(self.place(id, rule)).or_insert_with(|| Arc::new(Gcra::new(rule.pace))))
    }

    async fn draw(
        &self,
        charges: &[Charge<Arc<Gcra>>],
        org: &str,
        request: &Draw<'_>,
        clock: &Clock,
    ) -> Result<Drawn, Error> {
        let now = clock.monotonic_micros();
        let agent = (org, request.agent.unwrap_or_default());
        let concerned =
            || (0..).zip(charges).filter_map(|(place, it)| Some((place, it, request.due(place, &it.rule)?)));
        let debt = |it: &Charge<_>| self.with(it, agent, clock, |on| on.debt(now));
        let mut drawn = Drawn::default();
        for (place, charge, due) in concerned() {
            let taken = match due.cost {
                0 => Some(debt(charge)),
                cost => self.with(charge, agent, clock, |it| it.take(cost, now)),
            };
            match taken {
                Some(debt) => drawn.shares.push(Share { place, taken: due.in_all(), debt }),
                None => {
                    drawn.refused = Some(place);
                    break;
                }
            }
        }
        if drawn.refused.is_some() {
            for (_, charge, due) in concerned().take(drawn.shares.len()) {
                self.with(charge, agent, clock, |it| it.give_back(due.cost, now, || clock.monotonic_micros()));
            }
            // Asked only now: those after the refused one have not been asked at all.
            let shares = concerned().map(|(place, it, due)| Share { place, taken: due.before, debt: debt(it) });
            drawn.shares = shares.collect();
        }
        Ok(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, time};
    use crate::record::{Limit, Per};
    use crate::wait::block_on;

    fn charge(local: &Local, limit: Limit, id: &str, clock: &Clock) -> Charge<Arc<Gcra>> {
        let rule = Arc::new(Rule::new(limit, 1));
        let budget = (rule.limit.per != Per::Agent).then(|| local.hold(id, &rule, clock));
        Charge { rule, budget }
    }

    #[test]
    fn a_refusal_takes_from_none() {
        let (local, clock) = (Local::new(), Clock::from(ManualClock::new(time(1_000_000))));
        let charges = [
            charge(&local, Limit::new("wide", 100), "k", &clock),
            charge(&local, Limit::new("other", 1).operation("other"), "k", &clock),
            charge(&local, Limit::new("narrow", 2), "k", &clock),
        ];
        let draw = |cost| block_on(local.draw(&charges, "o", &Draw { cost, ..Draw::default() }, &clock)).unwrap();
        let pace = |it: &Share| charges[it.place as usize].rule.pace;
        let remaining = |it: &Drawn| it.shares.iter().map(|it| pace(it).remaining(it.debt)).collect::<Vec<_>>();
        assert_eq!(remaining(&draw(2)), [98, 0]);
        let refused = draw(1);
        assert_eq!((refused.refused, remaining(&refused)), (Some(2), vec![98, 0]));
        assert_eq!(refused.shares.last().map(|it| pace(it).wait_seconds(it.debt, 1)), Some(Some(30)));
    }

    #[test]
    fn what_a_request_has_already_is_not_taken_again() {
        let (local, clock) = (Local::new(), Clock::from(ManualClock::new(time(1_000_000))));
        let charges = [
            charge(&local, Limit::new("all", 10), "k", &clock),
            charge(&local, Limit::new("reads", 10).operation("read"), "k", &clock),
            charge(&local, Limit::new("writes", 4).operation("write"), "k", &clock),
        ];
        let draw = |operation, cost, before: &Drawn| {
            let taken: Vec<_> = before.shares.iter().map(|it| (it.place, it.taken)).collect();
            let request = Draw { operation: Some(operation), cost, taken: &taken, ..Draw::default() };
            block_on(local.draw(&charges, "o", &request, &clock)).unwrap()
        };
        let shown = |it: &Drawn| {
            let left = |it: &Share| charges[it.place as usize].rule.pace.remaining(it.debt);
            it.shares.iter().map(|it| (it.place, it.taken, left(it))).collect::<Vec<_>>()
        };
        let first = draw("read", 2, &Drawn::default());
        assert_eq!(shown(&first), [(0, 2, 8), (1, 2, 8)]);
        // The greater cost holds, in all; and the limits of both operations are told.
        let second = draw("write", 3, &first);
        assert_eq!(shown(&second), [(0, 3, 7), (1, 2, 8), (2, 3, 1)]);
        assert_eq!(shown(&draw("write", 1, &second)), shown(&second));
        // A refusal gives back what itself has taken, and no more.
        let refused = draw("write", 2, &first);
        assert_eq!((refused.refused, shown(&refused)), (Some(2), vec![(0, 2, 7), (1, 2, 8), (2, 0, 1)]));
    }

    #[test]
    fn budgets_outlive_who_holds_them_until_they_are_unspent() {
        let manual = ManualClock::new(time(1_000_000));
        let (local, clock) = (Local::new(), Clock::from(manual.clone()));
        let one = |id: &str| charge(&local, Limit::new("one", 1), id, &clock);
        let draw = |it| block_on(local.draw(&[it], "o", &Draw { cost: 1, ..Draw::default() }, &clock)).unwrap().refused;
        assert_eq!(draw(one("spent")), None);
        for id in 0..3 * FEW {
            drop(one(&id.to_string()));
        }
        assert!(lock(&local.held).budgets.len() <= 2 * FEW);
        assert_eq!((draw(one("spent")), draw(one("other"))), (Some(0), None));
        manual.advance(60_000);
        assert_eq!(draw(one("spent")), None);
    }

    #[test]
    fn agents_have_budgets_of_their_own_and_unspent_ones_are_forgotten() {
        let manual = ManualClock::new(time(1_000_000));
        let (local, clock) = (Local::new(), Clock::from(manual.clone()));
        let charges = [charge(&local, Limit::new("agents", 1).per(Per::Agent), "", &clock)];
        let draw = |org: &str, agent: Option<&str>| {
            block_on(local.draw(&charges, org, &Draw { agent, cost: 1, ..Draw::default() }, &clock)).unwrap().refused
        };
        assert_eq!((draw("o", Some("a")), draw("o", Some("b")), draw("p", Some("a"))), (None, None, None));
        assert_eq!((draw("o", None), draw("o", None), draw("o", Some("a"))), (None, Some(0), Some(0)));
        manual.advance(60_000);
        for agent in 0..3 * FEW {
            assert_eq!(draw("o", Some(&agent.to_string())), None);
        }
        let held = |org: &str| local.agents.pin().get(&local.hash.hash_one(org)).map(|it| it.budgets.len());
        assert!(held("o").is_some_and(|it| it <= 3 * FEW), "those of before are forgotten");
        assert_eq!(draw("o", Some("7")), Some(0));
        // No number of agents of one org touches those of another.
        for agent in 0..2 * MOST_AGENTS {
            let _ = draw("many", Some(&agent.to_string()));
        }
        assert_eq!((held("many"), held("p").is_some()), (Some(MOST_AGENTS + 1), true));
        assert_eq!(
            (draw("many", Some("another")), draw("p", Some("b")), draw("o", Some("7"))),
            (Some(0), None, Some(0))
        );
        // An hour later nothing is spent, and all have budgets of their own again.
        manual.advance(3_600_000);
        assert_eq!((draw("many", Some("x")), draw("many", Some("y"))), (None, None));
    }
}

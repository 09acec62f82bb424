//! The counters of the agents of one secret, until the next flush.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::clock::Millis;
use crate::fork::lock;
use crate::store::{AgentCounts, Counts, MOST_AGENTS, OTHER_AGENTS};

type CountsByAgent = HashMap<Arc<str>, Counts>;

/// It allocates nothing until a request names an agent.
#[derive(Default)]
pub(super) struct AgentMeters(OnceLock<Box<Mutex<CountsByAgent>>>);

impl AgentMeters {
    pub(super) fn count(&self, agent: &Arc<str>, allowed: bool, now: Millis) {
        let (usage_count, denied_count) = (u64::from(allowed), u64::from(!allowed));
        self.add(agent, Counts { usage_count, denied_count, last_used_at: allowed.then_some(now) });
    }

    /// Clients choose the names, so past a bound all further agents are counted together.
    fn add(&self, agent: &Arc<str>, counts: Counts) {
        let mut agents = lock(self.0.get_or_init(Box::default));
        let named = agents.len() - usize::from(agents.contains_key(OTHER_AGENTS));
        let has_room = named < MOST_AGENTS || agents.contains_key(agent);
        let agent = if has_room { Arc::clone(agent) } else { OTHER_AGENTS.into() };
        agents.entry(agent).or_default().add(counts);
    }

    pub(super) fn take(&self) -> Vec<AgentCounts> {
        let taken = self.0.get().map(|agents| std::mem::take(&mut *lock(agents)));
        taken.into_iter().flatten().map(|(agent, counts)| AgentCounts { agent, counts }).collect()
    }

    pub(super) fn pending(&self) -> Vec<AgentCounts> {
        let copy = |(agent, counts): (&Arc<str>, &Counts)| AgentCounts { agent: Arc::clone(agent), counts: *counts };
        self.0.get().map_or_else(Vec::new, |agents| lock(agents).iter().map(copy).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_so_many_agents_all_others_count_as_one() {
        let agents = AgentMeters::default();
        for number in 0..MOST_AGENTS + 50 {
            agents.count(&number.to_string().into(), number % 2 == 0, 7);
        }
        agents.count(&"0".into(), true, 9);
        let taken = agents.take();
        let of = |name: &str| taken.iter().find(|it| &*it.agent == name).map(|it| it.counts);
        assert_eq!(taken.len(), MOST_AGENTS + 1);
        assert_eq!(of("0"), Some(Counts { usage_count: 2, denied_count: 0, last_used_at: Some(9) }));
        assert_eq!(of(OTHER_AGENTS), Some(Counts { usage_count: 25, denied_count: 25, last_used_at: Some(7) }));
        assert!(agents.take().is_empty());
    }
}

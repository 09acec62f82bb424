//! The whole system as the checker sees it: its states, its steps and what must hold.

use keywright::testing::ChangesOfModel;
use stateright::{Model, Property};

use crate::database::Database;
use crate::flaw::Flaw;
use crate::process::{CachedState, Outcome, Process, Stage};
use crate::step::Step;

/// How large the searched system is.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub processes: usize,
    /// At most 2.
    pub keys: u8,
    pub changes: usize,
    /// Verifications that a process runs at once, at most 2.
    pub verifications: usize,
    /// In ticks.
    pub max_staleness: u64,
    /// How many ticks time passes.
    pub ticks: u64,
    pub failovers: i64,
    /// Whether a change may leave the key's state as it is.
    pub harmless_changes: bool,
    /// Whether processes flush counters.
    pub flushes: bool,
    /// Whether a process may revoke a key that somebody else has revoked.
    pub repeated_revocations: bool,
}

/// A system of some sizes, with at most one broken rule.
#[derive(Debug, Clone, Copy)]
pub struct FreshnessModel {
    pub sizes: Sizes,
    pub flaw: Option<Flaw>,
}

/// The promises that a verification has broken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct BrokenPromises {
    r1: bool,
    r3: bool,
    r5: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct System {
    now: u64,
    database: Database,
    /// In the order of their states: which is which makes no difference.
    processes: Vec<Process>,
    broken: BrokenPromises,
}

impl Model for FreshnessModel {
    type State = System;
    type Action = Step;

    fn init_states(&self) -> Vec<System> {
        let process = Process::new(self.sizes.max_staleness);
        vec![System {
            now: 0,
            database: Database::default(),
            processes: vec![process; self.sizes.processes],
            broken: BrokenPromises::default(),
        }]
    }

    fn actions(&self, state: &System, steps: &mut Vec<Step>) {
        let Sizes { processes, keys, changes, verifications, ticks, failovers, flushes, .. } = self.sizes;
        if state.broken != BrokenPromises::default() {
            return;
        }
        let may_change = state.database.history.len() < changes;
        if state.now < ticks {
            steps.push(Step::Tick);
            if self.flaw == Some(Flaw::ClockSleeps) {
                steps.extend((0..processes).map(Step::TickAsleep));
            }
        }
        if may_change {
            for key in 0..keys {
                if self.sizes.harmless_changes {
                    steps.push(Step::Change { key, revokes: false });
                }
                if state.database.revoked_at(key).is_none() {
                    steps.push(Step::Change { key, revokes: true });
                }
            }
        }
        if state.database.generation < failovers {
            steps.extend([true, false].map(|loses_last| Step::FailOver { loses_last }));
        }
        for (process, it) in state.processes.iter().enumerate() {
            if it.revoking.is_some() {
                steps.push(Step::RevokeReturns { process });
            } else {
                let may_revoke = |key: &u8| match state.database.revocation(*key) {
                    None => may_change,
                    Some(_) => self.sizes.repeated_revocations && !it.has_revoked[*key as usize],
                };
                steps.extend((0..keys).filter(may_revoke).map(|key| Step::Revoke { process, key }));
            }
            steps.extend((0..state.database.history.len()).map(|change| Step::Hear { process, change }));
            steps.push(Step::HearFalse { process });
            if it.has_answer() {
                steps.push(Step::AnswerArrives { process });
            } else if it.freshness.has_query() {
                steps.extend([Step::AnswerIsSent { process }, Step::QueryFails { process }]);
            } else {
                steps.push(Step::Ask { process });
            }
            if it.has_flush_answer() {
                steps.push(Step::FlushAnswerArrives { process });
            } else if it.freshness.has_flush() {
                steps.push(Step::FlushAnswerIsSent { process });
            } else if flushes {
                steps.push(Step::Flush { process });
            }
            let free = it.verifications.iter().position(Option::is_none);
            if let Some(slot) = free.filter(|_| it.verifications.iter().flatten().count() < verifications) {
                steps.extend((0..keys).map(|key| Step::Begin { process, slot, key }));
            }
            for (slot, verification) in it.verifications.iter().enumerate() {
                let Some(verification) = verification else { continue };
                match verification.stage {
                    Stage::Asks(_) => {}
                    Stage::Fresh { .. } => {
                        if it.cache[verification.key as usize] != CachedState::Absent {
                            steps.push(Step::Hit { process, slot });
                        }
                        steps.push(Step::RowIsRead { process, slot });
                    }
                    Stage::HasRead { .. } => steps.push(Step::RowArrives { process, slot }),
                }
            }
        }
    }

    fn next_state(&self, last: &System, step: Step) -> Option<System> {
        let mut state = last.clone();
        let System { now, database, processes, .. } = &mut state;
        let flaw = self.flaw;
        let mut outcome = None;
        match step {
            Step::Tick => *now += 1,
            Step::TickAsleep(process) => {
                *now += 1;
                processes[process].lag += 1;
            }
            Step::Change { key, revokes } => database.commit(key, revokes.then_some(*now)),
            Step::Revoke { process, key } => processes[process].revoke(key, database, *now, flaw),
            Step::RevokeReturns { process } => processes[process].revoke_returns(flaw),
            Step::FailOver { loses_last } => {
                if let Some(key) = database.fail_over(loses_last) {
                    processes.iter_mut().for_each(|process| process.forget_revocation(key));
                }
            }
            Step::Hear { process, change } => {
                let process = &mut processes[process];
                process.hear(&database.history[change], *now, flaw);
            }
            Step::HearFalse { process } => {
                let (seq, generation) = (database.seq() + 1, database.generation);
                processes[process].is_notified(ChangesOfModel { seq, generation, keys: Some(Vec::new()) }, flaw);
            }
            Step::Ask { process } => {
                let process = &mut processes[process];
                process.freshness.send_query(*now - process.lag);
            }
            Step::AnswerIsSent { process } => {
                let process = &mut processes[process];
                process.answer_is_sent(database.changes(process.freshness.queried_after()));
            }
            Step::AnswerArrives { process } => processes[process].answer_arrives(*now, flaw),
            Step::Flush { process } => {
                let process = &mut processes[process];
                process.freshness.send_flush(*now - process.lag);
            }
            Step::FlushAnswerIsSent { process } => {
                let process = &mut processes[process];
                process.flush_answer_is_sent(database.changes(process.freshness.flushed_after()));
            }
            Step::FlushAnswerArrives { process } => processes[process].flush_answer_arrives(*now, flaw),
            Step::QueryFails { process } => processes[process].query_fails(),
            Step::Begin { process, slot, key } => processes[process].begin(slot, key, *now),
            Step::Hit { process, slot } => outcome = processes[process].hit(slot),
            Step::RowIsRead { process, slot } => {
                let process = &mut processes[process];
                let key = process.verifications[slot]?.key;
                outcome = process.row_is_read(slot, database.revoked_at(key).is_some());
            }
            Step::RowArrives { process, slot } => processes[process].row_arrives(slot, flaw),
        }
        if let Some(Outcome { key, start, allowed: true }) = outcome {
            let revoked_at = state.database.revoked_at(key);
            state.broken.r1 |= start.has_revoked;
            state.broken.r3 |= revoked_at.is_some_and(|at| start.at > at + self.sizes.max_staleness);
            state.broken.r5 |= start.has_denied;
        }
        let System { database, processes, .. } = &mut state;
        for process in processes {
            process.verifications.sort();
            // A denial for a revocation that the database has lost promises nothing.
            for (key, has_denied) in process.has_denied.iter_mut().enumerate() {
                *has_denied &= database.revocation(key as u8).is_some();
            }
        }
        state.processes.sort();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(R1, |_, state: &System| !state.broken.r1),
            Property::always(R3, |_, state: &System| !state.broken.r3),
            Property::always(R5, |_, state: &System| !state.broken.r5),
            Property::sometimes("a key is cached", |_, state: &System| {
                state.processes.iter().any(|process| process.cache.contains(&CachedState::Active))
            }),
            Property::sometimes("a revoked key is denied", |_, state: &System| {
                state.processes.iter().any(|process| process.has_denied.contains(&true))
            }),
        ]
    }
}

/// No verification that starts in a process after `revoke` has returned there is allowed.
pub const R1: &str = "R1";
/// No verification that starts later than `max_staleness` after a revocation is allowed.
pub const R3: &str = "R3";
/// No verification that starts in a process after it has denied the key as revoked is allowed.
pub const R5: &str = "R5";

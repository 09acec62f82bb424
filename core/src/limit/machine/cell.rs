//! One budget in memory that processes share: its owner and its arrival time, each in one atomic word, so that a process
//! that is killed at any moment leaves a cell that the others can use.
//!
//! The owner's word holds a generation and the owner. The state's word holds the low bits of a generation and the arrival
//! time. A cell is live if its generations agree. A charge compares and swaps the state alone: while the state has the
//! generation with which the owner was read, the cell still belongs to that owner. To give the cell to another owner, a
//! process first moves the state to the next generation, which ends all charges of the former owner, and then writes the
//! owner. If it is killed in between, the generations disagree, and the cell is free.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::gcra::{Backlog, GcraParams, MAX_TICKS, TAT_BITS};

/// The bits of a generation in the owner's word, above the owner.
const GENERATION: u64 = 0xFF << OWNER_BITS;
const OWNER_BITS: u32 = 56;

/// Of the owner's bits, the low ones are a hash. The others are the ticks to a microsecond, less one, so that any process
/// can tell when the cell is unspent.
const HASH_BITS: u32 = 44;

const TAT: u64 = (1 << TAT_BITS) - 1;

/// The owner of a cell: a hash of the budget's identity, and its ticks. It is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Owner {
    pub(super) fn new(hash: u64, params: &GcraParams) -> Self {
        const { assert!(MAX_TICKS <= 1 << (OWNER_BITS - HASH_BITS)) };
        let hash = hash & ((1 << HASH_BITS) - 1);
        Self((params.ticks() - 1) << HASH_BITS | hash.max(1))
    }

    fn ticks(self) -> u64 {
        (self.0 >> HASH_BITS) + 1
    }
}

/// The cell belongs to another budget.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moved;

#[derive(Debug, Default)]
#[repr(C, align(16))]
pub(super) struct Cell {
    owner: AtomicU64,
    state: AtomicU64,
}

impl Cell {
    /// The generation of the state, if the cell belongs to this owner.
    fn generation(&self, owner: Owner) -> Result<u64, Moved> {
        let word = self.owner.load(Ordering::Acquire);
        if word & !GENERATION == owner.0 { Ok(of_state(word)) } else { Err(Moved) }
    }

    pub(super) fn belongs_to(&self, owner: Owner) -> bool {
        self.generation(owner).is_ok_and(|generation| self.state.load(Ordering::Acquire) & !TAT == generation)
    }

    /// Takes the whole cost, or nothing.
    pub(super) fn take(
        &self,
        owner: Owner,
        params: &GcraParams,
        cost: u64,
        now: u64,
    ) -> Result<Option<Backlog>, Moved> {
        let mut taken = None;
        self.update(owner, |tat| {
            let next = params.tat_after(tat, cost, now)?;
            taken = Some(params.backlog(next, now));
            Some(next)
        })
        .map(|stored| taken.filter(|_| stored))
    }

    /// Returns a cost that was taken at `taken`.
    pub(super) fn refund(
        &self,
        owner: Owner,
        params: &GcraParams,
        cost: u64,
        taken: u64,
        clock: impl Fn() -> u64,
    ) -> Result<(), Moved> {
        self.update(owner, |tat| Some(params.tat_refunded(tat, cost, clock().saturating_sub(taken)))).map(drop)
    }

    pub(super) fn backlog(&self, owner: Owner, params: &GcraParams, now: u64) -> Result<Backlog, Moved> {
        let (generation, state) = (self.generation(owner)?, self.state.load(Ordering::Acquire));
        if state & !TAT == generation { Ok(params.backlog(state & TAT, now)) } else { Err(Moved) }
    }

    /// Replaces the arrival time by the one that `next` gives, and returns whether it gave one.
    #[inline]
    fn update(&self, owner: Owner, mut next: impl FnMut(u64) -> Option<u64>) -> Result<bool, Moved> {
        let generation = self.generation(owner)?;
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            if state & !TAT != generation {
                return Err(Moved);
            }
            let Some(tat) = next(state & TAT) else { return Ok(false) };
            match self.state.compare_exchange_weak(state, generation | tat, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(true),
                Err(other) => state = other,
            }
        }
    }

    /// Whether nobody owns the cell.
    pub(super) fn is_free(&self) -> bool {
        let owner = self.owner.load(Ordering::Acquire);
        owner & !GENERATION == 0 || self.state.load(Ordering::Acquire) & !TAT != of_state(owner)
    }

    /// Gives the cell to an owner, with a budget that is unspent from now on, if it is free or if its present budget is
    /// unspent. One caller at a time may do so, in all processes, and reads the clock while nobody else may: a charge with an
    /// older time then finds what any former cell of the budget would have told it.
    pub(super) fn claim(&self, owner: Owner, now: u64) -> bool {
        let (word, state) = (self.owner.load(Ordering::Acquire), self.state.load(Ordering::Acquire));
        if !self.is_free() && state & TAT > now.saturating_mul(Owner(word & !GENERATION).ticks()) {
            return false;
        }
        let next = (word & GENERATION).wrapping_add(1 << OWNER_BITS);
        let fresh = of_state(next) | now.saturating_mul(owner.ticks()).min(TAT);
        if self.state.compare_exchange(state, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        self.owner.store(next | owner.0, Ordering::Release);
        true
    }
}

/// The generation of an owner's word, as a state has it.
fn of_state(owner: u64) -> u64 {
    (owner >> OWNER_BITS) << TAT_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn owners() -> (GcraParams, Owner, Owner) {
        let params = GcraParams::new(60, 3);
        (params, Owner::new(5, &params), Owner::new(6, &params))
    }

    #[test]
    fn a_cell_gives_what_its_budget_holds() {
        let ((params, owner, _), cell) = (owners(), Cell::default());
        assert_eq!((cell.take(owner, &params, 1, 0), cell.is_free()), (Err(Moved), true));
        assert!(cell.claim(owner, 0) && cell.belongs_to(owner) && !cell.is_free());
        for left in [2, 1, 0] {
            let taken = cell.take(owner, &params, 1, 7);
            assert_eq!(taken.unwrap().map(|backlog| params.remaining(backlog)), Some(left));
        }
        assert_eq!(cell.take(owner, &params, 1, 7), Ok(None));
        assert_eq!(cell.refund(owner, &params, 2, 7, || 7), Ok(()));
        assert_eq!(params.remaining(cell.backlog(owner, &params, 7).unwrap()), 2);
    }

    #[test]
    fn only_an_unspent_cell_changes_its_owner() {
        let ((params, owner, other), cell) = (owners(), Cell::default());
        assert!(cell.claim(owner, 10) && cell.take(owner, &params, 1, 10).unwrap().is_some());
        assert!(!cell.claim(other, 9 + SECOND) && cell.claim(other, 10 + SECOND));
        assert!(cell.belongs_to(other) && !cell.belongs_to(owner));
        assert_eq!(cell.take(owner, &params, 1, 10 + SECOND), Err(Moved));
        assert_eq!(cell.refund(owner, &params, 1, 10, || 10), Err(Moved));
        assert_eq!(cell.backlog(owner, &params, 10), Err(Moved));
        assert_eq!(cell.take(other, &params, 3, 10 + SECOND).unwrap().map(|it| params.remaining(it)), Some(0));
        // A rate that divides no minute counts in other ticks.
        let odd = GcraParams::new(7, 1);
        let third = Owner::new(7, &odd);
        assert!(cell.claim(third, 60 * SECOND) && cell.take(third, &odd, 1, 60 * SECOND).unwrap().is_some());
        assert!(!cell.claim(owner, 68 * SECOND) && cell.claim(owner, 69 * SECOND));
    }

    #[test]
    fn a_claim_that_was_cut_short_leaves_a_free_cell() {
        let ((params, owner, other), cell) = (owners(), Cell::default());
        for generation in 1..600 {
            let now = generation * 60 * SECOND;
            assert!(cell.claim(owner, now) && cell.take(owner, &params, 1, now).unwrap().is_some());
            // The state is in the next generation, and the owner was not written.
            let next = cell.owner.load(Ordering::Relaxed).wrapping_add(1 << OWNER_BITS);
            cell.state.store(of_state(next), Ordering::Relaxed);
            assert!(cell.is_free() && !cell.belongs_to(owner));
            assert_eq!(cell.take(owner, &params, 1, now), Err(Moved));
            assert!(cell.claim(other, now) && cell.belongs_to(other));
            assert_eq!(cell.backlog(other, &params, now), Ok(Backlog::default()));
        }
    }
}

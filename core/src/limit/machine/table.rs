//! The cells of a limits file, mapped into memory. The core has unsafe code only here and in `sys/wal_index.rs`.

#![allow(unsafe_code, reason = "only raw pointers lead to memory that other processes write")]

use std::fs::File;
use std::io;

use memmap2::{MmapOptions, MmapRaw};

use super::cell::{Cell, Owner};

/// The bytes before the first cell.
pub(super) const HEADER: usize = 4_096;

/// The budgets of keys and orgs have one half of the cells, those of agents the other: clients name agents.
const HALF: usize = 1 << 17;

const FILE_SIZE: usize = HEADER + 2 * HALF * size_of::<Cell>();
pub(super) const LENGTH: u64 = FILE_SIZE as u64;

/// A budget is in one of this many cells that follow each other.
const WINDOW: usize = 32;

/// An org's agents begin their search in a part of the cells with this length.
const ORG_PART: usize = 1 << 14;

/// The place of a budget in any limits file: its owner's word, and the cell at which the search for it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellPlace {
    pub(super) owner: Owner,
    half: usize,
    start: usize,
}

impl CellPlace {
    /// The place of a key's or an org's budget.
    pub(super) fn of_owner(owner: Owner, hash: u64) -> Self {
        Self { owner, half: 0, start: low_bits(hash) % HALF }
    }

    /// The place of an agent's budget. The agents of one org fill no more than one part of the cells.
    pub(super) fn of_agent(owner: Owner, org_hash: u64, hash: u64) -> Self {
        Self { owner, half: HALF, start: (low_bits(org_hash) % HALF + low_bits(hash) % ORG_PART) % HALF }
    }

    /// The number of the cell that is looked at first.
    pub(super) fn first(&self) -> u32 {
        self.numbers().next().unwrap_or_default()
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        let Self { half, start, .. } = *self;
        (0..WINDOW).filter_map(move |step| u32::try_from(half + (start + step) % HALF).ok())
    }
}

/// The cells of a file in memory.
pub(super) struct CellTable {
    map: MmapRaw,
}

impl CellTable {
    /// Maps a file of [`LENGTH`] bytes.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        Ok(Self { map: MmapOptions::new().len(FILE_SIZE).map_raw(file)? })
    }

    #[inline]
    pub(super) fn cell(&self, number: u32) -> &Cell {
        let number = usize::try_from(number).unwrap_or_default() % (2 * HALF);
        // SAFETY: the mapping has FILE_SIZE bytes, so that this cell is inside it, and lives as long as `self`. It begins
        // at a page, and HEADER and the size of a cell keep the alignment of a cell. A cell has atomic words alone, and
        // any bits are valid in them, so that other processes may write them at any time.
        unsafe { &*self.map.as_ptr().add(HEADER + number * size_of::<Cell>()).cast::<Cell>() }
    }

    /// The number of the cell that belongs to a budget.
    pub(super) fn find(&self, place: &CellPlace) -> Option<u32> {
        place.numbers().find(|number| self.cell(*number).belongs_to(place.owner))
    }

    /// Gives a budget a cell, in which it is unspent. `None` if all cells in which it may be are in use. One caller at a
    /// time may do so, in all processes.
    pub(super) fn claim(&self, place: &CellPlace, now: u64) -> Option<u32> {
        self.find(place)
            .or_else(|| {
                let mut free = place.numbers().filter(|number| self.cell(*number).is_free());
                free.find(|number| self.cell(*number).claim(place.owner, now))
            })
            .or_else(|| place.numbers().find(|number| self.cell(*number).claim(place.owner, now)))
    }
}

fn low_bits(hash: u64) -> usize {
    usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::limit::gcra::GcraParams;

    fn table() -> CellTable {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LENGTH).unwrap();
        CellTable::map(&file).unwrap()
    }

    #[test]
    fn a_window_fills_up_and_unspent_budgets_make_room() {
        let (table, params) = (table(), GcraParams::new(60, 1));
        let place = |hash| CellPlace::of_owner(Owner::new(hash, &params), HALF as u64 - 1);
        let spend = |hash, now| {
            let number = table.claim(&place(hash), now)?;
            table.cell(number).take(place(hash).owner, &params, 1, now).unwrap().map(|_| number)
        };
        let numbers: Vec<_> = (1..=WINDOW as u64).map(|hash| spend(hash, hash).unwrap()).collect();
        assert_eq!(
            (numbers[0], numbers[1], numbers.len()),
            (HALF as u32 - 1, 0, WINDOW),
            "the end meets the beginning"
        );
        assert_eq!(table.claim(&place(99), 100), None);
        assert_eq!(table.find(&place(7)), Some(numbers[6]));
        // The first budget is unspent again, and the others are not.
        assert_eq!(spend(99, 1_000_001), Some(numbers[0]));
        assert_eq!((table.find(&place(1)), table.claim(&place(1), 1_000_001)), (None, None));
    }

    #[test]
    fn agents_take_no_cell_of_a_key_and_stay_in_their_orgs_part() {
        let (table, params) = (table(), GcraParams::new(60, 1));
        for hash in 0..1_000_u64 {
            let hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let owner = Owner::new(hash, &params);
            let key = table.claim(&CellPlace::of_owner(owner, hash), 1).unwrap();
            let agent = table.claim(&CellPlace::of_agent(owner, 3, hash >> 8), 1).unwrap();
            assert!(key < HALF as u32 && (HALF..HALF + 3 + ORG_PART + WINDOW).contains(&(agent as usize)));
        }
    }

    #[test]
    fn cells_that_change_hands_give_nothing_twice() {
        const THREADS: u64 = 4;
        const BUDGETS: u64 = 2 * WINDOW as u64;
        let (table, params) = (table(), GcraParams::new(60, 1));
        let (clock, claims) = (AtomicU64::new(1), Mutex::new(()));
        let tick = || clock.fetch_add(30_000, Ordering::SeqCst);
        let work = |thread: u64| {
            let mut taken = Vec::new();
            let mut cells = vec![0; BUDGETS as usize];
            for turn in 0..20_000_u64 {
                let budget = (thread + turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 977) % BUDGETS;
                let place = CellPlace::of_owner(Owner::new(budget + 1, &params), 5);
                let mut now = tick();
                let cell = &mut cells[budget as usize];
                // As a budget does: the cell that it remembers, and else the one that it finds or claims.
                let mut outcome = table.cell(*cell).take(place.owner, &params, 1, now);
                while outcome.is_err() {
                    let claim = || {
                        let _claims = claims.lock().unwrap();
                        table.claim(&place, tick())
                    };
                    let Some(found) = table.find(&place).or_else(claim) else { break };
                    (*cell, now) = (found, tick());
                    outcome = table.cell(found).take(place.owner, &params, 1, now);
                }
                if outcome.is_ok_and(|backlog| backlog.is_some()) {
                    taken.push((budget, now));
                }
            }
            taken
        };
        let mut taken: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    scope.spawn({
                        let work = &work;
                        move || work(thread)
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        taken.sort_unstable();
        assert!(taken.len() > 1_000, "{} were admitted", taken.len());
        let early = taken.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[1].1 - pair[0].1 < 1_000_000);
        assert_eq!(early, None, "a budget of one a second gave two");
    }
}

//! Two rows of a file may claim the same place in the database, which does not have them yet when they are checked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

/// The texts by which the database knows a key.
#[derive(Debug, Default)]
pub(super) struct KeyIdentity {
    /// The lookup, or the digest where the text has none.
    pub(super) lookup: String,
    pub(super) verifier: String,
    pub(super) id: Option<String>,
}

/// The lookups and ids of the rows so far, by hashes that need no more than some bytes of memory for each row.
#[derive(Default)]
pub(super) struct SeenRows {
    hasher: RandomState,
    lookups: HashMap<u64, Claim>,
    ids: HashMap<u64, u64>,
}

struct Claim {
    /// The line or the number of the row.
    row: u64,
    verifier: u64,
}

/// The place of a row among those before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    New,
    /// A row before has the same key.
    Same,
    /// A row before has another key with the same lookup or id.
    Taken {
        field: &'static str,
        by: u64,
    },
}

impl SeenRows {
    pub(super) fn place(&mut self, place: &KeyIdentity, row: u64) -> Place {
        let verifier = self.hasher.hash_one(&place.verifier);
        let lookup = match self.lookups.entry(self.hasher.hash_one(&place.lookup)) {
            Entry::Occupied(claim) if claim.get().verifier == verifier => return Place::Same,
            Entry::Occupied(claim) => return Place::Taken { field: "lookup", by: claim.get().row },
            Entry::Vacant(free) => free,
        };
        // A row that is refused claims nothing, so that a later one with its lookup is judged by itself.
        if let Some(id) = &place.id {
            match self.ids.entry(self.hasher.hash_one(id)) {
                Entry::Occupied(claim) => return Place::Taken { field: "id", by: *claim.get() },
                Entry::Vacant(free) => free.insert(row),
            };
        }
        lookup.insert(Claim { row, verifier });
        Place::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lookup_belongs_to_one_verifier_and_an_id_to_one_row() {
        let place = |lookup: &str, verifier: &str, id: Option<&str>| KeyIdentity {
            lookup: lookup.into(),
            verifier: verifier.into(),
            id: id.map(Into::into),
        };
        let mut seen = SeenRows::default();
        assert_eq!(seen.place(&place("a", "1", Some("x")), 2), Place::New);
        assert_eq!(seen.place(&place("b", "1", None), 3), Place::New);
        assert_eq!(seen.place(&place("a", "1", Some("x")), 4), Place::Same);
        assert_eq!(seen.place(&place("b", "2", None), 5), Place::Taken { field: "lookup", by: 3 });
        assert_eq!(seen.place(&place("c", "3", Some("x")), 6), Place::Taken { field: "id", by: 2 });
        assert_eq!(seen.place(&place("c", "3", Some("y")), 7), Place::New);
    }
}

//! The primary of a cluster, over failovers. Each promotion of a standby begins a timeline with a higher number, so a server
//! on a lower one is a former primary: it may lack changes, and the others do not see its own.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fork::lock;

/// The identifier that all servers of a cluster share, in SQL.
pub(super) const SYSTEM: &str = "(SELECT system_identifier FROM pg_control_system())";

/// The timeline of a server in SQL, as eight hexadecimal digits.
pub(super) const TIMELINE: &str = "CASE WHEN pg_is_in_recovery() \
    THEN (SELECT lpad(to_hex(timeline_id), 8, '0') FROM pg_control_checkpoint()) \
    ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END";

/// A primary, by its cluster and its timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Primary {
    pub(super) system: String,
    pub(super) timeline: u32,
}

/// The last primary that this process has connected to.
#[derive(Default)]
pub(super) struct KnownPrimary {
    last: Mutex<Option<Primary>>,
    /// The number of primaries before it.
    former: AtomicU64,
}

impl KnownPrimary {
    /// Takes the primary of a new connection, and returns its number, which [`is_current`](Self::is_current) takes. `None` for
    /// a former primary.
    pub(super) fn admit(&self, found: &Primary) -> Option<u64> {
        let mut last = lock(&self.last);
        match &*last {
            Some(known) if known == found => {}
            Some(known) if known.system == found.system && known.timeline > found.timeline => return None,
            None => *last = Some(found.clone()),
            Some(_) => {
                *last = Some(found.clone());
                self.former.fetch_add(1, Ordering::Release);
            }
        }
        Some(self.former.load(Ordering::Acquire))
    }

    /// Whether no other primary was found since.
    pub(super) fn is_current(&self, number: u64) -> bool {
        self.former.load(Ordering::Acquire) == number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promoted_server_ends_the_use_of_the_former_one() {
        let known = KnownPrimary::default();
        let primary = |system: &str, timeline| Primary { system: system.to_owned(), timeline };
        let first = known.admit(&primary("a", 1)).unwrap();
        assert_eq!(known.admit(&primary("a", 1)), Some(first));
        assert!(known.is_current(first));
        let promoted = known.admit(&primary("a", 2)).unwrap();
        assert!(known.is_current(promoted) && !known.is_current(first));
        assert_eq!(known.admit(&primary("a", 1)), None);
        assert!(known.is_current(promoted));
        // Timelines of two clusters do not compare.
        assert!(known.admit(&primary("b", 1)).is_some_and(|other| known.is_current(other)));
        assert!(!known.is_current(promoted));
    }
}

//! Ways to break the protocol. The checker must find a counterexample for each.

/// One broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Memory counts as confirmed when the answer arrives, not when its query was sent.
    ConfirmsAtArrival,
    /// The same for the query that goes with a flush.
    FlushConfirmsAtArrival,
    /// A notification without a gap confirms memory, as if it were an answer.
    NotificationConfirms,
    /// A look-up is cached even if its row was read before its key was dropped.
    CachesOldRow,
    /// A row that says `revoked` is cached without dropping what else the cache has of the key.
    CachesRevocationAlone,
    /// A number that a notification tells counts as one of an answer.
    TrustsNotifications,
    /// An own commit moves the cursor over the numbers that are missing before it.
    IgnoresGap,
    /// A transaction of the process takes the numbers of changes for those of its own database after a failover.
    CommitTrustsNumbers,
    /// The clock of the process stops while its machine sleeps.
    ClockSleeps,
    /// A revocation returns before the cache of its own process has dropped the key.
    ReturnsBeforeDrop,
    /// Another database, which has lost a change, is taken for the same one.
    TrustsOtherDatabase,
}

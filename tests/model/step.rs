//! The events whose order the checker varies. Processes are named by their place.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Time passes for all. It passes also while a process is stopped or its machine sleeps: it then takes no step.
    Tick,
    /// Time passes while a machine sleeps whose clock is broken.
    TickAsleep(usize),
    /// A program that is none of the processes changes a key.
    Change {
        key: u8,
        revokes: bool,
    },
    /// A process revokes a key, which somebody else may have revoked before, and later the call returns.
    Revoke {
        process: usize,
        key: u8,
    },
    RevokeReturns {
        process: usize,
    },
    /// A standby takes over.
    FailOver {
        loses_last: bool,
    },
    /// A process receives the notification of a change: late, out of order, more than once, or never.
    Hear {
        process: usize,
        change: usize,
    },
    /// A process receives a notification that somebody made up: it names no key, and has the number of the next change.
    HearFalse {
        process: usize,
    },
    /// The watcher sends a query; the database answers; the answer arrives or the query fails.
    Ask {
        process: usize,
    },
    AnswerIsSent {
        process: usize,
    },
    AnswerArrives {
        process: usize,
    },
    QueryFails {
        process: usize,
    },
    /// A flush takes a query along; the database answers; the answer arrives, or never does.
    Flush {
        process: usize,
    },
    FlushAnswerIsSent {
        process: usize,
    },
    FlushAnswerArrives {
        process: usize,
    },
    /// A verification starts. It ends with what the cache has, or its row is read and then arrives.
    Begin {
        process: usize,
        slot: usize,
        key: u8,
    },
    Hit {
        process: usize,
        slot: usize,
    },
    RowIsRead {
        process: usize,
        slot: usize,
    },
    RowArrives {
        process: usize,
        slot: usize,
    },
}

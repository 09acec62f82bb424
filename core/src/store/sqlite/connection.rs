//! The connections of one process to one file: readers in turn, and one writer.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::patience::Patience;
use super::place::{self, Files, Identity, Rest};
use super::schema;
use super::wal_index::WalIndex;
use crate::error::{Error, UnavailableCause};
use crate::fork::{self, Forkable, Process, Relation, lock};
use crate::store::Birth;

/// How many KiB of pages a connection may keep, as the pragma wants it: negative.
const CACHE: i64 = -16_384;

/// How long one attempt to write waits for the lock, and how long the writer pauses before the next.
const ATTEMPT: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(2);

/// More than the time between two ticks of any kernel's clock, by which files are stamped.
const TICK: Duration = Duration::from_millis(20);

/// More readers than this are opened when needed, and not kept.
const KEPT: usize = 8;

pub(super) struct Connections {
    files: Files,
    read_only: bool,
    patience: Duration,
    /// Whether the WAL index is not to be used, as if its layout were unknown.
    unwatched: bool,
    held: Mutex<Held>,
    writer: Mutex<Option<Connection>>,
    /// The WAL index while the anchor holds it, for who asks without a lock.
    watch: ArcSwapOption<WalIndex>,
}

struct Held {
    process: Process,
    closed: bool,
    /// The files were taken from under us: what is open here leads nowhere, and must not even be closed.
    lost: bool,
    anchor: Option<Anchor>,
    /// How many anchors there have been.
    anchors: u64,
    readers: Vec<Connection>,
}

/// An idle connection, so that no other program is ever the last to close, and the files as they were then.
struct Anchor {
    /// `None` while `Connections::watch` holds it.
    keeper: Option<Connection>,
    identity: Identity,
    /// The file as it lay when it was opened, where it is read without a log. Such connections see no later change.
    rest: Option<Rest>,
}

impl Anchor {
    fn is_current(&self, files: &Files) -> bool {
        match &self.rest {
            Some(rest) => files.rest().as_ref() == Some(rest),
            None => self.identity == files.identity(),
        }
    }
}

/// A connection for one look-up, or the right to make one.
struct Turn {
    kept: Option<Connection>,
    /// The anchor under which it was made.
    anchors: u64,
    /// Whether the file is read without a log.
    rests: bool,
}

impl Held {
    fn turn(&mut self) -> Turn {
        let rests = self.anchor.as_ref().is_some_and(|it| it.rest.is_some());
        Turn { kept: self.readers.pop(), anchors: self.anchors, rests }
    }
}

impl Connections {
    pub(super) fn open(
        path: &std::path::Path,
        read_only: bool,
        patience: Duration,
        unwatched: bool,
        fresh: &Birth,
    ) -> Result<(Arc<Self>, Birth), Error> {
        let _gate = fork::gate();
        let path = place::prepare(path, read_only)?;
        let held = Held {
            process: Process::current(),
            closed: false,
            lost: false,
            anchor: None,
            anchors: 0,
            readers: Vec::new(),
        };
        let connections = Self {
            files: Files::of(path),
            read_only,
            patience,
            unwatched,
            held: Mutex::new(held),
            writer: Mutex::new(None),
            watch: ArcSwapOption::empty(),
        };
        let birth = if read_only {
            connections.read_through(schema::check)?
        } else {
            let mut writer = connections.connect(false, false)?;
            let mut patience = Patience::new(patience);
            let birth = loop {
                match schema::migrate(&mut writer, fresh) {
                    Err(error) if patience.lasts(&error) => std::thread::sleep(PAUSE),
                    done => break done?,
                }
            };
            *lock(&connections.writer) = Some(writer);
            birth
        };
        let connections = Arc::new(connections);
        let holder: Arc<dyn Forkable> = connections.clone();
        fork::register(Arc::downgrade(&holder));
        Ok((connections, birth))
    }

    /// What differs after each commit, without a system call. `None` when it has to be asked for.
    pub(super) fn pulse(&self) -> Option<NonZeroU64> {
        self.watch.load().as_ref()?.pulse()
    }

    /// What differs after each commit.
    pub(super) fn ask(&self) -> Result<NonZeroU64, Error> {
        let _gate = fork::gate();
        let held = self.enter()?;
        let pulse = match held.anchor.as_ref().and_then(|it| it.keeper.as_ref()) {
            // Each connection counts anew (SQLite, "PRAGMA data_version").
            Some(keeper) => {
                let version: u32 = keeper.pragma_query_value(None, "data_version", |row| row.get(0))?;
                NonZeroU64::new(held.anchors << 32 | u64::from(version))
            }
            None => self.pulse(),
        };
        pulse.ok_or_else(|| {
            Error::unavailable(UnavailableCause::Locked, "the write-ahead log is being made", "try again")
        })
    }

    /// Runs a look-up on the caller's thread.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _gate = fork::gate();
        self.read_through(look)
    }

    fn read_through<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let turn = self.enter()?.turn();
        self.with(turn, look)
    }

    /// As [`read`](Self::read), for who has asked lately whether the files are still what was opened: what is open is
    /// used without another look at them.
    pub(super) fn read_on<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _gate = fork::gate();
        let mut held = self.admit()?;
        if held.lost || held.anchor.is_none() || held.readers.is_empty() {
            drop(held);
            held = self.enter()?;
        }
        let turn = held.turn();
        drop(held);
        self.with(turn, look)
    }

    fn with<T>(&self, turn: Turn, look: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let reader = match turn.kept {
            Some(reader) => reader,
            None => self.connect(true, turn.rests)?,
        };
        let found = look(&reader);
        // Without a lock, another program may have written to the file in the meantime.
        if turn.rests && self.enter()?.anchors != turn.anchors {
            return Err(Error::unavailable(
                UnavailableCause::Locked,
                "the database changed while it was read",
                "try again",
            ));
        }
        let mut held = lock(&self.held);
        if held.readers.len() < KEPT && !held.closed && held.anchors == turn.anchors {
            held.readers.push(reader);
        }
        found
    }

    /// Refuses changes where the engine was opened to read alone.
    pub(super) fn admit_change(&self) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::unavailable(
                UnavailableCause::ReadOnly,
                "this Keywright was opened with read_only",
                "make changes through one that was not",
            ));
        }
        Ok(())
    }

    /// Runs a change as one transaction, which has reached the disk when this returns. Call it on the writer thread.
    pub(super) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let mut patience = Patience::new(self.patience);
        let mut change = Some(change);
        loop {
            let gate = fork::gate();
            drop(self.enter()?);
            let mut slot = lock(&self.writer);
            let mut writer = match slot.take() {
                Some(writer) => writer,
                None => self.connect(false, false)?,
            };
            let done = transact(&mut writer, &mut change);
            if writer.is_autocommit() {
                *slot = Some(writer);
            }
            drop(slot);
            match done {
                Err(error) if change.is_some() && patience.lasts(&error) => {}
                Err(error) => return Err(error),
                Ok(done) => {
                    // A change is told as done only if it went where others will find it.
                    drop(self.enter()?);
                    return Ok(done);
                }
            }
            // Waited out here, so that a fork has to wait for one attempt and not for the lock.
            drop(gate);
            std::thread::sleep(PAUSE);
        }
    }

    pub(super) fn close(&self) {
        let _gate = fork::gate();
        let mut held = lock(&self.held);
        held.closed = true;
        if matches!(held.process.check(), Ok(Relation::Same)) && !held.lost {
            held.readers.clear();
            held.anchor = None;
            self.unwatch();
            drop(held);
            lock(&self.writer).take();
        }
    }

    /// Begins a use of the file: refused also when it is no longer the one that was opened. That happens when it is deleted or replaced, and when another SQLite library in this
    /// process opens and closes it, since POSIX locks belong to the process (SQLite, "How to corrupt", section 2.2).
    fn enter(&self) -> Result<MutexGuard<'_, Held>, Error> {
        let mut held = self.admit()?;
        match &held.anchor {
            Some(anchor) if !held.lost && anchor.is_current(&self.files) => {}
            Some(Anchor { rest: Some(_), .. }) => {
                held.readers.clear();
                held.anchor = None;
                self.anchor(&mut held)?;
            }
            Some(_) => {
                held.lost = true;
                // Nobody may go on trusting what it says; to close it would do harm, as with all that is open.
                std::mem::forget(self.watch.swap(None));
                return Err(Error::unavailable(
                    UnavailableCause::Location,
                    "the database was deleted, replaced, or opened by another SQLite library in this process",
                    "put it back if need be, and restart this process",
                ));
            }
            None => self.anchor(&mut held)?,
        }
        Ok(held)
    }

    fn anchor(&self, held: &mut Held) -> Result<(), Error> {
        let (keeper, rest) = match self.attend() {
            Err(error) if self.read_only => self.at_rest(error)?,
            keeper => (keeper?, None),
        };
        let keeper = match if self.unwatched || rest.is_some() { Err(keeper) } else { WalIndex::of(keeper) } {
            Ok(index) => {
                self.watch.store(Some(Arc::new(index)));
                None
            }
            Err(keeper) => Some(keeper),
        };
        held.anchors += 1;
        held.anchor = Some(Anchor { keeper, identity: self.files.identity(), rest });
        Ok(())
    }

    /// A connection that has taken its place among those that have the file open, and has mapped the WAL index: SQLite
    /// does both with the first read.
    fn attend(&self) -> Result<Connection, Error> {
        let keeper = self.connect(true, false)?;
        keeper.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(keeper)
    }

    /// A connection to a file that cannot be opened otherwise, since SQLite may not make the index of a log beside it. It
    /// takes no lock, so that it holds only for as long as the file stays as it is.
    fn at_rest(&self, error: Error) -> Result<(Connection, Option<Rest>), Error> {
        if !matches!(error.unavailable_cause(), Some(UnavailableCause::Access | UnavailableCause::ReadOnly)) {
            return Err(error);
        }
        let Some(rest) = self.files.rest() else {
            return Err(if self.files.lacks_index() { unread_log() } else { error });
        };
        // A later change has another time: a file system tells times apart that lie further apart than this.
        std::thread::sleep(TICK);
        let connection = self.connect(true, true)?;
        Ok((connection, Some(rest)))
    }

    /// Refuses a use after `close`, and after a fork that bypassed us.
    fn admit(&self) -> Result<MutexGuard<'_, Held>, Error> {
        let mut held = lock(&self.held);
        if held.closed {
            return Err(Error::Closed);
        }
        if let Relation::Child = held.process.check()? {
            held.process = Process::current();
        }
        Ok(held)
    }

    /// Closes the connection that holds the WAL index, once nobody is reading it.
    fn unwatch(&self) {
        let Some(mut index) = self.watch.swap(None) else { return };
        while let Err(shared) = Arc::try_unwrap(index) {
            index = shared;
            std::thread::yield_now();
        }
    }

    /// Opens the file. One that rests is read without locks and without a log.
    fn connect(&self, reader: bool, rests: bool) -> Result<Connection, Error> {
        let access = if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        let flags = access
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = if rests {
            Connection::open_with_flags(self.files.immutable(), flags | OpenFlags::SQLITE_OPEN_URI)?
        } else {
            Connection::open_with_flags(&self.files.database, flags)?
        };
        connection.busy_timeout(self.patience)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Without it SQLite plans a cached statement anew for each value that is bound to it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", CACHE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // A journal of a long statement would else go to a file in a folder for temporary files, which a hardened
        // container does not have.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // What purge wipes is gone from the file as well.
        connection.pragma_update(None, "secure_delete", true)?;
        if reader {
            connection.pragma_update(None, "query_only", true)?;
        } else {
            // Only now: what is set above may read the file, and another process may be making it.
            connection.busy_timeout(ATTEMPT)?;
        }
        Ok(connection)
    }
}

impl Forkable for Connections {
    fn release(&self) {
        let mut held = lock(&self.held);
        if !held.lost {
            held.readers.clear();
            held.anchor = None;
            self.unwatch();
            lock(&self.writer).take();
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if held.lost || held.process.check().is_err() {
            // Closing would write what is stale, or drop locks that the parent of a bypassed fork still counts on.
            held.readers.drain(..).for_each(std::mem::forget);
            std::mem::forget(held.anchor.take().and_then(|it| it.keeper));
            std::mem::forget(self.watch.swap(None));
            std::mem::forget(lock(&self.writer).take());
        }
    }
}

fn unread_log() -> Error {
    Error::unavailable(
        UnavailableCause::ReadOnly,
        "the -wal file holds changes, which cannot be read without a -shm file in a folder that cannot be written",
        "open and close the database once where the folder can be written, or copy the -shm file as well",
    )
}

/// Leaves `change` in its place when the transaction could not begin.
fn transact<T>(
    writer: &mut Connection,
    change: &mut Option<impl FnOnce(&Transaction<'_>) -> Result<T, Error>>,
) -> Result<T, Error> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let change = change.take().ok_or(Error::Closed)?;
    let done = change(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

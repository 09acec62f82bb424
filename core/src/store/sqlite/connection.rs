//! The connections of one process to one database: a few readers, and one writer.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::files::{self, DatabaseFiles, FileIdentities};
use super::lock_wait::LockWait;
use super::schema;
use crate::error::{Error, UnavailableCause};
use crate::fork::{self, Forkable, Process, Relation, lock};
use crate::store::rows::DatabaseInfo;
use crate::sys::{FileVersion, WalIndex};

/// The page cache of a connection in KiB, which the pragma takes as a negative number.
const CACHE_SIZE: i64 = -4_096;

/// How long one attempt to write waits for the lock, and the pause before the next attempt.
const LOCK_ATTEMPT: Duration = Duration::from_millis(20);
const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// More than the time between two ticks of the clock with which any kernel stamps files.
const TIMESTAMP_GRANULARITY: Duration = Duration::from_millis(20);

/// Further readers are opened when needed, and closed after use.
const MAX_IDLE_READERS: usize = 8;

pub(super) struct Connections {
    files: DatabaseFiles,
    read_only: bool,
    lock_timeout: Duration,
    state: Mutex<ConnectionState>,
    writer: Mutex<Option<Connection>>,
    /// The WAL index, which can be read without a lock; it owns the idle connection. `None` if SQLite has to be asked for changes.
    wal_index: Option<WalIndex>,
}

struct ConnectionState {
    process: Process,
    closed: bool,
    /// Whether the files are no longer the ones that were opened. Then even closing the connections would damage the new ones.
    replaced: bool,
    idle: Option<IdleConnection>,
    /// The number of idle connections that have been opened so far.
    generation: u64,
    readers: Vec<Connection>,
}

/// A connection that stays open and idle, so that no other program is ever the last to close the database.
struct IdleConnection {
    /// `None` while `Connections::wal_index` owns it.
    connection: Option<Connection>,
    /// The files that were opened.
    files: FileIdentities,
    /// The version of the database file, if it was opened as immutable. Such connections see no later change.
    immutable: Option<FileVersion>,
}

impl IdleConnection {
    fn is_current(&self, files: &DatabaseFiles) -> bool {
        match &self.immutable {
            Some(version) => files.version().as_ref() == Some(version),
            None => self.files == files.identities(),
        }
    }
}

/// A connection for one read, or the permission to open one.
struct ReaderSlot {
    reader: Option<Connection>,
    /// The generation of the idle connection beside which it was opened.
    generation: u64,
    /// Whether the file is open as immutable: without locks and without a log.
    immutable: bool,
}

impl ConnectionState {
    fn slot(&mut self) -> ReaderSlot {
        let immutable = self.idle.as_ref().is_some_and(|idle| idle.immutable.is_some());
        ReaderSlot { reader: self.readers.pop(), generation: self.generation, immutable }
    }
}

impl Connections {
    pub(super) fn open(
        path: &std::path::Path,
        read_only: bool,
        lock_timeout: Duration,
        without_wal_index: bool,
        new_database: &DatabaseInfo,
    ) -> Result<(Arc<Self>, DatabaseInfo), Error> {
        let _gate = fork::gate();
        let path = files::prepare(path, read_only)?;
        let state = ConnectionState {
            process: Process::current(),
            closed: false,
            replaced: false,
            idle: None,
            generation: 0,
            readers: Vec::new(),
        };
        let connections = Self {
            files: DatabaseFiles::of(path),
            read_only,
            lock_timeout,
            state: Mutex::new(state),
            writer: Mutex::new(None),
            wal_index: if without_wal_index { None } else { WalIndex::new() },
        };
        let info = if read_only {
            connections.read_gated(schema::check)?
        } else {
            let mut writer = connections.connect(false, false)?;
            let mut wait = LockWait::new(lock_timeout);
            let info = loop {
                match schema::migrate(&mut writer, new_database) {
                    Err(error) if wait.should_retry(&error) => std::thread::sleep(RETRY_PAUSE),
                    done => break done?,
                }
            };
            *lock(&connections.writer) = Some(writer);
            info
        };
        let connections = Arc::new(connections);
        let holder: Arc<dyn Forkable> = connections.clone();
        fork::register(Arc::downgrade(&holder));
        Ok((connections, info))
    }

    /// A number that differs after each commit, without a system call. `None` if the database has to be asked.
    pub(super) fn commit_stamp(&self) -> Option<NonZeroU64> {
        self.wal_index.as_ref()?.commit_stamp()
    }

    /// The same number, from the database if need be.
    pub(super) fn read_commit_stamp(&self) -> Result<NonZeroU64, Error> {
        let _gate = fork::gate();
        let state = self.check_files()?;
        let stamp = match state.idle.as_ref().and_then(|idle| idle.connection.as_ref()) {
            // Each connection has its own count of versions (SQLite, "PRAGMA data_version").
            Some(connection) => {
                let version: u32 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
                NonZeroU64::new(state.generation << 32 | u64::from(version))
            }
            None => self.commit_stamp(),
        };
        stamp.ok_or_else(|| {
            Error::unavailable(UnavailableCause::Locked, "the write-ahead log is being made", "try again")
        })
    }

    /// Runs a read on the caller's thread.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _gate = fork::gate();
        self.read_gated(read)
    }

    fn read_gated<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let slot = self.check_files()?.slot();
        self.read_with(slot, read)
    }

    /// As [`read`](Self::read), without a check of the files, for a caller that has called `read_commit_stamp` lately.
    pub(super) fn read_unchecked<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _gate = fork::gate();
        let mut state = self.check_open()?;
        if state.replaced || state.idle.is_none() || state.readers.is_empty() {
            drop(state);
            state = self.check_files()?;
        }
        let slot = state.slot();
        drop(state);
        self.read_with(slot, read)
    }

    fn read_with<T>(&self, slot: ReaderSlot, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let reader = match slot.reader {
            Some(reader) => reader,
            None => self.connect(true, slot.immutable)?,
        };
        let found = read(&reader);
        // An immutable file is read without a lock, so another program may have written to it in the meantime.
        if slot.immutable && self.check_files()?.generation != slot.generation {
            return Err(Error::unavailable(
                UnavailableCause::Locked,
                "the database changed while it was read",
                "try again",
            ));
        }
        let mut state = lock(&self.state);
        if state.readers.len() < MAX_IDLE_READERS && !state.closed && state.generation == slot.generation {
            state.readers.push(reader);
        }
        found
    }

    /// Refuses changes if the engine was opened with `read_only`.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::unavailable(
                UnavailableCause::ReadOnly,
                "this Keywright was opened with read_only",
                "make changes through one that was not",
            ));
        }
        Ok(())
    }

    /// Runs `change` in one transaction, which has reached the disk when this returns. Only the writer thread calls it, and a copy that fills the
    /// database.
    pub(super) fn write(&self, mut change: impl FnMut(&mut Transaction<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let mut wait = LockWait::new(self.lock_timeout);
        loop {
            let gate = fork::gate();
            drop(self.check_files()?);
            let mut slot = lock(&self.writer);
            let mut writer = match slot.take() {
                Some(writer) => writer,
                None => self.connect(false, false)?,
            };
            let begun = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Error::from);
            let done = begun.map(|mut transaction| {
                change(&mut transaction)?;
                Ok(transaction.commit()?)
            });
            if writer.is_autocommit() {
                *slot = Some(writer);
            }
            drop(slot);
            match done {
                Err(error) if wait.should_retry(&error) => {}
                Err(error) => return Err(error),
                Ok(done) => {
                    // A change counts as done only if it went to the files that others will open.
                    return done.and_then(|()| self.check_files().map(drop));
                }
            }
            // Pausing outside the gate lets a fork wait for one attempt, and not for the lock.
            drop(gate);
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    pub(super) fn close(&self) {
        let _gate = fork::gate();
        let mut state = lock(&self.state);
        state.closed = true;
        if matches!(state.process.check(), Ok(Relation::Same)) && !state.replaced {
            state.readers.clear();
            state.idle = None;
            drop(self.hide_wal_index());
            drop(state);
            lock(&self.writer).take();
        }
    }

    /// Refuses a use after `close`, and once the files are no longer the ones that were opened. That happens when they are
    /// deleted or replaced, and when another SQLite library in this process opens and closes them, since POSIX locks belong
    /// to the process (SQLite, "How to corrupt", section 2.2).
    fn check_files(&self) -> Result<MutexGuard<'_, ConnectionState>, Error> {
        let mut state = self.check_open()?;
        match &state.idle {
            Some(idle) if !state.replaced && idle.is_current(&self.files) => {}
            Some(IdleConnection { immutable: Some(_), .. }) => {
                state.readers.clear();
                state.idle = None;
                self.open_idle(&mut state)?;
            }
            Some(_) => {
                state.replaced = true;
                // The index belongs to files that no other process opens. Closing its connection would damage the new files.
                std::mem::forget(self.hide_wal_index());
                return Err(Error::unavailable(
                    UnavailableCause::Location,
                    "the database was deleted, replaced, or opened by another SQLite library in this process",
                    "put it back if need be, and restart this process",
                ));
            }
            None => self.open_idle(&mut state)?,
        }
        Ok(state)
    }

    fn open_idle(&self, state: &mut ConnectionState) -> Result<(), Error> {
        let (connection, immutable) = match self.connect_and_read() {
            Ok(connection) => (connection, None),
            Err(error) if self.read_only => {
                let (connection, version) = self.connect_immutable(error)?;
                (connection, Some(version))
            }
            Err(error) => return Err(error),
        };
        let connection = match &self.wal_index {
            Some(index) if immutable.is_none() => index.show(connection).err(),
            _ => Some(connection),
        };
        state.generation += 1;
        state.idle = Some(IdleConnection { connection, files: self.files.identities(), immutable });
        Ok(())
    }

    /// A connection that has read once. With its first read SQLite takes a lock on the database and maps the WAL index.
    fn connect_and_read(&self) -> Result<Connection, Error> {
        let connection = self.connect(true, false)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    }

    /// Opens a database as immutable after `error`, if SQLite failed because it may not create the WAL index beside it. The
    /// connection takes no lock, so it is good only for as long as the file has this version.
    fn connect_immutable(&self, error: Error) -> Result<(Connection, FileVersion), Error> {
        if !matches!(error.unavailable_cause(), Some(UnavailableCause::Access | UnavailableCause::ReadOnly)) {
            return Err(error);
        }
        let Some(version) = self.files.version() else {
            return Err(if self.files.lacks_index() { log_needs_index() } else { error });
        };
        // After this pause, any later change gives the file another time.
        std::thread::sleep(TIMESTAMP_GRANULARITY);
        Ok((self.connect(true, true)?, version))
    }

    /// Refuses a use after `close`, and in a child whose fork bypassed the fork handlers.
    fn check_open(&self) -> Result<MutexGuard<'_, ConnectionState>, Error> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Error::Closed);
        }
        if let Relation::Child = state.process.check()? {
            state.process = Process::current();
        }
        Ok(state)
    }

    /// Hides the WAL index, and returns the connection that it owns.
    fn hide_wal_index(&self) -> Option<Connection> {
        self.wal_index.as_ref()?.hide()
    }

    /// Opens a connection, for reading alone if `reader`. An `immutable` file is read without locks and without a log.
    fn connect(&self, reader: bool, immutable: bool) -> Result<Connection, Error> {
        let access = if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        let flags = access
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = if immutable {
            Connection::open_with_flags(self.files.immutable_uri(), flags | OpenFlags::SQLITE_OPEN_URI)?
        } else {
            Connection::open_with_flags(&self.files.database, flags)?
        };
        connection.busy_timeout(self.lock_timeout)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Without this, SQLite plans a cached statement again for each value that is bound to it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", CACHE_SIZE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // By default the journal of a long statement goes to a folder for temporary files, which a hardened container does
        // not have.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // Values that `purge` wipes must leave the file as well.
        connection.pragma_update(None, "secure_delete", true)?;
        if reader {
            connection.pragma_update(None, "query_only", true)?;
        } else {
            // Only now: the pragmas above may read the file, and another process may be creating it.
            connection.busy_timeout(LOCK_ATTEMPT)?;
        }
        Ok(connection)
    }
}

impl Forkable for Connections {
    fn release(&self) {
        let mut state = lock(&self.state);
        if !state.replaced {
            state.readers.clear();
            state.idle = None;
            drop(self.hide_wal_index());
            lock(&self.writer).take();
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.replaced || state.process.check().is_err() {
            // Closing would write stale pages, or drop locks that the parent of a bypassed fork still relies on.
            state.readers.drain(..).for_each(std::mem::forget);
            std::mem::forget(state.idle.take().and_then(|idle| idle.connection));
            std::mem::forget(self.hide_wal_index());
            std::mem::forget(lock(&self.writer).take());
        }
    }
}

fn log_needs_index() -> Error {
    Error::unavailable(
        UnavailableCause::ReadOnly,
        "the -wal file holds changes, which cannot be read without a -shm file in a folder that cannot be written",
        "open and close the database once where the folder can be written, or copy the -shm file as well",
    )
}

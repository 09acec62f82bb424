//! The connections of one process to one file: readers in turn, and one writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{place, schema};
use crate::error::{Error, Trouble};
use crate::fork::{self, Forkable, Process, Relation};
use crate::store::Birth;

/// How many KiB of pages a connection may keep, as the pragma wants it: negative.
const CACHE: i64 = -16_384;

/// More readers than this are opened when needed, and not kept.
const KEPT: usize = 8;

pub(super) struct Connections {
    path: PathBuf,
    read_only: bool,
    patience: Duration,
    held: Mutex<Held>,
    writer: Mutex<Option<Connection>>,
}

struct Held {
    process: Process,
    closed: bool,
    readers: Vec<Connection>,
}

impl Connections {
    pub(super) fn open(
        path: &std::path::Path,
        read_only: bool,
        patience: Duration,
        fresh: &Birth,
    ) -> Result<(Arc<Self>, Birth), Error> {
        let _gate = fork::gate();
        let path = place::prepare(path, read_only)?;
        let held = Held { process: Process::current(), closed: false, readers: Vec::new() };
        let connections = Self { path, read_only, patience, held: Mutex::new(held), writer: Mutex::new(None) };
        let birth = if read_only {
            let reader = connections.connect(true)?;
            let birth = schema::check(&reader)?;
            lock(&connections.held).readers.push(reader);
            birth
        } else {
            let mut writer = connections.connect(false)?;
            let birth = schema::migrate(&mut writer, fresh, patience)?;
            *lock(&connections.writer) = Some(writer);
            birth
        };
        let connections = Arc::new(connections);
        let holder: Arc<dyn Forkable> = connections.clone();
        fork::register(Arc::downgrade(&holder));
        Ok((connections, birth))
    }

    /// Runs a look-up on the caller's thread.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let _gate = fork::gate();
        let kept = {
            let mut held = lock(&self.held);
            held.enter()?;
            held.readers.pop()
        };
        let reader = match kept {
            Some(reader) => reader,
            None => self.connect(true)?,
        };
        let found = look(&reader);
        let mut held = lock(&self.held);
        if held.readers.len() < KEPT && !held.closed {
            held.readers.push(reader);
        }
        found
    }

    /// Runs a change as one transaction, which has reached the disk when this returns. Call it on the writer thread.
    pub(super) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let _gate = fork::gate();
        if self.read_only {
            return Err(Error::unavailable(
                Trouble::ReadOnly,
                "this Keywright was opened with read_only",
                "make changes through one that was not",
            ));
        }
        lock(&self.held).enter()?;
        let mut slot = lock(&self.writer);
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => self.connect(false)?,
        };
        let done = transact(&mut writer, change);
        if writer.is_autocommit() {
            *slot = Some(writer);
        }
        done
    }

    pub(super) fn close(&self) {
        let _gate = fork::gate();
        let mut held = lock(&self.held);
        held.closed = true;
        if matches!(held.process.check(), Ok(Relation::Same)) {
            held.readers.clear();
            drop(held);
            lock(&self.writer).take();
        }
    }

    fn connect(&self, reader: bool) -> Result<Connection, Error> {
        let access = if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        let flags = access
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.patience)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Without it SQLite plans a cached statement anew for each value that is bound to it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", CACHE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        // What purge wipes is gone from the file as well.
        connection.pragma_update(None, "secure_delete", true)?;
        if reader {
            connection.pragma_update(None, "query_only", true)?;
        }
        Ok(connection)
    }
}

impl Held {
    fn enter(&mut self) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        if let Relation::Child = self.process.check()? {
            self.process = Process::current();
        }
        Ok(())
    }
}

impl Forkable for Connections {
    fn release(&self) {
        lock(&self.held).readers.clear();
        lock(&self.writer).take();
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if held.process.check().is_err() {
            // Closing what a bypassed fork inherited would drop locks of the parent.
            held.readers.drain(..).for_each(std::mem::forget);
            std::mem::forget(lock(&self.writer).take());
        }
    }
}

fn transact<T>(writer: &mut Connection, change: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = change(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The writer thread. Writes that wait for the disk commit together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::connection::Connections;
use crate::error::Error;
use crate::health::{Health, Operation};
use crate::worker::{Workers, stopped};

/// How many writes may wait for the disk. Past this number, a write is `unavailable`.
const MAX_QUEUED: usize = 4_096;

/// How many writes commit together at most, so that another process gets its turn.
const MAX_TOGETHER: usize = 256;

/// The thread that writes, and the writes that wait for it.
pub(super) struct Writer(Workers<Box<dyn QueuedWrite>>);

/// A write in the queue.
trait QueuedWrite: Send {
    fn size(&self) -> WriteSize;
    /// Writes in an open transaction. `Err` if its changes have to be rolled back.
    fn run(&mut self, on: &Connection) -> Result<(), Error>;
    /// Answers the caller, once the transaction has committed or failed.
    fn finish(self: Box<Self>, committed: Result<(), Error>);
}

/// How much a write changes. A savepoint copies each page that changes after it, which would cost a large write much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WriteSize {
    Large,
    Small,
}

struct PendingWrite<T, F> {
    size: WriteSize,
    write: F,
    outcome: Result<T, Error>,
    health: Arc<Health>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T: Send, F: Fn(&Connection) -> Result<T, Error> + Send> QueuedWrite for PendingWrite<T, F> {
    fn size(&self) -> WriteSize {
        self.size
    }

    fn run(&mut self, on: &Connection) -> Result<(), Error> {
        // If a write panics, its caller gets an error, and the others still run.
        self.outcome = catch_unwind(AssertUnwindSafe(|| (self.write)(on))).unwrap_or_else(|_| Err(stopped()));
        self.outcome.as_ref().map(drop).map_err(Error::clone)
    }

    fn finish(self: Box<Self>, committed: Result<(), Error>) {
        let outcome = committed.and(self.outcome);
        self.health.note(Operation::Write, &outcome);
        // If the caller has gone, the write was still done.
        let _ = self.reply.send(outcome);
    }
}

impl Writer {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        let run = move |batch| write_together(&connections, batch);
        Self(Workers::batches("keywright-writer", MAX_QUEUED, MAX_TOGETHER, run))
    }

    /// Queues a write, and returns its outcome once that is on the disk.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        size: WriteSize,
        health: Arc<Health>,
        write: impl Fn(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.push(Box::new(PendingWrite { size, write, outcome: Err(stopped()), health, reply }))?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Refuses new writes, and returns once all queued ones are done.
    pub(super) async fn finish(&self) {
        self.0.finish().await;
    }
}

/// Commits the writes of a batch together. One that fails is rolled back alone.
fn write_together(connections: &Connections, mut batch: Vec<Box<dyn QueuedWrite>>) {
    batch.sort_by_key(|write| write.size());
    while !batch.is_empty() {
        let mut ran = 0;
        let committed = connections.write(|transaction| run_each(transaction, &mut batch, &mut ran));
        // No write can run if the transaction could not begin.
        let done = if ran == 0 { batch.len() } else { ran };
        batch.drain(..done).for_each(|write| write.finish(committed.clone()));
    }
}

/// Runs writes in one transaction, and counts them. An error rolls all of those back.
fn run_each(
    transaction: &mut Transaction<'_>,
    batch: &mut [Box<dyn QueuedWrite>],
    ran: &mut usize,
) -> Result<(), Error> {
    for write in batch {
        *ran += 1;
        if *ran == 1 {
            // It needs no savepoint: if it fails, there is nothing else to keep.
            write.run(transaction)?;
            continue;
        }
        let savepoint = transaction.savepoint()?;
        match write.run(&savepoint) {
            Ok(()) => savepoint.commit()?,
            // After some errors, such as a full disk, SQLite itself has rolled everything back.
            Err(error) => savepoint.finish().map_err(|_| error)?,
        }
    }
    Ok(())
}

//! The transactions of one process. Scripts that wait for the same lock commit together: one round trip reads the rows of all,
//! and another one writes and commits.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::connection::{Connection, PipelineStep, Query};
use super::freshness::{AnnouncedChanges, OwnTransaction};
use super::overlap::meets;
use super::pool::{Pool, WriterRole};
use super::script::SharedReads;
use super::watcher::Watcher;
use super::{audit, changes, error, idempotency, script};
use crate::error::{Error, UnavailableCause};
use crate::fork::lock;
use crate::health::{Health, Operation};
use crate::store::rows::Changes;
use crate::store::script::{AuditKey, Chain, ChainEnd, Reads, Rows, TransactionScript, Write};
use crate::worker::stopped;

/// How many scripts may wait. Past this number, a script is `unavailable`.
const MAX_QUEUED: usize = 4_096;

/// How many scripts commit together at most, so that another process gets its turn.
const MAX_TOGETHER: usize = 64;

/// How often a transaction runs again that the server ended in favour of another one.
const MAX_REPETITIONS: u32 = 5;

/// The end of a transaction. A time limit that ends the wait for a synchronous standby would acknowledge a change that the standby
/// lacks, so only this side stops waiting, and says that it does not know. `COMMIT` also ends a transaction that has failed.
const COMMIT: [&str; 2] = ["SET LOCAL statement_timeout = 0", "COMMIT"];

/// Takes the lock under which ordered scripts run. The triggers raise the sequence in the same row.
pub(super) fn lock_sequence() -> Query<'static> {
    Query { sql: "SELECT seq FROM keywright.meta FOR UPDATE", values: Vec::new() }
}

/// A script in the queue.
trait QueuedScript: Send + Sync {
    fn reads(&self) -> Reads<'_>;
    /// Decides on the rows, keeps the outcome, and returns the writes.
    fn decide(&mut self, rows: Rows, chain: &mut Chain) -> Result<Vec<Write>, Error>;
    /// Answers the caller, once the transaction has committed or failed.
    fn finish(self: Box<Self>, committed: Result<(), Error>);
}

struct PendingScript<S: TransactionScript> {
    script: S,
    outcome: Mutex<Result<S::Outcome, Error>>,
    health: Arc<Health>,
    reply: oneshot::Sender<Result<S::Outcome, Error>>,
}

impl<S: TransactionScript> QueuedScript for PendingScript<S> {
    fn reads(&self) -> Reads<'_> {
        self.script.reads()
    }

    fn decide(&mut self, rows: Rows, chain: &mut Chain) -> Result<Vec<Write>, Error> {
        let before = chain.clone();
        // If a rule panics, its caller gets an error, and the others still run.
        let decided =
            catch_unwind(AssertUnwindSafe(|| self.script.decide(rows, chain))).unwrap_or_else(|_| Err(stopped()));
        match decided {
            Ok(decided) => {
                self.outcome = Mutex::new(Ok(decided.outcome));
                Ok(decided.writes)
            }
            Err(refused) => {
                *chain = before;
                self.outcome = Mutex::new(Err(refused.clone()));
                Err(refused)
            }
        }
    }

    fn finish(self: Box<Self>, committed: Result<(), Error>) {
        let outcome = self.outcome.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let outcome = committed.and(outcome);
        self.health.note(Operation::Write, &outcome);
        // If the caller has gone, the script still ran.
        let _ = self.reply.send(outcome);
    }
}

/// Scripts that run in one transaction.
struct Group {
    scripts: Vec<Box<dyn QueuedScript>>,
    /// How often the transaction has run before.
    repetitions: u32,
}

impl From<Vec<Box<dyn QueuedScript>>> for Group {
    fn from(scripts: Vec<Box<dyn QueuedScript>>) -> Self {
        Self { scripts, repetitions: 0 }
    }
}

/// Runs the scripts of one process.
#[derive(Clone)]
pub(super) struct ScriptWriter {
    pool: Arc<Pool>,
    audit_key: AuditKey,
    watcher: Arc<Watcher>,
    ordered: Arc<Mutex<ScriptQueue>>,
    /// Scripts that take no lock on the sequence, and do not wait for those that do.
    others: Arc<Mutex<ScriptQueue>>,
}

#[derive(Default)]
struct ScriptQueue {
    waiting: VecDeque<Box<dyn QueuedScript>>,
    is_running: bool,
    closed: bool,
    finishers: Vec<oneshot::Sender<()>>,
}

impl ScriptWriter {
    pub(super) fn new(pool: Arc<Pool>, watcher: Arc<Watcher>, audit_key: AuditKey) -> Self {
        Self { pool, watcher, audit_key, ordered: Arc::default(), others: Arc::default() }
    }

    /// Queues a script, and returns its outcome once that is durable. The script runs even if its caller has gone.
    pub(super) async fn run<S: TransactionScript>(&self, script: S, health: Arc<Health>) -> Result<S::Outcome, Error> {
        let role = if script.reads().ordered { WriterRole::Ordered } else { WriterRole::Other };
        let (reply, answer) = oneshot::channel();
        let outcome = Mutex::new(Err(stopped()));
        self.push(role, Box::new(PendingScript { script, outcome, health, reply }))?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn queue(&self, role: WriterRole) -> &Mutex<ScriptQueue> {
        match role {
            WriterRole::Ordered => &self.ordered,
            WriterRole::Other => &self.others,
        }
    }

    fn push(&self, role: WriterRole, script: Box<dyn QueuedScript>) -> Result<(), Error> {
        let mut queue = lock(self.queue(role));
        if queue.closed {
            return Err(Error::Closed);
        }
        if queue.waiting.len() >= MAX_QUEUED {
            return Err(Error::unavailable(UnavailableCause::Busy, "too much work is queued", "try again in a moment"));
        }
        queue.waiting.push_back(script);
        if !std::mem::replace(&mut queue.is_running, true) {
            let writer = self.clone();
            self.pool.runtime().spawn(async move { writer.work(role).await });
        }
        Ok(())
    }

    /// Refuses new scripts, and returns once all queued ones are done.
    pub(super) async fn finish(&self) {
        for role in [WriterRole::Ordered, WriterRole::Other] {
            let done = {
                let mut queue = lock(self.queue(role));
                queue.closed = true;
                if !queue.is_running {
                    continue;
                }
                let (reply, done) = oneshot::channel();
                queue.finishers.push(reply);
                done
            };
            let _ = done.await;
        }
    }

    async fn work(&self, role: WriterRole) {
        while let Some(group) = self.next(role) {
            let mut groups = VecDeque::from([group]);
            while let Some(group) = groups.pop_front() {
                let left = self.transact(role, group).await;
                left.into_iter().rev().for_each(|group| groups.push_front(group));
            }
        }
    }

    fn next(&self, role: WriterRole) -> Option<Group> {
        let mut queue = lock(self.queue(role));
        if queue.waiting.is_empty() {
            queue.is_running = false;
            for finisher in queue.finishers.drain(..) {
                let _ = finisher.send(());
            }
            return None;
        }
        let count = MAX_TOGETHER.min(queue.waiting.len());
        Some(queue.waiting.drain(..count).collect::<Vec<_>>().into())
    }

    /// Runs scripts in one transaction, and returns those that are left to run, in groups.
    async fn transact(&self, role: WriterRole, group: Group) -> Vec<Group> {
        let _turn = self.pool.turn(role).await;
        let Group { scripts: group, repetitions } = group;
        let (connection, answers) = match self.begin(role, &group).await {
            Ok(begun) => begun,
            Err(error) => {
                group.into_iter().for_each(|script| script.finish(Err(error.clone())));
                return Vec::new();
            }
        };
        let mut decided: Vec<(Box<dyn QueuedScript>, Vec<Write>)> = Vec::new();
        let mut postponed: Vec<Box<dyn QueuedScript>> = Vec::new();
        let mut refused: Vec<Box<dyn QueuedScript>> = Vec::new();
        let mut answers = answers.into_iter();
        // The first one is that to `BEGIN`.
        answers.next();
        // The number of the last change before these.
        let (seq, chain_end) = match role {
            WriterRole::Ordered => {
                let seq = script::one::<i64>(&answers.next().unwrap_or_default());
                (seq.as_ref().ok().copied(), seq.and(audit::read_end(&answers.next().unwrap_or_default())))
            }
            WriterRole::Other => (None, Ok(ChainEnd::default())),
        };
        locks(&group).iter().for_each(|_| drop(answers.next()));
        let shared = SharedReads::of(group.iter().map(|script| script.reads())).rows(&mut answers);
        let begun = chain_end.and_then(|end| shared.map(|shared| (end, shared)));
        let end = begun.as_ref().map(|(end, _)| *end).unwrap_or_default();
        let mut chain = Chain::new(end, self.audit_key.clone());
        for mut script in group {
            let rows = match &begun {
                Ok((end, shared)) => script::rows(script.reads(), *end, shared, &mut answers),
                Err(error) => Err(error.clone()),
            };
            let writes_before = || decided.iter().flat_map(|(_, writes)| writes);
            if !postponed.is_empty() || writes_before().any(|write| meets(script.reads(), write)) {
                postponed.push(script);
                continue;
            }
            match rows {
                Ok(rows) => match script.decide(rows, &mut chain) {
                    Ok(writes) => decided.push((script, writes)),
                    Err(_) => refused.push(script),
                },
                Err(error) => script.finish(Err(error)),
            }
        }
        let ordered = seq.map(|seq| self.watcher.own_transaction(seq));
        let committed = commit(&connection, decided.iter().flat_map(|(_, writes)| writes), ordered).await;
        let committed = committed.map(|changes| changes.map_or((), |changes| self.watcher.committed(changes)));
        refused.into_iter().for_each(|script| script.finish(Ok(())));
        let mut left: Vec<Group> = Vec::new();
        match committed {
            Err(CommitFailure::Ended(_)) if repetitions < MAX_REPETITIONS => {
                let scripts = decided.into_iter().map(|(script, _)| script).collect();
                left.push(Group { scripts, repetitions: repetitions + 1 });
            }
            Err(CommitFailure::Refused(_)) if decided.len() > 1 => {
                left.extend(decided.into_iter().map(|(script, _)| vec![script].into()));
            }
            failed => {
                let committed = failed.map_err(CommitFailure::into_error);
                decided.into_iter().for_each(|(script, _)| script.finish(committed.clone()));
            }
        }
        if !postponed.is_empty() {
            left.push(postponed.into());
        }
        left
    }

    /// Begins a transaction, takes the locks, and reads the rows of all scripts. It does so once more if the connection was
    /// lost in the meantime, and a few times if the server ended the transaction in favour of another one.
    async fn begin(
        &self,
        role: WriterRole,
        group: &[Box<dyn QueuedScript>],
    ) -> Result<(Arc<Connection>, Vec<Vec<Row>>), Error> {
        let mut again = true;
        let mut repetitions = 0;
        loop {
            let connection = self.pool.writer(role).await?;
            let begin = connection.begin();
            let mut steps = vec![PipelineStep::Text(&begin)];
            if role == WriterRole::Ordered {
                steps.extend([lock_sequence(), audit::end()].map(PipelineStep::Query));
            }
            steps.extend(locks(group).into_iter().map(|key| PipelineStep::Query(idempotency::lock_query(key))));
            let shared = SharedReads::of(group.iter().map(|script| script.reads()));
            let reads = group.iter().flat_map(|script| script::queries(script.reads()));
            steps.extend(shared.queries().chain(reads).map(PipelineStep::Query));
            match connection.pipeline(&steps).await {
                Some(Ok(answers)) => return Ok((connection, answers)),
                Some(Err(problem)) if again && error::is_lost(&problem) => again = false,
                Some(Err(problem)) => {
                    rollback(&connection).await;
                    if !error::may_succeed_again(&problem) || repetitions == MAX_REPETITIONS {
                        return Err(error::of_statement(&problem));
                    }
                    repetitions += 1;
                }
                None => return Err(error::no_answer()),
            }
        }
    }
}

/// The keys of the locks on the requests of scripts, in order, so that two processes take those that they share in the same
/// order.
fn locks(group: &[Box<dyn QueuedScript>]) -> Vec<i64> {
    let requests = group.iter().filter_map(|script| script.reads().request);
    let mut keys: Vec<i64> = requests.map(|request| idempotency::lock_key(request.name)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

enum CommitFailure {
    /// The server refused a write, and changed nothing.
    Refused(Error),
    /// The server ended the transaction, and changed nothing. The same one may succeed when it runs again.
    Ended(Error),
    /// The answer did not come, so the changes may have been made or not.
    Unknown(Error),
}

impl CommitFailure {
    fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Ended(error) | Self::Unknown(error) => error,
        }
    }
}

/// Applies the writes and commits. Returns the changes that the cache lacks, those of these writes among them.
async fn commit<'a>(
    connection: &Connection,
    writes: impl Iterator<Item = &'a Write>,
    ordered: Option<OwnTransaction>,
) -> Result<Option<AnnouncedChanges>, CommitFailure> {
    let mut steps: Vec<PipelineStep<'_>> = match script::statements(writes) {
        Ok(statements) => statements.into_iter().map(PipelineStep::Query).collect(),
        Err(error) => {
            rollback(connection).await;
            return Err(CommitFailure::Refused(error));
        }
    };
    let written = steps.len();
    if written == 0 && ordered.is_none() {
        rollback(connection).await;
        return Ok(None);
    }
    steps.extend(ordered.map(|it| PipelineStep::Query(changes::query(it.after()))));
    // A commit would wait for the disk, for the sake of a lock alone.
    let end: &[&str] = if written == 0 { &["ROLLBACK"] } else { &COMMIT };
    steps.extend(end.iter().copied().map(PipelineStep::Text));
    let unknown = || {
        let error = if written == 0 { error::connection_lost() } else { error::commit_unknown() };
        Err(CommitFailure::Unknown(error))
    };
    match connection.pipeline(&steps).await {
        Some(Ok(answers)) => Ok(ordered.map(|transaction| announce(transaction, answers.get(written)))),
        Some(Err(problem)) if error::is_lost(&problem) => unknown(),
        Some(Err(problem)) => {
            let failure =
                if error::may_succeed_again(&problem) { CommitFailure::Ended } else { CommitFailure::Refused };
            Err(failure(error::of_statement(&problem)))
        }
        None => unknown(),
    }
}

/// The changes that the cache lacks, from the rows of the transaction's question.
fn announce(transaction: OwnTransaction, rows: Option<&Vec<Row>>) -> AnnouncedChanges {
    let after = transaction.after();
    let found = rows.and_then(|rows| changes::read_since(rows, after).ok());
    transaction.announce(found.unwrap_or_else(|| Changes { all: true, ..Changes::default() }))
}

async fn rollback(connection: &Connection) {
    let rolled_back = connection.pipeline(&[PipelineStep::Text("ROLLBACK")]).await;
    if !matches!(rolled_back, Some(Ok(_))) {
        connection.retire();
    }
}

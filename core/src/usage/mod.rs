//! Meters: the use of secrets is counted in memory and flushed to the store in batches.

mod agents;
mod graces;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::agents::AgentMeters;
pub(crate) use self::graces::EndedGraces;
use crate::clock::{Clock, Millis};
use crate::decision::Code;
use crate::entropy;
use crate::error::Error;
use crate::events::{EventKind, Events, QueuedEvent};
use crate::fork::{Process, lock};
use crate::store::{AgentCounts, AnyStore, Counts, FlushId, KeyView, Store, UsageDelta};
use crate::wait::block_on;

/// Counts are flushed after this time, or once this number of secrets has some.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
const FLUSH_AT: usize = 10_000;

/// The use of one secret since the last flush.
#[derive(Default)]
pub(crate) struct Meter {
    usage_count: AtomicU64,
    denied_count: AtomicU64,
    /// How many of the denied verifications were denied as revoked.
    revoked_count: AtomicU64,
    agents: AgentMeters,
    /// 0 means never.
    last_used_at: AtomicI64,
    /// Whether the secret was presented after the end of its grace, and the store does not know yet.
    grace_over: AtomicBool,
    /// Whether the next flush will take the counts.
    queued: AtomicBool,
}

/// A secret whose use is counted.
pub(crate) trait Metered: Send + Sync {
    fn meter(&self) -> &Meter;
    fn key_id(&self) -> &str;
    fn lookup(&self) -> &str;
    /// Whether a rotation has replaced it.
    fn is_former(&self) -> bool;
}

impl Meter {
    fn counts(&self) -> Counts {
        Counts {
            usage_count: self.usage_count.load(Ordering::SeqCst),
            denied_count: self.denied_count.load(Ordering::SeqCst),
            last_used_at: Some(self.last_used_at.load(Ordering::SeqCst)).filter(|at| *at > 0),
        }
    }

    /// Takes the counts. A use that is counted from now on queues the meter again.
    fn take(&self) -> Counts {
        self.queued.store(false, Ordering::SeqCst);
        Counts {
            usage_count: self.usage_count.swap(0, Ordering::SeqCst),
            denied_count: self.denied_count.swap(0, Ordering::SeqCst),
            ..self.counts()
        }
    }
}

/// The events about counts that a flush has taken.
fn events_of(secret: &dyn Metered, counts: Counts) -> impl Iterator<Item = QueuedEvent> {
    let former = if secret.is_former() { counts.usage_count } else { 0 };
    let refused = secret.meter().revoked_count.swap(0, Ordering::SeqCst);
    let all = [(EventKind::FormerSecretUsed, former), (EventKind::RefusedAfterRevocation, refused)];
    all.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| {
        let (key_id, lookup) = (secret.key_id().to_owned(), secret.lookup().to_owned());
        QueuedEvent::Used { kind, key_id, lookup, count }
    })
}

/// The meters of one engine in one process. A flush that fails never affects a verification.
pub(crate) struct Usage {
    process: Process,
    buffer: Arc<UsageBuffer>,
}

struct UsageBuffer {
    store: Arc<AnyStore>,
    clock: Clock,
    graces: Arc<EndedGraces>,
    events: Option<Arc<Events>>,
    state: Mutex<BufferState>,
    wake: Condvar,
    /// A flush holds it for writing, and readers of the store hold it for reading: during a flush nobody can tell whether
    /// the counts on their way are already in the rows that were read.
    flushing: tokio::sync::RwLock<()>,
}

#[derive(Default)]
struct BufferState {
    queued: Vec<Arc<dyn Metered>>,
    /// The flush that failed. Its answer may have been lost, so it is sent again as it was, before the next one.
    failed: Option<UsageFlush>,
    /// The identity of the last flush.
    last_flush: Option<FlushId>,
    runs: bool,
    closed: bool,
}

/// The counts of a flush.
#[derive(Clone)]
struct UsageFlush {
    id: FlushId,
    used: Arc<[UsageDelta]>,
}

impl BufferState {
    fn next_flush(&mut self) -> Result<FlushId, Error> {
        let last = match self.last_flush {
            Some(last) => last,
            None => FlushId { meters: entropy::bytes()?, number: 0 },
        };
        let next = FlushId { number: last.number.saturating_add(1), ..last };
        self.last_flush = Some(next);
        Ok(next)
    }

    /// The counts that are on their way.
    fn failed(&self) -> impl Iterator<Item = &UsageDelta> {
        self.failed.iter().flat_map(|failed| failed.used.iter())
    }
}

impl Usage {
    pub(crate) fn new(
        store: Arc<AnyStore>,
        clock: Clock,
        graces: Arc<EndedGraces>,
        events: Option<Arc<Events>>,
    ) -> Self {
        let (state, wake) = (Mutex::default(), Condvar::new());
        let buffer = UsageBuffer { store, clock, graces, events, state, wake, flushing: tokio::sync::RwLock::new(()) };
        Self { process: Process::current(), buffer: Arc::new(buffer) }
    }

    /// Counts a verification of a proved secret.
    pub(crate) fn count(
        &self,
        secret: &Arc<impl Metered + 'static>,
        denied: Option<Code>,
        agent: Option<&Arc<str>>,
        now: Millis,
    ) {
        let meter = secret.meter();
        if let Some(agent) = agent {
            meter.agents.count(agent, denied.is_none(), now);
        }
        if denied.is_none() {
            meter.usage_count.fetch_add(1, Ordering::SeqCst);
            if now > meter.last_used_at.load(Ordering::Relaxed) {
                meter.last_used_at.store(now, Ordering::Relaxed);
            }
        } else {
            meter.denied_count.fetch_add(1, Ordering::SeqCst);
            if denied == Some(Code::Revoked) {
                meter.revoked_count.fetch_add(1, Ordering::SeqCst);
            }
        }
        if !meter.queued.load(Ordering::SeqCst) {
            self.queue(Arc::clone(secret) as Arc<dyn Metered>);
        }
    }

    /// Lets the next flush store that the grace of a former secret is over.
    pub(crate) fn end_grace(&self, secret: &Arc<impl Metered + 'static>) {
        secret.meter().grace_over.store(true, Ordering::SeqCst);
        self.queue(Arc::clone(secret) as Arc<dyn Metered>);
    }

    #[cold]
    fn queue(&self, secret: Arc<dyn Metered>) {
        let mut state = lock(&self.buffer.state);
        // The mark is set under the lock, so that a thread that finds the mark finds the secret in the queue.
        if secret.meter().queued.swap(true, Ordering::SeqCst) {
            return;
        }
        state.queued.push(secret);
        if !state.runs && !state.closed {
            let buffer = Arc::clone(&self.buffer);
            // Without the thread, counts wait for an explicit flush.
            state.runs = std::thread::Builder::new().name("keywright-usage".into()).spawn(move || buffer.run()).is_ok();
        }
        if matches!(state.queued.len(), 1 | FLUSH_AT) {
            self.buffer.wake.notify_one();
        }
    }

    /// Flushes all that was counted before the call.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        self.buffer.flush().await
    }

    /// Flushes all counts, and ends the thread.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.end();
        self.buffer.flush().await
    }

    fn end(&self) {
        lock(&self.buffer.state).closed = true;
        self.buffer.wake.notify_one();
    }

    /// Lets no flush run until the guard is dropped, so that each count is either here or in the store.
    pub(crate) async fn pause_flushes(&self) -> FlushPause<'_> {
        FlushPause { usage: self, _guard: self.buffer.flushing.read().await }
    }
}

/// While this guard lives, no flush runs.
pub(crate) struct FlushPause<'a> {
    usage: &'a Usage,
    _guard: tokio::sync::RwLockReadGuard<'a, ()>,
}

impl FlushPause<'_> {
    /// Adds the counts that are not flushed to keys that were read under this guard.
    pub(crate) fn add_pending(&self, views: &mut [KeyView]) {
        let state = lock(&self.usage.buffer.state);
        let mut pending: HashMap<&str, Vec<(&str, Counts)>> = HashMap::new();
        for secret in &state.queued {
            pending.entry(secret.key_id()).or_default().push((secret.lookup(), secret.meter().counts()));
        }
        for used in state.failed() {
            pending.entry(&used.key_id).or_default().push((&used.lookup, used.counts));
        }
        for view in views {
            for (lookup, counts) in pending.get(view.key.id.as_str()).into_iter().flatten() {
                view.usage.add(*counts);
                for secret in view.secrets.iter_mut().filter(|secret| secret.lifetime.lookup == *lookup) {
                    secret.last_used_at = secret.last_used_at.max(counts.last_used_at);
                }
            }
        }
    }

    /// The counts of the agents of a key that are not flushed.
    pub(crate) fn pending_agents(&self, key_id: &str) -> Vec<AgentCounts> {
        let state = lock(&self.usage.buffer.state);
        let secrets = state.queued.iter().filter(|secret| secret.key_id() == key_id);
        let failed = state.failed().filter(|used| used.key_id == key_id);
        let failed = failed.flat_map(|used| used.agents.iter().cloned());
        secrets.flat_map(|secret| secret.meter().agents.pending()).chain(failed).collect()
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        // A forked child holds a copy of its parent's: the parent flushes the counts, and a lock may be held for ever.
        if self.process == Process::current() {
            self.end();
            let _ = block_on(self.buffer.flush());
        }
    }
}

impl UsageBuffer {
    fn run(&self) {
        while self.wait() {
            // A flush that fails is sent again by the next one.
            let _ = block_on(self.flush());
        }
    }

    /// Waits until it is time to flush; `false` once the meters are closed.
    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        while state.queued.is_empty() && state.failed.is_none() && !state.closed {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + FLUSH_INTERVAL;
        while state.queued.len() < FLUSH_AT && !state.closed {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.closed
    }

    async fn flush(&self) -> Result<(), Error> {
        let _writing = self.flushing.write().await;
        let written = self.flush_all().await;
        self.events.iter().for_each(|it| it.tick());
        written
    }

    async fn flush_all(&self) -> Result<(), Error> {
        let failed = lock(&self.state).failed.clone();
        if let Some(failed) = failed {
            self.write(failed).await?;
        }
        let (id, secrets) = {
            let mut state = lock(&self.state);
            if state.queued.is_empty() {
                return Ok(());
            }
            (state.next_flush()?, std::mem::take(&mut state.queued))
        };
        let used = secrets.iter().map(|secret| UsageDelta {
            key_id: secret.key_id().to_owned(),
            lookup: secret.lookup().to_owned(),
            counts: secret.meter().take(),
            agents: secret.meter().agents.take(),
            grace_over: secret.meter().grace_over.swap(false, Ordering::SeqCst),
        });
        let used: Arc<[UsageDelta]> = used.collect();
        if let Some(events) = &self.events {
            let pairs = secrets.iter().zip(used.iter());
            pairs.flat_map(|(secret, used)| events_of(&**secret, used.counts)).for_each(|event| events.offer(event));
        }
        self.write(UsageFlush { id, used }).await
    }

    async fn write(&self, flush: UsageFlush) -> Result<(), Error> {
        let UsageFlush { id, used } = flush.clone();
        let written = self.store.add_usage(id, used, self.clock.now()).await;
        if written.is_ok() {
            let ended = flush.used.iter().filter(|used| used.grace_over);
            self.graces.stored(ended.map(|used| used.lookup.as_str()));
        }
        lock(&self.state).failed = written.is_err().then_some(flush);
        written
    }
}

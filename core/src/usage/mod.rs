//! Meters: what secrets were used is counted in memory, and written down together.

mod agents;
mod graces;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::agents::Agents;
pub(crate) use self::graces::EndedGraces;
use crate::clock::{Clock, Millis};
use crate::decision::Code;
use crate::error::Error;
use crate::events::{EventKind, Events, QueuedEvent};
use crate::fork::{Process, lock};
use crate::store::{AgentCounts, AnyStore, Counts, KeyView, Store, UsageDelta};
use crate::wait::block_on;

/// Counts are written down after this long, or once so many secrets have some.
const INTERVAL: Duration = Duration::from_secs(1);
const MANY: usize = 10_000;

/// What one secret was used since it was last written down.
#[derive(Default)]
pub(crate) struct Meter {
    usage_count: AtomicU64,
    denied_count: AtomicU64,
    /// How many of the denied were so for a revocation.
    revoked_count: AtomicU64,
    agents: Agents,
    /// 0 is never.
    last_used_at: AtomicI64,
    /// Whether the secret was seen after the end of its grace, which is not yet written down.
    grace_over: AtomicBool,
    /// Whether it is listed to be written down.
    listed: AtomicBool,
}

/// A secret whose uses are counted.
pub(crate) trait Metered: Send + Sync {
    fn meter(&self) -> &Meter;
    fn key_id(&self) -> &str;
    fn lookup(&self) -> &str;
    /// Whether it is one that a rotation has replaced.
    fn is_former(&self) -> bool;
}

impl Meter {
    fn counts(&self) -> Counts {
        Counts {
            usage_count: self.usage_count.load(Ordering::SeqCst),
            denied_count: self.denied_count.load(Ordering::SeqCst),
            last_used_at: Some(self.last_used_at.load(Ordering::SeqCst)).filter(|it| *it > 0),
        }
    }

    /// Takes the counts out. A use that is counted from now on lists the meter anew.
    fn take(&self) -> Counts {
        self.listed.store(false, Ordering::SeqCst);
        Counts {
            usage_count: self.usage_count.swap(0, Ordering::SeqCst),
            denied_count: self.denied_count.swap(0, Ordering::SeqCst),
            ..self.counts()
        }
    }

    fn give_back(&self, used: &UsageDelta) {
        self.usage_count.fetch_add(used.counts.usage_count, Ordering::SeqCst);
        self.denied_count.fetch_add(used.counts.denied_count, Ordering::SeqCst);
        self.agents.give_back(&used.agents);
        self.grace_over.fetch_or(used.grace_over, Ordering::SeqCst);
    }
}

/// What there is to tell of the counts that were taken out.
fn notices(secret: &dyn Metered, counts: Counts) -> impl Iterator<Item = QueuedEvent> {
    let former = if secret.is_former() { counts.usage_count } else { 0 };
    let refused = secret.meter().revoked_count.swap(0, Ordering::SeqCst);
    let all = [(EventKind::FormerSecretUsed, former), (EventKind::RefusedAfterRevocation, refused)];
    all.into_iter().filter(|it| it.1 > 0).map(|(kind, count)| {
        let (key_id, lookup) = (secret.key_id().to_owned(), secret.lookup().to_owned());
        QueuedEvent::Used { kind, key_id, lookup, count }
    })
}

/// All meters of one process and engine. Whatever becomes of the writing, it never concerns a verification.
pub(crate) struct Usage {
    process: Process,
    books: Arc<Books>,
}

struct Books {
    store: Arc<AnyStore>,
    clock: Clock,
    graces: Arc<EndedGraces>,
    events: Option<Arc<Events>>,
    open: Mutex<Open>,
    wake: Condvar,
    /// Held alone while counts are on their way to the store, and together by those who read there: nobody can tell
    /// whether counts that are on their way are in what was read.
    writing: tokio::sync::RwLock<()>,
}

#[derive(Default)]
struct Open {
    listed: Vec<Arc<dyn Metered>>,
    runs: bool,
    closed: bool,
}

impl Usage {
    pub(crate) fn new(
        store: Arc<AnyStore>,
        clock: Clock,
        graces: Arc<EndedGraces>,
        events: Option<Arc<Events>>,
    ) -> Self {
        let (open, wake) = (Mutex::default(), Condvar::new());
        let books = Books { store, clock, graces, events, open, wake, writing: tokio::sync::RwLock::new(()) };
        Self { process: Process::current(), books: Arc::new(books) }
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
        if !meter.listed.load(Ordering::SeqCst) {
            self.list(Arc::clone(secret) as Arc<dyn Metered>);
        }
    }

    /// Lets the next flush write down that the grace of a former secret is over.
    pub(crate) fn end_grace(&self, secret: &Arc<impl Metered + 'static>) {
        secret.meter().grace_over.store(true, Ordering::SeqCst);
        self.list(Arc::clone(secret) as Arc<dyn Metered>);
    }

    #[cold]
    fn list(&self, secret: Arc<dyn Metered>) {
        let mut open = lock(&self.books.open);
        // Marked under the lock, so that whoever finds the mark finds the secret in the list.
        if secret.meter().listed.swap(true, Ordering::SeqCst) {
            return;
        }
        open.listed.push(secret);
        if !open.runs && !open.closed {
            let books = Arc::clone(&self.books);
            // Without the thread, counts stay until somebody flushes.
            open.runs = std::thread::Builder::new().name("keywright-usage".into()).spawn(move || books.run()).is_ok();
        }
        if matches!(open.listed.len(), 1 | MANY) {
            self.books.wake.notify_one();
        }
    }

    /// Writes down all that was counted before the call.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        self.books.flush().await
    }

    /// Writes down what there is, and ends the thread.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.end();
        self.books.flush().await
    }

    fn end(&self) {
        lock(&self.books.open).closed = true;
        self.books.wake.notify_one();
    }

    /// Keeps counts where they are until the guard is dropped: some here, the others in the store.
    pub(crate) async fn still(&self) -> Still<'_> {
        Still { usage: self, _held: self.books.writing.read().await }
    }
}

/// A time in which no counts are on their way.
pub(crate) struct Still<'a> {
    usage: &'a Usage,
    _held: tokio::sync::RwLockReadGuard<'a, ()>,
}

impl Still<'_> {
    /// Adds to what was read meanwhile what was counted here and is not written down.
    pub(crate) fn add_pending(&self, views: &mut [KeyView]) {
        let open = lock(&self.usage.books.open);
        let mut pending: HashMap<&str, Vec<(&str, Counts)>> = HashMap::new();
        for secret in &open.listed {
            pending.entry(secret.key_id()).or_default().push((secret.lookup(), secret.meter().counts()));
        }
        for view in views {
            for (lookup, counts) in pending.get(view.key.id.as_str()).into_iter().flatten() {
                view.usage.add(*counts);
                for secret in view.secrets.iter_mut().filter(|it| it.term.lookup == *lookup) {
                    secret.last_used_at = secret.last_used_at.max(counts.last_used_at);
                }
            }
        }
    }
}

impl Still<'_> {
    /// What the agents of a key have counted here and is not written down.
    pub(crate) fn pending_agents(&self, key_id: &str) -> Vec<AgentCounts> {
        let open = lock(&self.usage.books.open);
        open.listed.iter().filter(|it| it.key_id() == key_id).flat_map(|it| it.meter().agents.pending()).collect()
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        // A child has its parent's by copy only: the counts are the parent's to write, the lock may be held by nobody.
        if self.process == Process::current() {
            self.end();
            let _ = block_on(self.books.flush());
        }
    }
}

impl Books {
    fn run(&self) {
        while self.wait() {
            // What cannot be written now is given back, and tried again with the next.
            let _ = block_on(self.flush());
        }
    }

    /// Until it is time to write; `false` when all is over.
    fn wait(&self) -> bool {
        let mut open = lock(&self.open);
        while open.listed.is_empty() && !open.closed {
            open = self.wake.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + INTERVAL;
        while open.listed.len() < MANY && !open.closed {
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            open = self.wake.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        !open.closed
    }

    async fn flush(&self) -> Result<(), Error> {
        let _writing = self.writing.write().await;
        let secrets = std::mem::take(&mut lock(&self.open).listed);
        let used = secrets.iter().map(|it| UsageDelta {
            key_id: it.key_id().to_owned(),
            lookup: it.lookup().to_owned(),
            counts: it.meter().take(),
            agents: it.meter().agents.take(),
            grace_over: it.meter().grace_over.swap(false, Ordering::SeqCst),
        });
        let used: Arc<[UsageDelta]> = used.collect();
        if let Some(events) = &self.events {
            let pairs = secrets.iter().zip(used.iter());
            pairs.flat_map(|(secret, used)| notices(&**secret, used.counts)).for_each(|it| events.offer(it));
        }
        if used.is_empty() {
            self.events.iter().for_each(|it| it.tick());
            return Ok(());
        }
        let written = self.store.add_usage(Arc::clone(&used), self.clock.now()).await;
        if written.is_ok() {
            self.graces.written(used.iter().filter(|it| it.grace_over).map(|it| it.lookup.as_str()));
        } else {
            let mut open = lock(&self.open);
            for (secret, used) in secrets.into_iter().zip(used.iter()) {
                secret.meter().give_back(used);
                if !secret.meter().listed.swap(true, Ordering::SeqCst) {
                    open.listed.push(secret);
                }
            }
        }
        self.events.iter().for_each(|it| it.tick());
        written
    }
}

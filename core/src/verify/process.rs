use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cache::VerificationCache;
use super::cached_key::CachedKey;
use super::coalesce::CoalescedChecks;
use super::memory_budget::MemoryBudget;
use super::quotas::Quotas;
use super::upgrade::VerifierUpgrades;
use crate::clock::{Clock, Millis};
use crate::events::Events;
use crate::fork::PerProcess;
use crate::key::Formats;
use crate::lifecycle::ENDED;
use crate::limit::{AnyLimiter, LimiterSettings};
use crate::store::{AnyStore, Store};
use crate::usage::{EndedGraces, Metered, Usage};
#[cfg(feature = "webhooks")]
use crate::webhooks::Deliveries;

/// The state of an engine that lives in memory.
pub(crate) struct Runtime {
    /// Distinguishes the engines of a process.
    pub(super) engine: u64,
    current: PerProcess<ProcessState>,
    make: Box<dyn Fn() -> ProcessState + Send + Sync>,
}

/// Per-process state of an engine. A forked child builds its own.
pub(crate) struct ProcessState {
    pub(super) cache: VerificationCache,
    pub(crate) limiter: AnyLimiter,
    pub(crate) quotas: Quotas,
    pub(crate) hash_memory: MemoryBudget,
    pub(super) checks: CoalescedChecks,
    pub(super) upgrades: VerifierUpgrades,
    graces: Arc<EndedGraces>,
    /// `None` for a read-only engine.
    pub(crate) usage: Option<Usage>,
    /// `None` without a listener.
    pub(crate) events: Option<Arc<Events>>,
    /// `None` without endpoints.
    #[cfg(feature = "webhooks")]
    pub(crate) deliveries: Option<Deliveries>,
}

/// Makes the events of a process.
pub(crate) type EventsFactory = Box<dyn Fn() -> Events + Send + Sync>;

/// Starts the delivery of webhooks of a process.
#[cfg(feature = "webhooks")]
pub(crate) type DeliveriesFactory = Box<dyn Fn() -> Deliveries + Send + Sync>;

/// The parts of a process that run beside its calls, if the engine has them.
pub(crate) struct ProcessThreads {
    pub(crate) events: Option<EventsFactory>,
    #[cfg(feature = "webhooks")]
    pub(crate) deliveries: Option<DeliveriesFactory>,
}

impl Runtime {
    pub(crate) fn new(
        formats: &Formats,
        capacity: usize,
        clock: Clock,
        limiter: LimiterSettings,
        store: Arc<AnyStore>,
        metered: bool,
        threads: ProcessThreads,
    ) -> Self {
        static ENGINES: AtomicU64 = AtomicU64::new(1);
        let starts = formats.start_count();
        let make = move || {
            let events = threads.events.as_ref().map(|make| Arc::new(make()));
            let graces = Arc::<EndedGraces>::default();
            let usage = || Usage::new(Arc::clone(&store), clock.clone(), Arc::clone(&graces), events.clone());
            ProcessState {
                cache: VerificationCache::new(starts, &store.info().imported_formats, capacity),
                limiter: AnyLimiter::new(limiter.clone()),
                quotas: Quotas::new(Arc::clone(&store), clock.clone()),
                hash_memory: MemoryBudget::default(),
                checks: CoalescedChecks::default(),
                upgrades: VerifierUpgrades::new(!metered),
                usage: metered.then(usage),
                graces,
                events,
                #[cfg(feature = "webhooks")]
                deliveries: threads.deliveries.as_ref().map(|make| make()),
            }
        };
        let engine = ENGINES.fetch_add(1, Ordering::Relaxed);
        Self { engine, current: PerProcess::new(make()), make: Box::new(make) }
    }

    pub(crate) fn process(&self) -> &ProcessState {
        self.current.get(&self.make)
    }
}

impl ProcessState {
    /// Whether the grace of a former secret is over. Once over it stays over, whatever the clock says later: this process
    /// remembers it at once, and other processes see it as soon as it is written.
    pub(super) fn is_grace_over(&self, key: &Arc<CachedKey>, now: Millis) -> bool {
        if now < key.grace_ends_at() {
            return self.graces.contains(key.lookup());
        }
        if key.grace_ends_at() != ENDED
            && self.graces.insert(key.lookup())
            && let Some(usage) = &self.usage
        {
            usage.end_grace(key);
        }
        true
    }
}

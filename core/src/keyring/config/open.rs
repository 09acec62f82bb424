use std::sync::Arc;
#[cfg(feature = "provider")]
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::check::{CheckedConfig, LimiterPlace};
use crate::entropy;
use crate::error::{Error, UnavailableCause};
use crate::events::Events;
#[cfg(feature = "provider")]
use crate::keyring::engine::Background;
use crate::keyring::{Engine, Keywright};
#[cfg(feature = "redis")]
use crate::limit::RedisBudgets;
use crate::limit::lease::{LeaseSettings, SharedBudgets};
use crate::limit::{LimitRules, LimiterSettings, MachineSettings};
use crate::store::{AnyStore, AuditKey, DatabaseInfo, OpenSettings, Store};
#[cfg(feature = "cli")]
use crate::store::{CopiedRows, CopyReport, Snapshot, StoreUrl};
#[cfg(feature = "webhooks")]
use crate::verify::DeliveriesFactory;
use crate::verify::{EventsFactory, ProcessThreads, Runtime, Verifier};
use crate::wait::block_on;
#[cfg(feature = "webhooks")]
use crate::webhooks::{Deliveries, DeliveryCounts, DeliverySettings, registered_now};
use crate::worker::Workers;

/// The length of the queue of slow hashes. Beyond it the answer is `unavailable`.
const HASH_QUEUE: usize = 128;

/// The niceness of the threads for slow hashes. On busy cores they still get a tenth of the share of a normal thread.
const HASH_NICENESS: i32 = 10;

impl CheckedConfig {
    /// Opens the database, creates it if it is new, and starts the engine.
    pub(super) fn open(self) -> Result<Keywright, Error> {
        let now = self.clock.now();
        let new_database = DatabaseInfo {
            integer_ids: self.integer_ids.unwrap_or(false),
            filter_key: entropy::bytes()?,
            cursor_key: entropy::bytes()?,
            created_at: now,
            imported_formats: String::new(),
        };
        let health = Arc::clone(&self.health);
        #[cfg(feature = "provider")]
        let background = Background { health: Arc::clone(&health), work: Mutex::default() };
        let store = AnyStore::open(&self.url, self.store_settings(new_database))?;
        if self.integer_ids.is_some_and(|it| it != store.info().integer_ids) {
            let style = if store.info().integer_ids { "integer" } else { "uuid" };
            return Err(Error::validation_failed(
                "id_style",
                format!("is not the one this database was made with, which is {style}"),
                "leave it out, or use another database",
            ));
        }
        let named = block_on(store.peppers(now))?;
        if let Some(stranger) = named.iter().find(|it| !self.hasher.knows_pepper(it)) {
            return Err(Error::unavailable(
                UnavailableCause::Pepper,
                format!("keys of this database were made with a pepper that was not given (its id is {stranger})"),
                "give the same pepper as before, and new ones beside it",
            ));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (store, hasher) = (Arc::new(store), Arc::new(self.hasher));
        let (clock, events, writes) = (self.clock.clone(), Arc::clone(&store), !self.read_only);
        let listening = self.subscription.map(|subscription| {
            let new = move || Events::new(subscription.clone(), clock.clone(), Arc::clone(&events), writes);
            Box::new(new) as EventsFactory
        });
        #[cfg(feature = "webhooks")]
        let delivery_counts = Arc::<DeliveryCounts>::default();
        #[cfg(feature = "webhooks")]
        let delivering = {
            let targets: Vec<_> = self.webhooks.into_iter().map(Arc::new).collect();
            if writes && !targets.is_empty() {
                // Before this engine makes a change, so that none is missed.
                block_on(store.register_webhooks(registered_now(&targets, now)))?;
            }
            let (store, clock, counts) = (Arc::clone(&store), self.clock.clone(), Arc::clone(&delivery_counts));
            let delivers = self.delivers && !targets.is_empty();
            let settings = Arc::new(DeliverySettings { store, clock, targets, counts, health: Arc::clone(&health) });
            delivers.then(|| Box::new(move || Deliveries::new(Arc::clone(&settings))) as DeliveriesFactory)
        };
        let hash_key = limits_key(&store.info().filter_key);
        let limiter = match self.limiter {
            LimiterPlace::Process => LimiterSettings::Process,
            LimiterPlace::Machine(database) => {
                let boot = self.clock.boot_id();
                LimiterSettings::Machine(MachineSettings { database, hash_key, boot, health })
            }
            LimiterPlace::Store => {
                let (place, clock) = (Arc::clone(&store) as Arc<dyn SharedBudgets>, self.clock.clone());
                LimiterSettings::Leased(LeaseSettings { place, hash_key, health, clock })
            }
            #[cfg(feature = "redis")]
            LimiterPlace::Redis(settings) => {
                let (place, clock) = (Arc::new(block_on(RedisBudgets::open(*settings))?), self.clock.clone());
                LimiterSettings::Leased(LeaseSettings { place, hash_key, health, clock })
            }
        };
        let clock = self.clock.clone();
        let verifier = Verifier {
            runtime: Runtime::new(
                &self.formats,
                self.keys_in_memory,
                clock,
                limiter,
                Arc::clone(&store),
                !self.read_only,
                ProcessThreads {
                    events: listening,
                    #[cfg(feature = "webhooks")]
                    deliveries: delivering,
                },
            ),
            formats: Arc::new(self.formats),
            accepted: self.accepted,
            catalogue: self.catalogue,
            hasher,
            clock: self.clock,
            store,
            slow: Workers::new("keywright-hash", cores, HASH_QUEUE).with_niceness(HASH_NICENESS),
            closed: AtomicBool::new(false),
            rules: LimitRules::new(self.limits),
        };
        Ok(Keywright::new(Engine {
            verifier,
            environments: self.environments,
            #[cfg(feature = "provider")]
            background,
            #[cfg(feature = "webhooks")]
            delivery_counts,
        }))
    }
}

impl CheckedConfig {
    /// The settings with which the store is opened.
    fn store_settings(&self, new_database: DatabaseInfo) -> OpenSettings {
        let audit_key = match self.hasher.audit_key(None) {
            Some((pepper, key)) => {
                AuditKey { pepper: Some(pepper.to_owned()), key: Some(Arc::new(Zeroizing::new(key))) }
            }
            None => AuditKey { pepper: None, key: None },
        };
        OpenSettings {
            read_only: self.read_only,
            lock_timeout: self.busy_timeout,
            without_wal_index: self.unwatched,
            new_database,
            audit_key,
            max_staleness: self.max_staleness,
            clock: self.clock.clone(),
            health: Arc::clone(&self.health),
        }
    }

    /// Copies another database into this one, which must be empty.
    #[cfg(feature = "cli")]
    pub(super) fn fill_from(&self, source: &StoreUrl, mut report: CopyReport) -> Result<CopiedRows, Error> {
        let mut snapshot = Snapshot::begin(source, self.busy_timeout)?;
        AnyStore::check_empty(&self.url, self.busy_timeout)?;
        let store = AnyStore::open(&self.url, self.store_settings(snapshot.info().clone()))?;
        let copied = store.fill(&mut snapshot, &mut report);
        block_on(store.close());
        copied
    }
}

/// The key under which all processes hash the identities of budgets.
fn limits_key(filter_key: &[u8; 32]) -> [u8; 16] {
    let digest = Sha256::new().chain_update("keywright limits/v1").chain_update(filter_key).finalize();
    std::array::from_fn(|place| digest.get(place).copied().unwrap_or_default())
}

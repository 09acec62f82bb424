use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

#[cfg(feature = "provider")]
use crate::clock::Clock;
use crate::clock::Millis;
use crate::error::Error;
use crate::events::{Event, QueuedEvent};
use crate::fork;
#[cfg(feature = "provider")]
use crate::health::Health;
use crate::key::exposed_api_key;
#[cfg(feature = "testing")]
use crate::limit::lease::SharedBudgets;
use crate::record::KeyId;
use crate::store::{AnyStore, KeyView, Store};
use crate::verify::Verifier;
use crate::wait::block_on;
#[cfg(feature = "webhooks")]
use crate::webhooks::DeliveryCounts;

/// The state that all handles of one engine share.
pub(crate) struct Engine {
    pub(super) verifier: Verifier,
    pub(super) environments: Vec<String>,
    #[cfg(feature = "provider")]
    pub(super) background: Background,
    /// The attempts to deliver webhooks, for the metrics of a server.
    #[cfg(feature = "webhooks")]
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the server has metrics"))]
    pub(crate) delivery_counts: Arc<DeliveryCounts>,
}

/// Work beside the calls of an engine, which ends with it.
#[cfg(feature = "provider")]
pub(crate) trait EndsAtClose: Send + Sync {
    /// Ends the work that runs in this process.
    fn end(&self);
}

/// The reports of an engine, and the work that ends with it.
#[cfg(feature = "provider")]
pub(super) struct Background {
    pub(super) health: Arc<Health>,
    /// Locked only behind the fork gate, so that a forked child finds it unlocked.
    pub(super) work: Mutex<Vec<Weak<dyn EndsAtClose>>>,
}

/// The open engines of this process.
static OPEN: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());

/// Writes the counts of all open engines to their stores, as [`Keywright::flush`](crate::Keywright::flush) does, and gives back
/// what they bought of quotas and did not spend. It is for hosts that end a process without dropping its values.
pub fn flush_open() {
    for engine in open_engines() {
        // At the end of a process no caller is left for the error.
        let _ = block_on(engine.flush());
        block_on(engine.verifier.runtime.process().quotas.give_back());
    }
}

/// Delivers the queued events of all open engines to their listeners, for up to five seconds each, and stops delivery. It does
/// the same with reports about the database. It is for hosts that end a process, and with it the runtime of a listener, without
/// closing their engines.
pub fn end_events() {
    for engine in open_engines() {
        if let Some(events) = &engine.verifier.runtime.process().events {
            block_on(events.finish());
        }
        block_on(engine.store().finish_reports());
    }
}

fn open_engines() -> Vec<Arc<Engine>> {
    let _gate = fork::gate();
    fork::lock(&OPEN).iter().filter_map(Weak::upgrade).collect()
}

impl Engine {
    /// Shares an engine, and adds it to the open ones.
    pub(super) fn share(self) -> Arc<Self> {
        let engine = Arc::new(self);
        let _gate = fork::gate();
        let mut open = fork::lock(&OPEN);
        open.retain(|engine| engine.strong_count() > 0);
        open.push(Arc::downgrade(&engine));
        engine
    }

    pub(crate) fn store(&self) -> &AnyStore {
        &self.verifier.store
    }

    /// The place in which processes of several machines share limits.
    #[cfg(feature = "testing")]
    pub(crate) fn shared_limits(&self) -> Option<&dyn SharedBudgets> {
        self.verifier.runtime.process().limiter.place()
    }

    #[cfg(feature = "testing")]
    pub(crate) fn ask_freshness(&self, times: usize) -> bool {
        self.verifier.ask_freshness(times)
    }

    pub(super) fn now(&self) -> Millis {
        self.verifier.clock.now()
    }

    #[cfg(feature = "provider")]
    pub(crate) fn clock(&self) -> &Clock {
        &self.verifier.clock
    }

    #[cfg(feature = "provider")]
    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.background.health
    }

    #[cfg(any(feature = "provider", all(feature = "cli", feature = "testing", unix)))]
    pub(crate) fn is_closed(&self) -> bool {
        self.verifier.closed.load(Ordering::Acquire)
    }

    /// Ends this work when the engine closes.
    #[cfg(feature = "provider")]
    pub(crate) fn end_at_close(&self, added: Weak<dyn EndsAtClose>) {
        let _gate = fork::gate();
        let mut work = fork::lock(&self.background.work);
        work.retain(|it| it.strong_count() > 0);
        work.push(added);
    }

    #[cfg(feature = "provider")]
    pub(super) fn end_background(&self) {
        let work = {
            let _gate = fork::gate();
            fork::lock(&self.background.work).clone()
        };
        work.iter().filter_map(Weak::upgrade).for_each(|it| it.end());
    }

    pub(super) async fn flush(&self) -> Result<(), Error> {
        match &self.verifier.runtime.process().usage {
            _ if self.verifier.closed.load(Ordering::Acquire) => Err(Error::Closed),
            Some(usage) => usage.flush().await,
            None => Ok(()),
        }
    }

    /// Reads keys, and adds the counts of this process that the store does not have yet.
    pub(super) async fn with_pending_counts<F: Future<Output = Result<Vec<KeyView>, Error>>>(
        &self,
        read: impl FnOnce() -> F,
    ) -> Result<Vec<KeyView>, Error> {
        let Some(usage) = &self.verifier.runtime.process().usage else { return read().await };
        let pause = usage.pause_flushes().await;
        let mut found = read().await?;
        pause.add_pending(&mut found);
        Ok(found)
    }

    /// Queues an event for the listener, if there is one.
    pub(super) fn emit(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = &self.verifier.runtime.process().events {
            events.offer(QueuedEvent::Event(Box::new(event())));
        }
    }

    pub(super) fn integer_ids(&self) -> bool {
        self.store().info().integer_ids
    }

    /// The id in the form of the store; `None` for text that cannot be an id.
    pub(super) fn id_text(&self, field: &str, id: &KeyId) -> Result<Option<String>, Error> {
        match id {
            KeyId::Integer(number) if self.integer_ids() => Ok(Some(number.to_string())),
            KeyId::Integer(_) => Err(Error::invalid_request(
                field,
                "is an integer, and the ids of this database are text",
                "give key.id as it came",
            )),
            KeyId::Text(text) => Ok((text.len() <= 64 && !text.contains('\0')).then(|| text.clone())),
        }
    }

    /// Masks keys in a text, also imported ones.
    pub(super) fn redact(&self, text: &str) -> String {
        self.verifier.redact_imported(self.verifier.formats.redact(text))
    }

    /// Refuses a text that holds a whole API key, which would otherwise stay in lists, logs and the audit.
    pub(super) fn refuse_api_key(&self, field: &str, text: Option<&str>) -> Result<(), Error> {
        self.verifier.formats.refuse_api_key(field, text)?;
        match text {
            Some(text) if self.verifier.redact_imported(text.to_owned()) != text => Err(exposed_api_key(field)),
            _ => Ok(()),
        }
    }
}

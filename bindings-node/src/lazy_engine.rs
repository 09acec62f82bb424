//! An engine whose options are checked at once, and whose database is opened by the first call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use keywright::ffi::{self, Fields, Ready, Value, block_on, now_or_later};
use keywright::testing::ManualClock;
use keywright::{Config, Decision, Error, KeyFormats, Keywright, Request};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::call::{Call, OrgSelector};
use crate::decision;
use crate::event::{EventCallback, event_listener, log_writer};

/// How long a text that is to be masked waits for the database.
const OPENING: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(crate) struct LazyEngine(Arc<Inner>);

struct Inner {
    config: Config,
    key_formats: KeyFormats,
    engine: OnceCell<Keywright>,
    closed: AtomicBool,
    /// Whether a text has waited for the engine.
    has_waited: AtomicBool,
}

impl LazyEngine {
    /// Checks the options. Touches no file.
    pub(crate) fn read(
        url: Value,
        options: Fields,
        clock: Option<ManualClock>,
        on_event: Option<EventCallback>,
        log: EventCallback,
    ) -> Result<Self, Error> {
        let config = clock.into_iter().fold(ffi::read_config(url, options)?, Config::clock);
        let config = on_event.into_iter().map(event_listener).fold(config, Config::on_event);
        let config = ffi::opened_by_calls(config.log(log_writer(log)));
        let key_formats = config.key_formats()?;
        Ok(Self(Arc::new(Inner {
            config,
            key_formats,
            engine: OnceCell::new(),
            closed: AtomicBool::new(false),
            has_waited: AtomicBool::new(false),
        })))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn key_formats(&self) -> &KeyFormats {
        &self.0.key_formats
    }

    /// Masks keys in a text. A database that is there knows the formats of imported ones, so the first text opens it.
    pub(crate) fn redact(&self, text: &str) -> String {
        let Inner { config, engine, closed, has_waited, .. } = &*self.0;
        let may_know = || !closed.load(Ordering::SeqCst) && ffi::has_database(config);
        if engine.get().is_none() && may_know() && !has_waited.swap(true, Ordering::SeqCst) {
            self.wait_until_open();
        }
        self.0.engine.get().map_or_else(|| self.0.key_formats.redact(text), |kw| kw.redact(text))
    }

    /// Opens the engine on a thread, and waits for it on this one, but not for long: a log must go on without a database.
    fn wait_until_open(&self) {
        let (engine, (tell, told)) = (self.clone(), mpsc::sync_channel(1));
        let opening = move || {
            // The next call gets the error.
            let _ = block_on(engine.open()).map(|_| ());
            let _ = tell.send(());
        };
        if thread::Builder::new().name("keywright-redact".into()).spawn(opening).is_ok() {
            let _ = told.recv_timeout(OPENING);
        }
    }

    /// Returns the engine if it is open.
    pub(crate) fn opened(&self) -> Option<&Keywright> {
        self.0.engine.get().filter(|_| !self.0.closed.load(Ordering::SeqCst))
    }

    /// The runtime of its connections. An engine that is not open may block while it opens, and has none.
    pub(crate) fn network(&self) -> Option<Handle> {
        self.opened().and_then(ffi::network)
    }

    /// Opens the engine once for all callers that wait for it. After a failure the next caller tries again.
    pub(crate) async fn open(&self) -> Result<&Keywright, Error> {
        let Inner { config, engine, closed, .. } = &*self.0;
        let is_closed = || closed.load(Ordering::SeqCst);
        if is_closed() {
            return Err(Error::Closed);
        }
        let kw = engine.get_or_try_init(|| config.clone().build()).await?;
        if is_closed() {
            // `close` was called while the engine opened.
            kw.close().await;
            return Err(Error::Closed);
        }
        Ok(kw)
    }

    /// Writes the counters to the database. An engine that is not open has none.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        match self.0.engine.get() {
            _ if self.0.closed.load(Ordering::SeqCst) => Err(Error::Closed),
            Some(kw) => kw.flush().await,
            None => Ok(()),
        }
    }

    pub(crate) async fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        // Waits for an open in progress, but starts none.
        if let Ok(kw) = self.0.engine.get_or_try_init(|| async { Err(Error::Closed) }).await {
            kw.close().await;
        }
    }

    pub(crate) async fn call(&self, call: Call) -> Result<String, Error> {
        call.run(self.open().await?).await
    }

    /// Verifies on this thread when the call does not have to wait.
    pub(crate) fn verify(&self, org: OrgSelector, text: Value, request: Request) -> Ready<Result<String, Error>> {
        let engine = self.clone();
        now_or_later(async move {
            let text = decision::credential(text)?;
            let decision = match engine.open().await {
                Ok(kw) => verify(kw, &org, text.as_deref(), &request).await?,
                Err(error) => return decision::unavailable_json(error),
            };
            decision::to_json(&decision)
        })
    }
}

async fn verify(kw: &Keywright, org: &OrgSelector, text: Option<&[u8]>, request: &Request) -> Result<Decision, Error> {
    Ok(match org.of(kw)? {
        Some(org) => org.verify(text, request).await,
        None => kw.verify(text, request).await,
    })
}

//! An engine that opens late: its options are checked at once, its file is opened by the first call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keywright::input::{Fields, Value};
use keywright::testing::ManualClock;
use keywright::wait::{Ready, now_or_later};
use keywright::{Config, Decision, Error, KeyFormats, Keywright, Request};
use tokio::sync::OnceCell;

use crate::call::{Call, Tenant};
use crate::event::{Heard, listener, written};
use crate::verdict;

#[derive(Clone)]
pub(crate) struct Late(Arc<Inner>);

struct Inner {
    config: Config,
    key_formats: KeyFormats,
    engine: OnceCell<Keywright>,
    closed: AtomicBool,
}

impl Late {
    /// Checks the options, and touches no file.
    pub(crate) fn read(
        url: Value,
        options: Fields,
        clock: Option<ManualClock>,
        heard: Option<Heard>,
        log: Heard,
    ) -> Result<Self, Error> {
        let config = clock.into_iter().fold(Config::read(url, options)?, Config::clock);
        let config = heard.into_iter().map(listener).fold(config, Config::on_event);
        let config = config.log(written(log)).opened_by_calls();
        let key_formats = config.key_formats()?;
        Ok(Self(Arc::new(Inner { config, key_formats, engine: OnceCell::new(), closed: AtomicBool::new(false) })))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn key_formats(&self) -> &KeyFormats {
        &self.0.key_formats
    }

    /// The engine, where it is open.
    pub(crate) fn opened(&self) -> Option<&Keywright> {
        self.0.engine.get().filter(|_| !self.0.closed.load(Ordering::SeqCst))
    }

    /// The engine, opened once for all who wait for it; after a failure the next caller tries again.
    pub(crate) async fn open(&self) -> Result<&Keywright, Error> {
        let Inner { config, engine, closed, .. } = &*self.0;
        let is_closed = || closed.load(Ordering::SeqCst);
        if is_closed() {
            return Err(Error::Closed);
        }
        let kw = engine.get_or_try_init(|| config.clone().build()).await?;
        if is_closed() {
            // Closed while it was being opened.
            kw.close().await;
            return Err(Error::Closed);
        }
        Ok(kw)
    }

    /// Nothing was counted before the engine was open.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        match self.0.engine.get() {
            _ if self.0.closed.load(Ordering::SeqCst) => Err(Error::Closed),
            Some(kw) => kw.flush().await,
            None => Ok(()),
        }
    }

    pub(crate) async fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        // Waits for an opening that is under way, and begins none.
        if let Ok(kw) = self.0.engine.get_or_try_init(|| async { Err(Error::Closed) }).await {
            kw.close().await;
        }
    }

    pub(crate) async fn call(&self, call: Call) -> Result<String, Error> {
        call.run(self.open().await?).await
    }

    /// Answers on this thread where nothing has to be waited for.
    pub(crate) fn verify(&self, org: Tenant, text: Value, request: Request) -> Ready<Result<String, Error>> {
        let late = self.clone();
        now_or_later(async move {
            let text = verdict::presented(text)?;
            let decision = match late.open().await {
                Ok(kw) => ask(kw, &org, text.as_deref(), &request).await?,
                Err(error) => return verdict::unopened(error),
            };
            verdict::outcome(&decision)
        })
    }
}

async fn ask(kw: &Keywright, org: &Tenant, text: Option<&[u8]>, request: &Request) -> Result<Decision, Error> {
    Ok(match org.of(kw)? {
        Some(org) => org.verify(text, request).await,
        None => kw.verify(text, request).await,
    })
}

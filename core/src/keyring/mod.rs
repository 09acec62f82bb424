//! The service: create, list, get, update, rotate, revoke. It puts rules and store in order and holds none itself.

mod agents;
mod arguments;
mod attempts;
mod audit;
mod config;
mod cursor;
mod keys;
mod orgs;
mod redacting;
mod texts;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};

pub use arguments::{Attestation, Change, KeyUpdate, ListAudit, ListKeys, ListOrgs, NewKey, OrgUpdate, Rotation};
pub use audit::Audit;
pub use config::Config;
pub use keys::Keys;
pub use orgs::Orgs;
pub use redacting::Redacting;
pub use texts::Texts;

use crate::clock::Millis;
use crate::decision::{Allowed, Decision, Denial, Request, RequestContext};
use crate::error::Error;
use crate::events::{Event, QueuedEvent};
use crate::fork;
use crate::input::Value;
use crate::record::{KeyId, Parsed};
use crate::scope::Catalogue;
use crate::store::{AnyStore, KeyView, Store, Tenant};
use crate::verify::{Presented, Verifier};
use crate::wait::block_on;

/// The org of `kw.keys()`.
const DEFAULT_ORG: &str = "default";

/// The engine: issues, verifies, rotates and revokes API keys on one database. Clones share it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// use keywright::{Decision, Keywright, NewKey, Request};
/// let kw = Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// let new = kw.keys().create(NewKey::named("Production Integration").scopes("deals:read")?).await?;
/// match kw.verify(new.api_key.reveal(), &Request::new().scope("deals:read")).await {
///     Decision::Allowed(key) => assert_eq!(key.id, new.id),
///     Decision::Denied(denial) => panic!("{denial}"),
/// }
/// kw.keys().revoke(&new.id, ()).await?;
/// assert!(!kw.verify(new.api_key.reveal(), &Request::new()).await.is_allowed());
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Keywright(pub(self) Arc<Engine>);

pub(crate) struct Engine {
    verifier: Verifier,
    environments: Vec<String>,
}

/// The engines of this process, for [`flush_open`].
static OPEN: Mutex<Vec<Weak<Engine>>> = Mutex::new(Vec::new());

/// Writes down what the engines that are still open have counted, as [`Keywright::flush`] does. For hosts that end a
/// process without dropping what is in it.
pub fn flush_open() {
    let engines: Vec<_> = {
        let _gate = fork::gate();
        fork::lock(&OPEN).iter().filter_map(Weak::upgrade).collect()
    };
    for engine in engines {
        // At the end of a process nobody is left to be told.
        let _ = block_on(engine.flush());
    }
}

/// Hands out what the engines that are still open have queued for their listeners, within five seconds each, and tells them
/// no more. It does the same with reports about the database. For hosts that end a process, and with it what a listener
/// needs, without closing what is in it.
pub fn end_events() {
    let engines: Vec<_> = {
        let _gate = fork::gate();
        fork::lock(&OPEN).iter().filter_map(Weak::upgrade).collect()
    };
    for engine in engines {
        if let Some(events) = &engine.verifier.runtime.process().events {
            block_on(events.finish());
        }
        block_on(engine.store().finish_reports());
    }
}

impl Keywright {
    fn new(engine: Engine) -> Self {
        let engine = Arc::new(engine);
        let _gate = fork::gate();
        let mut open = fork::lock(&OPEN);
        open.retain(|it| it.strong_count() > 0);
        open.push(Arc::downgrade(&engine));
        Self(engine)
    }

    /// Begins the set-up of an engine on `sqlite:path`. A relative path stands in the working folder of this call.
    pub fn builder(url: impl Into<String>) -> Config {
        Config::new(url)
    }

    /// The keys of the org `default`.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.keys().get(&new.id).await?.org, "default");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn keys(&self) -> Keys {
        self.default_org().keys()
    }

    /// One org: it sees, makes and verifies only its own keys. It is made on its first use.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// let key = kw.org("acme")?.keys().create(keywright::NewKey::named("CI")).await?;
    /// assert!(kw.keys().get(&key.id).await.is_err()); // another tenant's
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` unless the id is `[A-Za-z0-9_.:-]{1,128}`.
    pub fn org(&self, id: &str) -> Result<Org, Error> {
        orgs::check_id("org", id)?;
        self.0.harmless("org", Some(id))?;
        Ok(Org { engine: Arc::clone(&self.0), tenant: Tenant::One(id.to_owned()) })
    }

    /// Reads the id of an org as a caller in any language gives it.
    ///
    /// # Errors
    /// As [`org`](Self::org), and `invalid_request` for what is no text.
    pub fn read_org(id: Value) -> Result<String, Error> {
        let id = id.into_text("org")?;
        orgs::check_id("org", &id)?;
        Ok(id)
    }

    /// The only handle across tenants. It makes no keys.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.every_org().keys().get(&new.id).await?.org, "default");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn every_org(&self) -> Org {
        Org { engine: Arc::clone(&self.0), tenant: Tenant::Every }
    }

    /// The orgs themselves.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.orgs().get("default").await?.id, "default");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn orgs(&self) -> Orgs {
        Orgs::new(Arc::clone(&self.0))
    }

    /// The audit entries of the org `default`, and the chain of the database.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert!(kw.audit().verify().await?.ok);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::of_database(Arc::clone(&self.0))
    }

    /// Verifies a key of any org; [`Key::org`](crate::Key::org) says which.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::Request;
    /// let decision = kw.verify(new.api_key.reveal(), &Request::new().scope("deals:write")).await;
    /// assert_eq!(decision.missing_scopes(), ["deals:write"]);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn verify(&self, presented: impl Into<Presented<'_>>, request: &Request) -> Decision {
        self.0.verifier.verify(&Tenant::Every, presented.into(), request.into()).await
    }

    /// As [`verify`](Self::verify), with the denial as the error.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::Request;
    /// match kw.authenticate(new.api_key.reveal(), &Request::new()).await {
    ///     Ok(key) => assert_eq!(key.id, new.id),
    ///     Err(denial) => eprintln!("{} {denial}", denial.code.status()),
    /// }
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// The denial.
    pub async fn authenticate(
        &self,
        presented: impl Into<Presented<'_>>,
        request: &Request,
    ) -> Result<Allowed, Box<Denial>> {
        outcome(self.verify(presented, request).await)
    }

    /// What the engine knows of key texts alone.
    #[must_use]
    pub fn texts(&self) -> Texts {
        Texts(Arc::clone(&self.0.verifier.formats))
    }

    /// See [`Texts::parse`].
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Parsed> {
        self.texts().parse(text)
    }

    /// See [`Texts::key_pattern`].
    #[must_use]
    pub fn key_pattern(&self) -> String {
        self.texts().key_pattern()
    }

    /// See [`Texts::redact`].
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.texts().redact(text)
    }

    /// See [`Texts::redacting`].
    pub fn redacting<W: std::io::Write>(&self, to: W) -> Redacting<W> {
        self.texts().redacting(to)
    }

    /// The scopes of the product, where it listed them.
    #[must_use]
    pub fn catalogue(&self) -> Option<&Catalogue> {
        self.0.verifier.catalogue.as_ref()
    }

    /// As [`verify`](Self::verify), but answers from memory alone, without a system call and without waiting: `None`
    /// when the store has to be asked.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::Request;
    /// let (text, request) = (new.api_key.reveal(), Request::new());
    /// assert!(kw.try_verify(text, &request).is_none()); // never seen by this process
    /// assert!(kw.verify(text, &request).await.is_allowed());
    /// assert!(kw.try_verify(text, &request).is_some_and(|it| it.is_allowed()));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub fn try_verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Option<Decision> {
        self.0.verifier.try_verify(&Tenant::Every, presented.into(), request.into())
    }

    /// Writes down what was counted until now: `usage_count`, `denied_count` and `last_used_at`. It happens by itself
    /// each second and in [`close`](Self::close).
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// # kw.verify(new.api_key.reveal(), &keywright::Request::new()).await;
    /// kw.flush().await?;
    /// assert_eq!(kw.keys().get(&new.id).await?.usage_count, 1);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `unavailable`: nothing was written, and the counts wait for the next time. `closed`.
    pub async fn flush(&self) -> Result<(), Error> {
        self.0.flush().await
    }

    /// Waits until the listener of `on_event` was told of what has happened by now, or was too slow for it, at most five
    /// seconds. For hosts that end a process without closing what is in it; [`close`](Self::close) does the same.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// use std::sync::mpsc::channel;
    /// let (tell, told) = channel();
    /// let listener = move |event: &keywright::Event| tell.send(event.kind).unwrap();
    /// let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).on_event(listener).build().await?;
    /// kw.keys().create(keywright::NewKey::named("CI")).await?;
    /// kw.flush_events().await;
    /// assert_eq!(told.try_recv().unwrap(), keywright::EventKind::Created);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn flush_events(&self) {
        if let Some(events) = &self.0.verifier.runtime.process().events {
            events.flush().await;
        }
    }

    /// Finishes queued writes, writes down what was counted, and lets go of the file. Later calls fail with `closed`;
    /// closing again does nothing.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.close().await;
    /// assert!(kw.keys().get(&new.id).await.is_err());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn close(&self) {
        self.0.verifier.closed.store(true, Ordering::Release);
        self.0.verifier.slow.finish().await;
        if let Some(usage) = &self.0.verifier.runtime.process().usage {
            // Nobody is left to tell that the counts could not be written; the key's rights are not concerned.
            let _ = usage.close().await;
        }
        if let Some(events) = &self.0.verifier.runtime.process().events {
            events.finish().await;
        }
        self.0.store().close().await;
    }

    /// Whether no other handle of the engine is left: what is counted is written down when the last one is dropped, unless
    /// it was [closed](Self::close) before.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// let keys = kw.keys();
    /// assert!(!kw.is_last());
    /// drop(keys);
    /// assert!(kw.is_last());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Refuses what the host cannot have meant.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Error> {
        self.0.verifier.check_request(request)
    }

    /// As [`try_verify`](Self::try_verify), of a request that says of itself more than its needs do.
    pub(crate) fn try_judge(&self, text: &[u8], ask: RequestContext<'_>) -> Option<Decision> {
        self.0.verifier.try_verify(&Tenant::Every, text.into(), ask)
    }

    /// As [`verify`](Self::verify), likewise.
    pub(crate) async fn judge(&self, text: &[u8], ask: RequestContext<'_>) -> Decision {
        self.0.verifier.verify(&Tenant::Every, text.into(), ask).await
    }

    /// As [`judge`](Self::judge), but nothing is counted, and no limit is charged or judged.
    pub(crate) async fn dry_run(&self, text: &[u8], ask: RequestContext<'_>) -> Decision {
        self.0.verifier.dry_run(&Tenant::Every, text.into(), ask).await
    }

    /// Counts attestations that a key makes; the seconds until there is room for them, where there is none.
    pub(crate) fn charge_attestations(&self, key_id: &KeyId, count: usize) -> Result<(), u64> {
        self.0.verifier.charge_attestations(&key_id.to_string(), count as u64)
    }

    /// See [`Engine::harmless`].
    pub(crate) fn harmless(&self, field: &str, text: Option<&str>) -> Result<(), Error> {
        self.0.harmless(field, text)
    }

    pub(crate) fn now(&self) -> Millis {
        self.0.now()
    }

    fn default_org(&self) -> Org {
        Org { engine: Arc::clone(&self.0), tenant: Tenant::One(DEFAULT_ORG.to_owned()) }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn engine(&self) -> &Engine {
        &self.0
    }
}

/// One org, or all of them: what [`Keywright::org`] and [`Keywright::every_org`] give.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// let acme = kw.org("acme")?;
/// let key = acme.keys().create(keywright::NewKey::named("CI")).await?;
/// assert_eq!(key.org, "acme");
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Org {
    engine: Arc<Engine>,
    tenant: Tenant,
}

impl Org {
    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::new(Arc::clone(&self.engine), self.tenant.clone())
    }

    /// Its audit entries.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::of(Arc::clone(&self.engine), self.tenant.clone())
    }

    /// Verifies a key of this org; another org's is `invalid`.
    pub async fn verify(&self, presented: impl Into<Presented<'_>>, request: &Request) -> Decision {
        self.engine.verifier.verify(&self.tenant, presented.into(), request.into()).await
    }

    /// See [`Keywright::try_verify`].
    pub fn try_verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Option<Decision> {
        self.engine.verifier.try_verify(&self.tenant, presented.into(), request.into())
    }

    /// As [`verify`](Self::verify), with the denial as the error.
    ///
    /// # Errors
    /// The denial.
    pub async fn authenticate(
        &self,
        presented: impl Into<Presented<'_>>,
        request: &Request,
    ) -> Result<Allowed, Box<Denial>> {
        outcome(self.verify(presented, request).await)
    }
}

fn outcome(decision: Decision) -> Result<Allowed, Box<Denial>> {
    match decision {
        Decision::Allowed(allowed) => Ok(allowed),
        Decision::Denied(denial) => Err(denial),
    }
}

impl Engine {
    pub(crate) fn store(&self) -> &AnyStore {
        &self.verifier.store
    }

    #[cfg(feature = "testing")]
    pub(crate) fn ask_freshness(&self, times: usize) -> bool {
        self.verifier.ask_freshness(times)
    }

    fn now(&self) -> Millis {
        self.verifier.clock.now()
    }

    async fn flush(&self) -> Result<(), Error> {
        match &self.verifier.runtime.process().usage {
            _ if self.verifier.closed.load(Ordering::Acquire) => Err(Error::Closed),
            Some(usage) => usage.flush().await,
            None => Ok(()),
        }
    }

    /// What `read` finds, with what this process has counted and not yet written down.
    async fn counted<F: Future<Output = Result<Vec<KeyView>, Error>>>(
        &self,
        read: impl FnOnce() -> F,
    ) -> Result<Vec<KeyView>, Error> {
        let Some(usage) = &self.verifier.runtime.process().usage else { return read().await };
        let pause = usage.pause_flushes().await;
        let mut found = read().await?;
        pause.add_pending(&mut found);
        Ok(found)
    }

    /// Tells whoever listens, once it has happened.
    fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = &self.verifier.runtime.process().events {
            events.offer(QueuedEvent::Event(Box::new(event())));
        }
    }

    fn integer_ids(&self) -> bool {
        self.store().info().integer_ids
    }

    /// The id as rows have it. Text that is no id names nothing, which is `None`.
    fn id_text(&self, field: &str, id: &KeyId) -> Result<Option<String>, Error> {
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

    /// Refuses a whole key where a name or reason belongs: it would stand in lists and logs for ever.
    fn harmless(&self, field: &str, text: Option<&str>) -> Result<(), Error> {
        self.verifier.formats.harmless(field, text)
    }
}

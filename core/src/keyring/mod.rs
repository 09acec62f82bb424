//! The service: create, list, get, update, rotate, revoke. It calls the rules and the store in order, and holds no rule itself.

mod agents;
mod arguments;
mod audit;
mod config;
mod cursor;
mod engine;
mod formats;
mod keys;
mod leases;
mod org;
mod orgs;
mod redacting_writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use arguments::{
    Attestation, Change, Credit, HashedImport, HashedKey, ImportFormat, KeyUpdate, ListAudit, ListKeys, ListOrgs,
    NewKey, OrgUpdate, Rotation,
};
#[cfg(feature = "client")]
pub(crate) use arguments::{WireArguments, WireFields};
pub use audit::Audit;
pub use config::Config;
#[cfg(feature = "provider")]
pub(crate) use engine::EndsAtClose;
pub(crate) use engine::Engine;
pub use engine::{end_events, flush_open};
pub use formats::KeyFormats;
pub use keys::Keys;
pub use org::Org;
pub use orgs::Orgs;
use redacting_writer::Mask;
pub use redacting_writer::RedactingWriter;

use crate::clock::Millis;
use crate::decision::{Allowed, Decision, Denial, Request, RequestContext};
use crate::error::Error;
use crate::input::Value;
use crate::record::{KeyId, Parsed};
use crate::scope::Catalogue;
use crate::store::{Store, Tenant};
use crate::verify::Presented;

/// The org of `kw.keys()`.
const DEFAULT_ORG: &str = "default";

/// The engine: issues, verifies, rotates and revokes API keys on one database. Clones share it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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
pub struct Keywright(Arc<Engine>);

impl Keywright {
    fn new(engine: Engine) -> Self {
        Self(engine.share())
    }

    /// Starts the configuration of an engine on `sqlite:path`. A relative path is relative to the working folder of this call.
    pub fn builder(url: impl Into<String>) -> Config {
        Config::new(url)
    }

    /// The keys of the org `default`.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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

    /// Returns the handle of one org, which sees, creates and verifies only keys of that org. The first key creates the org.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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
        self.0.refuse_api_key("org", Some(id))?;
        Ok(Org { engine: Arc::clone(&self.0), tenant: Tenant::One(id.to_owned()) })
    }

    /// Reads an org id from a caller's value.
    pub(crate) fn read_org(id: Value) -> Result<String, Error> {
        let id = id.into_text("org")?;
        orgs::check_id("org", &id)?;
        Ok(id)
    }

    /// Returns the only handle across orgs. It cannot create keys.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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

    /// Manages the orgs themselves.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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

    /// The audit entries of the org `default`, and the audit chain of the database.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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

    /// Verifies a key of any org. [`Key::org`](crate::Key::org) names the org.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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

    /// Verifies a key, and returns a denial as the error.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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
        authenticated(self.verify(presented, request).await)
    }

    /// The key formats of the engine, which need no database.
    #[must_use]
    pub fn key_formats(&self) -> KeyFormats {
        KeyFormats(Arc::clone(&self.0.verifier.formats))
    }

    /// See [`KeyFormats::parse`].
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Parsed> {
        self.key_formats().parse(text)
    }

    /// See [`KeyFormats::key_pattern`].
    #[must_use]
    pub fn key_pattern(&self) -> String {
        self.key_formats().key_pattern()
    }

    /// Masks the secret part of every key in a text: see [`KeyFormats::redact`]. It also masks keys that were imported, if their
    /// texts have a fixed start or fixed lengths.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.0.redact(text)
    }

    /// A writer that masks keys as [`redact`](Self::redact) does, for loggers. It keeps the engine in memory.
    pub fn redacting<W: std::io::Write>(&self, to: W) -> RedactingWriter<W> {
        RedactingWriter::new(Mask::Every(Arc::clone(&self.0)), to)
    }

    /// The catalogue of scopes, if the engine has one.
    #[must_use]
    pub fn catalogue(&self) -> Option<&Catalogue> {
        self.0.verifier.catalogue.as_ref()
    }

    /// Verifies a key from memory alone, without a system call and without waiting. Returns `None` when only the store can
    /// answer; then call [`verify`](Self::verify).
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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

    /// Writes the counts of this process to the store: `usage_count`, `denied_count` and `last_used_at`. The engine does so every
    /// second and in [`close`](Self::close).
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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
    /// `unavailable` when nothing was written: the counts stay in memory until the next flush. `closed`.
    pub async fn flush(&self) -> Result<(), Error> {
        self.0.flush().await
    }

    /// Waits until the listener of `on_event` has received every event so far, for up to five seconds. It is for hosts that end a
    /// process without [`close`](Self::close), which does the same.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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

    /// Finishes queued writes, writes the counts of this process, and closes the database. Later calls fail with `closed`. Closing
    /// again does nothing.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.close().await;
    /// assert!(kw.keys().get(&new.id).await.is_err());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn close(&self) {
        self.0.verifier.closed.store(true, Ordering::Release);
        #[cfg(feature = "provider")]
        self.0.end_background();
        self.0.verifier.slow.finish().await;
        if let Some(usage) = &self.0.verifier.runtime.process().usage {
            // No caller is left for an error of counts. It concerns no right of a key.
            let _ = usage.close().await;
        }
        self.0.verifier.runtime.process().quotas.close().await;
        if let Some(events) = &self.0.verifier.runtime.process().events {
            events.finish().await;
        }
        #[cfg(feature = "webhooks")]
        if let Some(deliveries) = &self.0.verifier.runtime.process().deliveries {
            deliveries.finish().await;
        }
        self.0.verifier.runtime.process().limiter.close().await;
        self.0.store().close().await;
    }

    /// Refuses a request that no key could meet, such as one with an unknown scope.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Error> {
        self.0.verifier.check_request(request)
    }

    /// As [`try_verify`](Self::try_verify), with the facts of an HTTP request beside its needs.
    pub(crate) fn try_judge(&self, text: &[u8], ask: RequestContext<'_>) -> Option<Decision> {
        self.0.verifier.try_verify(&Tenant::Every, text.into(), ask)
    }

    /// As [`verify`](Self::verify), with the facts of an HTTP request beside its needs.
    pub(crate) async fn judge(&self, text: &[u8], ask: RequestContext<'_>) -> Decision {
        self.0.verifier.verify(&Tenant::Every, text.into(), ask).await
    }

    /// As [`judge`](Self::judge), but it counts nothing, neither charges nor checks a limit, and looks at quotas without a charge.
    pub(crate) async fn dry_run(&self, text: &[u8], ask: RequestContext<'_>) -> Decision {
        self.0.verifier.dry_run(&Tenant::Every, text.into(), ask).await
    }

    /// Charges attestations that a key makes. The error is the number of seconds until their limit has room.
    pub(crate) fn charge_attestations(&self, key_id: &KeyId, count: usize) -> Result<(), u64> {
        self.0.verifier.charge_attestations(&key_id.to_string(), count as u64)
    }

    /// See [`Engine::refuse_api_key`].
    pub(crate) fn refuse_api_key(&self, field: &str, text: Option<&str>) -> Result<(), Error> {
        self.0.refuse_api_key(field, text)
    }

    pub(crate) fn now(&self) -> Millis {
        self.0.now()
    }

    fn default_org(&self) -> Org {
        Org { engine: Arc::clone(&self.0), tenant: Tenant::One(DEFAULT_ORG.to_owned()) }
    }

    /// Refuses a request that no key could meet, as its verification would.
    #[cfg(feature = "cli")]
    pub(crate) fn check_request(&self, request: &Request) -> Result<(), Error> {
        self.0.verifier.check_request(request)
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0
    }
}

/// The key of an allowed decision, or the denial as the error.
fn authenticated(decision: Decision) -> Result<Allowed, Box<Denial>> {
    match decision {
        Decision::Allowed(allowed) => Ok(allowed),
        Decision::Denied(denial) => Err(denial),
    }
}

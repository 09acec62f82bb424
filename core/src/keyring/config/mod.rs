//! The configuration of an engine, and the checks that need no database.

mod check;
mod open;
mod read;

#[cfg(feature = "cli")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

#[cfg(feature = "cli")]
use self::check::CheckedConfig;
use super::{KeyFormats, Keywright};
use crate::casing::Casing;
use crate::clock::{Clock, time};
use crate::decision::Request;
use crate::error::Error;
use crate::events::{Event, EventKind};
use crate::hash::Scheme;
use crate::health::{Health, Operation};
use crate::limit::{LimitRules, Limits};
use crate::record::{Limit, Limiter, Quota};
use crate::scope::Catalogue;
use crate::store::StoreUrl;
#[cfg(feature = "cli")]
use crate::store::{AnyStore, CopiedRows, CopyReport, SchemaPlan};
#[cfg(feature = "webhooks")]
use crate::webhooks::Webhook;
#[cfg(feature = "cli")]
use crate::webhooks::check_all;
use crate::worker::Workers;

const MAX_KEYS_IN_MEMORY: i64 = 10_000_000;
const MAX_DAYS: u32 = 3_650;

type SecretBytes = Zeroizing<Vec<u8>>;
type Listener = Arc<dyn Fn(&Event) + Send + Sync>;
type Log = Arc<dyn Fn(EventKind, &str) + Send + Sync>;

/// The configuration of an engine. [`Keywright::builder`] starts one.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// use keywright::{Keywright, Catalogue};
/// let kw = Keywright::builder(url)
///     .brand("acme")
///     .environments(["live", "test"])
///     .scopes(Catalogue::new([("deals:read", "Read deals")])?)
///     .pepper(b"at least 32 bytes from a secret store")
///     .build()
///     .await?;
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Config {
    url: String,
    /// The working folder at the start of the configuration. A relative path is relative to it.
    folder: PathBuf,
    brand: Option<String>,
    environments: Option<Vec<String>>,
    environment: Option<Vec<String>>,
    key_format: Option<String>,
    accept_formats: Vec<String>,
    scopes: Option<Catalogue>,
    peppers: Vec<SecretBytes>,
    retired_peppers: Vec<SecretBytes>,
    hash: Option<Scheme>,
    retired_hashes: Vec<Scheme>,
    integer_ids: Option<bool>,
    read_only: bool,
    busy_timeout: Option<i64>,
    max_staleness: Option<i64>,
    keys_in_memory: Option<usize>,
    unwatched: bool,
    limits: Limits,
    limiter: Option<Limiter>,
    clock: Clock,
    listener: Option<Listener>,
    log: Option<Log>,
    /// The health of a store that the first call opens. All tries share it.
    health: Option<Arc<Health>>,
    expiring_days: Option<u32>,
    idle_days: Option<u32>,
    #[cfg(feature = "webhooks")]
    webhooks: Vec<Webhook>,
    /// Whether another process is left to deliver webhooks.
    #[cfg(feature = "webhooks")]
    queues_only: bool,
    casing: Casing,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Config")
            .field("url", &StoreUrl::shown(&self.url))
            .field("brand", &self.brand)
            .finish_non_exhaustive()
    }
}

impl Config {
    pub(super) fn new(url: impl Into<String>) -> Self {
        // Without a working folder a relative path fails when the database opens.
        Self { url: url.into(), folder: std::env::current_dir().unwrap_or_default(), ..Self::default() }
    }

    /// The short name at the start of every key: `[a-z][a-z0-9_]{0,31}`. It is required unless no format has `{brand}`.
    pub fn brand(self, brand: impl Into<String>) -> Self {
        Self { brand: Some(brand.into()), ..self }
    }

    /// The environments of the product, up to 16. Default: `live` and `test`.
    pub fn environments<T: Into<String>>(self, environments: impl IntoIterator<Item = T>) -> Self {
        Self { environments: Some(environments.into_iter().map(Into::into).collect()), ..self }
    }

    /// The environments whose keys this engine accepts; `"*"` accepts all. Default: the first environment of the product.
    pub fn environment<T: Into<String>>(self, accepted: impl IntoIterator<Item = T>) -> Self {
        Self { environment: Some(accepted.into_iter().map(Into::into).collect()), ..self }
    }

    /// The format of new keys. Default: `{brand}_{env}_{lookup:12}_{secret:32}{checksum:6}`.
    pub fn key_format(self, template: impl Into<String>) -> Self {
        Self { key_format: Some(template.into()), ..self }
    }

    /// Older formats whose keys still verify, up to 16.
    pub fn accept_formats<T: Into<String>>(self, templates: impl IntoIterator<Item = T>) -> Self {
        Self { accept_formats: templates.into_iter().map(Into::into).collect(), ..self }
    }

    /// The scopes of the product. A call that grants or requires another scope fails.
    pub fn scopes(self, catalogue: Catalogue) -> Self {
        Self { scopes: Some(catalogue), ..self }
    }

    /// A pepper of at least 32 bytes. Each call adds one: the first signs, all verify.
    pub fn pepper(mut self, pepper: impl AsRef<[u8]>) -> Self {
        self.peppers.push(Zeroizing::new(pepper.as_ref().to_vec()));
        self
    }

    /// A pepper that still verifies. Its keys move to the first pepper on their next use.
    pub fn retired_pepper(mut self, pepper: impl AsRef<[u8]>) -> Self {
        self.retired_peppers.push(Zeroizing::new(pepper.as_ref().to_vec()));
        self
    }

    /// The hash scheme of new keys. Default: HMAC-SHA-256 with a pepper, Argon2id without.
    pub fn hash(self, scheme: Scheme) -> Self {
        Self { hash: Some(scheme), ..self }
    }

    /// A hash scheme whose keys move to the current scheme on their next use.
    pub fn retired_hash(mut self, scheme: Scheme) -> Self {
        self.retired_hashes.push(scheme);
        self
    }

    /// Integer ids below 2^53 in place of UUIDs. The first opening of a database fixes the style.
    pub fn integer_ids(self, integer: bool) -> Self {
        Self { integer_ids: Some(integer), ..self }
    }

    /// Opens the database for reading only: the engine verifies and lists keys, and counts and changes nothing.
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// How long a write waits for the write of another program, up to an hour. Default: five seconds.
    pub fn busy_timeout(self, timeout: Duration) -> Self {
        Self { busy_timeout: Some(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)), ..self }
    }

    /// On PostgreSQL: how long after a change on another machine a verification may still be answered without it, up to an
    /// hour. With 0 every verification asks the database. While the database cannot be reached, memory answers for as long.
    /// Default: two seconds. On SQLite no verification misses a change.
    pub fn max_staleness(self, staleness: Duration) -> Self {
        Self { max_staleness: Some(i64::try_from(staleness.as_millis()).unwrap_or(i64::MAX)), ..self }
    }

    /// How many keys the engine keeps in memory, up to 10,000,000, so that it verifies them without the store. A key takes up to a
    /// kilobyte. With 0 every verification asks the store. Default: 100,000.
    pub fn keys_in_memory(self, keys: usize) -> Self {
        Self { keys_in_memory: Some(keys), ..self }
    }

    /// Asks SQLite for changes before each verification (`PRAGMA data_version`), as the engine does when it does not know the
    /// layout of SQLite's shared memory.
    #[cfg(feature = "testing")]
    pub fn unwatched(self) -> Self {
        Self { unwatched: true, ..self }
    }

    /// The limits of the keys of a tier, up to 8. A second call with the same name replaces them.
    ///
    /// ```
    /// use keywright::{Keywright, Limit};
    /// let config = Keywright::builder("sqlite:keys.db")
    ///     .brand("acme")
    ///     .tier("basic", [Limit::new("basic", 100)])
    ///     .tier("split", [Limit::new("read", 100).operation("read"), Limit::new("write", 10).operation("write")]);
    /// assert!(config.check().is_ok());
    /// ```
    pub fn tier(mut self, name: impl Into<String>, limits: impl IntoIterator<Item = Limit>) -> Self {
        self.limits.tiers.entry(name.into()).or_default().limits = limits.into_iter().collect();
        self
    }

    /// The quotas of the keys of a tier, up to 8, beside its limits. A second call with the same name replaces them.
    ///
    /// ```
    /// use keywright::{Keywright, Limit, Period, Quota};
    /// let config = Keywright::builder("sqlite:keys.db")
    ///     .brand("acme")
    ///     .tier("basic", [Limit::new("basic", 100)])
    ///     .tier_quotas("basic", [Quota::new("monthly", 100_000).every(Period::Month)]);
    /// assert!(config.check().is_ok());
    /// ```
    pub fn tier_quotas(mut self, name: impl Into<String>, quotas: impl IntoIterator<Item = Quota>) -> Self {
        self.limits.tiers.entry(name.into()).or_default().quotas = quotas.into_iter().collect();
        self
    }

    /// A limit of every key. Each call adds one, up to 8.
    ///
    /// ```
    /// use keywright::{Keywright, Limit, Per};
    /// let config = Keywright::builder("sqlite:keys.db")
    ///     .brand("acme")
    ///     .limit(Limit::new("read", 100).burst(20).per(Per::Org).operation("read"));
    /// assert!(config.check().is_ok());
    /// ```
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.every.limits.push(limit);
        self
    }

    /// A quota of every key. Each call adds one, up to 8.
    ///
    /// ```
    /// use keywright::{Keywright, Per, Period, Quota};
    /// let config = Keywright::builder("sqlite:keys.db")
    ///     .brand("acme")
    ///     .quota(Quota::new("monthly", 100_000).every(Period::Month).per(Per::Org));
    /// assert!(config.check().is_ok());
    /// ```
    pub fn quota(mut self, quota: Quota) -> Self {
        self.limits.every.quotas.push(quota);
        self
    }

    /// The place that keeps the budgets of limits. Default: [`Limiter::Machine`] on SQLite, [`Limiter::Store`] on PostgreSQL, and
    /// [`Limiter::Process`] on a clock that a test sets, which no other process has, and on PostgreSQL with
    /// [`read_only`](Self::read_only).
    ///
    /// ```
    /// use keywright::{Keywright, Limit, Limiter};
    /// let config = Keywright::builder("sqlite:keys.db").brand("acme").limit(Limit::new("all", 100)).limiter(Limiter::Process);
    /// assert!(config.check().is_ok());
    /// ```
    pub fn limiter(self, limiter: Limiter) -> Self {
        Self { limiter: Some(limiter), ..self }
    }

    /// Calls `listener` with the events of keys in this process: created, rotated, revoked, a former secret used, a revoked key
    /// presented, soon to expire, long unused. The listener runs on a thread of its own after the change, and delays nothing. When
    /// it is too slow, the engine drops events and counts them in [`Event::lost`]. A listener that holds the engine keeps it open
    /// until [`close`](Keywright::close).
    pub fn on_event(self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)), ..self }
    }

    /// Writes one line to `log`, in place of `tracing`, when the database fails ([`EventKind::StoreFailed`], with the reason),
    /// when it works again ([`EventKind::StoreRecovered`]), when another one answers ([`EventKind::StoreReplaced`]), and when
    /// limits are not shared ([`EventKind::LimitsUnshared`]). Also when the keys of an identity provider cannot be fetched
    /// ([`EventKind::ProviderFailed`]), when they can be again ([`EventKind::ProviderRecovered`]), and when a webhook endpoint gets
    /// no more events ([`EventKind::WebhookDisabled`]).
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let file = folder.path().join("keys.db");
    /// use std::sync::mpsc::channel;
    /// use keywright::{EventKind, Keywright, NewKey};
    /// let (write, written) = channel();
    /// let log = move |kind: EventKind, line: &str| write.send((kind, line.to_owned())).unwrap();
    /// let url = format!("sqlite:{}", file.display());
    /// let kw = Keywright::builder(url).brand("acme").pepper([7; 32]).log(log).build().await?;
    /// std::fs::remove_file(file).unwrap();
    /// assert!(kw.keys().create(NewKey::named("CI")).await.is_err());
    /// kw.close().await;
    /// let (kind, line) = written.recv().unwrap();
    /// assert_eq!(kind, EventKind::StoreFailed);
    /// assert!(line.contains("the database was deleted"));
    /// # Ok(()) }) }
    /// ```
    pub fn log(self, log: impl Fn(EventKind, &str) + Send + Sync + 'static) -> Self {
        Self { log: Some(Arc::new(log)), ..self }
    }

    /// Resolves a relative path against this folder, which may itself be relative to the working folder.
    #[cfg(feature = "cli")]
    pub(crate) fn in_folder(self, folder: &Path) -> Self {
        Self { folder: self.folder.join(folder), ..self }
    }

    /// The schema of the database, and the SQL that a migration would run. It changes nothing.
    #[cfg(feature = "cli")]
    pub(crate) async fn schema_plan(self) -> Result<SchemaPlan, Error> {
        let CheckedConfig { url, busy_timeout, .. } = self.checked()?;
        Workers::new("keywright-open", 1, 1).run(move || AnyStore::schema_plan(&url, busy_timeout)).await
    }

    /// Copies the whole database into another one, which must be empty, in one transaction.
    #[cfg(feature = "cli")]
    pub(crate) async fn copy_to(self, target: Self, report: CopyReport) -> Result<CopiedRows, Error> {
        let (source, target) = (self.checked()?, target.checked()?);
        Workers::new("keywright-open", 1, 1).run(move || target.fill_from(&source.url, report)).await
    }

    /// The same engine on another database, for a command that verifies no key. A relative path is relative to the working
    /// folder.
    #[cfg(feature = "cli")]
    pub(crate) fn on_database(self, url: &str) -> Self {
        let limiter = Some(Limiter::Process);
        Self { url: url.to_owned(), folder: std::env::current_dir().unwrap_or_default(), limiter, ..self }
    }

    /// The SQLite file that the URL names, if it does not exist. The next program that opens it makes it.
    #[cfg(feature = "cli")]
    pub(crate) fn missing_file(&self) -> Result<Option<PathBuf>, Error> {
        let CheckedConfig { url, .. } = self.checked()?;
        Ok(match url {
            StoreUrl::Sqlite(path) => Some(path).filter(|path| {
                path.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
            }),
            #[cfg(feature = "postgres")]
            StoreUrl::Postgres(_) => None,
        })
    }

    /// Copies the SQLite database into a new file, also while programs write to it.
    #[cfg(feature = "cli")]
    pub(crate) async fn back_up(self, to: PathBuf) -> Result<(), Error> {
        let CheckedConfig { url, .. } = self.checked()?;
        Workers::new("keywright-open", 1, 1).run(move || AnyStore::back_up(&url, &to)).await
    }

    /// See [`ffi::opened_by_calls`](crate::ffi::opened_by_calls).
    pub(crate) fn opened_by_calls(self) -> Self {
        let health = Some(Arc::new(self.new_health()));
        Self { health, ..self }
    }

    /// See [`ffi::has_database`](crate::ffi::has_database).
    pub(crate) fn has_database(&self) -> bool {
        StoreUrl::parse(&self.url, &self.folder).is_ok_and(|url| url.may_exist())
    }

    fn new_health(&self) -> Health {
        let (log, listener, clock) = (self.log.clone(), self.listener.clone(), self.clock.clone());
        let place = StoreUrl::parse(&self.url, &self.folder).map(|url| url.to_string()).unwrap_or_default();
        let limits = self.limits_place(&place);
        Health::new(move |report| {
            let event = Event::of_store(&report, time(clock.now()));
            let reason = event.reason.as_deref().unwrap_or_default();
            let line = match event.kind {
                EventKind::StoreFailed => format!("The database {place} cannot be used: {reason}"),
                EventKind::StoreReplaced => format!("The database {place} was replaced: {reason}"),
                EventKind::LimitsUnshared => {
                    format!("Each process counts limits on its own, because {limits} cannot be used: {reason}")
                }
                EventKind::ProviderFailed => format!("The keys of session tokens cannot be fetched: {reason}"),
                EventKind::ProviderRecovered => "The keys of session tokens can be fetched again".to_owned(),
                EventKind::WebhookDisabled => format!("A webhook endpoint gets no more events: {reason}"),
                _ => format!("The database {place} can be used again"),
            };
            match &log {
                Some(log) => log(event.kind, &line),
                None if event.kind == EventKind::StoreFailed => tracing::error!("{line}"),
                None if matches!(event.kind, EventKind::StoreRecovered | EventKind::ProviderRecovered) => {
                    tracing::info!("{line}");
                }
                None => tracing::warn!("{line}"),
            }
            if let Some(listener) = &listener {
                listener(&event);
            }
        })
    }

    /// Emits a daily event for each key that expires within so many days, up to 3,650; 0 is never. One process with a listener does
    /// it for all. Default: 14.
    pub fn expiring_days(self, days: u32) -> Self {
        Self { expiring_days: Some(days), ..self }
    }

    /// Emits a daily event for each key that was not used for so many days, up to 3,650; 0 is never. One process with a listener
    /// does it for all. Default: 90.
    pub fn idle_days(self, days: u32) -> Self {
        Self { idle_days: Some(days), ..self }
    }

    /// Sends events to an endpoint of the host, signed as [Standard Webhooks](https://www.standardwebhooks.com) says. Each call adds
    /// one, up to 16. The transaction of a change queues its deliveries, whichever program makes it, and engines with the same
    /// endpoint send them at least once, in no order, also after a restart. It needs the feature `webhooks`.
    ///
    /// ```
    /// use keywright::{Keywright, Webhook};
    /// let webhook = Webhook::new("https://hooks.example/keys", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    /// assert!(Keywright::builder("sqlite:keys.db").brand("acme").webhook(webhook).check().is_ok());
    /// ```
    #[cfg(feature = "webhooks")]
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.webhooks.push(webhook);
        self
    }

    /// The ids of the webhook endpoints.
    #[cfg(feature = "cli")]
    pub(crate) fn webhook_ids(&self) -> Result<Vec<String>, Error> {
        Ok(check_all(&self.webhooks)?.into_iter().map(|it| it.id).collect())
    }

    /// Registers the endpoints of webhooks, and leaves their deliveries to other processes.
    #[cfg(feature = "cli")]
    pub(crate) fn queues_only(self, queues_only: bool) -> Self {
        Self { queues_only, ..self }
    }

    /// Takes the time from a clock that a test sets.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self { clock: clock.into(), ..self }
    }

    /// Checks everything that can be checked without the database.
    pub fn check(&self) -> Result<(), Error> {
        self.checked().map(drop)
    }

    /// Refuses a request that the open engine would refuse.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Error> {
        let checked = self.checked()?;
        request.check(checked.catalogue.as_ref(), &LimitRules::new(checked.limits), &checked.accepted)
    }

    /// The key formats of the configuration, without opening the engine.
    pub fn key_formats(&self) -> Result<KeyFormats, Error> {
        Ok(KeyFormats(Arc::new(self.checked()?.formats)))
    }

    /// Opens the engine. Creates the database if it is new.
    pub async fn build(self) -> Result<Keywright, Error> {
        let (casing, reported) = (self.casing, self.health.is_some());
        let checked = self.checked()?;
        let health = Arc::clone(&checked.health);
        // A thread of its own reads and writes the files, so that no runtime waits for the disk.
        let opened = Workers::new("keywright-open", 1, 1).run(move || checked.open()).await;
        let opened = opened.map_err(|error| error.spelt(casing));
        if reported {
            health.note(Operation::Open, &opened);
        }
        opened
    }
}

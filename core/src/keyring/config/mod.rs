//! How an engine is set up, and what of it can be refused before any file is touched.

mod read;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Engine, Keywright, Texts};
use crate::clock::{Clock, time};
use crate::decision::Request;
use crate::error::{Error, UnavailableCause};
use crate::events::{Event, EventKind, Events, Subscription};
use crate::hash::{Hasher, Pepper, Scheme};
use crate::health::{Health, Operation};
use crate::input::{Casing, meant};
use crate::key::Formats;
use crate::limit::{LimitRules, Limits};
use crate::record::Limit;
use crate::scope::Catalogue;
use crate::store::sqlite::{Sqlite, files};
use crate::store::{AuditKey, DatabaseInfo, Store};
use crate::verify::{EventsFactory, Runtime, Verifier};
use crate::wait::block_on;
use crate::worker::Workers;
use crate::{clock, entropy};

const MOST_ENVIRONMENTS: usize = 16;
const MOST_FORMATS: usize = 16;
const STANDARD_PATIENCE: i64 = 5_000;
const STANDARD_MEMORY: usize = 100_000;
const MOST_MEMORY: i64 = 10_000_000;
pub(super) const MOST_DAYS: u32 = 3_650;
const STANDARD_EXPIRING: u32 = 14;
const STANDARD_IDLE: u32 = 90;

/// How many slow hashes may wait before the answer is `unavailable`.
const WAITING_HASHES: usize = 128;

/// How far slow hashes stand back. On cores that others keep busy they still get a tenth of what each of those gets.
const NICE: i32 = 10;

type Bytes = Zeroizing<Vec<u8>>;
type Listener = Arc<dyn Fn(&Event) + Send + Sync>;
type Log = Arc<dyn Fn(EventKind, &str) + Send + Sync>;

/// The set-up of an engine; [`Keywright::builder`] begins one.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
    /// The working folder when the set-up began, in which a relative path stands.
    folder: PathBuf,
    brand: Option<String>,
    environments: Option<Vec<String>>,
    environment: Option<Vec<String>>,
    key_format: Option<String>,
    accept_formats: Vec<String>,
    scopes: Option<Catalogue>,
    peppers: Vec<Bytes>,
    retired_peppers: Vec<Bytes>,
    hash: Option<Scheme>,
    retired_hashes: Vec<Scheme>,
    integer_ids: Option<bool>,
    read_only: bool,
    patience: Option<i64>,
    keys_in_memory: Option<usize>,
    unwatched: bool,
    limits: Limits,
    clock: Clock,
    listener: Option<Listener>,
    log: Option<Log>,
    /// The health of a store that the first call opens, however often that is tried.
    health: Option<Arc<Health>>,
    expiring_days: Option<u32>,
    idle_days: Option<u32>,
    casing: Casing,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Config").field("url", &self.url).field("brand", &self.brand).finish_non_exhaustive()
    }
}

impl Config {
    pub(super) fn new(url: impl Into<String>) -> Self {
        // Without a working folder a relative path names nothing, which opening tells.
        Self { url: url.into(), folder: std::env::current_dir().unwrap_or_default(), ..Self::default() }
    }

    /// The short name that begins every key: `[a-z][a-z0-9_]{0,31}`. Needed unless the formats do without `{brand}`.
    pub fn brand(self, brand: impl Into<String>) -> Self {
        Self { brand: Some(brand.into()), ..self }
    }

    /// The environments that keys are made for, up to 16; the standard is `live` and `test`.
    pub fn environments<T: Into<String>>(self, environments: impl IntoIterator<Item = T>) -> Self {
        Self { environments: Some(environments.into_iter().map(Into::into).collect()), ..self }
    }

    /// The environments whose keys this engine accepts: the first of all by standard, `"*"` for every one.
    pub fn environment<T: Into<String>>(self, accepted: impl IntoIterator<Item = T>) -> Self {
        Self { environment: Some(accepted.into_iter().map(Into::into).collect()), ..self }
    }

    /// The text of new keys, as `{brand}_{env}_{lookup:12}_{secret:32}{checksum:6}`.
    pub fn key_format(self, template: impl Into<String>) -> Self {
        Self { key_format: Some(template.into()), ..self }
    }

    /// Older texts that are still read, up to 16.
    pub fn accept_formats<T: Into<String>>(self, templates: impl IntoIterator<Item = T>) -> Self {
        Self { accept_formats: templates.into_iter().map(Into::into).collect(), ..self }
    }

    /// The scopes that the product has; others are refused where they are asked for or granted.
    pub fn scopes(self, catalogue: Catalogue) -> Self {
        Self { scopes: Some(catalogue), ..self }
    }

    /// A pepper of at least 32 bytes. Called again it adds one: the first signs, all verify.
    pub fn pepper(mut self, pepper: impl AsRef<[u8]>) -> Self {
        self.peppers.push(Zeroizing::new(pepper.as_ref().to_vec()));
        self
    }

    /// A pepper that still verifies, and whose keys move to the first one when they are next used.
    pub fn retired_pepper(mut self, pepper: impl AsRef<[u8]>) -> Self {
        self.retired_peppers.push(Zeroizing::new(pepper.as_ref().to_vec()));
        self
    }

    /// The scheme of new keys; the standard is HMAC-SHA-256 with a pepper, Argon2id without.
    pub fn hash(self, scheme: Scheme) -> Self {
        Self { hash: Some(scheme), ..self }
    }

    /// A scheme whose keys move to the current one when they are next used.
    pub fn retired_hash(mut self, scheme: Scheme) -> Self {
        self.retired_hashes.push(scheme);
        self
    }

    /// Integer ids below 2^53 in place of UUIDs. Fixed when the database is made.
    pub fn integer_ids(self, integer: bool) -> Self {
        Self { integer_ids: Some(integer), ..self }
    }

    /// Verifies and lists, and changes nothing.
    pub fn read_only(self, read_only: bool) -> Self {
        Self { read_only, ..self }
    }

    /// How long to wait for another program's write, up to an hour; the standard is five seconds.
    pub fn busy_timeout(self, timeout: Duration) -> Self {
        Self { patience: Some(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX)), ..self }
    }

    /// How many keys are remembered, so that verifying them again asks no store, up to 10,000,000; the standard is
    /// 100,000. Each takes up to a kilobyte. With 0 the store is asked each time.
    pub fn keys_in_memory(self, keys: usize) -> Self {
        Self { keys_in_memory: Some(keys), ..self }
    }

    /// Asks SQLite for changes before each verification (`PRAGMA data_version`), as where the layout of its shared
    /// memory is not known.
    #[cfg(feature = "testing")]
    pub fn unwatched(self) -> Self {
        Self { unwatched: true, ..self }
    }

    /// The limits of a tier's keys, up to 8; a tier named again replaces the one before.
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
        self.limits.tiers.insert(name.into(), limits.into_iter().collect());
        self
    }

    /// A limit of every key. Called again it adds one, up to 8.
    ///
    /// ```
    /// use keywright::{Keywright, Limit, Per};
    /// let config = Keywright::builder("sqlite:keys.db")
    ///     .brand("acme")
    ///     .limit(Limit::new("read", 100).burst(20).per(Per::Org).operation("read"));
    /// assert!(config.check().is_ok());
    /// ```
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limits.every.push(limit);
        self
    }

    /// How many processes divide each limit between them, 1 to 4,096; the standard is 1.
    pub fn processes(mut self, processes: u64) -> Self {
        self.limits.processes = processes;
        self
    }

    /// Calls `listener` with what happens to keys by this process, on a thread of its own: made, rotated, revoked, a former
    /// secret used, a revoked one presented, soon to expire, long unused. It is called after what it tells of, and holds up
    /// nothing; while it is too slow, events are dropped and counted in [`Event::lost`]. It should not hold the engine
    /// itself, which would never be let go of without [`close`](Keywright::close).
    pub fn on_event(self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { listener: Some(Arc::new(listener)), ..self }
    }

    /// Writes to `log` when the database can no longer be used, and why ([`EventKind::StoreFailed`]), and when it can be used
    /// again ([`EventKind::StoreRecovered`]), in place of `tracing`. Each trouble is written once.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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

    /// Says that the first call opens the engine, so that nobody may see why it cannot be opened: that is reported as any
    /// later trouble of the database is. The set-up ends with it.
    pub fn opened_by_calls(self) -> Self {
        let health = Some(Arc::new(self.new_health()));
        Self { health, ..self }
    }

    fn new_health(&self) -> Health {
        let (log, listener, clock) = (self.log.clone(), self.listener.clone(), self.clock.clone());
        let place = files::parse_url(&self.url).map(|it| self.folder.join(it)).unwrap_or_default();
        Health::new(move |report| {
            let event = Event::of_store(&report, time(clock.now()));
            let line = match &event.reason {
                Some(reason) => format!("The database {} cannot be used: {reason}", place.display()),
                None => format!("The database {} can be used again", place.display()),
            };
            match &log {
                Some(log) => log(event.kind, &line),
                None if event.kind == EventKind::StoreFailed => tracing::error!("{line}"),
                None => tracing::info!("{line}"),
            }
            if let Some(listener) = &listener {
                listener(&event);
            }
        })
    }

    /// Tells the listener each day of keys that expire within so many days, up to 3,650; the standard is 14, and 0 is of
    /// none. Of several processes with a listener one does so.
    pub fn expiring_days(self, days: u32) -> Self {
        Self { expiring_days: Some(days), ..self }
    }

    /// Tells the listener each day of keys that were not used for so many days, up to 3,650; the standard is 90, and 0 is
    /// of none. Of several processes with a listener one does so.
    pub fn idle_days(self, days: u32) -> Self {
        Self { idle_days: Some(days), ..self }
    }

    /// Takes the time from a clock that a test moves.
    pub fn clock(self, clock: impl Into<Clock>) -> Self {
        Self { clock: clock.into(), ..self }
    }

    /// Refuses all that can be refused without touching a file.
    pub fn check(&self) -> Result<(), Error> {
        self.plan().map(drop)
    }

    /// Refuses of a request what the engine, once open, would refuse.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Error> {
        let plan = self.plan()?;
        request.check(plan.catalogue.as_ref(), &LimitRules::new(plan.limits), &plan.accepted)
    }

    /// What can be said of key texts before the engine is open.
    pub fn texts(&self) -> Result<Texts, Error> {
        Ok(Texts(Arc::new(self.plan()?.formats)))
    }

    /// Opens the engine, and makes the database when it is new.
    pub async fn build(self) -> Result<Keywright, Error> {
        let (casing, reported) = (self.casing, self.health.is_some());
        let plan = self.plan()?;
        let health = Arc::clone(&plan.health);
        // Opening reads and writes files: on a thread of its own, so that no runtime waits for the disk.
        let opened = Workers::new("keywright-open", 1, 1).run(move || plan.open()).await.map_err(|it| it.spelt(casing));
        if reported {
            health.note(Operation::Open, &opened);
        }
        opened
    }

    fn plan(&self) -> Result<Plan, Error> {
        let path = self.folder.join(files::parse_url(&self.url)?);
        if let Some(brand) = &self.brand
            && (!is_word(brand) || brand.ends_with('_'))
        {
            return Err(Error::validation_failed(
                "brand",
                "is no short name",
                "use 1 to 32 of a-z, 0-9 and _, beginning with a letter",
            ));
        }
        let environments = self.environments.clone().unwrap_or_else(|| vec!["live".into(), "test".into()]);
        check_environments(&environments)?;
        let accepted = accepted(self.environment.as_deref(), &environments)?;
        if self.accept_formats.len() > MOST_FORMATS {
            return Err(Error::validation_failed(
                "accept_formats",
                format!("has more than {MOST_FORMATS} formats"),
                "drop those no key has",
            ));
        }
        let formats = Formats::new(
            self.brand.as_deref(),
            self.key_format.as_deref(),
            &self.accept_formats,
            environments.clone(),
        )?;
        let peppers =
            |field: &str, bytes: &[Bytes]| bytes.iter().map(|it| Pepper::new(field, it)).collect::<Result<Vec<_>, _>>();
        let hasher = Hasher::new(
            self.hash,
            peppers("pepper", &self.peppers)?,
            peppers("retired_peppers", &self.retired_peppers)?,
            self.retired_hashes.clone(),
        )?;
        let patience = self.patience.unwrap_or(STANDARD_PATIENCE);
        if !(0..=clock::DAY / 24).contains(&patience) {
            return Err(Error::validation_failed("busy_timeout", "is longer than an hour", "give 0 to \"1h\""));
        }
        let keys_in_memory = self.keys_in_memory.unwrap_or(STANDARD_MEMORY);
        if i64::try_from(keys_in_memory).is_ok_and(|it| it > MOST_MEMORY) {
            let fix = format!("give 0 to {MOST_MEMORY}");
            return Err(Error::validation_failed("keys_in_memory", format!("is more than {MOST_MEMORY}"), fix));
        }
        self.limits.check()?;
        for (field, days) in [("expiring_days", self.expiring_days), ("idle_days", self.idle_days)] {
            if days.is_some_and(|it| it > MOST_DAYS) {
                return Err(Error::validation_failed(
                    field,
                    format!("is more than {MOST_DAYS}"),
                    "give days, or 0 for never",
                ));
            }
        }
        let subscription = self.listener.clone().map(|listener| Subscription {
            listener,
            expiring_days: self.expiring_days.unwrap_or(STANDARD_EXPIRING),
            idle_days: self.idle_days.unwrap_or(STANDARD_IDLE),
        });
        Ok(Plan {
            path,
            environments,
            accepted,
            formats,
            hasher,
            catalogue: self.scopes.clone(),
            integer_ids: self.integer_ids,
            read_only: self.read_only,
            patience: Duration::from_millis(patience.unsigned_abs()),
            keys_in_memory,
            unwatched: self.unwatched,
            limits: self.limits.clone(),
            clock: self.clock.clone(),
            subscription,
            health: self.health.clone().unwrap_or_else(|| Arc::new(self.new_health())),
        })
    }
}

/// A set-up in which nothing is left to refuse but the file.
struct Plan {
    path: PathBuf,
    environments: Vec<String>,
    accepted: Vec<String>,
    formats: Formats,
    hasher: Hasher,
    catalogue: Option<Catalogue>,
    integer_ids: Option<bool>,
    read_only: bool,
    patience: Duration,
    keys_in_memory: usize,
    unwatched: bool,
    limits: Limits,
    clock: Clock,
    subscription: Option<Subscription>,
    health: Arc<Health>,
}

impl Plan {
    fn open(self) -> Result<Keywright, Error> {
        let now = self.clock.now();
        let fresh = DatabaseInfo {
            integer_ids: self.integer_ids.unwrap_or(false),
            filter_key: entropy::bytes()?,
            cursor_key: entropy::bytes()?,
            created_at: now,
        };
        let audit_key = match self.hasher.audit_key(None) {
            Some((pepper, key)) => {
                AuditKey { pepper: Some(pepper.to_owned()), key: Some(Arc::new(Zeroizing::new(key))) }
            }
            None => AuditKey { pepper: None, key: None },
        };
        let store =
            Sqlite::open(&self.path, self.read_only, self.patience, self.unwatched, &fresh, audit_key, self.health)?;
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
        let metered = (!self.read_only).then(|| Arc::clone(&store));
        let (clock, events, writes) = (self.clock.clone(), Arc::clone(&store), !self.read_only);
        let listening = self.subscription.map(|subscription| {
            let new = move || Events::new(subscription.clone(), clock.clone(), Arc::clone(&events), writes);
            Box::new(new) as EventsFactory
        });
        let verifier = Verifier {
            runtime: Runtime::new(&self.formats, self.keys_in_memory, self.clock.clone(), metered, listening),
            formats: Arc::new(self.formats),
            accepted: self.accepted,
            catalogue: self.catalogue,
            hasher,
            clock: self.clock,
            store,
            slow: Workers::new("keywright-hash", cores, WAITING_HASHES).with_niceness(NICE),
            closed: AtomicBool::new(false),
            rules: LimitRules::new(self.limits),
        };
        Ok(Keywright::new(Engine { verifier, environments: self.environments }))
    }
}

fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn check_environments(environments: &[String]) -> Result<(), Error> {
    const FIX: &str = "name 1 to 16, each once, of a-z, 0-9 and _, beginning with a letter";
    let distinct =
        environments.iter().enumerate().all(|(at, it)| environments.iter().position(|other| other == it) == Some(at));
    if !(1..=MOST_ENVIRONMENTS).contains(&environments.len()) || !distinct || !environments.iter().all(|it| is_word(it))
    {
        return Err(Error::validation_failed("environments", "is no list of environments", FIX));
    }
    Ok(())
}

fn accepted(asked: Option<&[String]>, environments: &[String]) -> Result<Vec<String>, Error> {
    match asked {
        None => Ok(environments.iter().take(1).cloned().collect()),
        Some([all]) if all == "*" => Ok(environments.to_vec()),
        Some([]) => {
            Err(Error::validation_failed("environment", "accepts nothing", "name one of the environments, or \"*\""))
        }
        Some(several) => match several.iter().find(|it| !environments.contains(it)) {
            None => Ok(several.to_vec()),
            Some(stranger) => {
                let fix = meant(
                    stranger,
                    environments.iter().map(String::as_str),
                    format!("use one of {}", environments.join(", ")),
                );
                Err(Error::validation_failed("environment", "is none of the environments", fix))
            }
        },
    }
}

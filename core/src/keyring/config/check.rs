use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Config, MAX_DAYS, MAX_KEYS_IN_MEMORY, SecretBytes};
use crate::clock::{self, Clock};
use crate::error::Error;
use crate::events::Subscription;
use crate::hash::{Hasher, Pepper};
use crate::health::Health;
use crate::input::meant;
use crate::key::Formats;
use crate::limit::Limits;
#[cfg(feature = "redis")]
use crate::limit::RedisSettings;
use crate::record::Limiter;
use crate::scope::Catalogue;
use crate::store::StoreUrl;
#[cfg(feature = "webhooks")]
use crate::webhooks::{self, WebhookTarget};

const MAX_ENVIRONMENTS: usize = 16;
const MAX_FORMATS: usize = 16;
const DEFAULT_BUSY_TIMEOUT: i64 = 5_000;
const DEFAULT_MAX_STALENESS: i64 = 2_000;
const DEFAULT_KEYS_IN_MEMORY: usize = 100_000;
const DEFAULT_EXPIRING_DAYS: u32 = 14;
const DEFAULT_IDLE_DAYS: u32 = 90;

/// A checked configuration: from here on only the database can fail.
pub(super) struct CheckedConfig {
    pub(super) url: StoreUrl,
    pub(super) environments: Vec<String>,
    pub(super) accepted: Vec<String>,
    pub(super) formats: Formats,
    pub(super) hasher: Hasher,
    pub(super) catalogue: Option<Catalogue>,
    pub(super) integer_ids: Option<bool>,
    pub(super) read_only: bool,
    pub(super) busy_timeout: Duration,
    pub(super) max_staleness: Duration,
    pub(super) keys_in_memory: usize,
    pub(super) unwatched: bool,
    pub(super) limits: Limits,
    pub(super) limiter: LimiterPlace,
    pub(super) clock: Clock,
    pub(super) subscription: Option<Subscription>,
    pub(super) health: Arc<Health>,
    #[cfg(feature = "webhooks")]
    pub(super) webhooks: Vec<WebhookTarget>,
    /// Whether this process delivers webhooks.
    #[cfg(feature = "webhooks")]
    pub(super) delivers: bool,
}

/// The place that keeps the budgets of limits.
pub(super) enum LimiterPlace {
    Process,
    /// A file beside this database.
    Machine(PathBuf),
    /// The database itself.
    Store,
    #[cfg(feature = "redis")]
    Redis(Box<RedisSettings>),
}

impl Config {
    /// Checks everything that can be checked without the database.
    pub(super) fn checked(&self) -> Result<CheckedConfig, Error> {
        let url = StoreUrl::parse(&self.url, &self.folder)?;
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
        if self.accept_formats.len() > MAX_FORMATS {
            return Err(Error::validation_failed(
                "accept_formats",
                format!("has more than {MAX_FORMATS} formats"),
                "drop those no key has",
            ));
        }
        let formats = Formats::new(
            self.brand.as_deref(),
            self.key_format.as_deref(),
            &self.accept_formats,
            environments.clone(),
        )?;
        let peppers = |field: &str, bytes: &[SecretBytes]| {
            bytes.iter().map(|it| Pepper::new(field, it)).collect::<Result<Vec<_>, _>>()
        };
        let hasher = Hasher::new(
            self.hash,
            peppers("pepper", &self.peppers)?,
            peppers("retired_peppers", &self.retired_peppers)?,
            self.retired_hashes.clone(),
        )?;
        let up_to_an_hour = |field: &str, millis: i64| match u64::try_from(millis) {
            Ok(length) if millis <= clock::DAY / 24 => Ok(Duration::from_millis(length)),
            _ => Err(Error::validation_failed(field, "is longer than an hour", "give 0 to \"1h\"")),
        };
        let busy_timeout = up_to_an_hour("busy_timeout", self.busy_timeout.unwrap_or(DEFAULT_BUSY_TIMEOUT))?;
        let max_staleness = up_to_an_hour("max_staleness", self.max_staleness.unwrap_or(DEFAULT_MAX_STALENESS))?;
        let keys_in_memory = self.keys_in_memory.unwrap_or(DEFAULT_KEYS_IN_MEMORY);
        if i64::try_from(keys_in_memory).is_ok_and(|it| it > MAX_KEYS_IN_MEMORY) {
            let fix = format!("give 0 to {MAX_KEYS_IN_MEMORY}");
            return Err(Error::validation_failed("keys_in_memory", format!("is more than {MAX_KEYS_IN_MEMORY}"), fix));
        }
        self.limits.check()?;
        let limiter = self.limiter_place(&url)?;
        for (field, days) in [("expiring_days", self.expiring_days), ("idle_days", self.idle_days)] {
            if days.is_some_and(|it| it > MAX_DAYS) {
                return Err(Error::validation_failed(
                    field,
                    format!("is more than {MAX_DAYS}"),
                    "give days, or 0 for never",
                ));
            }
        }
        #[cfg(feature = "webhooks")]
        let webhooks = webhooks::check_all(&self.webhooks)?;
        #[cfg(feature = "webhooks")]
        if self.read_only && !self.queues_only && !webhooks.is_empty() {
            let fix = "leave one of both out: what is delivered is noted in the database";
            return Err(Error::validation_failed("webhooks", "cannot be sent with read_only", fix));
        }
        let subscription = self.listener.clone().map(|listener| Subscription {
            listener,
            expiring_days: self.expiring_days.unwrap_or(DEFAULT_EXPIRING_DAYS),
            idle_days: self.idle_days.unwrap_or(DEFAULT_IDLE_DAYS),
        });
        Ok(CheckedConfig {
            url,
            environments,
            accepted,
            formats,
            hasher,
            catalogue: self.scopes.clone(),
            integer_ids: self.integer_ids,
            read_only: self.read_only,
            busy_timeout,
            max_staleness,
            keys_in_memory,
            unwatched: self.unwatched,
            limits: self.limits.clone(),
            limiter,
            clock: self.clock.clone(),
            subscription,
            health: self.health.clone().unwrap_or_else(|| Arc::new(self.new_health())),
            #[cfg(feature = "webhooks")]
            webhooks,
            #[cfg(feature = "webhooks")]
            delivers: !self.queues_only,
        })
    }
}

impl Config {
    fn limiter_place(&self, url: &StoreUrl) -> Result<LimiterPlace, Error> {
        let refused = |reason: &str, fix: &str| Err(Error::validation_failed("limiter", reason, fix));
        match (url, &self.limiter) {
            (_, Some(Limiter::Process)) => Ok(LimiterPlace::Process),
            #[cfg(feature = "redis")]
            (_, Some(Limiter::Redis(url))) => Ok(LimiterPlace::Redis(Box::new(RedisSettings::parse(url.text())?))),
            #[cfg(not(feature = "redis"))]
            (_, Some(Limiter::Redis(_))) => refused(
                "names a Redis, which this build cannot use",
                "turn on the feature redis of the crate keywright",
            ),
            // Nobody shares the clock of a test.
            (_, None) if !self.clock.runs() => Ok(LimiterPlace::Process),
            (StoreUrl::Sqlite(path), None | Some(Limiter::Machine)) => Ok(LimiterPlace::Machine(path.clone())),
            (StoreUrl::Sqlite(_), Some(Limiter::Store)) => {
                refused("is store, which shares limits in a PostgreSQL database", "use machine with SQLite")
            }
            #[cfg(feature = "postgres")]
            (StoreUrl::Postgres(_), None) if self.read_only => Ok(LimiterPlace::Process),
            #[cfg(feature = "postgres")]
            (StoreUrl::Postgres(_), Some(Limiter::Store)) if self.read_only => refused(
                "is store, which writes to the database, and read_only is set",
                "use process, or leave read_only out",
            ),
            #[cfg(feature = "postgres")]
            (StoreUrl::Postgres(_), None | Some(Limiter::Store)) => Ok(LimiterPlace::Store),
            #[cfg(feature = "postgres")]
            (StoreUrl::Postgres(_), Some(Limiter::Machine)) => refused(
                "is machine, which shares limits by a file beside a SQLite database",
                "use store or process with PostgreSQL",
            ),
        }
    }

    /// The place of shared limits, for a line to the operator.
    pub(super) fn limits_place(&self, database: &str) -> String {
        #[cfg(feature = "redis")]
        if let Some(Limiter::Redis(url)) = &self.limiter {
            let place = RedisSettings::parse(url.text()).map(|settings| settings.place()).unwrap_or_default();
            return format!("Redis at {place}");
        }
        match StoreUrl::parse(&self.url, &self.folder) {
            Ok(StoreUrl::Sqlite(_)) => format!("{database}-limits"),
            _ => format!("the table of budgets in {database}"),
        }
    }
}

/// Whether a text is a brand or an environment: 1 to 32 of a-z, 0-9 and _, beginning with a letter.
fn is_word(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn check_environments(environments: &[String]) -> Result<(), Error> {
    const FIX: &str = "name 1 to 16, each once, of a-z, 0-9 and _, beginning with a letter";
    let distinct =
        environments.iter().enumerate().all(|(at, it)| environments.iter().position(|other| other == it) == Some(at));
    if !(1..=MAX_ENVIRONMENTS).contains(&environments.len()) || !distinct || !environments.iter().all(|it| is_word(it))
    {
        return Err(Error::validation_failed("environments", "is no list of environments", FIX));
    }
    Ok(())
}

/// The environments whose keys the engine accepts.
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

use zeroize::Zeroizing;

use super::{Config, MAX_DAYS, MAX_KEYS_IN_MEMORY, SecretBytes};
use crate::casing::Casing;
use crate::clock;
use crate::error::Error;
use crate::hash::Scheme;
use crate::input::{Fields, Value, chosen, span};
use crate::limit::{self, Limits, RuleSet};
use crate::scope::Catalogue;
#[cfg(feature = "webhooks")]
use crate::webhooks::Webhook;

impl Config {
    /// The names of the options.
    pub(crate) const OPTIONS: &'static [&'static str] = &[
        "brand",
        "environments",
        "environment",
        "key_format",
        "accept_formats",
        "scopes",
        "pepper",
        "retired_peppers",
        "hash",
        "retired_hashes",
        "id_style",
        "read_only",
        "busy_timeout",
        "max_staleness",
        "keys_in_memory",
        "tiers",
        "limits",
        "quotas",
        "limiter",
        "processes",
        "clock",
        "on_event",
        "expiring_days",
        "idle_days",
        "webhooks",
    ];

    /// Reads the arguments of a constructor, and checks everything that can be checked without the database.
    pub(crate) fn read(url: Value, fields: Fields) -> Result<Self, Error> {
        let fields = fields.only(Self::OPTIONS)?;
        let casing = fields.casing();
        let config = Self::take(url, fields).map_err(|it| it.spelt(casing))?;
        Ok(Self { casing, ..config })
    }

    /// The error for an `on_event` that is not a listener.
    pub(crate) fn no_listener(is_async: bool) -> Error {
        let reason = if is_async { "is a coroutine function, which nobody would await" } else { "is no function" };
        Error::invalid_request("on_event", reason, "give a function that takes an event, and returns soon")
    }

    fn take(url: Value, mut fields: Fields) -> Result<Self, Error> {
        if fields.given("clock").is_some() {
            // A binding has already taken out a real clock.
            return Err(Error::invalid_request(
                "clock",
                "is no clock",
                "give a ManualClock of keywright's testing module",
            ));
        }
        if fields.given("on_event").is_some() {
            // A binding has already taken out a real listener.
            return Err(Self::no_listener(false));
        }
        let mut config = Self::new(url.into_text("url")?);
        config.brand = fields.text("brand")?;
        config.environments = fields.given("environments").map(|it| it.into_texts("environments")).transpose()?;
        config.environment = fields.given("environment").map(|it| one_or_more("environment", it)).transpose()?;
        config.key_format = fields.text("key_format")?;
        config.accept_formats =
            fields.given("accept_formats").map_or(Ok(vec![]), |it| it.into_texts("accept_formats"))?;
        config.scopes = fields.given("scopes").map(Catalogue::read).transpose()?;
        if let Some(peppers) = fields.take("pepper") {
            if peppers == Value::Null {
                // An unset variable must not silently select the slow scheme.
                return Err(Error::invalid_request(
                    "pepper",
                    "is null",
                    "set it, or leave the option out for argon2id",
                ));
            }
            config.peppers = secrets("pepper", peppers)?;
            if config.peppers.is_empty() {
                return Err(Error::validation_failed(
                    "pepper",
                    "is an empty list",
                    "give a pepper, or leave it out for argon2id",
                ));
            }
        }
        config.retired_peppers =
            fields.given("retired_peppers").map_or(Ok(vec![]), |it| secrets("retired_peppers", it))?;
        config.hash = fields.text("hash")?.map(|it| Scheme::parse("hash", &it)).transpose()?;
        let retired = fields.given("retired_hashes").map_or(Ok(vec![]), |it| one_or_more("retired_hashes", it))?;
        config.retired_hashes =
            retired.iter().map(|it| Scheme::parse("retired_hashes", it)).collect::<Result<_, _>>()?;
        config.integer_ids = fields.text("id_style")?.map(|it| integer_style(&it)).transpose()?;
        config.read_only = fields.given("read_only").map_or(Ok(false), |it| it.into_bool("read_only"))?;
        config.busy_timeout =
            fields.given("busy_timeout").map(|it| span("busy_timeout", it, clock::DAY / 24)).transpose()?;
        config.max_staleness =
            fields.given("max_staleness").map(|it| span("max_staleness", it, clock::DAY / 24)).transpose()?;
        config.limits = Limits {
            tiers: fields.given("tiers").map(Limits::read_tiers).transpose()?.unwrap_or_default(),
            every: RuleSet {
                limits: fields
                    .given("limits")
                    .map_or(Ok(vec![]), |it| limit::read::read("limits", it, Casing::Snake))?,
                quotas: fields.given("quotas").map_or(Ok(vec![]), |it| limit::quota::read::read("quotas", it))?,
            },
        };
        config.limiter = fields.text("limiter")?.map(|it| it.parse()).transpose()?;
        if fields.given("processes").is_some() {
            let fix =
                "leave it out: limits hold across all processes of a machine; limiter says where they are counted";
            return Err(Error::validation_failed("processes", "is no longer an option", fix));
        }
        let keys = fields.given("keys_in_memory").map(|it| it.into_integer("keys_in_memory", 0, MAX_KEYS_IN_MEMORY));
        config.keys_in_memory = keys.transpose()?.and_then(|it| usize::try_from(it).ok());
        config.expiring_days = fields.given("expiring_days").map(|it| days("expiring_days", it)).transpose()?;
        config.idle_days = fields.given("idle_days").map(|it| days("idle_days", it)).transpose()?;
        if let Some(webhooks) = fields.given("webhooks") {
            #[cfg(feature = "webhooks")]
            {
                config.webhooks = Webhook::read(webhooks)?;
            }
            #[cfg(not(feature = "webhooks"))]
            return Err(webhooks.refused("webhooks", "left out: this build has no webhooks"));
        }
        config.check()?;
        Ok(config)
    }
}

fn one_or_more(field: &str, value: Value) -> Result<Vec<String>, Error> {
    match value {
        Value::List(_) => value.into_texts(field),
        single => Ok(vec![single.into_text(field)?]),
    }
}

fn secrets(field: &str, value: Value) -> Result<Vec<SecretBytes>, Error> {
    let items = if let Value::List(items) = value { items } else { vec![value] };
    let bytes = |item| match item {
        Value::Bytes(bytes) => Ok(Zeroizing::new(bytes)),
        other => other.into_text(field).map(|text| Zeroizing::new(text.into_bytes())),
    };
    items.into_iter().map(bytes).collect()
}

fn integer_style(text: &str) -> Result<bool, Error> {
    chosen("id_style", text, "is no style of ids", &[("uuid", false), ("integer", true)])
}

fn days(field: &str, value: Value) -> Result<u32, Error> {
    Ok(u32::try_from(value.into_integer(field, 0, MAX_DAYS.into())?).unwrap_or(MAX_DAYS))
}

use std::fmt;

use chrono::{DateTime, Utc};

use super::metadata::Metadata;
use super::settings::KeySettings;
use super::{Change, MAX_NAME};
use crate::clock::{self, Millis};
use crate::error::Error;
use crate::hash::Hashed;
use crate::input::{Fields, FromFields, Value, identifier, meant, plain};
use crate::key::ForeignFormat;
use crate::network;
use crate::record::{KeyId, Level};
use crate::scope::IntoScopes;

/// The largest number of keys in one call.
const MAX_KEYS: usize = 1_000;

/// How far ahead of this clock a time of another product may be, because that of its server was.
const SKEW: Millis = 5 * 60 * clock::SECOND;

/// The products whose formats have names: the template, whether it needs the start of the product's texts, and what is hashed.
const NAMED: [(&str, &str, StartRule, Hashed); 6] = [
    ("djangorestframework-api-key", "{lookup:8}.{secret:32}", StartRule::None, Hashed::Text),
    ("better-auth", "{text}", StartRule::Optional, Hashed::Text),
    ("sanctum", "{lookup:1-20}|{secret}", StartRule::None, Hashed::Secret),
    ("unkey", "{text}", StartRule::Optional, Hashed::Text),
    ("prefixed-api-key", "_{lookup}_{secret}", StartRule::Needed, Hashed::Secret),
    ("bcrypt", "_{lookup}_{secret}", StartRule::Needed, Hashed::Secret),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum StartRule {
    None,
    Optional,
    Needed,
}

/// How the texts of another product's keys are read, and what it has hashed of them.
///
/// ```
/// use keywright::{Hashed, ImportFormat};
/// let sanctum = ImportFormat::named("sanctum", None)?;
/// let lendworks = ImportFormat::named("bcrypt", Some("lw"))?;
/// let other = ImportFormat::template("acme.{lookup:6-12}.{secret:40}", Hashed::Secret)?;
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportFormat {
    pub(crate) format: ForeignFormat,
    pub(crate) hashed: Hashed,
}

impl ImportFormat {
    /// The format of a product: `djangorestframework-api-key`, `better-auth`, `sanctum`, `unkey`, `prefixed-api-key`, or `bcrypt`
    /// for texts like `lw_{lookup}_{secret}`. `start` is the fixed start of the product's texts.
    ///
    /// # Errors
    /// `validation_failed` for another name, and for a start that the product does not have, or needs.
    pub fn named(name: &str, start: Option<&str>) -> Result<Self, Error> {
        let Some((_, template, rule, hashed)) = NAMED.iter().find(|it| it.0 == name) else {
            let names = NAMED.iter().map(|it| it.0);
            let all = names.clone().collect::<Vec<_>>().join(", ");
            let fix = meant(name, names, format!("use one of {all}, or a template with {{lookup}} and {{secret}}"));
            return Err(Error::validation_failed("format", "is no known product", fix));
        };
        let refused = |reason: &str, fix: &str| Err(Error::validation_failed("start", reason, fix));
        match (rule, start) {
            (StartRule::None, Some(_)) => {
                return refused("is given for a product whose texts have none", "leave it out");
            }
            (StartRule::Needed, None) => {
                return refused("is missing", "give the fixed start of the texts, such as lw of lw_{lookup}_{secret}");
            }
            (_, Some(start)) if start.is_empty() || start.contains(['{', '}']) => {
                return refused("is empty or has a brace", "give the fixed start of the texts");
            }
            _ => {}
        }
        Self::template(&format!("{}{template}", start.unwrap_or_default()), *hashed)
    }

    /// A format by its template: literals, then `{lookup}` and `{secret}` with a literal between them, or `{text}` alone for texts
    /// that are found by their digest. `{lookup:8}` has a fixed length, `{secret:20-40}` a range.
    ///
    /// # Errors
    /// `validation_failed` for a template that could read a text in two ways.
    pub fn template(template: &str, hashed: Hashed) -> Result<Self, Error> {
        let format = ForeignFormat::parse("format", template)?;
        if format.is_whole() && hashed != Hashed::Text {
            let reason = "must be text for texts that are found by their digest";
            return Err(Error::validation_failed("hashed", reason, "give text, or a format with a {lookup}"));
        }
        Ok(Self { format, hashed })
    }
}

/// A key that another product has issued, with what that product has stored of its secret: one row of an import.
///
/// ```
/// use keywright::HashedKey;
/// let key = HashedKey::new("CI", "sha256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").lookup("4711");
/// ```
#[derive(Clone)]
pub struct HashedKey {
    pub(crate) settings: KeySettings,
    pub(crate) verifier: String,
    pub(crate) lookup: Option<String>,
    pub(crate) start: Option<String>,
    pub(crate) id: Option<KeyId>,
    pub(crate) org: Option<String>,
    pub(crate) environment: Option<String>,
    pub(crate) created_by: Option<String>,
    pub(crate) created_at: Option<Millis>,
    pub(crate) expires_at: Option<Millis>,
    pub(crate) disabled_at: Option<Millis>,
    pub(crate) revoked_at: Option<Millis>,
    pub(crate) last_used_at: Option<Millis>,
    pub(crate) usage_count: u64,
    pub(crate) reason: Option<String>,
}

/// Without the verifier, which belongs into no log.
impl fmt::Debug for HashedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HashedKey")
            .field("name", &self.settings.name)
            .field("lookup", &self.lookup)
            .finish_non_exhaustive()
    }
}

impl HashedKey {
    /// The names of the values of a row.
    pub const NAMES: &'static [&'static str] = &[
        "verifier",
        "lookup",
        "start",
        "id",
        "org",
        "environment",
        "name",
        "description",
        "scopes",
        "level",
        "tier",
        "limits",
        "quotas",
        "networks",
        "metadata",
        "created_by",
        "created_at",
        "expires_at",
        "disabled_at",
        "revoked_at",
        "reason",
        "last_used_at",
        "usage_count",
    ];

    /// A key with its name and its verifier, as the product has stored it: see the guide for the forms.
    #[must_use]
    pub fn new(name: impl Into<String>, verifier: impl Into<String>) -> Self {
        Self {
            settings: KeySettings { name: Some(name.into()), ..KeySettings::default() },
            verifier: verifier.into(),
            lookup: None,
            start: None,
            id: None,
            org: None,
            environment: None,
            created_by: None,
            created_at: None,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            last_used_at: None,
            usage_count: 0,
            reason: None,
        }
    }

    /// The part of the text that `{lookup}` stands for.
    #[must_use]
    pub fn lookup(self, lookup: impl Into<String>) -> Self {
        Self { lookup: Some(lookup.into()), ..self }
    }

    /// The public start of a text that is found by its digest, which becomes the prefix of the key.
    #[must_use]
    pub fn start(self, start: impl Into<String>) -> Self {
        Self { start: Some(start.into()), ..self }
    }

    /// The id of the key, in place of a new one: an integer or a text, as the database has them.
    #[must_use]
    pub fn id(self, id: impl Into<KeyId>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// The org of the key, on the handle of every org.
    #[must_use]
    pub fn org(self, org: impl Into<String>) -> Self {
        Self { org: Some(org.into()), ..self }
    }

    /// The environment of the key, in place of the engine's own.
    #[must_use]
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { environment: Some(environment.into()), ..self }
    }

    /// See [`NewKey::description`](crate::NewKey::description).
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.settings.description = Some(Some(text.into()));
        self
    }

    /// See [`NewKey::scopes`](crate::NewKey::scopes).
    pub fn scopes(mut self, scopes: impl IntoScopes) -> Result<Self, Error> {
        self.settings.scopes = Some(scopes.into_scopes()?);
        Ok(self)
    }

    /// See [`NewKey::level`](crate::NewKey::level).
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.settings.level = Some(Some(level));
        self
    }

    /// See [`NewKey::tier`](crate::NewKey::tier).
    #[must_use]
    pub fn tier(mut self, tier: impl Into<String>) -> Self {
        self.settings.tier = Some(Some(tier.into()));
        self
    }

    /// See [`NewKey::networks`](crate::NewKey::networks).
    pub fn networks<T: Into<String>>(mut self, networks: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        self.settings.networks = Some(Some(network::parse(networks.into_iter().map(Into::into).collect())?));
        Ok(self)
    }

    /// See [`NewKey::metadata`](crate::NewKey::metadata).
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.settings.metadata = Some(metadata);
        self
    }

    /// The actor that created the key (1 to 200 characters).
    #[must_use]
    pub fn created_by(self, actor: impl Into<String>) -> Self {
        Self { created_by: Some(actor.into()), ..self }
    }

    /// When the key was created, in place of now.
    #[must_use]
    pub fn created_at(self, at: DateTime<Utc>) -> Self {
        Self { created_at: Some(at.timestamp_millis()), ..self }
    }

    /// When the key expires, or has expired.
    #[must_use]
    pub fn expires_at(self, at: DateTime<Utc>) -> Self {
        Self { expires_at: Some(at.timestamp_millis()), ..self }
    }

    /// Since when the key is disabled.
    #[must_use]
    pub fn disabled_at(self, at: DateTime<Utc>) -> Self {
        Self { disabled_at: Some(at.timestamp_millis()), ..self }
    }

    /// When the key was revoked.
    #[must_use]
    pub fn revoked_at(self, at: DateTime<Utc>) -> Self {
        Self { revoked_at: Some(at.timestamp_millis()), ..self }
    }

    /// The reason why the key is disabled or revoked (1 to 200 characters).
    #[must_use]
    pub fn reason(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// When the key was used last.
    #[must_use]
    pub fn last_used_at(self, at: DateTime<Utc>) -> Self {
        Self { last_used_at: Some(at.timestamp_millis()), ..self }
    }

    /// How often the key was used.
    #[must_use]
    pub fn usage_count(self, count: u64) -> Self {
        Self { usage_count: count, ..self }
    }

    /// Checks what the types of the values do not rule out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings.check()?;
        for (field, text) in [("created_by", &self.created_by), ("reason", &self.reason)] {
            text.as_deref().map_or(Ok(()), |text| plain(field, text, MAX_NAME))?;
        }
        self.org.as_deref().map_or(Ok(()), |org| identifier("org", org, "is no id of an org"))?;
        if self
            .start
            .as_deref()
            .is_some_and(|it| it.is_empty() || it.len() > 64 || !it.bytes().all(|it| it.is_ascii_graphic()))
        {
            return Err(Error::validation_failed(
                "start",
                "is no start of a text",
                "give 1 to 64 printable ASCII characters",
            ));
        }
        if self.usage_count > i64::MAX.unsigned_abs() {
            return Err(Error::validation_failed("usage_count", "is out of range", "give a smaller number"));
        }
        Ok(())
    }

    /// The times of the key at `now`.
    pub(crate) fn times(&self, now: Millis) -> Result<ImportedTimes, Error> {
        let past = |field: &str, at: Option<Millis>| {
            within(field, at)?;
            match at {
                Some(at) if at > now + SKEW => {
                    Err(Error::validation_failed(field, "is in the future", "give the time at which it happened"))
                }
                at => Ok(at.map(|at| at.min(now))),
            }
        };
        within("expires_at", self.expires_at)?;
        Ok(ImportedTimes {
            created_at: past("created_at", self.created_at)?.unwrap_or(now),
            disabled_at: past("disabled_at", self.disabled_at)?,
            revoked_at: past("revoked_at", self.revoked_at)?,
            last_used_at: past("last_used_at", self.last_used_at)?,
        })
    }
}

/// The times of a key that lie in the past.
pub(crate) struct ImportedTimes {
    pub(crate) created_at: Millis,
    pub(crate) disabled_at: Option<Millis>,
    pub(crate) revoked_at: Option<Millis>,
    pub(crate) last_used_at: Option<Millis>,
}

/// Refuses a time that no store keeps. The start of 1970 has a meaning of its own.
fn within(field: &str, at: Option<Millis>) -> Result<(), Error> {
    if at.is_none_or(|at| (1..=clock::MAX_TIME).contains(&at)) {
        return Ok(());
    }
    Err(Error::validation_failed(field, "is not between 1970 and the year 9999", "give another time, or leave it out"))
}

/// Reads a row of an import.
impl FromFields for HashedKey {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(Self::NAMES)?;
        fields.omit_null("scopes");
        let time = |fields: &mut Fields, name: &str| fields.given(name).map(|it| it.into_time(name)).transpose();
        let (expires_at, created_at) = (time(&mut fields, "expires_at")?, time(&mut fields, "created_at")?);
        let (disabled_at, revoked_at) = (time(&mut fields, "disabled_at")?, time(&mut fields, "revoked_at")?);
        let last_used_at = time(&mut fields, "last_used_at")?;
        let settings = KeySettings::take(&mut fields)?;
        let missing = |field: &str, fix: &str| Error::invalid_request(field, "is missing", fix);
        if settings.name.is_none() {
            return Err(missing("name", "say what the key is for"));
        }
        let count = fields.given("usage_count").map(|it| it.into_integer("usage_count", 0, i64::MAX)).transpose()?;
        let key = Self {
            settings,
            verifier: fields
                .text("verifier")?
                .ok_or_else(|| missing("verifier", "give what the product has stored"))?,
            lookup: fields.text("lookup")?,
            start: fields.text("start")?,
            id: fields.given("id").map(KeyId::read).transpose()?,
            org: fields.text("org")?,
            environment: fields.text("environment")?,
            created_by: fields.text("created_by")?,
            created_at,
            expires_at,
            disabled_at,
            revoked_at,
            last_used_at,
            usage_count: count.unwrap_or_default().unsigned_abs(),
            reason: fields.text("reason")?,
        };
        key.check()?;
        Ok(key)
    }
}

/// The arguments of `keys.import_hashed`: up to 1,000 keys of one format.
///
/// ```
/// use keywright::{HashedImport, HashedKey, ImportFormat};
/// let verifier = "sha256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// let import = HashedImport::new(ImportFormat::named("sanctum", None)?)
///     .keys([HashedKey::new("CI", verifier).lookup("4711")])
///     .actor("migration")
///     .dry_run(true);
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct HashedImport {
    pub(crate) format: ImportFormat,
    /// Or why a row could not be read.
    pub(crate) keys: Vec<Result<HashedKey, Error>>,
    pub(crate) dry_run: bool,
    pub(crate) skip_refused: bool,
    pub(crate) change: Change,
}

impl HashedImport {
    /// An import of keys of this format, so far without keys.
    pub fn new(format: ImportFormat) -> Self {
        Self { format, keys: Vec::new(), dry_run: false, skip_refused: false, change: Change::default() }
    }

    /// Adds keys.
    pub fn keys(mut self, keys: impl IntoIterator<Item = HashedKey>) -> Self {
        self.keys.extend(keys.into_iter().map(Ok));
        self
    }

    /// Whether to report what the import would do, and write nothing.
    pub fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// Whether to import the other keys if some are refused. The report has the error of each.
    pub fn skip_refused(self, skip_refused: bool) -> Self {
        Self { skip_refused, ..self }
    }

    /// The actor of the import (1 to 200 characters).
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { change: self.change.actor(actor), ..self }
    }

    /// Checks what the types of the arguments do not rule out.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(1..=MAX_KEYS).contains(&self.keys.len()) {
            let reason =
                if self.keys.is_empty() { "is empty".into() } else { format!("has more than {MAX_KEYS} items") };
            return Err(Error::validation_failed("keys", reason, format!("give 1 to {MAX_KEYS}")));
        }
        self.change.check()
    }
}

/// Reads the arguments of an `import_hashed` call.
impl FromFields for HashedImport {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&["keys", "format", "start", "hashed", "dry_run", "skip_refused", "actor"])?;
        let casing = fields.casing();
        let missing = |field: &str, fix: &str| Error::invalid_request(field, "is missing", fix);
        let name = fields.text("format")?.ok_or_else(|| missing("format", "name a product, or give a template"))?;
        let (start, hashed) = (fields.text("start")?, fields.text("hashed")?);
        let hashed = hashed.map(|it| Hashed::parse("hashed", &it)).transpose()?;
        let only_templates = "is given for a named product";
        let format = match (name.contains('{'), start, hashed) {
            (true, Some(_), _) => {
                return Err(Error::invalid_request("start", "is given with a template", "put it into the template"));
            }
            (true, None, None) => {
                return Err(missing("hashed", "say whether the product hashes the text or the secret"));
            }
            (true, None, Some(hashed)) => ImportFormat::template(&name, hashed)?,
            (false, _, Some(_)) => return Err(Error::invalid_request("hashed", only_templates, "leave it out")),
            (false, start, None) => ImportFormat::named(&name, start.as_deref())?,
        };
        let mut flag = |name: &str| fields.given(name).map_or(Ok(false), |it| it.into_bool(name));
        let (dry_run, skip_refused) = (flag("dry_run")?, flag("skip_refused")?);
        let rows = fields.given("keys").ok_or_else(|| missing("keys", "give a list of rows"))?.into_list("keys")?;
        let read = |(index, row): (usize, Value)| {
            let row = row.into_argument().into_map("keys").map_err(|error| error.in_item("keys", index, true))?;
            match HashedKey::read(Fields::new(casing, row)) {
                Err(error) if !skip_refused => Err(error.in_item("keys", index, false)),
                row => Ok(row),
            }
        };
        let keys = rows.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        let change = Change { actor: fields.text("actor")?, ..Change::default() };
        let import = Self { format, keys, dry_run, skip_refused, change };
        import.check()?;
        Ok(import)
    }
}

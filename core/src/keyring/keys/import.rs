use super::{Keys, draft, note, note_rights};
use crate::clock::{self, Millis};
use crate::error::{Error, UnavailableCause};
use crate::hash::{ForeignVerifier, Hashed};
use crate::input::identifier;
use crate::key::{ForeignFormat, digest_lookup};
use crate::keyring::arguments::{Change, HashedImport, HashedKey, ImportFormat};
use crate::keyring::{DEFAULT_ORG, Engine};
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::record::{self, ImportOutcome, ImportReport, ImportedKey, KeyId};
use crate::store::{Counts, ImportKeys, Imported, KeyRow, NewImport, RefusedImport, SecretRow, Store};

/// How many characters behind the prefix have to count: a separator, and enough of the secret.
const LEAST_SECRET: usize = 24;

/// How often an import draws other random ids in place of those that are taken.
const ID_TRIES: usize = 3;

impl Keys {
    /// Imports keys that another product has issued. They keep their texts: a verification compares a text with what the product
    /// has stored, and the first one that succeeds replaces that by a verifier of this engine.
    ///
    /// All keys of a call are written in one transaction, each with an entry in the audit. A key that is there already, with the
    /// same lookup and verifier, stays as it is, so that an import can be repeated. If it has ended in the other product since, the
    /// report says so in [`not_applied`](ImportedKey::not_applied), and the host revokes it.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::{HashedImport, HashedKey, ImportFormat, Request};
    /// // Laravel Sanctum stores the SHA-256 of what follows the bar.
    /// let verifier = "sha256$ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f";
    /// let import = HashedImport::new(ImportFormat::named("sanctum", None)?);
    /// let report = kw.keys().import_hashed(import.keys([HashedKey::new("CI", verifier).lookup("4711")])).await?;
    /// assert_eq!(report.imported, 1);
    /// assert!(kw.verify("4711|12345678", &Request::new()).await.is_allowed());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed`, `invalid_request` or `conflict` for the first key that is refused, with a field like
    /// `keys[17].verifier`: nothing is written. `forbidden` on the handle of a key.
    pub async fn import_hashed(&self, import: HashedImport) -> Result<ImportReport, Error> {
        let engine = &self.engine;
        import.check()?;
        engine.refuse_api_key("actor", import.change.actor.as_deref())?;
        if self.bounds.is_some() {
            return Err(Error::forbidden("api_key", "is that of a key, which imports none", "use a session"));
        }
        for _ in 0..ID_TRIES {
            if let Some(report) = self.try_import(&import).await? {
                if !import.dry_run {
                    engine.verifier.learn_imported_formats().await;
                }
                return Ok(report);
            }
        }
        Err(Error::unavailable(UnavailableCause::Io, "every random id was taken", "look at the system's random device"))
    }

    /// Imports the keys with new random ids; `None` if one of these is taken.
    async fn try_import(&self, import: &HashedImport) -> Result<Option<ImportReport>, Error> {
        let HashedImport { format, keys, dry_run, skip_refused, change } = import;
        let now = self.engine.now();
        let mut report: Vec<ImportedKey> = Vec::with_capacity(keys.len());
        let mut rows: Vec<NewImport> = Vec::with_capacity(keys.len());
        let mut indexes: Vec<usize> = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let row = key.as_ref().map_err(Clone::clone).and_then(|key| self.new_import(key, format, change, now));
            match row {
                Ok(row) => {
                    indexes.push(index);
                    rows.push(row);
                }
                Err(error) if *skip_refused => report.push(refused(index, error)),
                Err(error) => return Err(error.in_item("keys", index, false)),
            }
        }
        let ids: Vec<String> = rows.iter().map(|row| row.key.id.clone()).collect();
        let outcomes = self.engine.store().run(ImportKeys::new(rows, *skip_refused, *dry_run)).await?;
        let outcomes = outcomes.map_err(|RefusedImport { index, error }| {
            error.in_item("keys", indexes.get(index).copied().unwrap_or(index), false)
        })?;
        if !dry_run && outcomes.iter().any(|outcome| matches!(outcome, Imported::IdTaken)) {
            return Ok(None);
        }
        for ((index, id), outcome) in indexes.into_iter().zip(ids).zip(outcomes) {
            let (id, outcome, not_applied) = match outcome {
                // A random id of a dry run is drawn again.
                Imported::New | Imported::IdTaken => ((!dry_run).then_some(id), ImportOutcome::Imported, Vec::new()),
                Imported::Existing { id, not_applied } => (Some(id), ImportOutcome::Existing, not_applied),
                Imported::Refused(error) => {
                    report.push(refused(index, error));
                    continue;
                }
            };
            let id = id.map(|id| KeyId::of_row(id, self.engine.integer_ids()));
            let not_applied = not_applied.into_iter().map(str::to_owned).collect();
            report.push(ImportedKey { index: index as u64, id, outcome, not_applied, error: None });
        }
        report.sort_by_key(|key| key.index);
        Ok(Some(ImportReport::of(report)))
    }

    /// Checks a key, and makes its rows.
    fn new_import(
        &self,
        given: &HashedKey,
        format: &ImportFormat,
        change: &Change,
        now: Millis,
    ) -> Result<NewImport, Error> {
        let engine = &self.engine;
        given.check()?;
        for (field, text) in [("created_by", &given.created_by), ("reason", &given.reason), ("start", &given.start)] {
            engine.refuse_api_key(field, text.as_deref())?;
        }
        engine.admit_settings(&given.settings)?;
        let org = match (self.tenant.org(), given.org.as_deref()) {
            (None, org) => org.unwrap_or(DEFAULT_ORG),
            (Some(own), None) => own,
            (Some(own), Some(org)) if own == org => own,
            (Some(_), Some(_)) => {
                let fix = "import it on the handle of every org";
                return Err(Error::validation_failed("org", "is another one than that of the handle", fix));
            }
        };
        let times = given.times(now)?;
        let mut key = KeyRow {
            id: given.id.as_ref().map_or_else(|| engine.new_id(now), |id| engine.imported_id(id))?,
            org: org.to_owned(),
            environment: match given.environment.as_deref() {
                Some(environment) => engine.known_environment(environment)?,
                None => engine.verifier.accepted.first().cloned().unwrap_or_default(),
            },
            created_at: times.created_at,
            created_by: given.created_by.clone(),
            updated_at: now,
            reason: given.reason.clone(),
            ..KeyRow::default()
        };
        given.settings.clone().apply(&mut key, now)?;
        key.life =
            Lifecycle { expires_at: given.expires_at, disabled_at: times.disabled_at, revoked_at: times.revoked_at };
        let secret = new_secret(given, format, times.created_at)?;
        let mut audit = draft("key.import", &key, change, now);
        note(&mut audit, "prefix", secret.prefix.as_str());
        note(&mut audit, "environment", key.environment.as_str());
        note_rights(&mut audit, &key);
        let wire_time = |at: Millis| record::wire_time(&clock::time(at));
        note(&mut audit, "created_at", wire_time(key.created_at));
        for (field, at) in [("disabled_at", key.life.disabled_at), ("revoked_at", key.life.revoked_at)] {
            at.into_iter().for_each(|at| note(&mut audit, field, wire_time(at)));
        }
        let counts = Counts { usage_count: given.usage_count, denied_count: 0, last_used_at: times.last_used_at };
        Ok(NewImport { key, secret, counts, audit, keeps_id: given.id.is_some() })
    }
}

impl Engine {
    /// The id that a key had in the other product.
    fn imported_id(&self, id: &KeyId) -> Result<String, Error> {
        let text = self.id_text("id", id)?.unwrap_or_default();
        if !self.integer_ids() {
            let reason = "is no id of a key";
            return match text.len() {
                0..=64 => identifier("id", &text, reason).map(|()| text),
                _ => Err(Error::validation_failed("id", reason, "use at most 64 characters")),
            };
        }
        let number = text.parse::<u64>().ok().filter(|number| (1..1 << 53).contains(number));
        match number {
            Some(number) if number.to_string() == text => Ok(text),
            _ => {
                Err(Error::validation_failed("id", "is no integer from 1 to 2^53 - 1", "give the id, or leave it out"))
            }
        }
    }
}

fn refused(index: usize, error: Error) -> ImportedKey {
    let (outcome, not_applied) = (ImportOutcome::Refused, Vec::new());
    ImportedKey { index: index as u64, id: None, outcome, not_applied, error: Some(error) }
}

/// The row of the secret, with the verifier as the other product has stored it.
fn new_secret(
    given: &HashedKey,
    ImportFormat { format, hashed }: &ImportFormat,
    at: Millis,
) -> Result<SecretRow, Error> {
    let verifier = ForeignVerifier::read(&given.verifier, *hashed).ok_or_else(|| {
        let reason = "is no verifier of a known scheme, is damaged, or costs more than is accepted";
        Error::validation_failed(
            "verifier",
            reason,
            "write it like sha256$DIGEST, or as bcrypt, argon2 or Django store it",
        )
    })?;
    let FoundBy { lookup, prefix, format } = FoundBy::of(given, format, *hashed, &verifier)?;
    // The prefix is public. If only that counted, any secret would be right.
    if *hashed == Hashed::Text && verifier.reads().is_some_and(|bytes| prefix.len() + LEAST_SECRET > bytes) {
        let reason = "is of bcrypt, which reads 72 bytes, and so too little of the secret";
        return Err(Error::validation_failed("verifier", reason, "issue a new key"));
    }
    Ok(SecretRow {
        lifetime: SecretLifetime { lookup, grace_ends_at: None },
        prefix,
        format: format.to_string(),
        verifier: verifier.to_string(),
        filter: None,
        created_at: at,
    })
}

/// How a text finds its row.
struct FoundBy {
    lookup: String,
    prefix: String,
    format: ForeignFormat,
}

impl FoundBy {
    fn of(
        given: &HashedKey,
        format: &ForeignFormat,
        hashed: Hashed,
        verifier: &ForeignVerifier,
    ) -> Result<Self, Error> {
        if !format.is_whole() {
            if given.start.is_some() {
                let fix = "leave it out";
                return Err(Error::invalid_request("start", "is given for texts that have a lookup", fix));
            }
            let missing =
                || Error::invalid_request("lookup", "is missing", "give the part of the text that finds the row");
            let (lookup, prefix) = format.row("lookup", given.lookup.as_deref().ok_or_else(missing)?)?;
            return Ok(Self { lookup, prefix, format: format.clone() });
        }
        if let Some(lookup) = &given.lookup {
            format.row("lookup", lookup)?;
        }
        let plain = verifier.plain_digest().filter(|_| hashed == Hashed::Text);
        let found = plain
            .and_then(|(algorithm, digest)| Some((digest_lookup(digest)?, format.clone().with_digest(algorithm)?)));
        let (lookup, format) = found.ok_or_else(|| {
            let reason = "finds no row: the format has no lookup, and the verifier has a salt or a cost";
            Error::validation_failed("verifier", reason, "give a format with {lookup} and {secret}")
        })?;
        let start = given.start.as_deref().unwrap_or_else(|| format.start());
        if !start.starts_with(format.start()) && !format.start().starts_with(start) {
            return Err(Error::validation_failed(
                "start",
                "is not that of the format",
                "give the first characters of the text",
            ));
        }
        Ok(Self { lookup, prefix: start.to_owned(), format })
    }
}

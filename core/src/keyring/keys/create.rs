use std::sync::Arc;

use super::{Keys, draft, note, note_rights};
use crate::clock::Millis;
use crate::entropy;
use crate::error::{Error, UnavailableCause};
use crate::events::{Event, EventKind};
use crate::hash::{BoundSecret, Hasher};
use crate::input::meant;
use crate::key::GeneratedKey;
use crate::keyring::Engine;
use crate::keyring::arguments::{Change, NewKey};
use crate::lifecycle::SecretLifetime;
use crate::record::{ApiKey, IssuedKey};
use crate::store::{CreateKey, KeyRow, KeyView, SecretRow, Store};

/// How often `create` tries another random id. A second try is already beyond all likelihood.
const ID_TRIES: usize = 3;

/// A new secret of a key: the whole text, and the row that verifies it.
pub(super) struct NewSecret {
    pub(super) api_key: ApiKey,
    pub(super) row: SecretRow,
}

impl Keys {
    /// Creates a key. The returned record holds the only copy of its text.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::NewKey;
    /// let new = kw.keys().create(NewKey::named("Production").scopes("deals:read")?.expires_in_days(365)).await?;
    /// println!("{}", new.api_key.reveal());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` or `invalid_request` for an argument, `unavailable` when the store cannot write.
    pub async fn create(&self, new: NewKey) -> Result<IssuedKey, Error> {
        let engine = &self.engine;
        new.check()?;
        engine.refuse_api_key("created_by", new.created_by.as_deref())?;
        engine.admit_settings(&new.settings)?;
        let environment = engine.environment(new.environment.as_deref())?;
        let Some(org) = self.tenant.org() else {
            return Err(Error::invalid_request(
                "org",
                "is missing: the handle of every org makes no keys",
                "use the handle of one org",
            ));
        };
        let now = engine.now();
        let bounds = self.bounds.as_deref();
        let mut blank = KeyRow {
            org: org.to_owned(),
            environment,
            created_at: now,
            created_by: new.created_by.clone(),
            updated_at: now,
            parent: bounds.filter(|bounds| bounds.revoke_children).map(|bounds| bounds.id.to_string()),
            ..KeyRow::default()
        };
        new.settings.apply(&mut blank, now)?;
        bounds.map_or(Ok(()), |bounds| bounds.rights.cover(&blank.rights()))?;
        for _ in 0..ID_TRIES {
            let id = engine.new_id(now)?;
            let secret = engine.new_secret(&id, &blank.environment, now).await?;
            let key = KeyRow { id, ..blank.clone() };
            let change = Change {
                actor: new.created_by.clone(),
                reason: None,
                agent: new.agent.clone(),
                authority: new.authority.clone(),
            };
            let mut audit = draft("key.create", &key, &change, now);
            note(&mut audit, "prefix", secret.row.prefix.as_str());
            note(&mut audit, "environment", key.environment.as_str());
            note_rights(&mut audit, &key);
            let view = KeyView { key: key.clone(), secrets: vec![secret.row.view()], ..KeyView::default() };
            let script = CreateKey { key, secret: secret.row, audit, authority: change.authority };
            if engine.store().run_once(script, self.request.clone()).await? {
                let key = view.into_record(engine.integer_ids(), now);
                engine.emit(|| Event::of(EventKind::Created, &key, key.created_at).by(new.created_by));
                return Ok(IssuedKey { key, api_key: secret.api_key });
            }
        }
        Err(Error::unavailable(UnavailableCause::Io, "every random id was taken", "look at the system's random device"))
    }
}

impl Engine {
    /// The environment of a new key: the one that the caller names, or the first that this engine accepts.
    fn environment(&self, asked: Option<&str>) -> Result<String, Error> {
        let all = &self.environments;
        let (own, asked) = match (self.verifier.formats.current().has_environment(), asked) {
            (false, Some(other)) if all.first().is_some_and(|it| it != other) => {
                return Err(Error::validation_failed(
                    "environment",
                    "cannot be told by this key format",
                    "put {env} into key_format",
                ));
            }
            (false, _) => (all.first(), None),
            (true, asked) => (self.verifier.accepted.first(), asked),
        };
        match asked {
            None => Ok(own.cloned().unwrap_or_default()),
            Some(it) => self.known_environment(it),
        }
    }

    /// Refuses an environment that this engine does not have.
    pub(super) fn known_environment(&self, asked: &str) -> Result<String, Error> {
        let all = &self.environments;
        if all.iter().any(|it| it == asked) {
            return Ok(asked.to_owned());
        }
        let fix = meant(asked, all.iter().map(String::as_str), format!("use one of {}", all.join(", ")));
        Err(Error::validation_failed("environment", "is none of the environments", fix))
    }

    /// Returns a UUID version 7, or a random integer in 1..2^53, which every JSON reader keeps exact.
    pub(super) fn new_id(&self, now: Millis) -> Result<String, Error> {
        if !self.integer_ids() {
            let random = entropy::bytes()?;
            return Ok(uuid::Builder::from_unix_timestamp_millis(now.unsigned_abs(), &random).into_uuid().to_string());
        }
        let number = u64::from_be_bytes(entropy::bytes()?) >> 11;
        Ok(number.max(1).to_string())
    }

    /// Draws a secret and computes its verifier, on a worker thread if the scheme is slow.
    pub(super) async fn new_secret(&self, key_id: &str, environment: &str, now: Millis) -> Result<NewSecret, Error> {
        let format = self.verifier.formats.current();
        let GeneratedKey { api_key, prefix, lookup, secret } = format.issue(environment)?;
        let bound = BoundSecret {
            environment: environment.to_owned(),
            key_id: key_id.to_owned(),
            lookup: lookup.clone(),
            secret,
            text: None,
        };
        let verifier = if self.verifier.hasher.makes_slow() {
            let (hasher, bound) = (Arc::clone(&self.verifier.hasher), bound.clone());
            let memory = self.verifier.runtime.process().hash_memory.clone();
            let make = move || memory.within(hasher.memory_to_make(), || hasher.make(&bound));
            self.verifier.slow.run(make).await?
        } else {
            self.verifier.hasher.make(&bound)?
        };
        let row = SecretRow {
            lifetime: SecretLifetime { lookup, grace_ends_at: None },
            prefix,
            format: format.template().to_owned(),
            filter: Hasher::filter(&verifier, &bound, &self.store().info().filter_key),
            verifier: verifier.to_string(),
            created_at: now,
        };
        Ok(NewSecret { api_key, row })
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::arguments::{Change, KeySettings, KeyUpdate, ListKeys, NewKey, Rotation};
use super::{Engine, audit, cursor};
use crate::audit::AuditDraft;
use crate::clock::{self, Millis};
use crate::error::{Error, UnavailableCause};
use crate::events::{Event, EventKind};
use crate::hash::{BoundSecret, Hasher};
use crate::idempotency::IdempotentRequest;
use crate::input::meant;
use crate::key::GeneratedKey;
use crate::lifecycle::{self, Lifecycle, SecretLifetime};
use crate::record::{IssuedKey, Key, KeyId, Page};
use crate::rights::ManagingKey;
use crate::store::{KeyEdit, KeyFilter, KeyRow, KeyRule, KeyView, PageCursor, SecretRow, Store, Tenant};
use crate::{entropy, record};

/// How often a meeting of random ids is drawn again. One is already beyond all likelihood.
const DRAWS: usize = 3;

/// The keys of one org, or of all.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// let keys = kw.org("acme")?.keys();
/// keys.create(keywright::NewKey::named("CI")).await?;
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Keys {
    pub(super) engine: Arc<Engine>,
    pub(super) tenant: Tenant,
    /// The key on whose behalf this handle acts.
    pub(super) bounds: Option<Arc<ManagingKey>>,
    /// The request under which this handle makes one change.
    pub(super) attempt: Option<IdempotentRequest>,
}

/// A secret that was drawn for a key, and the row that will prove it.
struct Drawn {
    api_key: record::ApiKey,
    row: SecretRow,
}

impl Keys {
    pub(super) fn new(engine: Arc<Engine>, tenant: Tenant) -> Self {
        Self { engine, tenant, bounds: None, attempt: None }
    }

    /// The handle of a key: what it makes and changes has no more rights than it has itself.
    pub(crate) fn bounded(self, bounds: ManagingKey) -> Self {
        Self { bounds: Some(Arc::new(bounds)), ..self }
    }

    /// The handle of one request, whose change is remembered with it.
    pub(crate) fn under(self, attempt: Option<IdempotentRequest>) -> Self {
        Self { attempt, ..self }
    }

    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
    /// `validation_failed` or `invalid_request` for arguments, `unavailable` when the store cannot write.
    pub async fn create(&self, new: NewKey) -> Result<IssuedKey, Error> {
        let engine = &self.engine;
        new.check()?;
        engine.harmless("created_by", new.created_by.as_deref())?;
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
            metadata: "{}".to_owned(),
            created_at: now,
            created_by: new.created_by.clone(),
            updated_at: now,
            parent: bounds.filter(|bounds| bounds.revoke_children).map(|bounds| bounds.id.to_string()),
            ..KeyRow::default()
        };
        new.settings.apply(&mut blank, now)?;
        bounds.map_or(Ok(()), |bounds| bounds.rights.cover(&blank.rights()))?;
        for _ in 0..DRAWS {
            let id = engine.draw_id(now)?;
            let drawn = engine.draw_secret(&id, &blank.environment, now).await?;
            let key = KeyRow { id, ..blank.clone() };
            let change = Change {
                actor: new.created_by.clone(),
                reason: None,
                agent: new.agent.clone(),
                authority: new.authority.clone(),
            };
            let mut draft = draft("key.create", &key, &change, now);
            note(&mut draft, "prefix", drawn.row.prefix.as_str());
            note(&mut draft, "environment", key.environment.as_str());
            note_rights(&mut draft, &key);
            let view = KeyView { key: key.clone(), secrets: vec![drawn.row.view()], ..KeyView::default() };
            if engine.store().create(key, drawn.row, draft, self.attempt.clone()).await? {
                let key = view.into_record(engine.integer_ids(), now);
                engine.tell(|| Event::of(EventKind::Created, &key, key.created_at).by(new.created_by));
                return Ok(IssuedKey { key, api_key: drawn.api_key });
            }
        }
        Err(Error::unavailable(
            UnavailableCause::Io,
            "random ids met again and again",
            "look at the system's random device",
        ))
    }

    /// The page of keys that a query asks for, newest first.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::ListKeys;
    /// let page = kw.keys().list(ListKeys::new().limit(50)).await?;
    /// assert_eq!((page.data.len(), page.has_more), (1, false));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` for a limit out of 1..=1,000, an unknown environment or a foreign cursor.
    pub async fn list(&self, query: ListKeys) -> Result<Page<Key>, Error> {
        let engine = &self.engine;
        query.check()?;
        if let Some(environment) = &query.environment {
            engine.known_environment(environment)?;
        }
        let filter = KeyFilter {
            status: query.status,
            environment: query.environment,
            name: query.name,
            ..KeyFilter::default()
        };
        let list = format!("keys {:?} {filter:?} {:?}", self.tenant, query.idle_days);
        let secret = &engine.store().info().cursor_key;
        let after = query.cursor.map(|it| cursor::read(secret, &list, &it)).transpose()?;
        let (limit, now) = (query.limit.get(), engine.now());
        let idle_since = query.idle_days.map(|it| now - i64::from(it) * clock::DAY);
        if idle_since.is_some() {
            // What was used a moment ago is not idle.
            engine.flush().await?;
        }
        let filter = KeyFilter { idle_since, ..filter };
        let read = || engine.store().list(&self.tenant, &filter, after.as_ref(), limit + 1, now);
        let mut found = engine.counted(read).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let next_cursor =
            last.map(|it| cursor::write(secret, &list, &PageCursor { at: it.key.created_at, id: it.key.id.clone() }));
        let data = found.into_iter().map(|it| it.into_record(engine.integer_ids(), now)).collect();
        Ok(Page { data, has_more, next_cursor })
    }

    /// One key.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.keys().get(&new.id).await?.name, "CI");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found` for an unknown id, and for another org's.
    pub async fn get(&self, id: impl Into<KeyId>) -> Result<Key, Error> {
        let now = self.engine.now();
        let id = self.engine.id_text("id", &id.into())?.ok_or_else(unknown)?;
        Ok(self.engine.get(&self.tenant, &id, now).await?.into_record(self.engine.integer_ids(), now))
    }

    /// The key that a prefix from a log or dashboard belongs to, whatever became of its secret.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.keys().find(&new.prefix).await?.id, new.id);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found` for an unknown prefix; `validation_failed` for a whole key, which should not be in a log.
    pub async fn find(&self, prefix: &str) -> Result<Key, Error> {
        let now = self.engine.now();
        let read = || async {
            Ok(match prefix.len() {
                1..=256 => self.engine.store().by_prefix(&self.tenant, prefix, now).await?.into_iter().collect(),
                _ => Vec::new(),
            })
        };
        let Some(view) = self.engine.counted(read).await?.pop() else {
            self.engine.harmless("prefix", Some(prefix))?;
            return Err(Error::not_found("prefix", "belongs to no key here", "give key.prefix as it came"));
        };
        Ok(view.into_record(self.engine.integer_ids(), now))
    }

    /// Changes what is named of a key.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::KeyUpdate;
    /// let key = kw.keys().update(&new.id, KeyUpdate::new().name("CI of team 7").scopes("deals:*")?).await?;
    /// assert_eq!(key.scopes, ["deals:*"]);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key, and for another expiry of an expired one; else as [`create`](Self::create).
    pub async fn update(&self, id: impl Into<KeyId>, update: KeyUpdate) -> Result<Key, Error> {
        let engine = &self.engine;
        update.check()?;
        engine.harmless("actor", update.change.actor.as_deref())?;
        engine.admit_settings(&update.settings)?;
        let KeyUpdate { settings, change } = update;
        self.change(id.into(), move |view, now| {
            view.key.life.may_update(now)?;
            let mut key = view.key.clone();
            let changed = settings.apply(&mut key, now)?;
            if changed.is_empty() {
                return Ok(None);
            }
            key.updated_at = now;
            let mut draft = draft("key.update", &key, &change, now);
            note(&mut draft, "changed", changed);
            note_rights(&mut draft, &key);
            Ok(Some(KeyEdit { key, grace_ends: Vec::new(), new_secret: None, audit: draft }))
        })
        .await
    }

    /// Gives a key a new secret; id, name and rights stay. The former one verifies until its grace is over.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::{Request, Rotation};
    /// let second = kw.keys().rotate(&new.id, Rotation::grace("24h")?).await?;
    /// assert!(kw.verify(new.api_key.reveal(), &Request::new()).await.is_allowed());
    /// assert_eq!(second.id, new.id);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked, expired or disabled key, and during a grace unless all former secrets end at once
    /// or the current one is replaced.
    pub async fn rotate(&self, id: impl Into<KeyId>, rotation: Rotation) -> Result<IssuedKey, Error> {
        let engine = &self.engine;
        rotation.check()?;
        engine.harmless("reason", rotation.change.reason.as_deref())?;
        engine.harmless("actor", rotation.change.actor.as_deref())?;
        let id = engine.id_text("id", &id.into())?.ok_or_else(unknown)?;
        let (mode, now) = (rotation.mode(), engine.now());
        let view = engine.store().get(&self.tenant, &id, now).await?.ok_or_else(unknown)?;
        // Judged here as well, so that no slow hash is made for a key that cannot rotate.
        lifecycle::rotate(view.key.life, &view.secret_lifetimes(), mode, now)?;
        let drawn = engine.draw_secret(&id, &view.key.environment, now).await?;
        let actor = rotation.change.actor.clone();
        let (row, change, bounds) = (drawn.row, rotation.change, self.bounds.clone());
        let rule = move |view: &KeyView, now: Millis| {
            admitted(bounds.as_deref(), &view.key)?;
            let ends = lifecycle::rotate(view.key.life, &view.secret_lifetimes(), mode, now)?;
            let key = KeyRow { updated_at: now, ..view.key.clone() };
            let mut draft = draft("key.rotate", &key, &change, now);
            note(&mut draft, "prefix", row.prefix.as_str());
            let end = ends.iter().filter_map(|it| it.grace_ends_at).max().map(|it| it.max(now));
            note(&mut draft, "grace_ends_at", end.map(|it| record::wire_time(&clock::time(it))));
            Ok(Some(KeyEdit { key, grace_ends: ends, new_secret: Some(row), audit: draft }))
        };
        let view = self.write(&id, Box::new(rule)).await?;
        let key = view.into_record(engine.integer_ids(), engine.now());
        engine.tell(|| Event::of(EventKind::Rotated, &key, key.updated_at).by(actor));
        Ok(IssuedKey { key, api_key: drawn.api_key })
    }

    /// Ends the former secret of a rotation now. Without a grace nothing is left to end.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::Rotation;
    /// kw.keys().rotate(&new.id, Rotation::grace("24h")?).await?;
    /// assert_eq!(kw.keys().end_grace(&new.id, ()).await?.secrets.len(), 1);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key.
    pub async fn end_grace(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        let change = self.allowed(change.into())?;
        self.change(id.into(), move |view, now| {
            let ends = lifecycle::end_grace(view.key.life, &view.secret_lifetimes(), now)?;
            if ends.is_empty() {
                return Ok(None);
            }
            let key = KeyRow { updated_at: now, ..view.key.clone() };
            let audit = draft("key.end_grace", &key, &change, now);
            Ok(Some(KeyEdit { key, grace_ends: ends, new_secret: None, audit }))
        })
        .await
    }

    /// Revokes a key with all its secrets, for ever. Revoking again changes nothing.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// use keywright::{Change, Status};
    /// let key = kw.keys().revoke(&new.id, Change::because("left the company").actor("alice")).await?;
    /// assert_eq!(key.status, Status::Revoked);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found`, `unavailable`.
    pub async fn revoke(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        let (change, is_new) = (change.into(), Arc::new(AtomicBool::new(false)));
        let (actor, noted) = (change.actor.clone(), Arc::clone(&is_new));
        let step = move |life: Lifecycle, now| {
            let revoked = life.revoked(now);
            noted.store(revoked.is_some(), Ordering::Release);
            Ok(revoked)
        };
        let key = self.turn(id.into(), "key.revoke", change, step).await?;
        if is_new.load(Ordering::Acquire) {
            self.engine.tell_revoked(&key, &actor).await;
        }
        Ok(key)
    }

    /// Switches a key off until [`enable`](Self::enable).
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.keys().disable(&new.id, ()).await?;
    /// assert_eq!(kw.keys().enable(&new.id, ()).await?.status, keywright::Status::Active);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key.
    pub async fn disable(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.turn(id.into(), "key.disable", change.into(), |life, now| life.disabled(now)).await
    }

    /// Switches a disabled key on again.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.keys().disable(&new.id, ()).await?;
    /// assert!(kw.keys().enable(&new.id, ()).await?.disabled_at.is_none());
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a revoked key.
    pub async fn enable(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        self.turn(id.into(), "key.enable", change.into(), |life, now| life.enabled(now)).await
    }

    /// Wipes name, description, metadata, creator and reason of a key that was revoked over 30 days ago; its id, lookup and revocation
    /// stay, and so do actors and reasons in the audit until it is pruned.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// kw.keys().revoke(&new.id, ()).await?;
    /// assert_eq!(kw.keys().purge(&new.id, ()).await.unwrap_err().code(), "conflict"); // 30 days too early
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `conflict` for a key that is not revoked, or not for so long.
    pub async fn purge(&self, id: impl Into<KeyId>, change: impl Into<Change>) -> Result<Key, Error> {
        let change = self.allowed(change.into())?;
        self.change(id.into(), move |view, now| {
            view.key.life.may_purge(now)?;
            let key = purged(&view.key);
            if key == view.key {
                return Ok(None);
            }
            let key = KeyRow { updated_at: now, ..key };
            let audit = draft("key.purge", &key, &change, now);
            Ok(Some(KeyEdit { key, grace_ends: Vec::new(), new_secret: None, audit }))
        })
        .await
    }

    /// A change of the key's life alone.
    async fn turn(
        &self,
        id: KeyId,
        action: &'static str,
        change: Change,
        step: impl FnOnce(Lifecycle, Millis) -> Result<Option<Lifecycle>, Error> + Send + 'static,
    ) -> Result<Key, Error> {
        let change = self.allowed(change)?;
        self.change(id, move |view, now| {
            let Some(life) = step(view.key.life, now)? else { return Ok(None) };
            let ended = life.disabled_at.is_some() || life.revoked_at.is_some();
            let reason = if ended { change.reason.clone().or(view.key.reason.clone()) } else { None };
            let key = KeyRow { life, reason, updated_at: now, ..view.key.clone() };
            let audit = draft(action, &key, &change, now);
            Ok(Some(KeyEdit { key, grace_ends: Vec::new(), new_secret: None, audit }))
        })
        .await
    }

    async fn change(
        &self,
        id: KeyId,
        rule: impl FnOnce(&KeyView, Millis) -> Result<Option<KeyEdit>, Error> + Send + 'static,
    ) -> Result<Key, Error> {
        let id = self.engine.id_text("id", &id)?.ok_or_else(unknown)?;
        let bounds = self.bounds.clone();
        let rule = move |view: &KeyView, now: Millis| {
            admitted(bounds.as_deref(), &view.key)?;
            let edit = rule(view, now)?;
            edit.iter().try_for_each(|it| admitted(bounds.as_deref(), &it.key))?;
            Ok(edit)
        };
        let view = self.write(&id, Box::new(rule)).await?;
        Ok(view.into_record(self.engine.integer_ids(), self.engine.now()))
    }

    /// The key with all that was counted, after the change that a rule asks for.
    async fn write(&self, id: &str, rule: KeyRule) -> Result<KeyView, Error> {
        let engine = &self.engine;
        let change = || async {
            let clock = &engine.verifier.clock;
            let view = engine.store().change(&self.tenant, id, clock, rule, self.attempt.clone()).await?;
            Ok(view.into_iter().collect())
        };
        engine.counted(change).await?.pop().ok_or_else(unknown)
    }

    fn allowed(&self, change: Change) -> Result<Change, Error> {
        change.check()?;
        self.engine.harmless("reason", change.reason.as_deref())?;
        self.engine.harmless("actor", change.actor.as_deref())?;
        Ok(change)
    }
}

impl Engine {
    /// The key with all that was counted.
    async fn get(&self, tenant: &Tenant, id: &str, now: Millis) -> Result<KeyView, Error> {
        let read = || async { Ok(self.store().get(tenant, id, now).await?.into_iter().collect()) };
        self.counted(read).await?.pop().ok_or_else(unknown)
    }

    /// Tells of a revocation, and of the keys that it took along.
    async fn tell_revoked(&self, key: &Key, actor: &Option<String>) {
        if self.verifier.runtime.process().events.is_none() {
            return;
        }
        let now = self.now();
        let children = self.store().revoked_with(&key.id.to_string(), now).await.unwrap_or_default();
        let children = children.into_iter().map(|it| it.into_record(self.integer_ids(), now));
        for key in [key.clone()].into_iter().chain(children) {
            let at = key.revoked_at.unwrap_or(key.updated_at);
            self.tell(|| Event::of(EventKind::Revoked, &key, at).by(actor.clone()));
        }
    }

    /// Refuses settings that this engine does not allow: an API key in a text, an unknown scope or tier, a limit in the way of
    /// its own.
    fn admit_settings(&self, settings: &KeySettings) -> Result<(), Error> {
        for (field, text) in settings.free_texts() {
            self.harmless(field, Some(&text))?;
        }
        if let (Some(catalogue), Some(scopes)) = (&self.verifier.catalogue, &settings.scopes) {
            catalogue.admit(scopes)?;
        }
        let limits = &self.verifier.rules.limits;
        settings.tier.iter().flatten().try_for_each(|tier| limits.admit_tier(tier))?;
        limits.admit_own(settings.limits.as_deref().unwrap_or_default())
    }

    /// The environment a caller names, or the first this engine accepts.
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

    fn known_environment(&self, asked: &str) -> Result<String, Error> {
        let all = &self.environments;
        if all.iter().any(|it| it == asked) {
            return Ok(asked.to_owned());
        }
        let fix = meant(asked, all.iter().map(String::as_str), format!("use one of {}", all.join(", ")));
        Err(Error::validation_failed("environment", "is none of the environments", fix))
    }

    /// A UUID version 7, or a random integer in 1..2^53 that every JSON reader keeps exact.
    fn draw_id(&self, now: Millis) -> Result<String, Error> {
        if !self.integer_ids() {
            let random = entropy::bytes()?;
            return Ok(uuid::Builder::from_unix_timestamp_millis(now.unsigned_abs(), &random).into_uuid().to_string());
        }
        let number = u64::from_be_bytes(entropy::bytes()?) >> 11;
        Ok(number.max(1).to_string())
    }

    async fn draw_secret(&self, key_id: &str, environment: &str, now: Millis) -> Result<Drawn, Error> {
        let format = self.verifier.formats.current();
        let GeneratedKey { api_key, prefix, lookup, secret } = format.issue(environment)?;
        let bound = BoundSecret {
            environment: environment.to_owned(),
            key_id: key_id.to_owned(),
            lookup: lookup.clone(),
            secret,
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
        Ok(Drawn { api_key, row })
    }
}

/// Refuses a key that may do more than the one that acts on it.
pub(super) fn admitted(bounds: Option<&ManagingKey>, key: &KeyRow) -> Result<(), Error> {
    bounds.map_or(Ok(()), |it| it.admit(&key.id, &key.rights()))
}

pub(super) fn unknown() -> Error {
    Error::not_found("id", "belongs to no key here", "give key.id as it came, on the handle of its org")
}

pub(super) fn draft(action: &'static str, key: &KeyRow, change: &Change, now: Millis) -> AuditDraft {
    audit::draft(action, &key.org, &key.id, change, now)
}

pub(super) fn note(draft: &mut AuditDraft, name: &str, value: impl Into<serde_json::Value>) {
    draft.details.insert(name.to_owned(), value.into());
}

/// What a key may do, which is what an audit is read for. Names and metadata can be personal, and stay out.
fn note_rights(draft: &mut AuditDraft, key: &KeyRow) {
    note(draft, "scopes", key.scopes.clone());
    note(draft, "level", key.level.map(|it| it.as_str()));
    note(draft, "tier", key.tier.clone());
    note(draft, "limits", serde_json::to_value(&key.limits).unwrap_or_default());
    note(draft, "networks", key.networks.clone());
    note(draft, "expires_at", key.life.expires_at.map(|it| record::wire_time(&clock::time(it))));
}

/// The row of a purged key: without the fields that can name a person. A field is wiped or kept by name, so that none is forgotten.
fn purged(key: &KeyRow) -> KeyRow {
    let KeyRow {
        id,
        org,
        environment,
        name: _,
        description: _,
        scopes,
        level,
        tier,
        limits,
        networks,
        metadata: _,
        created_at,
        created_by: _,
        updated_at,
        life,
        reason: _,
        parent,
    } = key.clone();
    KeyRow {
        id,
        org,
        environment,
        name: String::new(),
        description: None,
        scopes,
        level,
        tier,
        limits,
        networks,
        metadata: "{}".to_owned(),
        created_at,
        created_by: None,
        updated_at,
        life,
        reason: None,
        parent,
    }
}

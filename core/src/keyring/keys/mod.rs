use std::sync::Arc;

use super::arguments::{Change, ListKeys};
use super::{Engine, audit, cursor};
use crate::audit::AuditDraft;
use crate::clock::{self, Millis};
use crate::error::Error;
use crate::idempotency::IdempotentRequest;
use crate::record::{self, Key, KeyId, Page};
use crate::rights::{ChangeAuthority, ManagingKey};
use crate::store::{ChangeKey, KeyEdit, KeyFilter, KeyRow, KeyRule, KeyView, PageCursor, Store, Tenant};

mod create;
mod credit;
mod end;
mod import;
mod rotate;
mod update;

/// Manages the keys of one org, or of every org.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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
    /// The key that makes the changes, if a key does. They must not exceed its rights.
    pub(super) bounds: Option<Arc<ManagingKey>>,
    /// The idempotent request whose outcome is stored together with the change.
    pub(super) request: Option<IdempotentRequest>,
}

impl Keys {
    pub(super) fn new(engine: Arc<Engine>, tenant: Tenant) -> Self {
        Self { engine, tenant, bounds: None, request: None }
    }

    /// Returns a handle that acts for a key: it gives no key more rights than that key has.
    pub(crate) fn bounded(self, bounds: ManagingKey) -> Self {
        Self { bounds: Some(Arc::new(bounds)), ..self }
    }

    /// Returns a handle for one idempotent request. Its change and the request's outcome commit together.
    pub(crate) fn for_request(self, request: Option<IdempotentRequest>) -> Self {
        Self { request, ..self }
    }

    /// Lists keys, newest first, one page per call.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
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
    /// `validation_failed` for a limit out of 1..=1,000, an unknown environment, or a cursor of another list.
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
            // The store must know of keys that were used a moment ago.
            engine.flush().await?;
        }
        let filter = KeyFilter { idle_since, ..filter };
        let read = || engine.store().list(&self.tenant, &filter, after.as_ref(), limit + 1, now);
        let mut found = engine.with_pending_counts(read).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        let next_cursor = last
            .map(|view| cursor::write(secret, &list, &PageCursor { at: view.key.created_at, id: view.key.id.clone() }));
        let data = found.into_iter().map(|it| it.into_record(engine.integer_ids(), now)).collect();
        Ok(Page { data, has_more, next_cursor })
    }

    /// Returns one key.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.keys().get(&new.id).await?.name, "CI");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found` for an unknown id and for a key of another org.
    pub async fn get(&self, id: impl Into<KeyId>) -> Result<Key, Error> {
        let now = self.engine.now();
        let id = self.engine.id_text("id", &id.into())?.ok_or_else(unknown_key)?;
        Ok(self.engine.get(&self.tenant, &id, now).await?.into_record(self.engine.integer_ids(), now))
    }

    /// Finds a key by a prefix from a log or a dashboard, also by the prefix of a secret that has ended.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.keys().find(&new.prefix).await?.id, new.id);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `not_found` for an unknown prefix, `validation_failed` for the text of a whole key, which no log should hold.
    pub async fn find(&self, prefix: &str) -> Result<Key, Error> {
        let now = self.engine.now();
        let read = || async {
            Ok(match prefix.len() {
                1..=256 => self.engine.store().by_prefix(&self.tenant, prefix, now).await?.into_iter().collect(),
                _ => Vec::new(),
            })
        };
        let Some(view) = self.engine.with_pending_counts(read).await?.pop() else {
            self.engine.refuse_api_key("prefix", Some(prefix))?;
            return Err(Error::not_found("prefix", "belongs to no key here", "give key.prefix as it came"));
        };
        Ok(view.into_record(self.engine.integer_ids(), now))
    }

    /// Changes one key by a rule, which runs inside the store's transaction. It can run more than once.
    async fn change(
        &self,
        id: KeyId,
        authority: Option<Arc<ChangeAuthority>>,
        rule: impl Fn(&KeyView, Millis) -> Result<Option<KeyEdit>, Error> + Send + Sync + 'static,
    ) -> Result<Key, Error> {
        let id = self.engine.id_text("id", &id)?.ok_or_else(unknown_key)?;
        let bounds = self.bounds.clone();
        let rule = move |view: &KeyView, now: Millis| {
            admitted(bounds.as_deref(), &view.key)?;
            let edit = rule(view, now)?;
            edit.iter().try_for_each(|edit| admitted(bounds.as_deref(), &edit.key))?;
            Ok(edit)
        };
        let view = self.write(id, authority, Box::new(rule)).await?;
        Ok(view.into_record(self.engine.integer_ids(), self.engine.now()))
    }

    /// Writes the change that a rule asks for, and returns the key after it, with every count of this process.
    async fn write(
        &self,
        id: String,
        authority: Option<Arc<ChangeAuthority>>,
        rule: KeyRule,
    ) -> Result<KeyView, Error> {
        let engine = &self.engine;
        let clock = engine.verifier.clock.clone();
        let script = ChangeKey { tenant: self.tenant.clone(), id, clock, rule, authority };
        let change = || async {
            let view = engine.store().run_once(script, self.request.clone()).await?;
            Ok(view.into_iter().collect())
        };
        engine.with_pending_counts(change).await?.pop().ok_or_else(unknown_key)
    }

    fn checked_change(&self, change: Change) -> Result<Change, Error> {
        change.check()?;
        self.engine.refuse_api_key("reason", change.reason.as_deref())?;
        self.engine.refuse_api_key("actor", change.actor.as_deref())?;
        Ok(change)
    }
}

impl Engine {
    /// Reads one key, with every count of this process.
    async fn get(&self, tenant: &Tenant, id: &str, now: Millis) -> Result<KeyView, Error> {
        let read = || async { Ok(self.store().get(tenant, id, now).await?.into_iter().collect()) };
        self.with_pending_counts(read).await?.pop().ok_or_else(unknown_key)
    }
}

/// Refuses a change of a key that has more rights than the key that makes the change.
pub(super) fn admitted(bounds: Option<&ManagingKey>, key: &KeyRow) -> Result<(), Error> {
    bounds.map_or(Ok(()), |it| it.admit(&key.id, &key.rights()))
}

pub(super) fn unknown_key() -> Error {
    Error::not_found("id", "belongs to no key here", "give key.id as it came, on the handle of its org")
}

pub(super) fn draft(action: &'static str, key: &KeyRow, change: &Change, now: Millis) -> AuditDraft {
    audit::draft(action, &key.org, &key.id, change, now)
}

pub(super) fn note(draft: &mut AuditDraft, name: &str, value: impl Into<serde_json::Value>) {
    draft.details.insert(name.to_owned(), value.into());
}

/// Notes the rights of a key, for which people read an audit. Names, descriptions and metadata can be personal: they stay out.
fn note_rights(draft: &mut AuditDraft, key: &KeyRow) {
    note(draft, "scopes", key.scopes.clone());
    note(draft, "level", key.level.map(|it| it.as_str()));
    note(draft, "tier", key.tier.clone());
    note(draft, "limits", serde_json::to_value(&key.limits).unwrap_or_default());
    if !key.quotas.is_empty() {
        note(draft, "quotas", serde_json::to_value(&key.quotas).unwrap_or_default());
    }
    note(draft, "networks", key.networks.clone());
    note(draft, "expires_at", key.life.expires_at.map(|it| record::wire_time(&clock::time(it))));
}

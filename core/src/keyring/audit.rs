use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::arguments::{Change, ListAudit};
use super::{DEFAULT_ORG, Engine, cursor};
use crate::audit::{AuditDraft, AuditFields, AuditHash, GENESIS_HASH, entry_hash};
use crate::clock::Millis;
use crate::error::Error;
use crate::hash::hex;
use crate::input::{self, Value};
use crate::record::{AuditCheck, AuditEntry, AuditHead, Page};
use crate::store::{AuditFilter, AuditRow, PageCursor, PruneAudit, Store, Tenant};

/// How many entries `verify` reads at a time.
const BATCH: usize = 1_000;

/// The audit of changes: the change, its actor and the reason. A database has one chain, and each org lists its own entries.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// assert!(kw.audit().verify().await?.ok);
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Audit {
    engine: Arc<Engine>,
    tenant: Tenant,
    /// Whether the handle may read and prune the chain of all orgs.
    whole: bool,
}

/// An audit entry of a change, before the chain gives it a sequence number and a seal.
pub(super) fn draft(action: &'static str, org: &str, target: &str, change: &Change, now: Millis) -> AuditDraft {
    let agent = change.agent.iter().map(|it| ("agent".to_owned(), it.as_str().into()));
    AuditDraft {
        at: now,
        org: Some(org.to_owned()),
        actor: change.actor.clone(),
        action,
        target: Some(target.to_owned()),
        reason: change.reason.clone(),
        details: agent.collect(),
    }
}

impl Audit {
    pub(super) fn of(engine: Arc<Engine>, tenant: Tenant) -> Self {
        Self { engine, whole: tenant == Tenant::Every, tenant }
    }

    /// The entries of the default org, and the chain of the database.
    pub(super) fn of_database(engine: Arc<Engine>) -> Self {
        Self { engine, tenant: Tenant::One(DEFAULT_ORG.to_owned()), whole: true }
    }

    /// Lists entries, newest first, one page per call.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// let page = kw.audit().list(keywright::ListAudit::new().key_id(&new.id)).await?;
    /// assert_eq!(page.data[0].action, "key.create");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` for a limit out of 1..=1,000, an invalid agent id, or a cursor of another list.
    pub async fn list(&self, query: ListAudit) -> Result<Page<AuditEntry>, Error> {
        query.check()?;
        let store = self.engine.store();
        let target = match &query.key_id {
            Some(id) => Some(self.engine.id_text("key_id", id)?.unwrap_or_default()),
            None => None,
        };
        let filter = AuditFilter { target, action: query.action, agent: query.agent };
        let (secret, list) = (&store.info().cursor_key, format!("audit {:?} {filter:?}", self.tenant));
        let after = query.cursor.map(|text| cursor::read(secret, &list, &text)).transpose()?;
        let before = after.map(|it| it.at.unsigned_abs());
        let limit = query.limit.get();
        let mut found = store.audit(&self.tenant, &filter, before, limit + 1).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let place =
            |row: &AuditRow| PageCursor { at: i64::try_from(row.entry.seq).unwrap_or(i64::MAX), id: String::new() };
        let next_cursor = found.last().filter(|_| has_more).map(|row| cursor::write(secret, &list, &place(row)));
        Ok(Page { data: found.into_iter().map(|it| it.entry).collect(), has_more, next_cursor })
    }

    /// Returns the end of the chain. Keep it outside the database: it reveals a database that was replaced by an older copy.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// assert_eq!(kw.audit().head().await?.seq, 2); // the org and its first key
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `unavailable`, and `invalid_request` on the handle of one org.
    pub async fn head(&self) -> Result<AuditHead, Error> {
        self.whole()?;
        let last = self.engine.store().audit(&Tenant::Every, &AuditFilter::default(), None, 1).await?;
        Ok(match last.into_iter().next() {
            Some(row) => AuditHead { seq: row.entry.seq, hash: row.entry.hash },
            None => AuditHead { seq: 0, hash: hex(&GENESIS_HASH) },
        })
    }

    /// Recomputes the whole chain, and reports its first fault.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// let check = kw.audit().verify().await?;
    /// assert_eq!((check.ok, check.checked), (true, 2));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `unavailable`, and `invalid_request` on the handle of one org.
    pub async fn verify(&self) -> Result<AuditCheck, Error> {
        self.whole()?;
        let mut check = AuditCheck { ok: true, checked: 0, first_seq: None, last_seq: None, problem: None };
        let mut previous = PreviousEntry { seq: 0, hash: GENESIS_HASH, keyed: false };
        loop {
            let rows = self.engine.store().audit_scan(previous.seq, BATCH).await?;
            if check.checked == 0
                && let Some(first) = rows.first().filter(|it| it.entry.seq > 1)
            {
                check.first_seq = Some(first.entry.seq);
                match self.checkpoint(first.entry.seq).await? {
                    Some(hash) => previous = PreviousEntry { seq: first.entry.seq - 1, hash, keyed: false },
                    None => return Ok(check.failed(format!("the entries before {} are missing", first.entry.seq))),
                }
            }
            for row in &rows {
                if let Some(problem) = self.fault(&previous, row) {
                    return Ok(check.failed(problem));
                }
                check.first_seq.get_or_insert(row.entry.seq);
                check.last_seq = Some(row.entry.seq);
                check.checked += 1;
                previous = PreviousEntry { seq: row.entry.seq, hash: row.hash, keyed: row.pepper.is_some() };
            }
            if rows.len() < BATCH {
                return Ok(check);
            }
        }
    }

    /// Deletes the entries before a time that has passed, and returns how many it deleted. It adds a checkpoint entry, so that the
    /// chain still verifies.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
    /// let year_ago = new.created_at - std::time::Duration::from_secs(365 * 86_400);
    /// assert_eq!(kw.audit().prune(year_ago).await?, 0);
    /// # kw.close().await; Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// `validation_failed` for a time in the future, `invalid_request` on the handle of one org, `unavailable`.
    pub async fn prune(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        self.whole()?;
        let (before, now) = (before.timestamp_millis(), self.engine.now());
        if before > now {
            return Err(Error::validation_failed("before", "lies in the future", "give a time that has passed"));
        }
        let audit = AuditDraft {
            at: now,
            org: None,
            actor: None,
            action: "audit.prune",
            target: None,
            reason: None,
            details: serde_json::Map::new(),
        };
        self.engine.store().run(PruneAudit { before, audit }).await
    }

    /// Reads the argument of a `prune` call.
    pub(crate) fn read_before(value: Value) -> Result<DateTime<Utc>, Error> {
        input::Value::into_time(value, "before").map(crate::clock::time)
    }

    /// Refuses a call for the whole chain on the handle of one org.
    fn whole(&self) -> Result<(), Error> {
        if self.whole {
            return Ok(());
        }
        Err(Error::invalid_request(
            "org",
            "has no chain of its own: all orgs share one",
            "call it on the engine's own audit",
        ))
    }

    /// The seal of the entry before `first`, from the newest checkpoint.
    async fn checkpoint(&self, first: u64) -> Result<Option<AuditHash>, Error> {
        let filter = AuditFilter { action: Some("audit.prune".to_owned()), ..AuditFilter::default() };
        let newest = self.engine.store().audit(&Tenant::Every, &filter, None, 1).await?;
        let Some(details) = newest.into_iter().next().map(|it| it.entry.details) else { return Ok(None) };
        let fits = details.get("through_seq").and_then(serde_json::Value::as_u64) == Some(first - 1);
        let hash = details.get("through_hash").and_then(serde_json::Value::as_str).filter(|_| fits);
        Ok(hash.and_then(unhex))
    }

    /// The fault of an entry, if it does not follow the previous one.
    fn fault(&self, previous: &PreviousEntry, row: &AuditRow) -> Option<String> {
        let entry = &row.entry;
        if entry.seq != previous.seq + 1 {
            return Some(format!("the entries between {} and {} are missing", previous.seq, entry.seq));
        }
        let key = match &row.pepper {
            None if previous.keyed => return Some(format!("entry {} is sealed without the pepper", entry.seq)),
            None => None,
            Some(pepper) => match self.engine.verifier.hasher.audit_key(Some(pepper)) {
                Some((_, key)) => Some(key),
                None => return Some(format!("entry {} is sealed with a pepper that was not given", entry.seq)),
            },
        };
        let fields = AuditFields {
            seq: entry.seq,
            at: row.at,
            org: entry.org.as_deref(),
            actor: entry.actor.as_deref(),
            action: &entry.action,
            target: entry.target.as_deref(),
            reason: entry.reason.as_deref(),
            details: &row.details,
        };
        (entry_hash(&previous.hash, &fields, key.as_ref()) != row.hash)
            .then(|| format!("entry {} does not fit its seal", entry.seq))
    }
}

/// The entry before the one to check, whose seal covers it.
struct PreviousEntry {
    seq: u64,
    hash: AuditHash,
    keyed: bool,
}

impl AuditCheck {
    fn failed(self, problem: String) -> Self {
        Self { ok: false, problem: Some(problem), ..self }
    }
}

fn unhex(text: &str) -> Option<AuditHash> {
    let mut out = GENESIS_HASH;
    if text.len() != 2 * out.len() || !text.is_ascii() {
        return None;
    }
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(out)
}

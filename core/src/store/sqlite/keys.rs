use std::sync::LazyLock;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};

use super::error::foreign_row;
use super::{audit, graces, orgs};
use crate::audit::AuditDraft;
use crate::clock::Millis;
use crate::error::Error;
use crate::hash::{StoredVerifier, TAG};
use crate::level;
use crate::lifecycle::{self, Lifecycle, SecretLifetime};
use crate::record::Limit;
use crate::rights::ChangeAuthority;
use crate::store::{
    AuditFilter, AuditKey, AuditRow, AuditRule, Counts, KeyFilter, KeyRow, KeyRule, KeyView, LookupResult, PageCursor,
    SecretRow, SecretView, StatusFilter, Tenant,
};

const KEY: &str = "k.id, k.org, k.environment, k.name, k.scopes, k.level, k.networks, k.metadata, k.created_at, \
    k.created_by, k.updated_at, k.expires_at, k.disabled_at, k.revoked_at, k.reason, k.tier, k.limits, k.parent, k.description";
const KEY_COLUMNS: usize = 19;

/// A secret that is not over, as it is joined to its key; the parameter is the time.
const LIVE: &str = "(s.grace_ends_at IS NULL OR s.grace_ends_at > ?1)";

const SECRET: &str = "s.lookup, s.grace_ends_at, s.prefix, s.created_at, u.last_used_at";
const USED: &str = "LEFT JOIN usage u ON u.key_id = s.key_id AND u.lookup = s.lookup";

/// What a key has counted in all.
const TOTAL: &str = "t.usage_count, t.denied_count, t.last_used_at";
const TOTAL_COLUMNS: usize = 3;
const TOTALLED: &str = "LEFT JOIN usage t ON t.key_id = k.id AND t.lookup = ''";

static FIND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {KEY}, f.lookup, f.grace_ends_at, f.prefix, f.format, f.verifier, f.filter, f.created_at, \
         o.disabled_at, o.networks, {TOTAL}, {SECRET} \
         FROM secrets f JOIN keys k ON k.id = f.key_id JOIN orgs o ON o.id = k.org {TOTALLED} \
         LEFT JOIN secrets s ON s.key_id = k.id AND {LIVE} {USED} WHERE f.lookup = ?2"
    )
});

pub(super) fn find(on: &Connection, lookup: &str, now: Millis) -> Result<Option<LookupResult>, Error> {
    let mut statement = on.prepare_cached(&FIND)?;
    let mut rows = statement.query(params![now, lookup])?;
    let at = |offset: usize| KEY_COLUMNS + offset;
    let mut found: Option<LookupResult> = None;
    while let Some(row) = rows.next()? {
        let found = match &mut found {
            Some(found) => found,
            None => found.insert(LookupResult {
                view: KeyView { key: key(row)?, secrets: Vec::with_capacity(1), usage: total(row, at(9))? },
                secret: SecretRow {
                    lifetime: SecretLifetime { lookup: row.get(at(0))?, grace_ends_at: row.get(at(1))? },
                    prefix: row.get(at(2))?,
                    format: row.get(at(3))?,
                    verifier: row.get(at(4))?,
                    filter: row.get(at(5))?,
                    created_at: row.get(at(6))?,
                },
                org_disabled: row.get_ref(at(7))? != ValueRef::Null,
                org_networks: words_or_none(row.get(at(8))?),
            }),
        };
        if row.get_ref(at(12))? != ValueRef::Null {
            found.view.secrets.push(view(row, at(12))?);
        }
    }
    Ok(found.map(|it| LookupResult { view: newest_first(it.view), ..it }))
}

fn secrets(on: &Connection, key_id: &str, now: Millis) -> Result<Vec<SecretView>, Error> {
    let mut statement =
        on.prepare_cached(&format!("SELECT {SECRET} FROM secrets s {USED} WHERE s.key_id = ?2 AND {LIVE}"))?;
    let secrets = statement.query_map(params![now, key_id], |row| view(row, 0))?;
    Ok(secrets.collect::<Result<_, _>>()?)
}

pub(super) fn get(on: &Connection, tenant: &Tenant, id: &str, now: Millis) -> Result<Option<KeyView>, Error> {
    let mut statement = on.prepare_cached(&format!("SELECT {KEY}, {TOTAL} FROM keys k {TOTALLED} WHERE k.id = ?1"))?;
    let mut rows = statement.query([id])?;
    let read = |row: &Row<'_>| Ok::<_, Error>((key(row)?, total(row, KEY_COLUMNS)?));
    let Some((key, usage)) = rows.next()?.map(read).transpose()?.filter(|it| tenant.sees(&it.0.org)) else {
        return Ok(None);
    };
    Ok(Some(newest_first(KeyView { secrets: secrets(on, &key.id, now)?, key, usage })))
}

pub(super) fn by_prefix(on: &Connection, tenant: &Tenant, prefix: &str, now: Millis) -> Result<Option<KeyView>, Error> {
    // The lookup ends the prefix; how long it is only its format knows.
    let ends = (10..=32).filter_map(|it| prefix.len().checked_sub(it).and_then(|from| prefix.get(from..)));
    let ends = serde_json::Value::from(ends.collect::<Vec<_>>()).to_string();
    let id: Option<String> = on
        .prepare_cached("SELECT key_id FROM secrets WHERE lookup IN (SELECT value FROM json_each(?1)) AND prefix = ?2")?
        .query_row(params![ends, prefix], |row| row.get(0))
        .optional()?;
    id.map_or(Ok(None), |id| get(on, tenant, &id, now))
}

pub(super) fn list(
    on: &Connection,
    tenant: &Tenant,
    filter: &KeyFilter,
    after: Option<&PageCursor>,
    limit: usize,
    now: Millis,
) -> Result<Vec<KeyView>, Error> {
    let org = tenant.org();
    let mut values: Vec<&dyn ToSql> = vec![&now];
    let mut conditions: Vec<String> = Vec::new();
    let mut equal = |column: &str, value| {
        values.push(value);
        conditions.push(format!("k.{column} = ?{}", values.len()));
    };
    if let Some(org) = &org {
        equal("org", org);
    }
    if let Some(environment) = &filter.environment {
        equal("environment", environment);
    }
    if let Some(name) = &filter.name {
        equal("name", name);
    }
    if let Some(place) = after {
        values.extend([&place.at as &dyn ToSql, &place.id]);
        conditions.push(format!("(k.created_at, k.id) < (?{}, ?{})", values.len() - 1, values.len()));
    }
    if let Some(since) = &filter.idle_since {
        values.push(since);
        conditions.push(format!("coalesce(t.last_used_at, k.created_at) <= ?{}", values.len()));
    }
    if let Some(until) = &filter.expires_until {
        values.push(until);
        conditions.push(format!("k.expires_at <= ?{}", values.len()));
    }
    conditions.push(status(filter.status).to_owned());
    let index = if org.is_some() { "keys_newest_of_org" } else { "keys_newest" };
    // Rows come in the order of the index, so that the page is read to its end and nothing is sorted.
    let mut statement = on.prepare_cached(&format!(
        "SELECT {KEY}, {TOTAL}, {SECRET} FROM keys k INDEXED BY {index} {TOTALLED} \
         LEFT JOIN secrets s ON s.key_id = k.id AND {LIVE} {USED} WHERE {} ORDER BY k.created_at DESC, k.id DESC",
        conditions.join(" AND ")
    ))?;
    let mut rows = statement.query(values.as_slice())?;
    let mut out: Vec<KeyView> = Vec::with_capacity(limit.min(1_024));
    while let Some(row) = rows.next()? {
        let same = row.get_ref(0)?.as_str().is_ok_and(|id| out.last().is_some_and(|it| it.key.id == id));
        if !same {
            if out.len() == limit {
                break;
            }
            out.push(KeyView { key: key(row)?, secrets: Vec::with_capacity(1), usage: total(row, KEY_COLUMNS)? });
        }
        let from = KEY_COLUMNS + TOTAL_COLUMNS;
        let joined = row.get_ref(from)? != ValueRef::Null;
        if let Some(last) = out.last_mut().filter(|_| joined) {
            last.secrets.push(view(row, from)?);
        }
    }
    Ok(out.into_iter().map(newest_first).collect())
}

/// The conditions of `lifecycle::Lifecycle::status`, for the index to skip what is not asked for; the contract holds them equal.
fn status(filter: StatusFilter) -> &'static str {
    match filter {
        StatusFilter::All => "?1 IS NOT NULL",
        StatusFilter::NotRevoked => "k.revoked_at IS NULL",
        StatusFilter::Revoked => "k.revoked_at IS NOT NULL",
        StatusFilter::Expired => "k.revoked_at IS NULL AND k.expires_at <= ?1",
        StatusFilter::Disabled => {
            "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?1) AND k.disabled_at IS NOT NULL"
        }
        StatusFilter::Active => {
            "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?1) AND k.disabled_at IS NULL"
        }
    }
}

pub(super) fn create(
    on: &Transaction<'_>,
    key: &KeyRow,
    secret: &SecretRow,
    draft: &AuditDraft,
    audit_key: &AuditKey,
) -> Result<bool, Error> {
    let taken: bool = on
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1) OR EXISTS (SELECT 1 FROM secrets WHERE lookup = ?2)",
        )?
        .query_row([&key.id, &secret.lifetime.lookup], |row| row.get(0))?;
    if taken {
        return Ok(false);
    }
    uphold(on, draft)?;
    orgs::ensure(on, &key.org, draft, audit_key)?;
    let life = key.life;
    on.prepare_cached(
        "INSERT INTO keys (id, org, environment, name, scopes, level, networks, metadata, created_at, created_by, \
         updated_at, expires_at, disabled_at, revoked_at, reason, tier, limits, parent, description) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    )?
    .execute(params![
        key.id,
        key.org,
        key.environment,
        key.name,
        key.scopes.join(" "),
        key.level.map(|it| it.as_str()),
        join(key.networks.as_deref()),
        key.metadata,
        key.created_at,
        key.created_by,
        key.updated_at,
        life.expires_at,
        life.disabled_at,
        life.revoked_at,
        key.reason,
        key.tier,
        written(&key.limits)?,
        key.parent,
        key.description
    ])?;
    insert_secret(on, &key.id, secret)?;
    audit::append(on, draft, audit_key)?;
    Ok(true)
}

fn insert_secret(on: &Transaction<'_>, key_id: &str, secret: &SecretRow) -> Result<(), Error> {
    on.prepare_cached(
        "INSERT INTO secrets (lookup, key_id, prefix, format, verifier, filter, created_at, grace_ends_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        secret.lifetime.lookup,
        key_id,
        secret.prefix,
        secret.format,
        secret.verifier,
        secret.filter,
        secret.created_at,
        secret.lifetime.grace_ends_at
    ])?;
    Ok(())
}

pub(super) fn change(
    on: &Transaction<'_>,
    tenant: &Tenant,
    id: &str,
    now: Millis,
    rule: KeyRule,
    audit_key: &AuditKey,
) -> Result<Option<KeyView>, Error> {
    let Some(before) = get(on, tenant, id, now)? else { return Ok(None) };
    let Some(mut edit) = rule(&before, now)? else { return Ok(Some(before)) };
    uphold(on, &edit.audit)?;
    if before.key.life.revoked_at.is_none() && edit.key.life.revoked_at.is_some() {
        let children = descendants(on, id)?;
        if children > 0 {
            edit.audit.details.insert("children_revoked".into(), children.into());
        }
    }
    let (key, life) = (&edit.key, edit.key.life);
    on.prepare_cached(
        "UPDATE keys SET name = ?2, scopes = ?3, level = ?4, networks = ?5, metadata = ?6, created_by = ?7, updated_at = ?8, \
         expires_at = ?9, disabled_at = ?10, revoked_at = ?11, reason = ?12, tier = ?13, limits = ?14, description = ?15 WHERE id = ?1",
    )?
    .execute(params![
        key.id, key.name, key.scopes.join(" "), key.level.map(|it| it.as_str()), join(key.networks.as_deref()), key.metadata, key.created_by,
        key.updated_at, life.expires_at, life.disabled_at, life.revoked_at, key.reason,
        key.tier, written(&key.limits)?, key.description
    ])?;
    if edit.new_secret.is_some() {
        // Else a clock that steps back would bring a third secret to life.
        graces::end(on, &graces::over(on, id, now)?, now, audit_key)?;
    }
    for lifetime in &edit.grace_ends {
        on.prepare_cached("UPDATE secrets SET grace_ends_at = ?2 WHERE lookup = ?1")?
            .execute(params![lifetime.lookup, lifetime.grace_ends_at])?;
    }
    if let Some(secret) = &edit.new_secret {
        insert_secret(on, id, secret)?;
    }
    audit::append(on, &edit.audit, audit_key)?;
    get(on, tenant, id, now)
}

pub(super) fn append_audit(
    on: &Transaction<'_>,
    tenant: &Tenant,
    id: &str,
    now: Millis,
    rule: AuditRule,
    audit_key: &AuditKey,
) -> Result<Option<Vec<AuditRow>>, Error> {
    let Some(view) = get(on, tenant, id, now)? else { return Ok(None) };
    let drafts = rule(&view, now)?;
    drafts.first().map_or(Ok(()), |it| uphold(on, it))?;
    drafts.iter().try_for_each(|it| audit::append(on, it, audit_key))?;
    let mut told = audit::list(on, &Tenant::Every, &AuditFilter::default(), None, drafts.len())?;
    told.reverse();
    Ok(Some(told))
}

/// Judges inside the transaction what may have changed since the call began: the org may be disabled by now, and the key
/// that makes the change may be revoked.
fn uphold(on: &Connection, draft: &AuditDraft) -> Result<(), Error> {
    if !draft.is_allowed_when_disabled()
        && let Some(org) = &draft.org
        && orgs::is_disabled(on, org)?
    {
        return Err(lifecycle::org_disabled());
    }
    let Some(authority) = &draft.authority else { return Ok(()) };
    let found = find(on, &authority.lookup, draft.at)?.filter(|it| !it.org_disabled);
    let LookupResult { secret, view: KeyView { key, .. }, .. } = found.ok_or_else(ChangeAuthority::ended)?;
    authority.recheck(&key.rights(), key.life, &secret.lifetime, draft.at)
}

pub(super) fn revoked_with(on: &Connection, id: &str, now: Millis) -> Result<Vec<KeyView>, Error> {
    let mut statement = on.prepare_cached(
        "WITH RECURSIVE child (id) AS (SELECT id FROM keys WHERE parent = ?1 \
         UNION SELECT k.id FROM keys k JOIN child ON k.parent = child.id) \
         SELECT k.id FROM keys k JOIN keys p ON p.id = ?1 WHERE k.id IN child AND k.revoked_at = p.revoked_at",
    )?;
    let ids = statement.query_map([id], |row| row.get::<_, String>(0))?;
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    ids.iter().filter_map(|it| get(on, &Tenant::Every, it, now).transpose()).collect()
}

/// How many keys a trigger will revoke with this one.
fn descendants(on: &Connection, id: &str) -> Result<u64, Error> {
    Ok(on
        .prepare_cached(
            "WITH RECURSIVE child (id) AS (SELECT id FROM keys WHERE parent = ?1 \
             UNION SELECT k.id FROM keys k JOIN child ON k.parent = child.id) \
             SELECT count(*) FROM keys WHERE id IN child AND revoked_at IS NULL",
        )?
        .query_row([id], |row| row.get(0))?)
}

pub(super) fn replace_verifier(
    on: &Transaction<'_>,
    lookup: &str,
    from: &str,
    to: &str,
    filter: Option<&[u8]>,
) -> Result<(), Error> {
    on.prepare_cached("UPDATE secrets SET verifier = ?3, filter = ?4 WHERE lookup = ?1 AND verifier = ?2")?
        .execute(params![lookup, from, to, filter])?;
    Ok(())
}

/// Walks the index of tags from one to the next, so that a million rows under one pepper cost one step.
pub(super) fn peppers(on: &Connection, now: Millis) -> Result<Vec<String>, Error> {
    let mut next = on.prepare_cached(&format!(
        "SELECT min(substr(verifier, 1, {TAG})) FROM secrets WHERE substr(verifier, 1, {TAG}) > ?1"
    ))?;
    let mut live = on.prepare_cached(&format!(
        "SELECT EXISTS (SELECT 1 FROM secrets s JOIN keys k ON k.id = s.key_id \
         WHERE substr(s.verifier, 1, {TAG}) = ?2 AND {LIVE} AND k.revoked_at IS NULL)"
    ))?;
    let (mut tag, mut out) = (String::new(), Vec::new());
    while let Some(found) = next.query_row([&tag], |row| row.get::<_, Option<String>>(0))? {
        if let Some(pepper) = StoredVerifier::pepper_of(&found)
            && live.query_row(params![now, found], |row| row.get(0))?
        {
            out.push(pepper.to_owned());
        }
        // Slow verifiers have tags of their own, each with its salt's first letters: past them in one step.
        tag = if found.starts_with("$argon2") { "$argon2~".to_owned() } else { found };
    }
    Ok(out)
}

/// The current secret first, then the former one. There are two at most: sorting them here spares SQLite a sort of
/// whole rows.
fn newest_first(mut view: KeyView) -> KeyView {
    view.secrets.sort_by_key(|it| (it.lifetime.grace_ends_at.is_some(), std::cmp::Reverse(it.created_at)));
    view
}

fn key(row: &Row<'_>) -> Result<KeyRow, Error> {
    let level = row.get_ref(5)?.as_str_or_null().map_err(|_| foreign_row())?;
    Ok(KeyRow {
        id: row.get(0)?,
        org: row.get(1)?,
        environment: row.get(2)?,
        name: row.get(3)?,
        scopes: words(row.get_ref(4)?.as_str().map_err(|_| foreign_row())?),
        level: level.map(level::parse).transpose().map_err(|_| foreign_row())?,
        networks: words_or_none(row.get(6)?),
        metadata: row.get(7)?,
        created_at: row.get(8)?,
        created_by: row.get(9)?,
        updated_at: row.get(10)?,
        life: Lifecycle { expires_at: row.get(11)?, disabled_at: row.get(12)?, revoked_at: row.get(13)? },
        reason: row.get(14)?,
        tier: row.get(15)?,
        limits: limits(row.get_ref(16)?)?,
        parent: row.get(17)?,
        description: row.get(18)?,
    })
}

/// Limits stand in one column as JSON; no text is none of them.
fn written(limits: &[Limit]) -> Result<Option<String>, Error> {
    let text = (!limits.is_empty()).then(|| serde_json::to_string(limits));
    text.transpose().map_err(|_| foreign_row())
}

fn limits(column: ValueRef<'_>) -> Result<Vec<Limit>, Error> {
    let text = column.as_str_or_null().map_err(|_| foreign_row())?;
    text.map_or(Ok(Vec::new()), |it| serde_json::from_str(it).map_err(|_| foreign_row()))
}

fn view(row: &Row<'_>, from: usize) -> rusqlite::Result<SecretView> {
    Ok(SecretView {
        lifetime: SecretLifetime { lookup: row.get(from)?, grace_ends_at: row.get(from + 1)? },
        prefix: row.get(from + 2)?,
        created_at: row.get(from + 3)?,
        last_used_at: row.get(from + 4)?,
    })
}

fn total(row: &Row<'_>, from: usize) -> rusqlite::Result<Counts> {
    let count = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<u64>>(from + at)?.unwrap_or(0));
    Ok(Counts { usage_count: count(0)?, denied_count: count(1)?, last_used_at: row.get(from + 2)? })
}

/// Lists stand in one column, their items separated by spaces, which none of them may hold.
fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

pub(super) fn words_or_none(text: Option<String>) -> Option<Vec<String>> {
    text.map(|it| words(&it))
}

pub(super) fn join(items: Option<&[String]>) -> Option<String> {
    items.map(|it| it.join(" "))
}

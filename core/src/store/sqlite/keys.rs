//! Reads of keys and their secrets.

use std::sync::LazyLock;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::rows::{SECRET_VIEW, read_counts, read_secret, read_secret_view, words_or_none};
use super::table::{Columns, SQLITE};
use crate::clock::Millis;
use crate::error::Error;
use crate::hash::{StoredVerifier, TAG};
use crate::store::key::{KeyRow, KeyView, LookupResult, possible_lookups};
use crate::store::rows::{KeyFilter, PageCursor, SecretView, Tenant};
use crate::store::table::{KEYS, SECRETS, USAGE};

/// The condition of a live secret; the first parameter is the time.
const LIVE: &str = "(s.grace_ends_at IS NULL OR s.grace_ends_at > ?1)";

/// Joins the counters of a secret.
const SECRET_USAGE: &str = "LEFT JOIN usage u ON u.key_id = s.key_id AND u.lookup = s.lookup";

/// Joins the total counters of a key.
const KEY_USAGE: &str = "LEFT JOIN usage t ON t.key_id = k.id AND t.lookup = ''";

/// The columns of a key and its total counters.
static KEY: LazyLock<String> =
    LazyLock::new(|| format!("{}, {}", KEYS.select(&SQLITE, "k"), USAGE.select_mutable(&SQLITE, "t")));
const KEY_LEN: usize = KEYS.len() + USAGE.mutable();

pub(crate) static FIND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, {}, o.disabled_at, o.networks, {SECRET_VIEW} \
         FROM secrets f JOIN keys k ON k.id = f.key_id JOIN orgs o ON o.id = k.org {KEY_USAGE} \
         LEFT JOIN secrets s ON s.key_id = k.id AND {LIVE} {SECRET_USAGE} WHERE f.lookup = ?2",
        *KEY,
        SECRETS.select(&SQLITE, "f"),
    )
});
/// The index of the first column of the joined secret in [`FIND`].
const FIND_JOINED: usize = KEY_LEN + SECRETS.len() + 2;

static GET: LazyLock<String> = LazyLock::new(|| format!("SELECT {} FROM keys k {KEY_USAGE} WHERE k.id = ?1", *KEY));

pub(super) fn find(on: &Connection, lookup: &str, now: Millis) -> Result<Option<LookupResult>, Error> {
    let mut statement = on.prepare_cached(&FIND)?;
    let mut rows = statement.query(params![now, lookup])?;
    let mut found: Option<LookupResult> = None;
    while let Some(row) = rows.next()? {
        let found = match &mut found {
            Some(found) => found,
            None => {
                let mut columns = Columns::at(row, 0);
                found.insert(LookupResult {
                    view: read_view(&mut columns)?,
                    secret: read_secret(&mut columns)?,
                    org_disabled: columns.next_ref()? != ValueRef::Null,
                    org_networks: words_or_none(columns.next()?),
                })
            }
        };
        found.view.secrets.extend(read_secret_view(&mut Columns::at(row, FIND_JOINED))?);
    }
    Ok(found.map(|found| LookupResult { view: found.view.newest_first(), ..found }))
}

/// A key and its counters, so far without its secrets.
fn read_view(columns: &mut Columns<'_, '_>) -> Result<KeyView, Error> {
    Ok(KeyView { key: KeyRow::read(columns)?, usage: read_counts(columns)?, secrets: Vec::with_capacity(1) })
}

fn secrets(on: &Connection, key_id: &str, now: Millis) -> Result<Vec<SecretView>, Error> {
    let sql = format!("SELECT {SECRET_VIEW} FROM secrets s {SECRET_USAGE} WHERE s.key_id = ?2 AND {LIVE}");
    let mut statement = on.prepare_cached(&sql)?;
    let mut rows = statement.query(params![now, key_id])?;
    let mut secrets = Vec::with_capacity(1);
    while let Some(row) = rows.next()? {
        secrets.extend(read_secret_view(&mut Columns::at(row, 0))?);
    }
    Ok(secrets)
}

pub(super) fn get(on: &Connection, tenant: &Tenant, id: &str, now: Millis) -> Result<Option<KeyView>, Error> {
    let mut statement = on.prepare_cached(&GET)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let view = read_view(&mut Columns::at(row, 0))?;
    if !tenant.sees(&view.key.org) {
        return Ok(None);
    }
    Ok(Some(KeyView { secrets: secrets(on, &view.key.id, now)?, ..view }.newest_first()))
}

pub(super) fn by_prefix(on: &Connection, tenant: &Tenant, prefix: &str, now: Millis) -> Result<Option<KeyView>, Error> {
    let lookups = serde_json::Value::from(possible_lookups(prefix).collect::<Vec<_>>()).to_string();
    let id: Option<String> = on
        .prepare_cached("SELECT key_id FROM secrets WHERE lookup IN (SELECT value FROM json_each(?1)) AND prefix = ?2")?
        .query_row(params![lookups, prefix], |row| row.get(0))
        .optional()?;
    let id = id.map_or_else(|| imported_by_prefix(on, tenant, prefix), |id| Ok(Some(id)))?;
    id.map_or(Ok(None), |id| get(on, tenant, &id, now))
}

/// The imported key of a prefix, which several may share: `None` unless it is the only one.
fn imported_by_prefix(on: &Connection, tenant: &Tenant, prefix: &str) -> Result<Option<String>, Error> {
    let only = on
        .prepare_cached(
            "SELECT min(s.key_id), count(DISTINCT s.key_id) FROM secrets s JOIN keys k ON k.id = s.key_id \
             WHERE substr(s.format, 1, 1) = '~' AND s.prefix = ?1 AND (?2 IS NULL OR k.org = ?2)",
        )?
        .query_row(params![prefix, tenant.org()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match only {
        (id, 1) => id,
        (_, _) => None::<String>,
    })
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
    if let Some(cursor) = after {
        values.extend([&cursor.at as &dyn ToSql, &cursor.id]);
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
    conditions.push(filter.status.condition("?1"));
    let index = if org.is_some() { "keys_newest_of_org" } else { "keys_newest" };
    // The index gives the rows in order, so that SQLite reads one page of them and sorts nothing.
    let mut statement = on.prepare_cached(&format!(
        "SELECT {}, {SECRET_VIEW} FROM keys k INDEXED BY {index} {KEY_USAGE} \
         LEFT JOIN secrets s ON s.key_id = k.id AND {LIVE} {SECRET_USAGE} WHERE {} \
         ORDER BY k.created_at DESC, k.id DESC",
        *KEY,
        conditions.join(" AND ")
    ))?;
    let mut rows = statement.query(values.as_slice())?;
    let mut out: Vec<KeyView> = Vec::with_capacity(limit.min(1_024));
    while let Some(row) = rows.next()? {
        // A key with several secrets has a row for each.
        let same = row.get_ref(0)?.as_str().is_ok_and(|id| out.last().is_some_and(|last| last.key.id == id));
        if !same {
            if out.len() == limit {
                break;
            }
            out.push(read_view(&mut Columns::at(row, 0))?);
        }
        if let Some(last) = out.last_mut() {
            last.secrets.extend(read_secret_view(&mut Columns::at(row, KEY_LEN))?);
        }
    }
    Ok(out.into_iter().map(KeyView::newest_first).collect())
}

pub(super) fn revoked_with(on: &Connection, id: &str, now: Millis) -> Result<Vec<KeyView>, Error> {
    let mut statement = on.prepare_cached(
        "WITH RECURSIVE child (id) AS (SELECT id FROM keys WHERE parent = ?1 \
         UNION SELECT k.id FROM keys k JOIN child ON k.parent = child.id) \
         SELECT k.id FROM keys k JOIN keys p ON p.id = ?1 WHERE k.id IN child AND k.revoked_at = p.revoked_at",
    )?;
    let ids = statement.query_map([id], |row| row.get::<_, String>(0))?;
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    ids.iter().filter_map(|id| get(on, &Tenant::Every, id, now).transpose()).collect()
}

/// Walks the index of tags from one to the next, so that a million rows under one pepper cost one step. A tag is the start
/// of a verifier, which names its scheme and pepper.
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
        // Each slow verifier has its own tag, with the start of its salt, and each imported one. One step skips them all.
        let many = ["$argon2", "$import"].into_iter().find(|start| found.starts_with(start));
        tag = many.map_or(found, |start| format!("{start}~"));
    }
    Ok(out)
}

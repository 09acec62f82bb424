//! Reads of keys and their secrets. Each is one statement.

use std::sync::LazyLock;

use tokio_postgres::Row;

use super::connection::Query;
use super::pool::Pool;
use super::rows::{SECRET_VIEW, read_counts, read_secret, read_secret_view};
use super::table::{POSTGRES, PgColumns};
use super::value::SqlValue;
use crate::clock::Millis;
use crate::error::Error;
use crate::hash::{StoredVerifier, TAG};
use crate::store::key::{KeyRow, KeyView, LookupResult, possible_lookups};
use crate::store::rows::{KeyFilter, PageCursor, Tenant, foreign_row};
use crate::store::table::{KEYS, SECRETS, USAGE};

/// The condition of a live secret; the first parameter is the time.
const LIVE: &str = "(s.grace_ends_at IS NULL OR s.grace_ends_at > $1)";

/// The same, with the time as the second parameter.
const LIVE_SECOND: &str = "(s.grace_ends_at IS NULL OR s.grace_ends_at > $2)";

/// Joins the counters of a secret.
const SECRET_USAGE: &str = "LEFT JOIN keywright.usage u ON u.key_id = s.key_id AND u.lookup = s.lookup";

/// Joins the total counters of a key.
const KEY_USAGE: &str = "LEFT JOIN keywright.usage t ON t.key_id = k.id AND t.lookup = ''";

/// The columns of a key and its total counters.
static KEY: LazyLock<String> =
    LazyLock::new(|| format!("{}, {}", KEYS.select(&POSTGRES, "k"), USAGE.select_mutable(&POSTGRES, "t")));
const KEY_LEN: usize = KEYS.len() + USAGE.mutable();

static FIND: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, {}, o.disabled_at, o.networks, {SECRET_VIEW} \
         FROM keywright.secrets f JOIN keywright.keys k ON k.id = f.key_id JOIN keywright.orgs o ON o.id = k.org {KEY_USAGE} \
         LEFT JOIN keywright.secrets s ON s.key_id = k.id AND {LIVE} {SECRET_USAGE} WHERE f.lookup = $2",
        *KEY,
        SECRETS.select(&POSTGRES, "f"),
    )
});
/// The index of the first column of the joined secret in [`FIND`].
const FIND_JOINED: usize = KEY_LEN + SECRETS.len() + 2;

/// Selects keys with their secrets: a row for each secret. The condition is about `k`.
fn views(condition: &str) -> String {
    format!(
        "SELECT {}, {SECRET_VIEW} FROM keywright.keys k {KEY_USAGE} \
         LEFT JOIN keywright.secrets s ON s.key_id = k.id AND {LIVE} {SECRET_USAGE} WHERE {condition}",
        *KEY
    )
}

static GET: LazyLock<String> = LazyLock::new(|| views("k.id = $2"));

static BY_PREFIX: LazyLock<String> = LazyLock::new(|| {
    // Several imported keys may share a prefix, which then finds none of them.
    views(
        "k.id IN (SELECT p.key_id FROM keywright.secrets p WHERE p.lookup = ANY ($2) AND p.prefix = $3 \
         UNION ALL SELECT min(i.key_id) FROM keywright.secrets i JOIN keywright.keys o ON o.id = i.key_id \
           WHERE left(i.format, 1) = '~' AND i.prefix = $3 AND ($4 IS NULL OR o.org = $4) \
           HAVING min(i.key_id) = max(i.key_id))",
    )
});

/// The keys that descend from a key, as rows of `child`.
pub(super) const DESCENDANTS: &str = "WITH RECURSIVE child (id) AS (SELECT id FROM keywright.keys WHERE parent = $1 \
    UNION SELECT k.id FROM keywright.keys k JOIN child ON k.parent = child.id)";

static REVOKED_WITH: LazyLock<String> = LazyLock::new(|| {
    let condition =
        "k.id IN (SELECT id FROM child) AND k.revoked_at = (SELECT p.revoked_at FROM keywright.keys p WHERE p.id = $1)";
    format!("{DESCENDANTS} {} ORDER BY k.id", views(condition).replace(LIVE, LIVE_SECOND))
});

/// Walks the index of tags from one to the next, so that a million rows under one pepper cost one step. A tag is the start
/// of a verifier, which names its scheme and pepper. Each slow verifier has its own tag, with the start of its salt, and each
/// imported one. One step skips them all.
static PEPPERS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH RECURSIVE tags (tag) AS (\
           SELECT min(left(verifier, {TAG})) FROM keywright.secrets \
           UNION ALL SELECT (SELECT min(left(s.verifier, {TAG})) FROM keywright.secrets s WHERE left(s.verifier, {TAG}) > \
             CASE WHEN tags.tag LIKE '$argon2%' THEN '$argon2~' WHEN tags.tag LIKE '$import%' THEN '$import~' ELSE tags.tag END) \
           FROM tags WHERE tags.tag IS NOT NULL) \
         SELECT tag FROM tags WHERE tag IS NOT NULL AND EXISTS (\
           SELECT 1 FROM keywright.secrets s JOIN keywright.keys k ON k.id = s.key_id \
           WHERE left(s.verifier, {TAG}) = tags.tag AND {LIVE} AND k.revoked_at IS NULL)"
    )
});

/// The look-up of a verification.
pub(super) fn find_query(lookup: &str, now: Millis) -> Query<'_> {
    Query { sql: &FIND, values: vec![SqlValue::time(now), lookup.into()] }
}

pub(super) async fn find(on: &Pool, lookup: &str, now: Millis) -> Result<Option<LookupResult>, Error> {
    if is_unstorable(lookup) {
        return Ok(None);
    }
    read_found(&on.read_for_verification(&find_query(lookup, now)).await?)
}

/// Reads the rows of [`find_query`].
pub(super) fn read_found(rows: &[Row]) -> Result<Option<LookupResult>, Error> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut columns = PgColumns::at(first, 0);
    let mut found = LookupResult {
        view: read_view(&mut columns)?,
        secret: read_secret(&mut columns)?,
        org_disabled: columns.optional_time()?.is_some(),
        org_networks: columns.next()?,
    };
    for row in rows {
        found.view.secrets.extend(read_secret_view(&mut PgColumns::at(row, FIND_JOINED))?);
    }
    Ok(Some(LookupResult { view: found.view.newest_first(), ..found }))
}

/// A key and its counters, so far without its secrets.
fn read_view(columns: &mut PgColumns<'_>) -> Result<KeyView, Error> {
    Ok(KeyView { key: KeyRow::read(columns)?, usage: read_counts(columns)?, secrets: Vec::with_capacity(1) })
}

/// Reads the rows of [`views`], in which those of one key follow each other.
pub(super) fn read_views(rows: &[Row]) -> Result<Vec<KeyView>, Error> {
    let mut views: Vec<KeyView> = Vec::with_capacity(rows.len());
    for row in rows {
        let id: &str = row.try_get(0).map_err(|_| foreign_row())?;
        if views.last().is_none_or(|last| last.key.id != id) {
            views.push(read_view(&mut PgColumns::at(row, 0))?);
        }
        if let Some(last) = views.last_mut() {
            last.secrets.extend(read_secret_view(&mut PgColumns::at(row, KEY_LEN))?);
        }
    }
    Ok(views.into_iter().map(KeyView::newest_first).collect())
}

/// The key with its live secrets.
pub(super) fn get_query(id: &str, now: Millis) -> Query<'_> {
    Query { sql: &GET, values: vec![SqlValue::time(now), id.into()] }
}

pub(super) async fn get(on: &Pool, tenant: &Tenant, id: &str, now: Millis) -> Result<Option<KeyView>, Error> {
    if is_unstorable(id) {
        return Ok(None);
    }
    one(on, tenant, &get_query(id, now)).await
}

pub(super) async fn by_prefix(on: &Pool, tenant: &Tenant, prefix: &str, now: Millis) -> Result<Option<KeyView>, Error> {
    if is_unstorable(prefix) {
        return Ok(None);
    }
    let lookups = SqlValue::Texts(possible_lookups(prefix).collect());
    let values = vec![SqlValue::time(now), lookups, prefix.into(), tenant.org().into()];
    one(on, tenant, &Query { sql: &BY_PREFIX, values }).await
}

async fn one(on: &Pool, tenant: &Tenant, query: &Query<'_>) -> Result<Option<KeyView>, Error> {
    let found = read_views(&on.read(query).await?)?.into_iter().next();
    Ok(found.filter(|view| tenant.sees(&view.key.org)))
}

pub(super) async fn list(
    on: &Pool,
    tenant: &Tenant,
    filter: &KeyFilter,
    after: Option<&PageCursor>,
    limit: usize,
    now: Millis,
) -> Result<Vec<KeyView>, Error> {
    let mut values = vec![SqlValue::time(now), SqlValue::unsigned(u64::try_from(limit).unwrap_or(u64::MAX))];
    let mut conditions: Vec<String> = Vec::new();
    let texts =
        [("org", tenant.org()), ("environment", filter.environment.as_deref()), ("name", filter.name.as_deref())];
    for (column, value) in texts {
        let Some(value) = value else { continue };
        if is_unstorable(value) {
            return Ok(Vec::new());
        }
        values.push(value.into());
        conditions.push(format!("k.{column} = ${}", values.len()));
    }
    if let Some(cursor) = after {
        values.extend([SqlValue::time(cursor.at), SqlValue::from(&cursor.id)]);
        conditions.push(format!("(k.created_at, k.id) < (${}, ${})", values.len() - 1, values.len()));
    }
    if let Some(since) = filter.idle_since {
        values.push(SqlValue::time(since));
        conditions.push(format!("coalesce(t.last_used_at, k.created_at) <= ${}", values.len()));
    }
    if let Some(until) = filter.expires_until {
        values.push(SqlValue::time(until));
        conditions.push(format!("k.expires_at <= ${}", values.len()));
    }
    conditions.push(filter.status.condition("$1"));
    // The page is cut before secrets are joined, of which a key may have several.
    let page = format!(
        "k.id IN (SELECT k.id FROM keywright.keys k {KEY_USAGE} WHERE {} ORDER BY k.created_at DESC, k.id DESC LIMIT $2)",
        conditions.join(" AND ")
    );
    let sql = format!("{} ORDER BY k.created_at DESC, k.id DESC", views(&page));
    read_views(&on.read(&Query { sql: &sql, values }).await?)
}

pub(super) async fn revoked_with(on: &Pool, id: &str, now: Millis) -> Result<Vec<KeyView>, Error> {
    let values = vec![id.into(), SqlValue::time(now)];
    read_views(&on.read(&Query { sql: &REVOKED_WITH, values }).await?)
}

pub(super) async fn peppers(on: &Pool, now: Millis) -> Result<Vec<String>, Error> {
    let rows = on.read(&Query { sql: &PEPPERS, values: vec![SqlValue::time(now)] }).await?;
    let mut peppers = Vec::new();
    for row in &rows {
        let tag: &str = row.try_get(0).map_err(|_| foreign_row())?;
        peppers.extend(StoredVerifier::pepper_of(tag).map(str::to_owned));
    }
    Ok(peppers)
}

/// Whether no row can hold the text, because PostgreSQL has no NUL.
pub(super) fn is_unstorable(text: &str) -> bool {
    text.contains('\0')
}

//! The table of orgs.

use std::sync::LazyLock;

use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, Row, ToSql, params, params_from_iter};

use super::rows::{join, words_or_none};
use super::table::{Columns, SQLITE};
use crate::clock::Millis;
use crate::error::Error;
use crate::store::rows::{OrgRow, PageCursor};
use crate::store::table::ORGS;

static INSERT: LazyLock<String> = LazyLock::new(|| ORGS.insert(&SQLITE));
static UPDATE: LazyLock<String> = LazyLock::new(|| ORGS.update(&SQLITE));
static GET: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM orgs o WHERE o.id = ?1", ORGS.select(&SQLITE, "o")));
static LIST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM orgs o WHERE (o.created_at, o.id) < (?1, ?2) ORDER BY o.created_at DESC, o.id DESC LIMIT ?3",
        ORGS.select(&SQLITE, "o")
    )
});

pub(super) fn insert(on: &Connection, org: &OrgRow) -> Result<(), Error> {
    on.prepare_cached(&INSERT)?.execute(params_from_iter(values(org)?))?;
    Ok(())
}

pub(super) fn update(on: &Connection, org: &OrgRow) -> Result<(), Error> {
    on.prepare_cached(&UPDATE)?.execute(params_from_iter(values(org)?))?;
    Ok(())
}

pub(super) fn get(on: &Connection, id: &str) -> Result<Option<OrgRow>, Error> {
    let mut statement = on.prepare_cached(&GET)?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(read).transpose()
}

/// An org without a row has had no key yet, and so is not disabled.
pub(super) fn is_disabled(on: &Connection, id: &str) -> Result<bool, Error> {
    Ok(on
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM orgs WHERE id = ?1 AND disabled_at IS NOT NULL)")?
        .query_row([id], |row| row.get(0))?)
}

pub(super) fn list(on: &Connection, after: Option<&PageCursor>, limit: usize) -> Result<Vec<OrgRow>, Error> {
    let mut statement = on.prepare_cached(&LIST)?;
    let (at, id) = after.map_or((i64::MAX, ""), |cursor| (cursor.at, cursor.id.as_str()));
    let mut rows = statement.query(params![at, id, limit])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}

/// The number of keys of an org that are not revoked.
pub(super) fn unrevoked(on: &Connection, org: &str) -> Result<u64, Error> {
    Ok(on
        .prepare_cached("SELECT count(*) FROM keys WHERE org = ?1 AND revoked_at IS NULL")?
        .query_row([org], |row| row.get(0))?)
}

pub(super) fn revoke_keys(on: &Connection, org: &str, at: Millis, reason: Option<&str>) -> Result<(), Error> {
    on.prepare_cached(
        "UPDATE keys SET revoked_at = ?2, updated_at = ?2, reason = ?3 WHERE org = ?1 AND revoked_at IS NULL",
    )?
    .execute(params![org, at, reason])?;
    Ok(())
}

/// The values of a row, in the order of [`ORGS`].
fn values(org: &OrgRow) -> Result<[ToSqlOutput<'_>; ORGS.len()], Error> {
    let OrgRow { id, networks, created_at, updated_at, disabled_at, reason } = org;
    Ok([
        id.to_sql()?,
        created_at.to_sql()?,
        ToSqlOutput::Owned(Value::from(join(networks.as_deref()))),
        updated_at.to_sql()?,
        disabled_at.to_sql()?,
        reason.to_sql()?,
    ])
}

fn read(row: &Row<'_>) -> Result<OrgRow, Error> {
    let mut columns = Columns::at(row, 0);
    Ok(OrgRow {
        id: columns.next()?,
        created_at: columns.next()?,
        networks: words_or_none(columns.next()?),
        updated_at: columns.next()?,
        disabled_at: columns.next()?,
        reason: columns.next()?,
    })
}

//! The table of audit entries.

use std::sync::LazyLock;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql, params};

use super::table::{Columns, SQLITE};
use crate::clock::Millis;
use crate::error::Error;
use crate::record::AuditEntry;
use crate::store::rows::{AuditColumns, AuditFilter, AuditRow, Tenant};
use crate::store::script::{ChainEnd, PrunableAudit};
use crate::store::table::AUDIT;

static INSERT: LazyLock<String> = LazyLock::new(|| AUDIT.insert(&SQLITE));
static SELECT: LazyLock<String> = LazyLock::new(|| format!("SELECT {} FROM audit a", AUDIT.select(&SQLITE, "a")));

pub(super) fn insert(on: &Connection, row: &AuditRow) -> Result<(), Error> {
    let AuditRow { entry, at, details, pepper, hash } = row;
    let AuditEntry { seq, at: _, org, actor, action, target, reason, details: _, hash: _ } = entry;
    let values: [&dyn ToSql; AUDIT.len()] = [seq, at, org, actor, action, target, reason, details, pepper, hash];
    on.prepare_cached(&INSERT)?.execute(values.as_slice())?;
    Ok(())
}

pub(super) fn end(on: &Connection) -> Result<ChainEnd, Error> {
    let last = on
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(ChainEnd { seq: row.get(0)?, hash: row.get(1)? }))
        .optional()?;
    Ok(last.unwrap_or_default())
}

pub(super) fn list(
    on: &Connection,
    tenant: &Tenant,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AuditRow>, Error> {
    let mut sql = format!("{} WHERE seq < ?1", *SELECT);
    // The most selective condition comes first: each column has an index.
    if filter.target.is_some() {
        sql.push_str(" AND target = ?2");
    }
    if tenant.org().is_some() {
        sql.push_str(" AND org = ?3");
    }
    if filter.action.is_some() {
        sql.push_str(" AND action = ?4");
    }
    if filter.agent.is_some() {
        sql.push_str(" AND CASE WHEN json_valid(details) THEN json_extract(details, '$.agent') END = ?5");
    }
    sql.push_str(" ORDER BY seq DESC LIMIT ?6");
    let before = before.unwrap_or(i64::MAX.unsigned_abs());
    rows(on.prepare_cached(&sql)?, params![before, filter.target, tenant.org(), filter.action, filter.agent, limit])
}

pub(super) fn scan(on: &Connection, after: u64, limit: usize) -> Result<Vec<AuditRow>, Error> {
    let sql = format!("{} WHERE seq > ?1 ORDER BY seq LIMIT ?2", *SELECT);
    rows(on.prepare_cached(&sql)?, params![after, limit])
}

fn rows(mut statement: CachedStatement<'_>, values: &[&dyn ToSql]) -> Result<Vec<AuditRow>, Error> {
    let mut rows = statement.query(values)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}

fn read(row: &Row<'_>) -> Result<AuditRow, Error> {
    let mut columns = Columns::at(row, 0);
    // Fields are evaluated in the order in which they are written, which is the order of `AUDIT`.
    let columns = AuditColumns {
        seq: columns.next()?,
        at: columns.next()?,
        org: columns.next()?,
        actor: columns.next()?,
        action: columns.next()?,
        target: columns.next()?,
        reason: columns.next()?,
        details: columns.next()?,
        pepper: columns.next()?,
        hash: columns.next()?,
    };
    Ok(columns.into())
}

/// The entries that were made before a time. Clocks step back, so the first entry that was made later ends them.
pub(super) fn prunable(on: &Connection, before: Millis) -> Result<Option<PrunableAudit>, Error> {
    let kept: Option<u64> = on.query_row("SELECT min(seq) FROM audit WHERE at >= ?1", [before], |row| row.get(0))?;
    let last = kept.map_or(i64::MAX.unsigned_abs(), |first| first.saturating_sub(1));
    let read = |row: &Row<'_>| {
        Ok(PrunableAudit { count: row.get(2)?, last: ChainEnd { seq: row.get(0)?, hash: row.get(1)? } })
    };
    let sql = "SELECT seq, hash, (SELECT count(*) FROM audit WHERE seq <= ?1) FROM audit WHERE seq <= ?1 \
        ORDER BY seq DESC LIMIT 1";
    Ok(on.query_row(sql, [last], read).optional()?)
}

pub(super) fn delete(on: &Connection, through: u64) -> Result<(), Error> {
    on.execute("DELETE FROM audit WHERE seq <= ?1", [through])?;
    Ok(())
}

//! The table of audit entries.

use std::sync::LazyLock;

use tokio_postgres::Row;

use super::connection::Query;
use super::keys::is_unstorable;
use super::pool::Pool;
use super::table::{InsertStatements, POSTGRES, PgColumns};
use super::value::SqlValue;
use crate::clock::Millis;
use crate::error::Error;
use crate::record::AuditEntry;
use crate::store::rows::{AuditColumns, AuditFilter, AuditRow, Tenant};
use crate::store::script::{ChainEnd, PrunableAudit};
use crate::store::table::AUDIT;

pub(super) static INSERT: LazyLock<InsertStatements> = LazyLock::new(|| InsertStatements::new(&AUDIT));
static SELECT: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM keywright.audit a", AUDIT.select(&POSTGRES, "a")));

pub(super) async fn list(
    on: &Pool,
    tenant: &Tenant,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AuditRow>, Error> {
    let mut values = vec![SqlValue::unsigned(before.unwrap_or(u64::MAX)), limit_value(limit)];
    let mut sql = format!("{} WHERE a.seq < $1", *SELECT);
    let conditions = [
        ("a.target", filter.target.as_deref()),
        ("a.org", tenant.org()),
        ("a.action", filter.action.as_deref()),
        ("a.details ->> 'agent'::text", filter.agent.as_deref()),
    ];
    for (column, value) in conditions {
        let Some(value) = value else { continue };
        if is_unstorable(value) {
            return Ok(Vec::new());
        }
        values.push(value.into());
        sql.push_str(&format!(" AND {column} = ${}", values.len()));
    }
    sql.push_str(" ORDER BY a.seq DESC LIMIT $2");
    on.read(&Query { sql: &sql, values }).await?.iter().map(read).collect()
}

pub(super) async fn scan(on: &Pool, after: u64, limit: usize) -> Result<Vec<AuditRow>, Error> {
    let sql = format!("{} WHERE a.seq > $1 ORDER BY a.seq LIMIT $2", *SELECT);
    let values = vec![SqlValue::unsigned(after), limit_value(limit)];
    on.read(&Query { sql: &sql, values }).await?.iter().map(read).collect()
}

fn limit_value(limit: usize) -> SqlValue<'static> {
    SqlValue::unsigned(u64::try_from(limit).unwrap_or(u64::MAX))
}

fn read(row: &Row) -> Result<AuditRow, Error> {
    let mut columns = PgColumns::at(row, 0);
    // Fields are evaluated in the order in which they are written, which is the order of `AUDIT`.
    let columns = AuditColumns {
        seq: columns.count()?,
        at: columns.time()?,
        org: columns.next()?,
        actor: columns.next()?,
        action: columns.next()?,
        target: columns.next()?,
        reason: columns.next()?,
        details: columns.next()?,
        pepper: columns.next()?,
        hash: columns.digest()?,
    };
    Ok(columns.into())
}

/// The values of a row, in the order of [`AUDIT`].
pub(super) fn values(row: &AuditRow) -> [SqlValue<'_>; AUDIT.len()] {
    let AuditRow { entry, at, details, pepper, hash } = row;
    let AuditEntry { seq, at: _, org, actor, action, target, reason, details: _, hash: _ } = entry;
    [
        SqlValue::unsigned(*seq),
        SqlValue::time(*at),
        org.into(),
        actor.into(),
        action.into(),
        target.into(),
        reason.into(),
        details.into(),
        pepper.into(),
        hash.as_slice().into(),
    ]
}

/// The last entry.
pub(super) fn end() -> Query<'static> {
    Query { sql: "SELECT seq, hash FROM keywright.audit ORDER BY seq DESC LIMIT 1", values: Vec::new() }
}

/// Reads the rows of [`end`].
pub(super) fn read_end(rows: &[Row]) -> Result<ChainEnd, Error> {
    let Some(row) = rows.first() else { return Ok(ChainEnd::default()) };
    let mut columns = PgColumns::at(row, 0);
    Ok(ChainEnd { seq: columns.count()?, hash: columns.digest()? })
}

/// The last entry that was made before a time, and the number of entries up to it.
pub(super) fn prunable(before: Millis) -> Query<'static> {
    let sql = "WITH last (seq) AS (SELECT coalesce(\
          (SELECT min(seq) - 1 FROM keywright.audit WHERE at >= $1), (SELECT max(seq) FROM keywright.audit))) \
        SELECT (SELECT count(*) FROM keywright.audit c WHERE c.seq <= a.seq), a.seq, a.hash \
        FROM last JOIN keywright.audit a ON a.seq = last.seq";
    Query { sql, values: vec![SqlValue::time(before)] }
}

/// Reads the rows of [`prunable`].
pub(super) fn read_prunable(row: &Row) -> Result<PrunableAudit, Error> {
    let mut columns = PgColumns::at(row, 0);
    Ok(PrunableAudit { count: columns.count()?, last: ChainEnd { seq: columns.count()?, hash: columns.digest()? } })
}

pub(super) fn delete(through: u64) -> Query<'static> {
    Query { sql: "DELETE FROM keywright.audit WHERE seq <= $1", values: vec![SqlValue::unsigned(through)] }
}

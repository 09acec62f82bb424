//! The table of audit entries.

use std::sync::LazyLock;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, ToSql, Transaction, params};

use super::table::{AUDIT, Columns};
use crate::audit::{AuditDraft, AuditFields, AuditHash, GENESIS_HASH, entry_hash};
use crate::clock::{Millis, time};
use crate::error::Error;
use crate::hash::hex;
use crate::record::AuditEntry;
use crate::store::port::AuditKey;
use crate::store::rows::{AuditFilter, AuditRow, Tenant};

static INSERT: LazyLock<String> = LazyLock::new(|| AUDIT.insert());
static SELECT: LazyLock<String> = LazyLock::new(|| format!("SELECT {} FROM audit a", AUDIT.select("a")));

/// Appends one entry to the chain, in the transaction of the change that it records.
pub(super) fn append(on: &Transaction<'_>, draft: &AuditDraft, audit_key: &AuditKey) -> Result<(), Error> {
    let (last, before) = head(on)?;
    append_after(on, draft, audit_key, last, before)
}

fn append_after(
    on: &Transaction<'_>,
    draft: &AuditDraft,
    audit_key: &AuditKey,
    last: u64,
    before: AuditHash,
) -> Result<(), Error> {
    let details = serde_json::Value::Object(draft.details.clone()).to_string();
    let entry = AuditFields {
        seq: last + 1,
        at: draft.at,
        org: draft.org.as_deref(),
        actor: draft.actor.as_deref(),
        action: draft.action,
        target: draft.target.as_deref(),
        reason: draft.reason.as_deref(),
        details: &details,
    };
    let hash = entry_hash(&before, &entry, audit_key.key.as_deref().map(|key| &**key));
    let AuditFields { seq, at, org, actor, action, target, reason, details } = entry;
    let values: [&dyn ToSql; AUDIT.len()] =
        [&seq, &at, &org, &actor, &action, &target, &reason, &details, &audit_key.pepper, &hash];
    on.prepare_cached(&INSERT)?.execute(values.as_slice())?;
    Ok(())
}

fn head(on: &Connection) -> Result<(u64, AuditHash), Error> {
    let last = on
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(last.unwrap_or((0, GENESIS_HASH)))
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
    let (seq, at): (u64, Millis) = (columns.next()?, columns.next()?);
    let (org, actor, action) = (columns.next()?, columns.next()?, columns.next()?);
    let (target, reason) = (columns.next()?, columns.next()?);
    let details: String = columns.next()?;
    let (pepper, hash): (_, AuditHash) = (columns.next()?, columns.next()?);
    let entry = AuditEntry {
        seq,
        at: time(at),
        org,
        actor,
        action,
        target,
        reason,
        // `audit.verify` reports a damaged text.
        details: serde_json::from_str(&details).unwrap_or_default(),
        hash: hex(&hash),
    };
    Ok(AuditRow { entry, at, details, pepper, hash })
}

pub(super) fn prune(
    on: &Transaction<'_>,
    before: Millis,
    mut draft: AuditDraft,
    audit_key: &AuditKey,
) -> Result<u64, Error> {
    let kept: Option<u64> = on.query_row("SELECT min(seq) FROM audit WHERE at >= ?1", [before], |row| row.get(0))?;
    let last = match kept {
        Some(first) => first.saturating_sub(1),
        None => head(on)?.0,
    };
    let through: Option<AuditHash> =
        on.query_row("SELECT hash FROM audit WHERE seq = ?1", [last], |row| row.get(0)).optional()?;
    let Some(through) = through else { return Ok(0) };
    let end = head(on)?;
    let pruned = on.execute("DELETE FROM audit WHERE seq <= ?1", [last])?;
    draft.details.insert("through_seq".into(), last.into());
    draft.details.insert("through_hash".into(), hex(&through).into());
    append_after(on, &draft, audit_key, end.0, end.1)?;
    Ok(u64::try_from(pruned).unwrap_or(u64::MAX))
}

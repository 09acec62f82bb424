//! The changes since a cursor in the sequence that the triggers raise.

use std::num::NonZeroU64;
use std::sync::LazyLock;

use super::connection::Query;
use super::error::foreign_row;
use super::pool::Pool;
use super::table::PgColumns;
use super::value::SqlValue;
use crate::error::Error;
use crate::store::rows::{ChangeCursor, Changes};

/// With more changed rows than this in one table, it is cheaper to say that everything has changed.
const MAX_NAMED: usize = 1_000;

/// A number that differs after a restart, after a promotion of a standby, and for a copy on another server.
pub(super) const GENERATION: &str = "hashtextextended(concat_ws(' ', \
    (SELECT system_identifier FROM pg_control_system()), pg_postmaster_start_time(), \
    CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id::text FROM pg_control_checkpoint()) \
      ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END, \
    'keywright.meta'::regclass::oid), 0)";

static STAMP: LazyLock<String> = LazyLock::new(|| format!("SELECT seq, {GENERATION} FROM keywright.meta"));

/// The first row is the cursor; each further one is a changed row. One statement reads one snapshot.
static SINCE: LazyLock<String> = LazyLock::new(|| {
    let limit = MAX_NAMED + 1;
    format!(
        "SELECT 'cursor', NULL, seq, deleted_seq, {GENERATION} FROM keywright.meta \
         UNION ALL (SELECT 'key', id, NULL, NULL, NULL FROM keywright.keys WHERE changed_seq > $1 LIMIT {limit}) \
         UNION ALL (SELECT 'key', key_id, NULL, NULL, NULL FROM keywright.secrets WHERE changed_seq > $1 LIMIT {limit}) \
         UNION ALL (SELECT 'org', id, NULL, NULL, NULL FROM keywright.orgs WHERE changed_seq > $1 LIMIT {limit})"
    )
});

/// A number that differs after each commit, and in another database.
pub(super) async fn stamp(on: &Pool) -> Result<NonZeroU64, Error> {
    let rows = on.read(&Query { sql: &STAMP, values: Vec::new() }).await?;
    let mut columns = PgColumns::at(rows.first().ok_or_else(foreign_row)?, 0);
    let (seq, generation): (i64, i64) = (columns.next()?, columns.next()?);
    Ok(NonZeroU64::new(seq.wrapping_add(generation).cast_unsigned()).unwrap_or(NonZeroU64::MAX))
}

pub(super) async fn since(on: &Pool, after: Option<ChangeCursor>) -> Result<Changes, Error> {
    // Without a cursor no change needs a name.
    let from = after.map_or(i64::MAX, |after| after.seq);
    let rows = on.read(&Query { sql: &SINCE, values: vec![SqlValue::Integer(Some(from))] }).await?;
    let mut rows = rows.iter();
    let mut first = PgColumns::at(rows.next().ok_or_else(foreign_row)?, 2);
    let (seq, deleted, generation): (i64, i64, i64) = (first.next()?, first.next()?, first.next()?);
    let mut changes = Changes { cursor: ChangeCursor { seq, generation }, ..Changes::default() };
    match after {
        Some(after) if generation == after.generation && seq >= after.seq && deleted <= after.seq => {
            for row in rows {
                let mut columns = PgColumns::at(row, 0);
                match columns.next()? {
                    "key" => changes.keys.push(columns.next()?),
                    _ => changes.orgs.push(columns.next()?),
                }
            }
            changes.all = changes.keys.len() > MAX_NAMED || changes.orgs.len() > MAX_NAMED;
        }
        // The first call, a deleted row, which has no name here, or another database in place of this one.
        _ => changes.all = true,
    }
    Ok(changes)
}

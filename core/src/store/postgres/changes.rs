//! The changes since a cursor in the sequence that the triggers raise.

use std::sync::{Arc, LazyLock};

use tokio_postgres::Row;

use super::connection::{Connection, Query};
use super::error;
use super::lineage::{SYSTEM, TIMELINE};
use super::pool::Pool;
use super::settings::ReadRole;
use super::table::PgColumns;
use super::value::SqlValue;
use crate::error::Error;
use crate::store::rows::{ChangeCursor, Changes, foreign_row};

/// With more changed rows than this in one table, it is cheaper to say that everything has changed.
const MAX_NAMED: usize = 1_000;

/// A number that differs after a restart, after a promotion of a standby, and for a copy on another server. After a restart
/// only its lower half differs.
static GENERATION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "((hashtext({SYSTEM}::text || {TIMELINE} || 'keywright.meta'::regclass::oid::text)::bigint << 32) \
         | (hashtext(extract(epoch FROM pg_postmaster_start_time())::text)::bigint & 4294967295))"
    )
});

static SELECT_GENERATION: LazyLock<String> = LazyLock::new(|| format!("SELECT {}", *GENERATION));

static SINCE: LazyLock<String> = LazyLock::new(|| since_parameter(1));

/// The statement that reads the changes after the number in a parameter. The first row has the formats of imported keys and the
/// cursor; each further one is a changed row. One statement reads one snapshot.
pub(super) fn since_parameter(number: usize) -> String {
    let (generation, limit) = (&*GENERATION, MAX_NAMED + 1);
    format!(
        "SELECT 'cursor', imported_formats, seq, deleted_seq, {generation} FROM keywright.meta \
         UNION ALL (SELECT 'key', id, NULL, NULL, NULL FROM keywright.keys WHERE changed_seq > ${number} LIMIT {limit}) \
         UNION ALL (SELECT 'key', key_id, NULL, NULL, NULL FROM keywright.secrets WHERE changed_seq > ${number} LIMIT {limit}) \
         UNION ALL (SELECT 'org', id, NULL, NULL, NULL FROM keywright.orgs WHERE changed_seq > ${number} LIMIT {limit})"
    )
}

/// The generation that a connection sees.
pub(super) async fn generation(on: &Connection) -> Result<i64, Error> {
    let query = Query { sql: &SELECT_GENERATION, values: Vec::new() };
    let answer = on.read(ReadRole::Management, &query).await.ok_or_else(error::no_answer)?;
    let rows = answer.map_err(|problem| error::of_statement(&problem))?;
    PgColumns::at(rows.first().ok_or_else(foreign_row)?, 0).next()
}

pub(super) async fn since(on: &Pool, after: Option<ChangeCursor>) -> Result<Changes, Error> {
    read_since(&on.read_for_verification(&query(after)).await?, after)
}

/// The number of a cursor. Without one no change needs a name.
pub(super) fn seq_of(after: Option<ChangeCursor>) -> i64 {
    after.map_or(i64::MAX, |after| after.seq)
}

/// The changes since a cursor, from the rows of a statement with its number.
pub(super) fn read_since(rows: &[Row], after: Option<ChangeCursor>) -> Result<Changes, Error> {
    let ChangedRows { changes, deleted_seq } = read(rows)?;
    let is_complete = after.is_some_and(|after| {
        changes.cursor.generation == after.generation && changes.cursor.seq >= after.seq && deleted_seq <= after.seq
    });
    // On the first call, after a deleted row, which has no name here, and in another database, everything may have changed.
    let Changes { cursor, .. } = changes;
    Ok(if is_complete { changes } else { Changes { cursor, all: true, keys: Vec::new(), orgs: Vec::new(), ..changes } })
}

/// The rows that changed after a cursor.
pub(super) fn query(after: Option<ChangeCursor>) -> Query<'static> {
    Query { sql: &SINCE, values: vec![SqlValue::Integer(Some(seq_of(after)))] }
}

struct ChangedRows {
    changes: Changes,
    deleted_seq: i64,
}

fn read(rows: &[Row]) -> Result<ChangedRows, Error> {
    let (first, rows) = rows.split_first().ok_or_else(foreign_row)?;
    let mut first = PgColumns::at(first, 1);
    let imported_formats = Some(Arc::from(first.next::<&str>()?));
    let (seq, deleted_seq, generation): (i64, i64, i64) = (first.next()?, first.next()?, first.next()?);
    let mut changes = Changes { cursor: ChangeCursor { seq, generation }, imported_formats, ..Changes::default() };
    for row in rows {
        let mut columns = PgColumns::at(row, 0);
        match columns.next()? {
            "key" => changes.keys.push(columns.next()?),
            _ => changes.orgs.push(columns.next()?),
        }
    }
    changes.all = changes.keys.len() > MAX_NAMED || changes.orgs.len() > MAX_NAMED;
    Ok(ChangedRows { changes, deleted_seq })
}

//! The changes since a cursor in the sequence that the triggers raise.

use std::sync::Arc;

use rusqlite::Connection;

use crate::error::Error;
use crate::store::rows::{ChangeCursor, Changes};

/// With more changed rows than this in one table, it is cheaper to say that everything has changed.
const MAX_NAMED: usize = 1_000;

pub(super) fn since(on: &Connection, after: Option<ChangeCursor>) -> Result<Changes, Error> {
    let snapshot = on.unchecked_transaction()?;
    // Restoring a copy through SQLite raises the version of the schema, as VACUUM does. So it serves as the generation.
    let (cursor, deleted, formats): (ChangeCursor, i64, Arc<str>) = snapshot
        .prepare_cached("SELECT seq, schema_version, deleted_seq, imported_formats FROM meta, pragma_schema_version")?
        .query_row([], |row| {
            Ok((ChangeCursor { seq: row.get(0)?, generation: row.get(1)? }, row.get(2)?, row.get(3)?))
        })?;
    let mut changes = Changes { cursor, imported_formats: Some(formats), ..Changes::default() };
    match after {
        Some(after) if cursor == after => {}
        Some(after) if cursor.generation == after.generation && cursor.seq > after.seq && deleted <= after.seq => {
            let mut named = |sql: &str, into: fn(&mut Changes) -> &mut Vec<String>| {
                let mut statement = snapshot.prepare_cached(sql)?;
                let mut rows = statement.query([after.seq])?;
                while let Some(row) = rows.next()? {
                    let names = into(&mut changes);
                    names.push(row.get(0)?);
                    changes.all |= names.len() > MAX_NAMED;
                    if changes.all {
                        break;
                    }
                }
                Ok::<_, Error>(())
            };
            named("SELECT id FROM keys WHERE changed_seq > ?1", |changes| &mut changes.keys)?;
            named("SELECT key_id FROM secrets WHERE changed_seq > ?1", |changes| &mut changes.keys)?;
            named("SELECT id FROM orgs WHERE changed_seq > ?1", |changes| &mut changes.orgs)?;
        }
        // The first call, a deleted row, which has no name here, or an older copy in place of the database.
        _ => changes.all = true,
    }
    Ok(changes)
}

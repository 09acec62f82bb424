//! Whole tables of a file, for a copy of a database.

use std::path::Path;
use std::time::Duration;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};

use super::table::SQLITE;
use super::{files, schema};
use crate::error::Error;
use crate::store::copy::{ColumnValue, CopiedRow, CopiedTable, TableReader, TableWriter, state};
use crate::store::rows::{DatabaseInfo, foreign_row};

/// A snapshot of a file.
pub(crate) struct SqliteSnapshot {
    connection: Connection,
    info: DatabaseInfo,
    began_at: (i64, Option<i64>),
}

impl SqliteSnapshot {
    pub(in crate::store) fn begin(path: &Path, lock_timeout: Duration) -> Result<Self, Error> {
        let path = files::prepare(path, true)?;
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(lock_timeout)?;
        connection.execute_batch("BEGIN")?;
        let info = schema::check(&connection)?;
        let began_at = read_state(&connection)?;
        Ok(Self { connection, info, began_at })
    }
}

impl TableReader for SqliteSnapshot {
    fn info(&self) -> &DatabaseInfo {
        &self.info
    }

    fn count(&mut self, table: &CopiedTable) -> Result<u64, Error> {
        count(&self.connection, table)
    }

    fn page(&mut self, table: &CopiedTable, after: Option<&CopiedRow>) -> Result<Vec<CopiedRow>, Error> {
        let key = after.and_then(|row| row.get(..table.key)).unwrap_or_default();
        let mut statement = self.connection.prepare_cached(&table.page(&SQLITE, after.is_none()))?;
        let rows = statement.query_map(params_from_iter(key.iter().cloned().map(value)), |row| {
            (0..table.table.len()).map(|index| read_value(row, index)).collect()
        })?;
        Ok(rows.collect::<rusqlite::Result<Vec<CopiedRow>>>()?)
    }

    fn has_changed(&mut self) -> Result<bool, Error> {
        self.connection.execute_batch("COMMIT")?;
        Ok(read_state(&self.connection)? != self.began_at)
    }
}

/// An open transaction on a file.
pub(super) struct SqliteTableWriter<'a>(pub(super) &'a Connection);

impl TableWriter for SqliteTableWriter<'_> {
    fn count(&mut self, table: &CopiedTable) -> Result<u64, Error> {
        count(self.0, table)
    }

    fn insert(&mut self, table: &CopiedTable, rows: Vec<CopiedRow>) -> Result<(), Error> {
        let mut statement = self.0.prepare_cached(&table.table.insert(&SQLITE))?;
        for row in rows {
            statement.execute(params_from_iter(row.into_iter().map(value)))?;
        }
        Ok(())
    }
}

fn read_state(on: &Connection) -> Result<(i64, Option<i64>), Error> {
    Ok(on.query_row(&state(&SQLITE), [], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn count(on: &Connection, table: &CopiedTable) -> Result<u64, Error> {
    let counted: i64 = on.query_row(&table.count(&SQLITE), [], |row| row.get(0))?;
    u64::try_from(counted).map_err(|_| foreign_row())
}

fn read_value(row: &Row<'_>, index: usize) -> rusqlite::Result<ColumnValue> {
    let found = row.get_ref(index)?;
    Ok(match found {
        ValueRef::Null => ColumnValue::Null,
        ValueRef::Integer(number) => ColumnValue::Integer(number),
        ValueRef::Blob(bytes) => ColumnValue::Bytes(bytes.to_vec()),
        // No column of our tables holds another type.
        ValueRef::Text(_) | ValueRef::Real(_) => ColumnValue::Text(row.get(index)?),
    })
}

fn value(cell: ColumnValue) -> Value {
    match cell {
        ColumnValue::Null => Value::Null,
        ColumnValue::Integer(number) => Value::Integer(number),
        ColumnValue::Text(text) => Value::Text(text),
        ColumnValue::Bytes(bytes) => Value::Blob(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::copy::COPIED;

    #[test]
    fn a_copy_has_every_table_and_reads_each_by_its_primary_key() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create_tables(&connection).unwrap();
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let found: BTreeSet<String> =
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        // The first row of `meta` comes from the source when the tables are made; triggers count requests by caller.
        let mut copied = BTreeSet::from(["meta".to_owned(), "idempotency_callers".to_owned()]);
        copied.extend(COPIED.iter().map(|it| it.table.name.to_owned()));
        assert_eq!(found, copied);
        for table in &COPIED {
            let sql = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";
            let mut statement = connection.prepare(sql).unwrap();
            let key: Vec<String> =
                statement.query_map([table.table.name], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(key, table.table.columns[..table.key], "{}", table.table.name);
            // Triggers write `changed_seq`, on the copy too.
            let sql = "SELECT name FROM pragma_table_info(?1) WHERE name <> 'changed_seq'";
            let mut statement = connection.prepare(sql).unwrap();
            let columns: BTreeSet<String> =
                statement.query_map([table.table.name], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(
                columns,
                table.table.columns.iter().map(|it| (*it).to_owned()).collect(),
                "{}",
                table.table.name
            );
        }
    }
}

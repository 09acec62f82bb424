//! The statements and rows of tables, as SQLite has them.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

use crate::store::table::Dialect;

pub(super) const SQLITE: Dialect =
    Dialect { schema: "", parameter: |_, number| format!("?{number}"), selected: str::to_owned };

/// Reads the columns of a row one after the other.
pub(super) struct Columns<'row, 'statement> {
    row: &'row Row<'statement>,
    next: usize,
}

impl<'row, 'statement> Columns<'row, 'statement> {
    /// Starts at a column.
    pub(super) fn at(row: &'row Row<'statement>, next: usize) -> Self {
        Self { row, next }
    }

    pub(super) fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    /// The next column, without a copy of its value.
    pub(super) fn next_ref(&mut self) -> rusqlite::Result<ValueRef<'row>> {
        self.next += 1;
        self.row.get_ref(self.next - 1)
    }

    pub(super) fn skip(&mut self) {
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::*;
    use crate::store::sqlite::schema;
    use crate::store::table::{
        AGENTS, AUDIT, IDEMPOTENCY, KEYS, ORGS, SECRETS, Table, USAGE, WEBHOOK_ENDPOINTS, WEBHOOK_OUTBOX,
    };

    fn named(table: &Table) -> (&'static str, BTreeSet<String>) {
        (table.name, table.columns.iter().map(|column| (*column).to_owned()).collect())
    }

    #[test]
    fn the_lists_name_every_column_of_their_tables() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create_tables(&connection).unwrap();
        let lists = [
            named(&KEYS),
            named(&SECRETS),
            named(&ORGS),
            named(&AUDIT),
            named(&USAGE),
            named(&AGENTS),
            named(&IDEMPOTENCY),
            named(&WEBHOOK_ENDPOINTS),
            named(&WEBHOOK_OUTBOX),
        ];
        for (table, mut columns) in lists {
            let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
            let found = statement.query_map([table], |row| row.get::<_, String>(0)).unwrap();
            let found: BTreeSet<String> = found.collect::<Result<_, _>>().unwrap();
            // Triggers write this column, and no other statement.
            if found.contains("changed_seq") {
                columns.insert("changed_seq".to_owned());
            }
            assert_eq!(found, columns, "{table}");
        }
    }

    /// An update of a column that its trigger does not name would leave memory of other processes as it is.
    #[test]
    fn the_triggers_name_every_column_of_their_tables() {
        let connection = Connection::open_in_memory().unwrap();
        schema::create_tables(&connection).unwrap();
        for (table, mut columns) in [named(&KEYS), named(&SECRETS), named(&ORGS)] {
            let sql: String = connection
                .query_row("SELECT sql FROM sqlite_schema WHERE name = ?1", [format!("{table}_updated")], |row| {
                    row.get(0)
                })
                .unwrap();
            let list = sql.split("UPDATE OF").nth(1).unwrap().split("\nON ").next().unwrap();
            let list: BTreeSet<String> = list.split(',').map(|column| column.trim().to_owned()).collect();
            // Other triggers refuse a change of these.
            columns.retain(|column| !["id", "lookup", "key_id"].contains(&column.as_str()));
            assert_eq!(list, columns, "{table}");
        }
    }

    #[test]
    fn statements_are_made_from_the_list() {
        let table = Table { name: "t", columns: &["a", "b", "c"], fixed: 2 };
        assert_eq!(table.select(&SQLITE, "x"), "x.a, x.b, x.c");
        assert_eq!(table.select_mutable(&SQLITE, "x"), "x.c");
        assert_eq!(table.insert(&SQLITE), "INSERT INTO t (a, b, c) VALUES (?1, ?2, ?3)");
        assert_eq!(table.update(&SQLITE), "UPDATE t SET c = ?3 WHERE a = ?1");
    }
}

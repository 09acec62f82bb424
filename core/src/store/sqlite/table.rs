//! The tables of the schema. Each has one list of its columns, and every statement that reads or writes whole rows is made
//! from it: a column that is missing in a list, in a read or in a write fails the compiler or a test.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

/// A table, with its columns in the order in which rows are read and written.
pub(super) struct Table<const N: usize> {
    name: &'static str,
    columns: [&'static str; N],
    /// The number of leading columns that never change. The first ones are the primary key.
    fixed: usize,
}

pub(super) const KEYS: Table<19> = Table {
    name: "keys",
    columns: [
        "id",
        "org",
        "environment",
        "created_at",
        "parent",
        "created_by",
        "name",
        "description",
        "scopes",
        "level",
        "tier",
        "limits",
        "networks",
        "metadata",
        "updated_at",
        "expires_at",
        "disabled_at",
        "revoked_at",
        "reason",
    ],
    fixed: 5,
};

pub(super) const SECRETS: Table<8> = Table {
    name: "secrets",
    columns: ["lookup", "key_id", "prefix", "format", "created_at", "grace_ends_at", "verifier", "filter"],
    fixed: 5,
};

pub(super) const ORGS: Table<6> =
    Table { name: "orgs", columns: ["id", "created_at", "networks", "updated_at", "disabled_at", "reason"], fixed: 2 };

pub(super) const AUDIT: Table<10> = Table {
    name: "audit",
    columns: ["seq", "at", "org", "actor", "action", "target", "reason", "details", "pepper", "hash"],
    fixed: 10,
};

pub(super) const USAGE: Table<5> =
    Table { name: "usage", columns: ["key_id", "lookup", "usage_count", "denied_count", "last_used_at"], fixed: 2 };

pub(super) const AGENTS: Table<5> =
    Table { name: "agents", columns: ["key_id", "agent", "usage_count", "denied_count", "last_used_at"], fixed: 2 };

pub(super) const IDEMPOTENCY: Table<10> = Table {
    name: "idempotency",
    columns: ["org", "name", "request", "caller", "expires_at", "token", "changed", "status", "headers", "body"],
    fixed: 4,
};

impl<const N: usize> Table<N> {
    /// The number of columns.
    pub(super) const fn len(&self) -> usize {
        N
    }

    /// The number of columns that [`select_mutable`](Self::select_mutable) selects.
    pub(super) const fn mutable(&self) -> usize {
        N - self.fixed
    }

    /// The columns for a `SELECT` from the table under an alias.
    pub(super) fn select(&self, alias: &str) -> String {
        qualified(&self.columns, alias)
    }

    /// The columns that may change, for a `SELECT` from the table under an alias.
    pub(super) fn select_mutable(&self, alias: &str) -> String {
        qualified(self.columns.get(self.fixed..).unwrap_or_default(), alias)
    }

    /// An `INSERT` of a row, with one parameter for each column.
    pub(super) fn insert(&self) -> String {
        self.insert_by("INSERT")
    }

    /// The same, in place of a row with the same primary key.
    pub(super) fn insert_or_replace(&self) -> String {
        self.insert_by("INSERT OR REPLACE")
    }

    fn insert_by(&self, verb: &str) -> String {
        let parameters: Vec<String> = (1..=N).map(|number| format!("?{number}")).collect();
        format!("{verb} INTO {} ({}) VALUES ({})", self.name, self.columns.join(", "), parameters.join(", "))
    }

    /// An `UPDATE` of the row whose first column is the first parameter. It takes the same parameters as the `INSERT`, and
    /// writes each column that may change.
    pub(super) fn update(&self) -> String {
        let columns = self.columns.iter().zip(1..).skip(self.fixed);
        let assignments: Vec<String> = columns.map(|(column, number)| format!("{column} = ?{number}")).collect();
        let [key, ..] = self.columns.as_slice() else { return String::new() };
        format!("UPDATE {} SET {} WHERE {key} = ?1", self.name, assignments.join(", "))
    }
}

fn qualified(columns: &[&str], alias: &str) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("{alias}.{column}")).collect();
    columns.join(", ")
}

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

    fn named<const N: usize>(table: &Table<N>) -> (&'static str, BTreeSet<String>) {
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
        let table = Table { name: "t", columns: ["a", "b", "c"], fixed: 2 };
        assert_eq!(table.select("x"), "x.a, x.b, x.c");
        assert_eq!(table.select_mutable("x"), "x.c");
        assert_eq!(table.insert(), "INSERT INTO t (a, b, c) VALUES (?1, ?2, ?3)");
        assert_eq!(table.update(), "UPDATE t SET c = ?3 WHERE a = ?1");
    }
}

//! The tables of the schema. Each has one list of its columns, with their types, and every statement that reads or writes
//! whole rows is made from it.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::error::foreign_row;
use crate::clock::Millis;
use crate::error::Error;

/// A column. JSON is read and written as text, which the server converts.
pub(super) struct Column {
    name: &'static str,
    json: bool,
}

const fn plain(name: &'static str) -> Column {
    Column { name, json: false }
}

const fn json(name: &'static str) -> Column {
    Column { name, json: true }
}

/// A table, with its columns in the order in which rows are read and written.
pub(super) struct PgTable<const N: usize> {
    name: &'static str,
    columns: [Column; N],
    /// The number of leading columns that never change. The first ones are the primary key.
    fixed: usize,
}

pub(super) const KEYS: PgTable<19> = PgTable {
    name: "keys",
    columns: [
        plain("id"),
        plain("org"),
        plain("environment"),
        plain("created_at"),
        plain("parent"),
        plain("created_by"),
        plain("name"),
        plain("description"),
        plain("scopes"),
        plain("level"),
        plain("tier"),
        json("limits"),
        plain("networks"),
        json("metadata"),
        plain("updated_at"),
        plain("expires_at"),
        plain("disabled_at"),
        plain("revoked_at"),
        plain("reason"),
    ],
    fixed: 5,
};

pub(super) const SECRETS: PgTable<8> = PgTable {
    name: "secrets",
    columns: [
        plain("lookup"),
        plain("key_id"),
        plain("prefix"),
        plain("format"),
        plain("created_at"),
        plain("grace_ends_at"),
        plain("verifier"),
        plain("filter"),
    ],
    fixed: 5,
};

pub(super) const ORGS: PgTable<6> = PgTable {
    name: "orgs",
    columns: [
        plain("id"),
        plain("created_at"),
        plain("networks"),
        plain("updated_at"),
        plain("disabled_at"),
        plain("reason"),
    ],
    fixed: 2,
};

pub(super) const AUDIT: PgTable<10> = PgTable {
    name: "audit",
    columns: [
        plain("seq"),
        plain("at"),
        plain("org"),
        plain("actor"),
        plain("action"),
        plain("target"),
        plain("reason"),
        json("details"),
        plain("pepper"),
        plain("hash"),
    ],
    fixed: 10,
};

pub(super) const USAGE: PgTable<5> = PgTable {
    name: "usage",
    columns: [plain("key_id"), plain("lookup"), plain("usage_count"), plain("denied_count"), plain("last_used_at")],
    fixed: 2,
};

pub(super) const AGENTS: PgTable<5> = PgTable {
    name: "agents",
    columns: [plain("key_id"), plain("agent"), plain("usage_count"), plain("denied_count"), plain("last_used_at")],
    fixed: 2,
};

pub(super) const IDEMPOTENCY: PgTable<10> = PgTable {
    name: "idempotency",
    columns: [
        plain("org"),
        plain("name"),
        plain("request"),
        plain("caller"),
        plain("expires_at"),
        plain("token"),
        plain("changed"),
        plain("status"),
        plain("headers"),
        plain("body"),
    ],
    fixed: 2,
};

impl<const N: usize> PgTable<N> {
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
        let parameters: Vec<String> = self.columns.iter().zip(1..).map(parameter).collect();
        format!("INSERT INTO keywright.{} ({}) VALUES ({})", self.name, self.names().join(", "), parameters.join(", "))
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> [&'static str; N] {
        self.columns.each_ref().map(|column| column.name)
    }

    /// The assignments of every column that may change, from the row that an `INSERT` wanted to write.
    pub(super) fn take_over(&self) -> String {
        let columns = self.columns.get(self.fixed..).unwrap_or_default();
        let assignments: Vec<String> = columns.iter().map(|it| format!("{} = excluded.{}", it.name, it.name)).collect();
        assignments.join(", ")
    }

    /// An `UPDATE` of the row whose first column is the first parameter. It takes the same parameters as the `INSERT`, and
    /// writes each column that may change.
    pub(super) fn update(&self) -> String {
        let columns = self.columns.iter().zip(1..).skip(self.fixed);
        let assignments: Vec<String> =
            columns.map(|(column, number)| format!("{} = {}", column.name, parameter((column, number)))).collect();
        let [key, ..] = self.columns.as_slice() else { return String::new() };
        format!("UPDATE keywright.{} SET {} WHERE {} = $1", self.name, assignments.join(", "), key.name)
    }
}

fn parameter((column, number): (&Column, usize)) -> String {
    if column.json { format!("${number}::json") } else { format!("${number}") }
}

fn qualified(columns: &[Column], alias: &str) -> String {
    let one = |column: &Column| format!("{alias}.{}{}", column.name, if column.json { "::text" } else { "" });
    let columns: Vec<String> = columns.iter().map(one).collect();
    columns.join(", ")
}

/// Reads the columns of a row one after the other.
pub(super) struct PgColumns<'row> {
    row: &'row Row,
    next: usize,
}

impl<'row> PgColumns<'row> {
    /// Starts at a column.
    pub(super) fn at(row: &'row Row, next: usize) -> Self {
        Self { row, next }
    }

    pub(super) fn next<T: FromSql<'row>>(&mut self) -> Result<T, Error> {
        self.next += 1;
        self.row.try_get(self.next - 1).map_err(|_| foreign_row())
    }

    /// A time, in milliseconds.
    pub(super) fn time(&mut self) -> Result<Millis, Error> {
        self.optional_time()?.ok_or_else(foreign_row)
    }

    pub(super) fn optional_time(&mut self) -> Result<Option<Millis>, Error> {
        let at: Option<chrono::DateTime<chrono::Utc>> = self.next()?;
        Ok(at.map(|at| at.timestamp_millis()))
    }

    /// A counter.
    pub(super) fn count(&mut self) -> Result<u64, Error> {
        let count: Option<i64> = self.next()?;
        Ok(count.unwrap_or_default().try_into().unwrap_or_default())
    }

    /// Bytes of a fixed length.
    pub(super) fn digest<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Error> {
        self.next::<&[u8]>()?.try_into().map_err(|_| foreign_row())
    }

    pub(super) fn skip(&mut self) {
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_made_from_the_list() {
        let table = PgTable { name: "t", columns: [plain("a"), plain("b"), json("c")], fixed: 2 };
        assert_eq!(table.select("x"), "x.a, x.b, x.c::text");
        assert_eq!(table.select_mutable("x"), "x.c::text");
        assert_eq!(table.insert(), "INSERT INTO keywright.t (a, b, c) VALUES ($1, $2, $3::json)");
        assert_eq!(table.update(), "UPDATE keywright.t SET c = $3::json WHERE a = $1");
        assert_eq!(table.take_over(), "c = excluded.c");
    }
}

//! The statements and rows of tables, as PostgreSQL has them.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::connection::Query;
use super::value::SqlValue;
use crate::clock::Millis;
use crate::error::Error;
use crate::store::column::ColumnReader;
use crate::store::rows::foreign_row;
use crate::store::table::{Dialect, Table};

pub(super) const POSTGRES: Dialect = Dialect { schema: "keywright.", parameter, selected };

/// The columns of type JSON, in whichever table. They are read and written as text, which the server converts.
const JSON: [&str; 4] = ["limits", "quotas", "metadata", "details"];

fn parameter(column: &str, number: usize) -> String {
    if JSON.contains(&column) { format!("${number}::json") } else { format!("${number}") }
}

fn selected(column: &str) -> String {
    if JSON.contains(&column) { format!("{column}::text") } else { column.to_owned() }
}

/// The assignments of every column that may change, from the row that an `INSERT` wanted to write.
pub(super) fn take_over(table: &Table) -> String {
    let columns = table.mutable_columns().iter();
    let assignments: Vec<String> = columns.map(|column| format!("{column} = excluded.{column}")).collect();
    assignments.join(", ")
}

/// The largest number of rows that one statement inserts, as a power of 2.
const MOST_ROWS: usize = 6;

/// The statements that insert 1, 2, 4 and more rows into a table. So few stay prepared, and insert any number of rows.
pub(super) struct InsertStatements([String; MOST_ROWS + 1]);

impl InsertStatements {
    pub(super) fn new(table: &Table) -> Self {
        let row = |row: usize| {
            let parameters =
                table.columns.iter().zip(row * table.len() + 1..).map(|(column, number)| parameter(column, number));
            format!("({})", parameters.collect::<Vec<_>>().join(", "))
        };
        let (name, columns) = (table.name, table.columns.join(", "));
        Self(std::array::from_fn(|power| {
            let rows: Vec<String> = (0..1 << power).map(row).collect();
            format!("INSERT INTO {}{name} ({columns}) VALUES {}", POSTGRES.schema, rows.join(", "))
        }))
    }

    /// Inserts rows, of which each has the values of all columns.
    pub(super) fn queries<'a, R>(&'a self, rows: Vec<R>) -> Vec<Query<'a>>
    where
        R: IntoIterator<Item = SqlValue<'a>>,
    {
        let (mut rows, mut queries) = (rows.into_iter(), Vec::new());
        for (power, sql) in self.0.iter().enumerate().rev() {
            while rows.len() >= 1 << power {
                queries.push(Query { sql, values: rows.by_ref().take(1 << power).flatten().collect() });
            }
        }
        queries
    }
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

impl ColumnReader for PgColumns<'_> {
    fn text(&mut self) -> Result<Option<String>, Error> {
        self.next()
    }

    fn text_ref(&mut self) -> Result<Option<&str>, Error> {
        self.next()
    }

    fn object(&mut self) -> Result<String, Error> {
        // The database keeps the values, in a spelling of its own.
        let text: &str = self.next()?;
        if text == "{}" {
            return Ok(text.to_owned());
        }
        let object: serde_json::Map<_, _> = serde_json::from_str(text).map_err(|_| foreign_row())?;
        Ok(serde_json::Value::Object(object).to_string())
    }

    fn list(&mut self) -> Result<Option<Vec<String>>, Error> {
        self.next()
    }

    fn time(&mut self) -> Result<Option<Millis>, Error> {
        self.optional_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_made_from_the_list() {
        let table = Table { name: "t", columns: &["a", "b", "limits"], fixed: 2 };
        assert_eq!(table.select(&POSTGRES, "x"), "x.a, x.b, x.limits::text");
        assert_eq!(table.select_mutable(&POSTGRES, "x"), "x.limits::text");
        assert_eq!(table.insert(&POSTGRES), "INSERT INTO keywright.t (a, b, limits) VALUES ($1, $2, $3::json)");
        assert_eq!(table.update(&POSTGRES), "UPDATE keywright.t SET limits = $3::json WHERE a = $1");
        assert_eq!(take_over(&table), "limits = excluded.limits");
    }

    #[test]
    fn rows_are_inserted_together() {
        let inserts = InsertStatements::new(&Table { name: "t", columns: &["a", "limits"], fixed: 1 });
        let queries = inserts.queries((0..131).map(|_| [SqlValue::Integer(None), SqlValue::Integer(None)]).collect());
        assert_eq!(queries.iter().map(|query| query.values.len() / 2).collect::<Vec<_>>(), [64, 64, 2, 1]);
        let sql: Vec<&str> = queries.iter().skip(2).map(|query| query.sql).collect();
        assert_eq!(
            sql,
            [
                "INSERT INTO keywright.t (a, limits) VALUES ($1, $2::json), ($3, $4::json)",
                "INSERT INTO keywright.t (a, limits) VALUES ($1, $2::json)",
            ]
        );
        assert!(inserts.queries::<[SqlValue<'_>; 2]>(Vec::new()).is_empty());
    }
}

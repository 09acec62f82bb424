//! A copy of a whole database. A snapshot reads its tables, and another database takes them in one transaction, so that
//! nobody ever meets half a copy.

use super::rows::DatabaseInfo;
use super::table::{
    AGENTS, AUDIT, Dialect, IDEMPOTENCY, KEYS, ORGS, SECRETS, Table, USAGE, WEBHOOK_ENDPOINTS, WEBHOOK_OUTBOX,
};
use crate::error::Error;

/// How many rows are read and written at a time.
const PAGE: usize = 512;

/// A value of a column, in the form in which SQLite keeps it: times in milliseconds, lists as words, objects as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ColumnValue {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

pub(super) type CopiedRow = Vec<ColumnValue>;

/// A table that a copy has.
pub(super) struct CopiedTable {
    pub(super) table: &'static Table,
    /// The number of columns in the primary key.
    pub(super) key: usize,
    /// The condition of the rows that are copied.
    only: Option<&'static str>,
}

/// The tables of a copy, each after those to which its rows refer. Budgets of shared limits are not among them: they are full
/// again in a moment. Deliveries come after the audit: entries that are inserted while there are endpoints would be queued again.
pub(super) const COPIED: [CopiedTable; 10] = [
    CopiedTable { table: &ORGS, key: 1, only: None },
    CopiedTable { table: &KEYS, key: 1, only: None },
    CopiedTable { table: &SECRETS, key: 1, only: None },
    CopiedTable { table: &USAGE, key: 2, only: None },
    CopiedTable { table: &AGENTS, key: 2, only: None },
    CopiedTable { table: &QUOTAS, key: 5, only: None },
    // Rows of releases that did not know who sent a request expire within a day.
    CopiedTable { table: &IDEMPOTENCY, key: 2, only: Some("caller IS NOT NULL") },
    CopiedTable { table: &AUDIT, key: 1, only: None },
    CopiedTable { table: &WEBHOOK_ENDPOINTS, key: 1, only: None },
    CopiedTable { table: &WEBHOOK_OUTBOX, key: 2, only: None },
];

/// Nothing else reads or writes whole rows of it.
const QUOTAS: Table =
    Table { name: "quotas", columns: &["per", "owner", "name", "every", "starts_at", "used", "credited"], fixed: 5 };

impl CopiedTable {
    /// The statement that counts the rows of a copy.
    pub(super) fn count(&self, dialect: &Dialect) -> String {
        let only = self.only.map(|only| format!(" WHERE {only}")).unwrap_or_default();
        format!("SELECT count(*) FROM {}{}{only}", dialect.schema, self.table.name)
    }

    /// The statement that reads some rows in the order of the primary key: the first ones, or those after a row, whose primary
    /// key is its parameters.
    pub(super) fn page(&self, dialect: &Dialect, is_first: bool) -> String {
        let keys = self.table.columns.get(..self.key).unwrap_or_default();
        let names = keys.iter().map(|column| format!("t.{column}")).collect::<Vec<_>>().join(", ");
        let parameters: Vec<String> =
            keys.iter().zip(1..).map(|(column, number)| (dialect.parameter)(column, number)).collect();
        let after = (!is_first).then(|| format!("({names}) > ({})", parameters.join(", ")));
        let conditions: Vec<String> = self.only.map(str::to_owned).into_iter().chain(after).collect();
        let condition =
            if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let (schema, name) = (dialect.schema, self.table.name);
        format!(
            "SELECT {} FROM {schema}{name} t{condition} ORDER BY {names} LIMIT {PAGE}",
            self.table.select(dialect, "t")
        )
    }
}

/// The statement for a number that differs after every change of keys, secrets or orgs, and one for the audit.
pub(super) fn state(dialect: &Dialect) -> String {
    let schema = dialect.schema;
    format!("SELECT m.seq, (SELECT max(a.seq) FROM {schema}audit a) FROM {schema}meta m")
}

/// One snapshot of a database.
pub(super) trait TableReader {
    fn info(&self) -> &DatabaseInfo;
    fn count(&mut self, table: &CopiedTable) -> Result<u64, Error>;
    /// The rows after one in the order of the primary key, or the first ones. None are left after an empty page.
    fn page(&mut self, table: &CopiedTable, after: Option<&CopiedRow>) -> Result<Vec<CopiedRow>, Error>;
    /// Ends the snapshot, and tells whether the database was changed since it began.
    fn has_changed(&mut self) -> Result<bool, Error>;
}

/// The transaction that fills a database.
pub(super) trait TableWriter {
    fn count(&mut self, table: &CopiedTable) -> Result<u64, Error>;
    fn insert(&mut self, table: &CopiedTable, rows: Vec<CopiedRow>) -> Result<(), Error>;
}

/// Fills a database in one transaction, which is undone after an error.
pub(super) type Fill<'a> = &'a mut dyn FnMut(&mut dyn TableWriter) -> Result<(), Error>;

/// The progress of a copy: the rows that are copied, and the number of all rows.
pub(crate) type CopyReport = Box<dyn FnMut(u64, u64) + Send>;

/// The numbers of copied rows, by table.
pub(crate) type CopiedRows = Vec<(&'static str, u64)>;

/// Copies all tables into an empty database.
pub(super) fn copy_tables(
    from: &mut dyn TableReader,
    to: &mut dyn TableWriter,
    report: &mut CopyReport,
) -> Result<CopiedRows, Error> {
    let mut total = 0;
    for table in &COPIED {
        if to.count(table)? > 0 {
            return Err(not_empty());
        }
        total += from.count(table)?;
    }
    let (mut done, mut copied) = (0, CopiedRows::new());
    for table in &COPIED {
        let before = done;
        let mut last: Option<CopiedRow> = None;
        loop {
            let page = from.page(table, last.as_ref())?;
            let Some(end) = page.last().cloned() else { break };
            last = Some(end);
            done += u64::try_from(page.len()).unwrap_or(u64::MAX);
            to.insert(table, page)?;
            report(done, total);
        }
        let (read, written) = (done - before, to.count(table)?);
        if read != written {
            let reason = format!("has {written} rows of {} in place of {read}", table.table.name);
            return Err(Error::conflict("to", reason, "remove the trigger or rule that another program has added"));
        }
        copied.push((table.table.name, read));
    }
    if from.has_changed()? {
        return Err(Error::conflict(
            "from",
            "was changed while it was copied, so nothing was copied",
            "stop the programs that change it, and copy again",
        ));
    }
    Ok(copied)
}

/// Refuses a database that was made apart from the source: its own keys for filters and cursors are in use.
pub(super) fn check_origin(from: &DatabaseInfo, to: &DatabaseInfo) -> Result<(), Error> {
    if (from.integer_ids, from.filter_key, from.cursor_key) == (to.integer_ids, to.filter_key, to.cursor_key) {
        return Ok(());
    }
    Err(Error::validation_failed(
        "to",
        "has tables that another engine has made",
        "name a new database, or on PostgreSQL a new schema; the copy creates the tables",
    ))
}

/// The error for a target that is in use.
pub(super) fn not_empty() -> Error {
    Error::validation_failed("to", "is not empty", "name a new database, or on PostgreSQL a new schema")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_the_primary_key() {
        let table = CopiedTable {
            table: &Table { name: "t", columns: &["a", "b", "limits"], fixed: 2 },
            key: 2,
            only: Some("b IS NOT NULL"),
        };
        let dialect = Dialect { schema: "s.", parameter: |_, number| format!("?{number}"), selected: str::to_owned };
        assert_eq!(table.count(&dialect), "SELECT count(*) FROM s.t WHERE b IS NOT NULL");
        assert_eq!(
            table.page(&dialect, true),
            "SELECT t.a, t.b, t.limits FROM s.t t WHERE b IS NOT NULL ORDER BY t.a, t.b LIMIT 512"
        );
        assert_eq!(
            table.page(&dialect, false),
            "SELECT t.a, t.b, t.limits FROM s.t t WHERE b IS NOT NULL AND (t.a, t.b) > (?1, ?2) ORDER BY t.a, t.b LIMIT 512"
        );
    }
}

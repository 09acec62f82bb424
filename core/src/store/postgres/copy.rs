//! Whole tables of a schema, for a copy of a database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{Connection, PipelineStep, Query};
use super::pool::Pool;
use super::settings::{PostgresSettings, ReadRole};
use super::table::{InsertStatements, POSTGRES, PgColumns};
use super::value::SqlValue;
use super::{error, schema};
use crate::error::Error;
use crate::remote::runtime;
use crate::store::copy::{ColumnValue, CopiedRow, CopiedTable, TableReader, TableWriter, state};
use crate::store::rows::{DatabaseInfo, foreign_row};
use crate::wait::block_on;

/// The types of the columns of a table.
const TYPES: &str = "SELECT a.attname::text, t.typname::text FROM pg_attribute a \
    JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid \
    WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

/// Without these, a pause of the other database would end the transaction.
const PATIENT: &str = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0";

/// How values of a column are sent.
#[derive(Debug, Clone, Copy)]
enum ColumnKind {
    Text,
    List,
    Integer,
    Time,
    Bytes,
}

/// A snapshot of a schema.
pub(crate) struct PostgresSnapshot {
    pool: Pool,
    connection: Arc<Connection>,
    schema: String,
    info: DatabaseInfo,
    began_at: (i64, Option<i64>),
    kinds: ColumnKinds,
}

impl PostgresSnapshot {
    pub(in crate::store) fn begin(settings: &PostgresSettings, lock_timeout: Duration) -> Result<Self, Error> {
        let settings = Arc::new(settings.clone().for_engine(true, lock_timeout)?);
        let pool = Pool::new(Arc::clone(&settings), runtime::handle()?);
        block_on(async {
            let connection = pool.reader(ReadRole::Management).await?;
            let info = schema::check(&connection, &settings).await?;
            let begin = format!(
                "{}; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; {PATIENT}",
                connection.begin()
            );
            connection.run_text(&begin).await?;
            let began_at = read_state(&connection).await?;
            let (schema, kinds) = (settings.schema.clone(), ColumnKinds::default());
            Ok(Self { pool, connection, schema, info, began_at, kinds })
        })
    }
}

impl Drop for PostgresSnapshot {
    fn drop(&mut self) {
        self.pool.close();
    }
}

impl TableReader for PostgresSnapshot {
    fn info(&self) -> &DatabaseInfo {
        &self.info
    }

    fn count(&mut self, table: &CopiedTable) -> Result<u64, Error> {
        block_on(count(&self.connection, table))
    }

    fn page(&mut self, table: &CopiedTable, after: Option<&CopiedRow>) -> Result<Vec<CopiedRow>, Error> {
        let sql = table.page(&POSTGRES, after.is_none());
        block_on(async {
            let kinds = self.kinds.of(&self.connection, &self.schema, table).await?;
            let key = after.and_then(|row| row.get(..table.key)).unwrap_or_default();
            let values = row_values(key, kinds)?;
            let rows = run(&self.connection, Query { sql: &sql, values }).await?;
            rows.iter().map(|row| (0..table.table.len()).map(|index| read_value(row, index)).collect()).collect()
        })
    }

    fn has_changed(&mut self) -> Result<bool, Error> {
        block_on(async {
            self.connection.run_text("COMMIT").await?;
            Ok(read_state(&self.connection).await? != self.began_at)
        })
    }
}

/// An open transaction on a schema.
pub(super) struct PostgresTableWriter<'a> {
    connection: &'a Connection,
    schema: &'a str,
    kinds: ColumnKinds,
    inserts: BTreeMap<&'static str, InsertStatements>,
}

impl<'a> PostgresTableWriter<'a> {
    /// Begins a transaction that changes of all other programs wait for.
    pub(super) async fn begin(connection: &'a Connection, schema: &'a str) -> Result<Self, Error> {
        connection.run_text(&format!("{}; {PATIENT}", connection.begin())).await?;
        run(connection, super::writer::lock_sequence()).await?;
        Ok(Self { connection, schema, kinds: ColumnKinds::default(), inserts: BTreeMap::new() })
    }
}

impl TableWriter for PostgresTableWriter<'_> {
    fn count(&mut self, table: &CopiedTable) -> Result<u64, Error> {
        block_on(count(self.connection, table))
    }

    fn insert(&mut self, table: &CopiedTable, rows: Vec<CopiedRow>) -> Result<(), Error> {
        block_on(async {
            let kinds = self.kinds.of(self.connection, self.schema, table).await?;
            let inserts = self.inserts.entry(table.table.name).or_insert_with(|| InsertStatements::new(table.table));
            let rows = rows.iter().map(|row| row_values(row, kinds)).collect::<Result<Vec<_>, Error>>()?;
            let steps: Vec<PipelineStep<'_>> = inserts.queries(rows).into_iter().map(PipelineStep::Query).collect();
            let written = self.connection.pipeline(&steps).await.ok_or_else(error::no_answer)?;
            written.map(drop).map_err(|problem| error::of_statement(&problem))
        })
    }
}

/// The kinds of the columns of each table, in the order of the table.
#[derive(Default)]
struct ColumnKinds(BTreeMap<&'static str, Vec<ColumnKind>>);

impl ColumnKinds {
    async fn of(&mut self, on: &Connection, schema: &str, table: &CopiedTable) -> Result<&[ColumnKind], Error> {
        let name = table.table.name;
        if !self.0.contains_key(name) {
            let rows = run(on, Query { sql: TYPES, values: vec![schema.into(), name.into()] }).await?;
            let mut types = BTreeMap::new();
            for row in &rows {
                let mut columns = PgColumns::at(row, 0);
                types.insert(columns.next::<&str>()?, columns.next::<&str>()?);
            }
            let kind = |column: &&str| types.get(*column).and_then(|name| kind(name)).ok_or_else(foreign_row);
            self.0.insert(name, table.table.columns.iter().map(kind).collect::<Result<_, _>>()?);
        }
        Ok(self.0.get(name).map_or(&[], Vec::as_slice))
    }
}

fn kind(name: &str) -> Option<ColumnKind> {
    Some(match name {
        "text" | "json" | "jsonb" => ColumnKind::Text,
        "_text" => ColumnKind::List,
        "int8" => ColumnKind::Integer,
        "timestamptz" => ColumnKind::Time,
        "bytea" => ColumnKind::Bytes,
        _ => return None,
    })
}

fn row_values<'a>(row: &'a [ColumnValue], kinds: &[ColumnKind]) -> Result<Vec<SqlValue<'a>>, Error> {
    row.iter().zip(kinds).map(|(cell, kind)| value(cell, *kind)).collect()
}

fn value(cell: &ColumnValue, kind: ColumnKind) -> Result<SqlValue<'_>, Error> {
    Ok(match (kind, cell) {
        (ColumnKind::Text, ColumnValue::Null) => SqlValue::Text(None),
        (ColumnKind::Text, ColumnValue::Text(text)) => SqlValue::from(text),
        (ColumnKind::List, ColumnValue::Null) => SqlValue::TextList(None),
        (ColumnKind::List, ColumnValue::Text(text)) => {
            SqlValue::Texts(text.split(' ').filter(|word| !word.is_empty()).collect())
        }
        (ColumnKind::Integer, ColumnValue::Null) => SqlValue::Integer(None),
        (ColumnKind::Integer, ColumnValue::Integer(number)) => SqlValue::Integer(Some(*number)),
        (ColumnKind::Time, ColumnValue::Null) => SqlValue::Time(None),
        (ColumnKind::Time, ColumnValue::Integer(at)) => SqlValue::time(*at),
        (ColumnKind::Bytes, ColumnValue::Null) => SqlValue::Bytes(None),
        (ColumnKind::Bytes, ColumnValue::Bytes(bytes)) => SqlValue::Bytes(Some(bytes)),
        _ => return Err(foreign_row()),
    })
}

fn read_value(row: &Row, index: usize) -> Result<ColumnValue, Error> {
    let column = row.columns().get(index).ok_or_else(foreign_row)?;
    let mut columns = PgColumns::at(row, index);
    let cell = match *column.type_() {
        Type::INT8 => columns.next::<Option<i64>>()?.map(ColumnValue::Integer),
        Type::TIMESTAMPTZ => columns.optional_time()?.map(ColumnValue::Integer),
        Type::TEXT_ARRAY => columns.next::<Option<Vec<String>>>()?.map(|words| ColumnValue::Text(words.join(" "))),
        Type::BYTEA => columns.next::<Option<Vec<u8>>>()?.map(ColumnValue::Bytes),
        _ => columns.next::<Option<String>>()?.map(ColumnValue::Text),
    };
    Ok(cell.unwrap_or(ColumnValue::Null))
}

async fn count(on: &Connection, table: &CopiedTable) -> Result<u64, Error> {
    let rows = run(on, Query { sql: &table.count(&POSTGRES), values: Vec::new() }).await?;
    PgColumns::at(rows.first().ok_or_else(foreign_row)?, 0).count()
}

async fn read_state(on: &Connection) -> Result<(i64, Option<i64>), Error> {
    let rows = run(on, Query { sql: &state(&POSTGRES), values: Vec::new() }).await?;
    let mut columns = PgColumns::at(rows.first().ok_or_else(foreign_row)?, 0);
    Ok((columns.next()?, columns.next()?))
}

async fn run(on: &Connection, query: Query<'_>) -> Result<Vec<Row>, Error> {
    on.query(&query).await.map_err(|problem| error::of_statement(&problem))
}

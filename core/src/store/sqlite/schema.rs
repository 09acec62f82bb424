//! The versions of the schema, and the creation and migration of a database.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::error::{Error, UnavailableCause};
#[cfg(feature = "cli")]
use crate::store::plan::SchemaPlan;
use crate::store::rows::DatabaseInfo;

/// "KYWT": the mark of our files in the header of SQLite.
const APPLICATION: i32 = 0x4B59_5754;

struct Migration {
    sql: &'static str,
    /// The oldest schema whose release can still read and write the result.
    oldest_reader: i64,
}

const MIGRATIONS: [Migration; 12] = [
    Migration { sql: include_str!("migrations/0001_keys.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0002_limits.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0003_usage.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0004_parents.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0005_idempotency.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0006_agents.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0007_graces.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0008_idempotency_callers.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0009_description.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0010_quotas.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0011_imports.sql"), oldest_reader: 1 },
    Migration { sql: include_str!("migrations/0012_webhooks.sql"), oldest_reader: 1 },
];

/// The newest schema this release writes.
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// Creates or migrates the database. Several processes may do so at once: only one finds work to do. After `Locked` nothing
/// is done, and the caller can try again.
pub(super) fn migrate(connection: &mut Connection, new_database: &DatabaseInfo) -> Result<DatabaseInfo, Error> {
    state(connection)?.admit()?;
    write_ahead(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = match state(&transaction)?.admit()? {
        State::Ours => version(&transaction)?,
        _ => 0,
    };
    let steps = MIGRATIONS.iter().zip(1_i64..).filter(|(_, number)| *number > found);
    for (step, number) in steps {
        transaction.execute_batch(step.sql)?;
        if number == 1 {
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.execute(
                "INSERT INTO meta (one, schema, oldest_reader, seq, deleted_seq, id_style, filter_key, cursor_key, created_at) \
                 VALUES (1, 1, 1, 0, 0, ?1, ?2, ?3, ?4)",
                params![id_style(new_database), new_database.filter_key, new_database.cursor_key, new_database.created_at],
            )?;
        }
        transaction.execute("UPDATE meta SET schema = ?1, oldest_reader = ?2", params![number, step.oldest_reader])?;
    }
    transaction.commit()?;
    info(connection)
}

/// Checks a database that is opened with `read_only`.
pub(super) fn check(connection: &Connection) -> Result<DatabaseInfo, Error> {
    if state(connection)?.admit()? == State::Empty {
        return Err(Error::unavailable(
            UnavailableCause::Foreign,
            "the file is empty",
            "open it once without read_only",
        ));
    }
    let found = version(connection)?;
    if found < NEWEST {
        return Err(Error::unavailable(
            UnavailableCause::ReadOnly,
            format!("the database has schema {found} and this release needs {NEWEST}"),
            "open it once without read_only",
        ));
    }
    info(connection)
}

/// The steps that a database lacks.
#[cfg(feature = "cli")]
pub(super) fn plan(connection: Option<&Connection>) -> Result<SchemaPlan, Error> {
    let found = match connection {
        Some(connection) if state(connection)?.admit()? == State::Ours => version(connection)?,
        _ => 0,
    };
    Ok(SchemaPlan::new(found, MIGRATIONS.iter().map(|migration| migration.sql)))
}

#[derive(PartialEq, Eq)]
enum State {
    Empty,
    Ours,
    /// Our tables without the mark, as in a database that was restored from SQL text.
    Unmarked,
    Foreign,
}

impl State {
    fn admit(self) -> Result<Self, Error> {
        match self {
            Self::Empty | Self::Ours => Ok(self),
            Self::Unmarked => Err(Error::unavailable(
                UnavailableCause::Foreign,
                "the database was restored from SQL text, which does not hold the application_id of Keywright's databases",
                format!("run PRAGMA application_id = {APPLICATION} on it"),
            )),
            Self::Foreign => Err(foreign()),
        }
    }
}

fn state(connection: &Connection) -> Result<State, Error> {
    // One statement reads one snapshot. Another process may be creating the database at this time.
    let both = "SELECT (SELECT application_id FROM pragma_application_id), count(*), \
         count(*) FILTER (WHERE type = 'table' AND name = 'meta'), \
         count(*) FILTER (WHERE type = 'table' AND name IN ('meta', 'orgs', 'keys', 'secrets', 'audit')) FROM sqlite_schema";
    let (id, all, meta, tables): (i32, i64, i64, i64) =
        connection.query_row(both, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(match (id, all, meta, tables) {
        (APPLICATION, _, 1, _) => State::Ours,
        (0, 0, ..) => State::Empty,
        (0, _, _, 5) => State::Unmarked,
        _ => State::Foreign,
    })
}

fn foreign() -> Error {
    Error::unavailable(
        UnavailableCause::Foreign,
        "the file is a database of another program",
        "name another file; Keywright keeps its own",
    )
}

fn version(connection: &Connection) -> Result<i64, Error> {
    let row = connection
        .query_row("SELECT schema, oldest_reader FROM meta", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match row {
        Some((schema, oldest)) if oldest <= NEWEST => Ok(schema),
        Some::<(i64, i64)>((schema, oldest)) => Err(Error::unavailable(
            UnavailableCause::Newer,
            format!(
                "the database has schema {schema}, which needs a release that knows {oldest}; this one knows {NEWEST}"
            ),
            "update Keywright here",
        )),
        None => Err(foreign()),
    }
}

fn info(connection: &Connection) -> Result<DatabaseInfo, Error> {
    let read = |row: &rusqlite::Row<'_>| {
        Ok(DatabaseInfo {
            integer_ids: row.get::<_, String>(0)? == "integer",
            filter_key: row.get(1)?,
            cursor_key: row.get(2)?,
            created_at: row.get(3)?,
            imported_formats: row.get(4)?,
        })
    };
    let sql = "SELECT id_style, filter_key, cursor_key, created_at, imported_formats FROM meta";
    Ok(connection.query_row(sql, [], read)?)
}

fn id_style(info: &DatabaseInfo) -> &'static str {
    if info.integer_ids { "integer" } else { "uuid" }
}

/// Turns WAL on. This takes a lock for which SQLite does not wait.
fn write_ahead(connection: &Connection) -> Result<(), Error> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Error::unavailable(
        UnavailableCause::Location,
        "the database cannot use a write-ahead log here",
        "put it on a local disk",
    ))
}

/// Creates the tables alone.
#[cfg(test)]
pub(super) fn create_tables(connection: &Connection) -> rusqlite::Result<()> {
    MIGRATIONS.iter().try_for_each(|migration| connection.execute_batch(migration.sql))
}

//! The versions of the schema, and its creation and migration.

use tokio_postgres::Row;

use super::connection::{Connection, Query, in_schema};
use super::error;
use super::settings::PostgresSettings;
use super::table::PgColumns;
use super::value::SqlValue;
use crate::error::{Error, UnavailableCause};
#[cfg(feature = "cli")]
use crate::store::plan::SchemaPlan;
use crate::store::rows::{DatabaseInfo, foreign_row};

struct PostgresMigration {
    sql: &'static str,
    /// The oldest schema whose release can still read and write the result.
    oldest_reader: i64,
}

const MIGRATIONS: [PostgresMigration; 6] = [
    PostgresMigration { sql: include_str!("migrations/0001_keys.sql"), oldest_reader: 1 },
    PostgresMigration { sql: include_str!("migrations/0002_usage_flushes.sql"), oldest_reader: 1 },
    PostgresMigration { sql: include_str!("migrations/0003_budgets.sql"), oldest_reader: 1 },
    PostgresMigration { sql: include_str!("migrations/0004_quotas.sql"), oldest_reader: 1 },
    PostgresMigration { sql: include_str!("migrations/0005_imports.sql"), oldest_reader: 1 },
    PostgresMigration { sql: include_str!("migrations/0006_webhooks.sql"), oldest_reader: 1 },
];

/// The newest schema this release writes.
const NEWEST: i64 = MIGRATIONS.len() as i64;

/// The first half of the key of the advisory lock: "KYWT". The second is a hash of the name of the schema.
const LOCK: i32 = 0x4B59_5754;

/// Looks at the tables and columns only through the catalogue, which every role may read.
const STATE: &str = "SELECT count(*), count(*) FILTER (WHERE c.relname IN ('meta', 'orgs', 'keys', 'secrets', 'audit')), \
    count(*) FILTER (WHERE c.relname = 'meta' AND EXISTS \
      (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'oldest_reader')) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

/// The name of the database, and whether the role may create a schema in it; whether the schema exists, whether the role may
/// create tables in it, and whether everybody may.
const RIGHTS: &str = "SELECT current_database()::text, has_database_privilege(current_database()::text, 'CREATE'::text), \
    n.oid IS NOT NULL, \
    coalesce(has_schema_privilege(n.oid, 'USAGE'::text) AND has_schema_privilege(n.oid, 'CREATE'::text), false), \
    coalesce(has_schema_privilege('public'::name, n.oid, 'CREATE'::text), false) \
    FROM (SELECT 1) one LEFT JOIN pg_namespace n ON n.nspname = $1";

const VERSION: &str = "SELECT schema, oldest_reader FROM keywright.meta";

const INFO: &str = "SELECT id_style, filter_key, cursor_key, created_at, imported_formats FROM keywright.meta";

const FIRST_ROW: &str = "INSERT INTO keywright.meta \
    (one, schema, oldest_reader, seq, deleted_seq, id_style, filter_key, cursor_key, created_at) \
    VALUES (1, 1, 1, 0, 0, $1, $2, $3, $4)";

/// Creates or migrates the schema. Many processes may do so at once: one does the work, and the others wait for it. A
/// schema that is up to date needs no right to create anything.
pub(super) async fn migrate(
    on: &Connection,
    settings: &PostgresSettings,
    new_database: &DatabaseInfo,
) -> Result<DatabaseInfo, Error> {
    if found(on, settings).await? < NEWEST {
        let done = migrate_alone(on, settings, new_database).await;
        let ended = on.run_text(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        done.and(ended)?;
    }
    info(on).await
}

async fn migrate_alone(on: &Connection, settings: &PostgresSettings, new_database: &DatabaseInfo) -> Result<(), Error> {
    let begin = format!(
        "{begin}; SET LOCAL search_path TO \"{schema}\", pg_temp; \
         SELECT pg_advisory_xact_lock({LOCK}, hashtext('{schema}'::text)); SET LOCAL statement_timeout = 0",
        begin = on.begin(),
        schema = settings.schema,
    );
    on.run_text(&begin).await?;
    let found = found(on, settings).await?;
    if found == 0 {
        prepare_schema(on, settings).await?;
    }
    for (step, number) in MIGRATIONS.iter().zip(1_i64..).filter(|(_, number)| *number > found) {
        run(on, settings, step.sql).await?;
        if number == 1 {
            let style = if new_database.integer_ids { "integer" } else { "uuid" };
            let values = vec![
                SqlValue::from(style),
                SqlValue::from(new_database.filter_key.as_slice()),
                SqlValue::from(new_database.cursor_key.as_slice()),
                SqlValue::time(new_database.created_at),
            ];
            rows(on, FIRST_ROW, values).await?;
        }
        let version = format!("UPDATE keywright.meta SET schema = {number}, oldest_reader = {}", step.oldest_reader);
        run(on, settings, &in_schema(&version, &settings.schema)).await?;
    }
    Ok(())
}

/// Creates the schema, unless it is there and fits.
async fn prepare_schema(on: &Connection, settings: &PostgresSettings) -> Result<(), Error> {
    let (schema, role) = (&settings.schema, settings.user_name());
    let rights = rows(on, RIGHTS, vec![SqlValue::from(schema)]).await?;
    let mut columns = PgColumns::at(rights.first().ok_or_else(foreign_row)?, 0);
    let (database, may_create): (&str, bool) = (columns.next()?, columns.next()?);
    let (exists, may_fill, is_open): (bool, bool, bool) = (columns.next()?, columns.next()?, columns.next()?);
    let refused = |reason: String, fix: String| Err(Error::unavailable(UnavailableCause::Access, reason, fix));
    match exists {
        true if is_open => refused(
            format!("every role may create functions in the schema {schema}, and some would run as its owner"),
            format!("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, or name another schema in the URL with ?schema="),
        ),
        true if !may_fill => refused(
            format!("the role {role} may not create tables in the schema {schema}"),
            format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}, or {}", as_owner(settings)),
        ),
        true => Ok(()),
        false if !may_create => refused(
            format!("there is no schema {schema}, and the role {role} may not create it"),
            format!("GRANT CREATE ON DATABASE {database} TO {role}, or {}", as_owner(settings)),
        ),
        false => run(on, settings, &format!("CREATE SCHEMA \"{schema}\"")).await,
    }
}

/// The fix for a role that may not migrate.
fn as_owner(settings: &PostgresSettings) -> String {
    format!("open the engine once as the owner of the schema {}, who creates and migrates it", settings.schema)
}

async fn run(on: &Connection, settings: &PostgresSettings, sql: &str) -> Result<(), Error> {
    on.run_migration(sql).await.map_err(|problem| match error::of_statement(&problem) {
        Error::Unavailable { cause: UnavailableCause::Access, reason, .. } => {
            Error::unavailable(UnavailableCause::Access, reason, as_owner(settings))
        }
        other => other,
    })
}

/// Checks a database that is opened with `read_only`.
pub(super) async fn check(on: &Connection, settings: &PostgresSettings) -> Result<DatabaseInfo, Error> {
    match found(on, settings).await? {
        0 => Err(Error::unavailable(
            UnavailableCause::Foreign,
            format!("the database has no tables of Keywright in the schema {}", settings.schema),
            "open it once without read_only, or name another schema in the URL",
        )),
        found if found < NEWEST => Err(Error::unavailable(
            UnavailableCause::ReadOnly,
            format!("the database has schema {found} and this release needs {NEWEST}"),
            "open it once without read_only",
        )),
        _ => info(on).await,
    }
}

/// The steps that a database lacks.
#[cfg(feature = "cli")]
pub(super) async fn plan(on: &Connection, settings: &PostgresSettings) -> Result<SchemaPlan, Error> {
    Ok(SchemaPlan::new(found(on, settings).await?, MIGRATIONS.iter().map(|migration| migration.sql)))
}

/// The version of the schema, or 0 if nothing is there.
async fn found(on: &Connection, settings: &PostgresSettings) -> Result<i64, Error> {
    let state = rows(on, STATE, vec![SqlValue::from(&settings.schema)]).await?;
    let state = state.first().ok_or_else(foreign_row)?;
    let mut columns = PgColumns::at(state, 0);
    let (all, ours, meta): (i64, i64, i64) = (columns.next()?, columns.next()?, columns.next()?);
    match (all, ours, meta) {
        (0, ..) => Ok(0),
        (_, 5, 1) => version(on).await,
        _ => Err(foreign(settings)),
    }
}

async fn version(on: &Connection) -> Result<i64, Error> {
    let found = rows(on, VERSION, Vec::new()).await?;
    let found = found.first().ok_or_else(foreign_row)?;
    let mut columns = PgColumns::at(found, 0);
    let (schema, oldest): (i64, i64) = (columns.next()?, columns.next()?);
    if oldest > NEWEST {
        return Err(Error::unavailable(
            UnavailableCause::Newer,
            format!(
                "the database has schema {schema}, which needs a release that knows {oldest}; this one knows {NEWEST}"
            ),
            "update Keywright here",
        ));
    }
    Ok(schema)
}

fn foreign(settings: &PostgresSettings) -> Error {
    Error::unavailable(
        UnavailableCause::Foreign,
        format!("the schema {} holds tables of another program", settings.schema),
        "name another schema in the URL with ?schema=; Keywright creates its own",
    )
}

async fn info(on: &Connection) -> Result<DatabaseInfo, Error> {
    let found = rows(on, INFO, Vec::new()).await?;
    let mut columns = PgColumns::at(found.first().ok_or_else(foreign_row)?, 0);
    Ok(DatabaseInfo {
        integer_ids: columns.next::<&str>()? == "integer",
        filter_key: columns.digest()?,
        cursor_key: columns.digest()?,
        created_at: columns.time()?,
        imported_formats: columns.next()?,
    })
}

async fn rows(on: &Connection, sql: &str, values: Vec<SqlValue<'_>>) -> Result<Vec<Row>, Error> {
    on.query(&Query { sql, values }).await.map_err(|problem| error::of_statement(&problem))
}

//! The table of orgs.

use std::sync::LazyLock;

use tokio_postgres::Row;

use super::connection::Query;
use super::keys::is_unstorable;
use super::pool::Pool;
use super::table::{POSTGRES, PgColumns};
use super::value::SqlValue;
use crate::clock::{MAX_TIME, Millis};
use crate::error::Error;
use crate::store::rows::{OrgRow, PageCursor};
use crate::store::table::ORGS;

static INSERT: LazyLock<String> = LazyLock::new(|| ORGS.insert(&POSTGRES));
static UPDATE: LazyLock<String> = LazyLock::new(|| ORGS.update(&POSTGRES));
static GET: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM keywright.orgs o WHERE o.id = ANY ($1)", ORGS.select(&POSTGRES, "o")));
static LIST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM keywright.orgs o WHERE o.created_at < $1 OR (o.created_at = $1 AND o.id < $2) \
         ORDER BY o.created_at DESC, o.id DESC LIMIT $3",
        ORGS.select(&POSTGRES, "o")
    )
});

/// The rows of orgs.
pub(super) fn get_query(ids: Vec<&str>) -> Query<'_> {
    Query { sql: &GET, values: vec![SqlValue::Texts(ids)] }
}

pub(super) async fn get(on: &Pool, id: &str) -> Result<Option<OrgRow>, Error> {
    if is_unstorable(id) {
        return Ok(None);
    }
    on.read(&get_query(vec![id])).await?.first().map(read).transpose()
}

pub(super) async fn list(on: &Pool, after: Option<&PageCursor>, limit: usize) -> Result<Vec<OrgRow>, Error> {
    let (at, id) = after.map_or((MAX_TIME, "\u{10ffff}"), |cursor| (cursor.at, cursor.id.as_str()));
    let limit = SqlValue::unsigned(u64::try_from(limit).unwrap_or(u64::MAX));
    let values = vec![SqlValue::time(at), id.into(), limit];
    on.read(&Query { sql: &LIST, values }).await?.iter().map(read).collect()
}

/// The values of a row, in the order of [`ORGS`].
fn values(org: &OrgRow) -> [SqlValue<'_>; ORGS.len()] {
    let OrgRow { id, networks, created_at, updated_at, disabled_at, reason } = org;
    [
        id.into(),
        SqlValue::time(*created_at),
        SqlValue::TextList(networks.as_deref()),
        SqlValue::time(*updated_at),
        SqlValue::optional_time(*disabled_at),
        reason.into(),
    ]
}

pub(super) fn read(row: &Row) -> Result<OrgRow, Error> {
    let mut columns = PgColumns::at(row, 0);
    Ok(OrgRow {
        id: columns.next()?,
        created_at: columns.time()?,
        networks: columns.next()?,
        updated_at: columns.time()?,
        disabled_at: columns.optional_time()?,
        reason: columns.next()?,
    })
}

pub(super) fn insert(org: &OrgRow) -> Query<'_> {
    Query { sql: &INSERT, values: values(org).into() }
}

pub(super) fn update(org: &OrgRow) -> Query<'_> {
    Query { sql: &UPDATE, values: values(org).into() }
}

/// The number of keys of an org that are not revoked.
pub(super) fn unrevoked(org: &str) -> Query<'_> {
    let sql = "SELECT count(*) FROM keywright.keys WHERE org = $1 AND revoked_at IS NULL";
    Query { sql, values: vec![org.into()] }
}

pub(super) fn revoke_keys<'a>(org: &'a str, at: Millis, reason: Option<&'a str>) -> Query<'a> {
    let sql = "UPDATE keywright.keys SET revoked_at = $2, updated_at = $2, reason = $3 \
        WHERE org = $1 AND revoked_at IS NULL";
    Query { sql, values: vec![org.into(), SqlValue::time(at), reason.into()] }
}

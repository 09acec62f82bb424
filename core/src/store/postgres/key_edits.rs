//! Changes of keys and their secrets, and what they read under the lock.

use std::sync::LazyLock;

use tokio_postgres::Row;

use super::connection::Query;
use super::keys::{DESCENDANTS, read_views};
use super::rows::key_values;
use super::table::{InsertStatements, POSTGRES, PgColumns};
use super::value::SqlValue;
use crate::error::Error;
use crate::lifecycle::{ENDED, SecretLifetime};
use crate::store::key::KeyRow;
use crate::store::rows::foreign_row;
use crate::store::script::{FormerSecret, LockedKey};
use crate::store::table::{KEYS, SECRETS};

pub(super) static INSERT_KEYS: LazyLock<InsertStatements> = LazyLock::new(|| InsertStatements::new(&KEYS));
pub(super) static INSERT_SECRETS: LazyLock<InsertStatements> = LazyLock::new(|| InsertStatements::new(&SECRETS));
static UPDATE_KEY: LazyLock<String> = LazyLock::new(|| KEYS.update(&POSTGRES));

static RESTRICTIONS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{DESCENDANTS} SELECT o.disabled_at IS NOT NULL, \
           (SELECT count(*) FROM keywright.keys d WHERE d.id IN (SELECT id FROM child) AND d.revoked_at IS NULL) \
         FROM keywright.keys k JOIN keywright.orgs o ON o.id = k.org WHERE k.id = $1"
    )
});

/// Whether the org of a key is disabled, and how many keys a revocation of the key would revoke with it.
pub(super) fn restrictions(id: &str) -> Query<'_> {
    Query { sql: &RESTRICTIONS, values: vec![id.into()] }
}

/// Reads the rows of [`get_query`](super::keys::get_query) and [`restrictions`].
pub(super) fn read_locked(views: &[Row], restrictions: &[Row]) -> Result<Option<LockedKey>, Error> {
    let Some(view) = read_views(views)?.into_iter().next() else { return Ok(None) };
    let mut columns = PgColumns::at(restrictions.first().ok_or_else(foreign_row)?, 0);
    Ok(Some(LockedKey { view, org_disabled: columns.next()?, descendants: columns.count()? }))
}

/// Those of the ids and lookups of new keys that are taken.
pub(super) fn taken<'a>(ids: Vec<&'a str>, lookups: Vec<&'a str>) -> Query<'a> {
    let sql = "SELECT id, NULL FROM keywright.keys WHERE id = ANY ($1) \
        UNION ALL SELECT NULL, lookup FROM keywright.secrets WHERE lookup = ANY ($2)";
    Query { sql, values: vec![SqlValue::Texts(ids), SqlValue::Texts(lookups)] }
}

/// Reads a row of [`taken`].
pub(super) fn read_taken(row: &Row) -> Result<(Option<&str>, Option<&str>), Error> {
    let mut columns = PgColumns::at(row, 0);
    Ok((columns.next()?, columns.next()?))
}

/// The former secrets whose grace is not ended for ever.
pub(super) fn former(lookups: &[String]) -> Query<'_> {
    let sql = "SELECT k.org, k.id, s.prefix, s.lookup, s.grace_ends_at \
        FROM keywright.secrets s JOIN keywright.keys k ON k.id = s.key_id \
        WHERE s.lookup = ANY ($1) AND s.grace_ends_at > $2 ORDER BY s.lookup";
    Query { sql, values: vec![SqlValue::TextList(Some(lookups)), SqlValue::time(ENDED)] }
}

/// Reads the rows of [`former`].
pub(super) fn read_former(row: &Row) -> Result<FormerSecret, Error> {
    let mut columns = PgColumns::at(row, 0);
    Ok(FormerSecret {
        org: columns.next()?,
        key_id: columns.next()?,
        prefix: columns.next()?,
        lifetime: SecretLifetime { lookup: columns.next()?, grace_ends_at: columns.optional_time()? },
    })
}

pub(super) fn update_key(key: &KeyRow) -> Result<Query<'_>, Error> {
    Ok(Query { sql: &UPDATE_KEY, values: key_values(key)? })
}

pub(super) fn end_secret(lifetime: &SecretLifetime) -> Query<'_> {
    let sql = "UPDATE keywright.secrets SET grace_ends_at = $2 WHERE lookup = $1";
    Query { sql, values: vec![(&lifetime.lookup).into(), SqlValue::optional_time(lifetime.grace_ends_at)] }
}

pub(super) fn replace_verifier<'a>(lookup: &'a str, from: &'a str, to: &'a str, filter: Option<&'a [u8]>) -> Query<'a> {
    let sql = "UPDATE keywright.secrets SET verifier = $3, filter = $4 WHERE lookup = $1 AND verifier = $2";
    Query { sql, values: vec![lookup.into(), from.into(), to.into(), SqlValue::Bytes(filter)] }
}

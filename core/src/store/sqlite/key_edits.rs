//! Changes of keys and their secrets, and the reads that decide about them.

use std::sync::LazyLock;

use rusqlite::{Connection, params, params_from_iter};

use super::rows::{key_values, secret_values};
use super::table::SQLITE;
use super::{keys, orgs};
use crate::error::Error;
use crate::lifecycle::{ENDED, SecretLifetime};
use crate::store::key::KeyRow;
use crate::store::rows::{SecretRow, Tenant};
use crate::store::script::{FormerSecret, LockedKey};
use crate::store::table::{KEYS, SECRETS};

static INSERT_KEY: LazyLock<String> = LazyLock::new(|| KEYS.insert(&SQLITE));
static UPDATE_KEY: LazyLock<String> = LazyLock::new(|| KEYS.update(&SQLITE));
static INSERT_SECRET: LazyLock<String> = LazyLock::new(|| SECRETS.insert(&SQLITE));

pub(super) fn is_taken(on: &Connection, id: &str, lookup: &str) -> Result<bool, Error> {
    Ok(on
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1) OR EXISTS (SELECT 1 FROM secrets WHERE lookup = ?2)",
        )?
        .query_row([id, lookup], |row| row.get(0))?)
}

pub(super) fn locked(on: &Connection, id: &str) -> Result<Option<LockedKey>, Error> {
    // At that time only graces that are ended for ever are over.
    let Some(view) = keys::get(on, &Tenant::Every, id, ENDED)? else { return Ok(None) };
    let org_disabled = orgs::is_disabled(on, &view.key.org)?;
    Ok(Some(LockedKey { descendants: descendants(on, id)?, org_disabled, view }))
}

/// The number of keys that a trigger revokes together with this one.
fn descendants(on: &Connection, id: &str) -> Result<u64, Error> {
    Ok(on
        .prepare_cached(
            "WITH RECURSIVE child (id) AS (SELECT id FROM keys WHERE parent = ?1 \
             UNION SELECT k.id FROM keys k JOIN child ON k.parent = child.id) \
             SELECT count(*) FROM keys WHERE id IN child AND revoked_at IS NULL",
        )?
        .query_row([id], |row| row.get(0))?)
}

/// Those of some former secrets whose grace is not ended for ever.
pub(super) fn former(on: &Connection, lookups: &[String]) -> Result<Vec<FormerSecret>, Error> {
    let lookups = serde_json::Value::from(lookups).to_string();
    let mut statement = on.prepare_cached(
        "SELECT k.org, k.id, s.prefix, s.lookup, s.grace_ends_at FROM secrets s JOIN keys k ON k.id = s.key_id \
         WHERE s.lookup IN (SELECT value FROM json_each(?1)) AND s.grace_ends_at > ?2",
    )?;
    let found = statement.query_map(params![lookups, ENDED], |row| {
        let lifetime = SecretLifetime { lookup: row.get(3)?, grace_ends_at: row.get(4)? };
        Ok(FormerSecret { org: row.get(0)?, key_id: row.get(1)?, prefix: row.get(2)?, lifetime })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn insert_key(on: &Connection, key: &KeyRow) -> Result<(), Error> {
    on.prepare_cached(&INSERT_KEY)?.execute(params_from_iter(key_values(key)?))?;
    Ok(())
}

pub(super) fn update_key(on: &Connection, key: &KeyRow) -> Result<(), Error> {
    on.prepare_cached(&UPDATE_KEY)?.execute(params_from_iter(key_values(key)?))?;
    Ok(())
}

pub(super) fn insert_secret(on: &Connection, key_id: &str, secret: &SecretRow) -> Result<(), Error> {
    on.prepare_cached(&INSERT_SECRET)?.execute(params_from_iter(secret_values(key_id, secret)?))?;
    Ok(())
}

pub(super) fn end_secret(on: &Connection, lifetime: &SecretLifetime) -> Result<(), Error> {
    on.prepare_cached("UPDATE secrets SET grace_ends_at = ?2 WHERE lookup = ?1")?
        .execute(params![lifetime.lookup, lifetime.grace_ends_at])?;
    Ok(())
}

pub(super) fn replace_verifier(
    on: &Connection,
    lookup: &str,
    from: &str,
    to: &str,
    filter: Option<&[u8]>,
) -> Result<(), Error> {
    on.prepare_cached("UPDATE secrets SET verifier = ?3, filter = ?4 WHERE lookup = ?1 AND verifier = ?2")?
        .execute(params![lookup, from, to, filter])?;
    Ok(())
}

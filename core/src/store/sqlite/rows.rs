//! The rows of keys and secrets, as they are stored.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value};

use super::table::Columns;
use crate::error::Error;
use crate::level;
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::store::key::{KeyRow, limits_from, limits_text};
use crate::store::rows::{Counts, SecretRow, SecretView, foreign_row};
use crate::store::table::{KEYS, SECRETS};

/// The columns of a [`SecretView`], for a `SELECT` from `secrets s` and `usage u`.
pub(super) const SECRET_VIEW: &str = "s.lookup, s.grace_ends_at, s.prefix, s.created_at, u.last_used_at";

/// The values of a row, in the order of [`KEYS`].
pub(super) fn key_values(key: &KeyRow) -> Result<[ToSqlOutput<'_>; KEYS.len()], Error> {
    // No field is left out here, so that a new one does not compile until it is stored.
    let KeyRow {
        id,
        org,
        environment,
        name,
        description,
        scopes,
        level,
        tier,
        limits,
        networks,
        metadata,
        created_at,
        created_by,
        updated_at,
        life: Lifecycle { expires_at, disabled_at, revoked_at },
        reason,
        parent,
    } = key;
    Ok([
        id.to_sql()?,
        org.to_sql()?,
        environment.to_sql()?,
        created_at.to_sql()?,
        parent.to_sql()?,
        created_by.to_sql()?,
        name.to_sql()?,
        description.to_sql()?,
        ToSqlOutput::Owned(Value::from(scopes.join(" "))),
        ToSqlOutput::Owned(Value::from(level.map(|level| level.as_str().to_owned()))),
        tier.to_sql()?,
        ToSqlOutput::Owned(Value::from(limits_text(limits)?)),
        ToSqlOutput::Owned(Value::from(join(networks.as_deref()))),
        metadata.to_sql()?,
        updated_at.to_sql()?,
        expires_at.to_sql()?,
        disabled_at.to_sql()?,
        revoked_at.to_sql()?,
        reason.to_sql()?,
    ])
}

pub(super) fn read_key(columns: &mut Columns<'_, '_>) -> Result<KeyRow, Error> {
    // Fields are evaluated in the order in which they are written, which is the order of `KEYS`.
    Ok(KeyRow {
        id: columns.next()?,
        org: columns.next()?,
        environment: columns.next()?,
        created_at: columns.next()?,
        parent: columns.next()?,
        created_by: columns.next()?,
        name: columns.next()?,
        description: columns.next()?,
        scopes: words(columns.next_ref()?.as_str().map_err(|_| foreign_row())?),
        level: {
            let level = columns.next_ref()?.as_str_or_null().map_err(|_| foreign_row())?;
            level.map(level::parse).transpose().map_err(|_| foreign_row())?
        },
        tier: columns.next()?,
        limits: limits_from(columns.next_ref()?.as_str_or_null().map_err(|_| foreign_row())?)?,
        networks: words_or_none(columns.next()?),
        metadata: columns.next()?,
        updated_at: columns.next()?,
        life: Lifecycle { expires_at: columns.next()?, disabled_at: columns.next()?, revoked_at: columns.next()? },
        reason: columns.next()?,
    })
}

/// The values of a row, in the order of [`SECRETS`].
pub(super) fn secret_values<'a>(
    key_id: &'a str,
    secret: &'a SecretRow,
) -> Result<[ToSqlOutput<'a>; SECRETS.len()], Error> {
    let SecretRow { lifetime: SecretLifetime { lookup, grace_ends_at }, prefix, format, verifier, filter, created_at } =
        secret;
    Ok([
        lookup.to_sql()?,
        key_id.to_sql()?,
        prefix.to_sql()?,
        format.to_sql()?,
        created_at.to_sql()?,
        grace_ends_at.to_sql()?,
        verifier.to_sql()?,
        filter.to_sql()?,
    ])
}

pub(super) fn read_secret(columns: &mut Columns<'_, '_>) -> Result<SecretRow, Error> {
    let lookup = columns.next()?;
    // The id of its key, which stands beside it.
    columns.skip();
    let (prefix, format, created_at) = (columns.next()?, columns.next()?, columns.next()?);
    let lifetime = SecretLifetime { lookup, grace_ends_at: columns.next()? };
    Ok(SecretRow { lifetime, prefix, format, created_at, verifier: columns.next()?, filter: columns.next()? })
}

/// Reads the columns of [`SECRET_VIEW`]; `None` if no secret was joined.
pub(super) fn read_secret_view(columns: &mut Columns<'_, '_>) -> Result<Option<SecretView>, Error> {
    let Some(lookup) = columns.next()? else { return Ok(None) };
    Ok(Some(SecretView {
        lifetime: SecretLifetime { lookup, grace_ends_at: columns.next()? },
        prefix: columns.next()?,
        created_at: columns.next()?,
        last_used_at: columns.next()?,
    }))
}

/// Reads the counters of a row, which are 0 if no row was joined.
pub(super) fn read_counts(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Counts> {
    Ok(Counts {
        usage_count: columns.next::<Option<u64>>()?.unwrap_or(0),
        denied_count: columns.next::<Option<u64>>()?.unwrap_or(0),
        last_used_at: columns.next()?,
    })
}

/// Lists are stored in one column. Spaces separate the items, which contain none.
fn words(text: &str) -> Vec<String> {
    text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

pub(super) fn words_or_none(text: Option<String>) -> Option<Vec<String>> {
    text.map(|text| words(&text))
}

pub(super) fn join(items: Option<&[String]>) -> Option<String> {
    items.map(|items| items.join(" "))
}

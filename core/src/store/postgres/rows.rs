//! The rows of keys and secrets, as they are stored.

use super::table::PgColumns;
use super::value::SqlValue;
use crate::error::Error;
use crate::level;
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::store::key::{KeyRow, limits_from, limits_text};
use crate::store::rows::{Counts, SecretRow, SecretView, foreign_row};
use crate::store::table::{KEYS, SECRETS};

/// The columns of a [`SecretView`], for a `SELECT` from `secrets s` and `usage u`.
pub(super) const SECRET_VIEW: &str = "s.lookup, s.grace_ends_at, s.prefix, s.created_at, u.last_used_at";

/// The values of a row, in the order of [`KEYS`].
pub(super) fn key_values(key: &KeyRow) -> Result<[SqlValue<'_>; KEYS.len()], Error> {
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
        id.into(),
        org.into(),
        environment.into(),
        SqlValue::time(*created_at),
        parent.into(),
        created_by.into(),
        name.into(),
        description.into(),
        SqlValue::TextList(Some(scopes)),
        SqlValue::Text(level.map(|level| level.as_str())),
        tier.into(),
        SqlValue::OwnedText(limits_text(limits)?),
        SqlValue::TextList(networks.as_deref()),
        metadata.into(),
        SqlValue::time(*updated_at),
        SqlValue::optional_time(*expires_at),
        SqlValue::optional_time(*disabled_at),
        SqlValue::optional_time(*revoked_at),
        reason.into(),
    ])
}

pub(super) fn read_key(columns: &mut PgColumns<'_>) -> Result<KeyRow, Error> {
    // Fields are evaluated in the order in which they are written, which is the order of `KEYS`.
    Ok(KeyRow {
        id: columns.next()?,
        org: columns.next()?,
        environment: columns.next()?,
        created_at: columns.time()?,
        parent: columns.next()?,
        created_by: columns.next()?,
        name: columns.next()?,
        description: columns.next()?,
        scopes: columns.next()?,
        level: {
            let level: Option<&str> = columns.next()?;
            level.map(level::parse).transpose().map_err(|_| foreign_row())?
        },
        tier: columns.next()?,
        limits: limits_from(columns.next()?)?,
        networks: columns.next()?,
        metadata: read_metadata(columns.next()?)?,
        updated_at: columns.time()?,
        life: Lifecycle {
            expires_at: columns.optional_time()?,
            disabled_at: columns.optional_time()?,
            revoked_at: columns.optional_time()?,
        },
        reason: columns.next()?,
    })
}

/// The values of a row, in the order of [`SECRETS`].
pub(super) fn secret_values<'a>(key_id: &'a str, secret: &'a SecretRow) -> [SqlValue<'a>; SECRETS.len()] {
    let SecretRow { lifetime: SecretLifetime { lookup, grace_ends_at }, prefix, format, verifier, filter, created_at } =
        secret;
    [
        lookup.into(),
        key_id.into(),
        prefix.into(),
        format.into(),
        SqlValue::time(*created_at),
        SqlValue::optional_time(*grace_ends_at),
        verifier.into(),
        SqlValue::Bytes(filter.as_deref()),
    ]
}

pub(super) fn read_secret(columns: &mut PgColumns<'_>) -> Result<SecretRow, Error> {
    let lookup = columns.next()?;
    // The id of its key, which stands beside it.
    columns.skip();
    let (prefix, format, created_at) = (columns.next()?, columns.next()?, columns.time()?);
    let lifetime = SecretLifetime { lookup, grace_ends_at: columns.optional_time()? };
    Ok(SecretRow { lifetime, prefix, format, created_at, verifier: columns.next()?, filter: columns.next()? })
}

/// Reads the columns of [`SECRET_VIEW`]; `None` if no secret was joined.
pub(super) fn read_secret_view(columns: &mut PgColumns<'_>) -> Result<Option<SecretView>, Error> {
    let Some(lookup) = columns.next()? else { return Ok(None) };
    Ok(Some(SecretView {
        lifetime: SecretLifetime { lookup, grace_ends_at: columns.optional_time()? },
        prefix: columns.next()?,
        created_at: columns.time()?,
        last_used_at: columns.optional_time()?,
    }))
}

/// Reads the counters of a row, which are 0 if no row was joined.
pub(super) fn read_counts(columns: &mut PgColumns<'_>) -> Result<Counts, Error> {
    Ok(Counts { usage_count: columns.count()?, denied_count: columns.count()?, last_used_at: columns.optional_time()? })
}

/// The database keeps the values of the metadata, in a spelling of its own.
fn read_metadata(text: &str) -> Result<String, Error> {
    if text == "{}" {
        return Ok(text.to_owned());
    }
    let metadata: serde_json::Map<_, _> = serde_json::from_str(text).map_err(|_| foreign_row())?;
    Ok(serde_json::Value::Object(metadata).to_string())
}

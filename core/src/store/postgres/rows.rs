//! The rows of keys and secrets, as they are stored.

use std::borrow::Cow;

use super::table::PgColumns;
use super::value::SqlValue;
use crate::clock::Millis;
use crate::error::Error;
use crate::lifecycle::SecretLifetime;
use crate::store::column::ColumnWriter;
use crate::store::key::KeyRow;
use crate::store::rows::{Counts, SecretRow, SecretView};
use crate::store::table::{KEYS, SECRETS};

/// The columns of a [`SecretView`], for a `SELECT` from `secrets s` and `usage u`.
pub(super) const SECRET_VIEW: &str = "s.lookup, s.grace_ends_at, s.prefix, s.created_at, u.last_used_at";

/// The values of a row, in the order of [`KEYS`].
pub(super) fn key_values(key: &KeyRow) -> Result<Vec<SqlValue<'_>>, Error> {
    let mut values = SqlValues(Vec::with_capacity(KEYS.len()));
    key.write(&mut values)?;
    Ok(values.0)
}

/// The values of parameters, in their order.
struct SqlValues<'a>(Vec<SqlValue<'a>>);

impl<'a> ColumnWriter<'a> for SqlValues<'a> {
    fn text(&mut self, value: Option<Cow<'a, str>>) {
        self.0.push(match value {
            Some(Cow::Owned(text)) => SqlValue::OwnedText(Some(text)),
            Some(Cow::Borrowed(text)) => text.into(),
            None => SqlValue::Text(None),
        });
    }

    fn list(&mut self, value: Option<&'a [String]>) {
        self.0.push(SqlValue::TextList(value));
    }

    fn time(&mut self, value: Option<Millis>) {
        self.0.push(SqlValue::optional_time(value));
    }
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

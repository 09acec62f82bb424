//! The rows of keys and secrets, as they are stored.

use std::borrow::Cow;

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, Value};

use super::table::Columns;
use crate::clock::Millis;
use crate::error::Error;
use crate::lifecycle::SecretLifetime;
use crate::store::column::{ColumnReader, ColumnWriter};
use crate::store::key::KeyRow;
use crate::store::rows::{Counts, SecretRow, SecretView, foreign_row};
use crate::store::table::{KEYS, SECRETS};

/// The columns of a [`SecretView`], for a `SELECT` from `secrets s` and `usage u`.
pub(super) const SECRET_VIEW: &str = "s.lookup, s.grace_ends_at, s.prefix, s.created_at, u.last_used_at";

/// The values of a row, in the order of [`KEYS`].
pub(super) fn key_values(key: &KeyRow) -> Result<Vec<ToSqlOutput<'_>>, Error> {
    let mut values = SqliteValues(Vec::with_capacity(KEYS.len()));
    key.write(&mut values)?;
    Ok(values.0)
}

/// The values of parameters, in their order.
struct SqliteValues<'a>(Vec<ToSqlOutput<'a>>);

impl<'a> ColumnWriter<'a> for SqliteValues<'a> {
    fn text(&mut self, value: Option<Cow<'a, str>>) {
        self.0.push(match value {
            Some(Cow::Owned(text)) => ToSqlOutput::Owned(Value::Text(text)),
            Some(Cow::Borrowed(text)) => ToSqlOutput::Borrowed(text.into()),
            None => ToSqlOutput::Owned(Value::Null),
        });
    }

    fn list(&mut self, value: Option<&'a [String]>) {
        self.0.push(ToSqlOutput::Owned(Value::from(join(value))));
    }

    fn time(&mut self, value: Option<Millis>) {
        self.0.push(ToSqlOutput::Owned(Value::from(value)));
    }
}

impl ColumnReader for Columns<'_, '_> {
    fn text(&mut self) -> Result<Option<String>, Error> {
        Ok(self.next()?)
    }

    fn text_ref(&mut self) -> Result<Option<&str>, Error> {
        self.next_ref()?.as_str_or_null().map_err(|_| foreign_row())
    }

    fn object(&mut self) -> Result<String, Error> {
        Ok(self.next()?)
    }

    fn list(&mut self) -> Result<Option<Vec<String>>, Error> {
        Ok(self.text_ref()?.map(words))
    }

    fn time(&mut self) -> Result<Option<Millis>, Error> {
        Ok(self.next()?)
    }
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
    // The id of its key, which the caller has read.
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

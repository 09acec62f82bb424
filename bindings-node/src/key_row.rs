//! Keys as arrays of their fields, in the order in which `Key` in `lib/record.cjs` reads them, with times in milliseconds.
//! JavaScript parses a page of them in half the time of objects with field names and times as text.

use chrono::{DateTime, Utc};
use keywright::{IssuedKey, Key, Secret};
use serde::ser::{Serialize, SerializeTuple, Serializer};

pub(crate) struct KeyRow<'a>(pub(crate) &'a Key);

/// Serializes the fields of a key in their order. A field with a function is converted by it.
macro_rules! row {
    ($($field:ident $(as $convert:ident)?,)+) => {
        impl KeyRow<'_> {
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),+];
        }

        impl Serialize for KeyRow<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let mut row = to.serialize_tuple(Self::FIELDS.len())?;
                $(row.serialize_element(row!(self.0.$field $(, $convert)?))?;)+
                row.end()
            }
        }
    };
    ($value:expr) => { &$value };
    ($value:expr, $convert:ident) => { &$convert(&$value) };
}

row! {
    id,
    name,
    description,
    org,
    environment,
    prefix,
    status,
    scopes,
    level,
    tier,
    limits,
    quotas,
    networks,
    metadata,
    created_at as millis,
    created_by,
    updated_at as millis,
    expires_at as optional_millis,
    disabled_at as optional_millis,
    revoked_at as optional_millis,
    reason,
    last_used_at as optional_millis,
    usage_count,
    denied_count,
    secrets as secret_rows,
}

const _: () =
    assert!(keywright::ffi::same_names(KeyRow::FIELDS, Key::FIELDS), "a row has the core's fields, in its order");

pub(crate) fn millis(at: &DateTime<Utc>) -> i64 {
    at.timestamp_millis()
}

fn optional_millis(at: &Option<DateTime<Utc>>) -> Option<i64> {
    at.as_ref().map(millis)
}

type SecretRow<'a> = (&'a str, i64, Option<i64>, Option<i64>);

fn secret_rows(secrets: &[Secret]) -> Vec<SecretRow<'_>> {
    let rows = secrets.iter().map(|secret| {
        let (ends, used) = (optional_millis(&secret.grace_ends_at), optional_millis(&secret.last_used_at));
        (secret.prefix.as_str(), millis(&secret.created_at), ends, used)
    });
    rows.collect()
}

/// A new key with its text.
pub(crate) struct NewKeyRow<'a>(pub(crate) &'a IssuedKey);

impl Serialize for NewKeyRow<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (KeyRow(&self.0.key), self.0.api_key.reveal()).serialize(to)
    }
}

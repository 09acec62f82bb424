//! Values of parameters, with their types.

use chrono::{DateTime, Utc};
use tokio_postgres::types::{ToSql, Type};

use crate::clock::{Millis, time};

/// The value of a parameter of a statement.
#[derive(Debug, Clone)]
pub(super) enum SqlValue<'a> {
    Text(Option<&'a str>),
    OwnedText(Option<String>),
    TextList(Option<&'a [String]>),
    Texts(Vec<&'a str>),
    Bytes(Option<&'a [u8]>),
    OwnedBytes(Vec<u8>),
    ByteLists(Vec<&'a [u8]>),
    Integer(Option<i64>),
    Integers(Vec<i64>),
    Time(Option<DateTime<Utc>>),
    Times(Vec<Option<DateTime<Utc>>>),
}

impl<'a> SqlValue<'a> {
    /// A time in milliseconds.
    pub(super) fn time(at: Millis) -> Self {
        Self::Time(Some(time(at)))
    }

    /// As [`time`](Self::time), for a time that may be before 1970.
    pub(super) fn any_time(at: Millis) -> Self {
        Self::Time(DateTime::from_timestamp_millis(at))
    }

    /// A time in milliseconds, or none.
    pub(super) fn optional_time(at: Option<Millis>) -> Self {
        Self::Time(at.map(time))
    }

    /// An integer, at most the largest that the database has.
    pub(super) fn unsigned(number: u64) -> Self {
        Self::Integer(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    /// The value as the driver takes it, and the type of the parameter.
    pub(super) fn parameter(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(value) => (value, Type::TEXT),
            Self::OwnedText(value) => (value, Type::TEXT),
            Self::TextList(value) => (value, Type::TEXT_ARRAY),
            Self::Texts(value) => (value, Type::TEXT_ARRAY),
            Self::Bytes(value) => (value, Type::BYTEA),
            Self::OwnedBytes(value) => (value, Type::BYTEA),
            Self::ByteLists(value) => (value, Type::BYTEA_ARRAY),
            Self::Integer(value) => (value, Type::INT8),
            Self::Integers(value) => (value, Type::INT8_ARRAY),
            Self::Time(value) => (value, Type::TIMESTAMPTZ),
            Self::Times(value) => (value, Type::TIMESTAMPTZ_ARRAY),
        }
    }
}

impl<'a> From<&'a str> for SqlValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a String> for SqlValue<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a Option<String>> for SqlValue<'a> {
    fn from(text: &'a Option<String>) -> Self {
        Self::Text(text.as_deref())
    }
}

impl<'a> From<Option<&'a str>> for SqlValue<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for SqlValue<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<Vec<u8>> for SqlValue<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::OwnedBytes(bytes)
    }
}

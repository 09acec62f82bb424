//! Named values from a caller in any language, and how they are read: types, unknown names, exact meaning.
//!
//! Bindings and the wire convert what they get into [`Value`]s. The core alone decides which values are refused, and words the
//! errors.

mod deserialize;
mod duration;
mod fields;
mod suggestion;
mod text;

use chrono::{DateTime, Utc};

use crate::clock::Millis;
use crate::error::Error;

pub(crate) use deserialize::parse_time;
pub(crate) use duration::span;
pub use fields::{Fields, FromFields};
pub(crate) use suggestion::{chosen, meant, nearest};
pub(crate) use text::{identifier, plain, prose};

/// A value from a caller, not yet checked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Python's `None`, JavaScript's `null` and `undefined`, JSON's `null`.
    Null,
    /// A boolean; never read as an integer.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number that is not a whole number, or not finite.
    Float(f64),
    /// Text.
    Text(String),
    /// Text that is not valid Unicode, such as text with lone surrogates.
    BrokenText,
    /// Bytes.
    Bytes(Vec<u8>),
    /// A point in time.
    Time(DateTime<Utc>),
    /// A time without an offset, or an invalid time.
    NaiveTime,
    /// A duration in milliseconds.
    Duration(i64),
    /// A sequence.
    List(Vec<Value>),
    /// Named values, in the order given.
    Map(Vec<(String, Value)>),
    /// A value that the binding converted: a set into a list, a `BigInt` into an integer. An argument accepts it as the other type.
    /// Stored data such as metadata refuses it, because it would come back as another type.
    Converted {
        /// The name of its type.
        kind: String,
        /// The converted value.
        value: Box<Value>,
    },
    /// A structure that is nested deeper than a binding reads.
    TooDeep,
    /// Anything else, by the name of its type.
    Other(String),
}

impl Value {
    /// The kind of the value for error texts, never its content.
    fn kind(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(_) => "a boolean".into(),
            Self::Integer(_) => "an integer".into(),
            Self::Float(it) if it.is_nan() => "not a number".into(),
            Self::Float(it) if it.is_infinite() => "infinite".into(),
            Self::Float(_) => "a fraction".into(),
            Self::Text(_) => "text".into(),
            Self::BrokenText => "text that is no valid Unicode".into(),
            Self::Bytes(_) => "bytes".into(),
            Self::Time(_) => "a time".into(),
            Self::NaiveTime => "a time without an offset from UTC".into(),
            Self::Duration(_) => "a duration".into(),
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a mapping".into(),
            Self::TooDeep => "nested too deeply".into(),
            Self::Other(kind) | Self::Converted { kind, .. } => format!("of type {kind}"),
        }
    }

    /// Returns the value that an argument reads: a converted value as the other type.
    pub(crate) fn into_argument(self) -> Self {
        match self {
            Self::Converted { value, .. } => *value,
            other => other,
        }
    }

    /// The error for a value of another type than `wanted`.
    pub(crate) fn refused(&self, field: &str, wanted: &str) -> Error {
        match self {
            Self::BrokenText => Error::validation_failed(
                field,
                "holds text that is no valid Unicode",
                "remove lone surrogates and broken bytes",
            ),
            Self::NaiveTime => {
                Error::validation_failed(field, "is a time without an offset from UTC", "give an aware, valid time")
            }
            Self::TooDeep => Error::validation_failed(field, "is nested too deeply", "flatten it"),
            _ => Error::invalid_request(
                field,
                format!("must be {wanted}, and is {}", self.kind()),
                format!("give {wanted}"),
            ),
        }
    }

    /// Reads text.
    ///
    /// # Errors
    /// `invalid_request` for a value of another type, `validation_failed` for text that is not valid Unicode.
    pub fn into_text(self, field: &str) -> Result<String, Error> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.refused(field, "text")),
        }
    }

    pub(crate) fn into_bool(self, field: &str) -> Result<bool, Error> {
        match self {
            Self::Bool(it) => Ok(it),
            other => Err(other.refused(field, "true or false")),
        }
    }

    /// Reads an integer in `low..=high`.
    pub(crate) fn into_integer(self, field: &str, low: i64, high: i64) -> Result<i64, Error> {
        match self {
            Self::Integer(number) => {
                i64::try_from(number).ok().filter(|number| (low..=high).contains(number)).ok_or_else(|| {
                    Error::validation_failed(field, "is out of range", format!("give an integer from {low} to {high}"))
                })
            }
            Self::Float(_) => Err(Error::validation_failed(
                field,
                format!("must be a whole number, and is {}", self.kind()),
                format!("give an integer from {low} to {high}"),
            )),
            other => Err(other.refused(field, &format!("an integer from {low} to {high}"))),
        }
    }

    pub(crate) fn into_time(self, field: &str) -> Result<Millis, Error> {
        match self {
            Self::Time(it) => Ok(it.timestamp_millis()),
            Self::Text(_) => {
                Err(Error::invalid_request(field, "must be a time, and is text", "give the language's own time type"))
            }
            other => Err(other.refused(field, "a time")),
        }
    }

    pub(crate) fn into_list(self, field: &str) -> Result<Vec<Value>, Error> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(other.refused(field, "a list")),
        }
    }

    pub(crate) fn into_texts(self, field: &str) -> Result<Vec<String>, Error> {
        self.into_list(field)?.into_iter().map(|it| it.into_text(field)).collect()
    }

    pub(crate) fn into_map(self, field: &str) -> Result<Vec<(String, Value)>, Error> {
        match self {
            Self::Map(entries) => Ok(entries),
            other => Err(other.refused(field, "a mapping")),
        }
    }

    /// Converts the value to JSON, if JSON has an exact form for it.
    pub(crate) fn into_json(self, field: &str) -> Result<serde_json::Value, Error> {
        /// The largest integer that every JSON reader keeps exact (RFC 8259, section 6).
        const EXACT: i128 = (1 << 53) - 1;
        match self {
            Self::Null => Ok(serde_json::Value::Null),
            Self::Bool(it) => Ok(it.into()),
            Self::Integer(it) if (-EXACT..=EXACT).contains(&it) => {
                Ok(i64::try_from(it).map(Into::into).unwrap_or_default())
            }
            Self::Integer(_) => Err(Error::validation_failed(
                field,
                "holds an integer beyond 2^53 - 1, which not every JSON reader keeps exact",
                "give it as text",
            )),
            Self::Float(it) => serde_json::Number::from_f64(it).map(Into::into).ok_or_else(|| {
                Error::validation_failed(field, "holds a number that is not finite", "leave it out, or give it as text")
            }),
            Self::Text(it) => Ok(it.into()),
            Self::List(items) => items.into_iter().map(|it| it.into_json(field)).collect(),
            Self::Map(entries) => {
                let entries = entries.into_iter().map(|(name, it)| Ok((name, it.into_json(field)?)));
                entries.collect::<Result<serde_json::Map<_, _>, Error>>().map(Into::into)
            }
            Self::Converted { ref value, .. } => {
                let fix = if matches!(**value, Self::List(_)) { "give a list" } else { "give a number, or text" };
                Err(Error::invalid_request(
                    field,
                    format!("holds a value {}, which JSON has no form for", self.kind()),
                    fix,
                ))
            }
            other => Err(other.refused(field, "plain JSON data")),
        }
    }
}

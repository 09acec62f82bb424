//! The JSON Schema of records, for frameworks that describe what routes answer.

use pyo3::prelude::*;
use pyo3::types::PyType;
use serde_json::{Value, json};

use crate::field::{Id, Json, Time, plain};
use crate::record::Word;

/// Data whose plain form has a schema.
pub(crate) trait Described {
    fn described() -> Value;
}

macro_rules! described {
    ($($type:ty => $schema:tt;)*) => {$(
        impl Described for $type {
            fn described() -> Value {
                json!($schema)
            }
        }
    )*};
}

described! {
    bool => {"type": "boolean"};
    u16 => {"type": "integer", "minimum": 0};
    u64 => {"type": "integer", "minimum": 0};
    String => {"type": "string"};
    Word => {"type": "string"};
    Time => {"type": "string", "format": "date-time"};
    Id => {"anyOf": [{"type": "string"}, {"type": "integer"}]};
    Json => {"type": "object", "additionalProperties": true};
}

impl<T: Described> Described for Option<T> {
    fn described() -> Value {
        json!({"anyOf": [T::described(), {"type": "null"}]})
    }
}

impl<T: Described> Described for Vec<T> {
    fn described() -> Value {
        json!({"type": "array", "items": T::described()})
    }
}

/// The schema of a record.
pub(crate) fn object(title: &str, fields: &[(&str, Value)]) -> Value {
    let properties: serde_json::Map<_, _> = fields.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect();
    let required: Vec<_> = fields.iter().map(|it| it.0).collect();
    json!({"type": "object", "title": title, "properties": properties, "required": required})
}

pub(crate) fn of<T: Described>(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    plain(py, &T::described())
}

/// A record as pydantic sees it. Only pydantic asks for this, so that it is there.
pub(crate) fn pydantic<'py>(record: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    record.py().import("keywright.schema")?.call_method1("record", (record,))
}

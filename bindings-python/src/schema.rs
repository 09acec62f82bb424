//! JSON Schemas of the records, for frameworks that describe the answers of routes.

use pyo3::prelude::*;
use pyo3::types::PyType;
use serde_json::{Value, json};

use crate::field::{self, EnumText, Id, Json, Time};

/// A type whose plain data have a JSON Schema.
pub(crate) trait JsonSchema {
    fn json_schema() -> Value;
}

macro_rules! schemas {
    ($($type:ty => $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn json_schema() -> Value {
                json!($schema)
            }
        }
    )*};
}

schemas! {
    bool => {"type": "boolean"};
    u8 => {"type": "integer", "minimum": 0};
    u16 => {"type": "integer", "minimum": 0};
    u64 => {"type": "integer", "minimum": 0};
    String => {"type": "string"};
    EnumText => {"type": "string"};
    Time => {"type": "string", "format": "date-time"};
    Id => {"anyOf": [{"type": "string"}, {"type": "integer"}]};
    Json => {"type": "object", "additionalProperties": true};
}

impl<T: JsonSchema> JsonSchema for Option<T> {
    fn json_schema() -> Value {
        json!({"anyOf": [T::json_schema(), {"type": "null"}]})
    }
}

impl<T: JsonSchema> JsonSchema for Vec<T> {
    fn json_schema() -> Value {
        json!({"type": "array", "items": T::json_schema()})
    }
}

/// Returns the schema of a record. Every field is required.
pub(crate) fn object(title: &str, fields: &[(&str, Value)]) -> Value {
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<_> = fields.iter().map(|field| field.0).collect();
    json!({"type": "object", "title": title, "properties": properties, "required": required})
}

pub(crate) fn to_python<T: JsonSchema>(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    field::to_python(py, &T::json_schema())
}

/// Returns the pydantic schema of a record class. Only pydantic calls this, so pydantic is installed.
pub(crate) fn pydantic<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    class.py().import("keywright.schema")?.call_method1("record", (class,))
}

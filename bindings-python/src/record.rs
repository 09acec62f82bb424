//! The machinery of the record classes: frozen Python objects over data of the core. A field becomes a Python value when
//! it is read.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use keywright::KeyId;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde::Serialize;

use crate::field::{EnumText, Id, Json, Time, to_python};

/// Converts a field of a core record into the form that the Python record holds.
pub(crate) trait IntoField {
    type Field;
    fn into_field(self) -> Self::Field;
}

macro_rules! into_field {
    ($($from:ty => $to:ty: $convert:expr;)*) => {$(
        impl IntoField for $from {
            type Field = $to;
            fn into_field(self) -> $to {
                ($convert)(self)
            }
        }
    )*};
}

into_field! {
    bool => bool: std::convert::identity;
    u8 => u8: std::convert::identity;
    u64 => u64: std::convert::identity;
    String => String: std::convert::identity;
    DateTime<Utc> => Time: Time;
    KeyId => Id: Id::from;
    serde_json::Map<String, serde_json::Value> => Json: Json;
    keywright::Status => EnumText: |status: keywright::Status| status.as_str().into();
    keywright::Level => EnumText: |level: keywright::Level| level.as_str().into();
    keywright::Per => EnumText: |per: keywright::Per| per.as_str().into();
    keywright::WhenUnreachable => EnumText: |answer: keywright::WhenUnreachable| answer.as_str().into();
    keywright::Period => EnumText: |period: keywright::Period| period.as_str().into();
    keywright::EventKind => EnumText: |kind: keywright::EventKind| kind.as_str().into();
    keywright::Code => EnumText: |code: keywright::Code| code.as_str().into();
    keywright::ImportOutcome => EnumText: |outcome: keywright::ImportOutcome| outcome.as_str().into();
    keywright::Error => Json: refusal;
}

/// The code, field and text of an error that a record holds.
fn refusal(error: keywright::Error) -> Json {
    let field = error.field().map(str::to_owned);
    let entries = [("code", error.code().into()), ("field", field.into()), ("message", error.to_string().into())];
    Json(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl<T: IntoField> IntoField for Option<T> {
    type Field = Option<T::Field>;
    fn into_field(self) -> Self::Field {
        self.map(IntoField::into_field)
    }
}

impl<T: IntoField> IntoField for Vec<T> {
    type Field = Vec<T::Field>;
    fn into_field(self) -> Self::Field {
        self.into_iter().map(IntoField::into_field).collect()
    }
}

/// Defines a struct whose fields can be read by name, as plain data and as a JSON Schema.
macro_rules! fields {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(PartialEq, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $name {
            pub(crate) const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// The name of each field with its schema.
            pub(crate) fn field_schemas() -> Vec<(&'static str, serde_json::Value)> {
                vec![$((stringify!($field), <$type as $crate::schema::JsonSchema>::json_schema())),*]
            }

            /// Returns one field as plain data.
            pub(crate) fn field<'py>(
                &self,
                py: pyo3::Python<'py>,
                name: &str,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                match name {
                    $(stringify!($field) => $crate::record::to_dict(py, &self.$field),)*
                    _ => Err($crate::record::unknown_field(name)),
                }
            }
        }
    };
}

/// Adds the methods that all record classes share: mapping, schema, equality by value, hash by one field, copy, pickle.
/// The class has `data(py)`, a struct made by [`fields`].
macro_rules! record_methods {
    ($name:ident: $data:ty, hash by $hashed:ident { $($method:tt)* }) => {
        impl $crate::schema::JsonSchema for $name {
            fn json_schema() -> serde_json::Value {
                $crate::schema::object(stringify!($name), &<$data>::field_schemas())
            }
        }

        #[pyo3::pymethods]
        impl $name {
            /// Returns the field names, so that `dict(record)` equals `to_dict()`.
            fn keys(&self) -> &'static [&'static str] {
                <$data>::FIELDS
            }

            fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
                self.data(py)?.field(py, name)
            }

            /// Returns the JSON Schema of the plain data.
            #[staticmethod]
            fn _json_schema(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                $crate::schema::to_python::<Self>(py)
            }

            #[classmethod]
            fn __get_pydantic_core_schema__<'py>(
                cls: &Bound<'py, pyo3::types::PyType>,
                _source: &Bound<'py, PyAny>,
                _handler: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                $crate::schema::pydantic(cls)
            }

            #[classmethod]
            fn __get_pydantic_json_schema__<'py>(
                cls: &Bound<'py, pyo3::types::PyType>,
                _schema: &Bound<'py, PyAny>,
                _handler: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                cls.call_method0("_json_schema")
            }

            /// Returns plain data for JSON, with times as RFC 3339 text.
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                $crate::record::to_dict(py, self.data(py)?)
            }

            fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                let equal = match other.cast_exact::<Self>() {
                    Ok(other) => Some(slf.get().data(py)? == other.get().data(py)?),
                    Err(_) => None,
                };
                $crate::record::comparison(py, equal)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<u64> {
                Ok($crate::record::hash(&self.data(py)?.$hashed))
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                $crate::record::repr(slf, <$data>::FIELDS)
            }

            fn __copy__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
                slf
            }

            fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyTuple>> {
                $crate::record::reduce(py, stringify!($name), self.data(py)?)
            }

            $($method)*
        }
    };
}

/// Defines a record class that mirrors the core's record of the same name and fields.
macro_rules! mirror {
    ($(#[$meta:meta])* $name:ident by $hashed:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* } $($method:tt)*) => {
        $crate::record::fields! {
            $(#[$meta])*
            #[pyo3::pyclass(frozen, get_all, subclass, mapping, weakref, module = "keywright")]
            #[derive(Clone)]
            struct $name { $($(#[$doc])* $field: $type,)* }
        }

        impl $name {
            fn data(&self, _: Python<'_>) -> PyResult<&Self> {
                Ok(self)
            }
        }

        $crate::record::record_methods! { $name: $name, hash by $hashed { $($method)* } }

        impl From<keywright::$name> for $name {
            fn from(record: keywright::$name) -> Self {
                Self { $($field: record.$field.into_field(),)* }
            }
        }

        impl IntoField for keywright::$name {
            type Field = $name;
            fn into_field(self) -> $name {
                $name::from(self)
            }
        }
    };
}

pub(crate) use {fields, mirror, record_methods};

pub(crate) fn to_dict<'py>(py: Python<'py>, record: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    to_python(py, &serde_json::to_value(record).map_err(not_serialized)?)
}

pub(crate) fn unknown_field(name: &str) -> PyErr {
    pyo3::exceptions::PyKeyError::new_err(name.to_owned())
}

/// Returns the result of `__eq__`; `None` is `NotImplemented`.
pub(crate) fn comparison(py: Python<'_>, equal: Option<bool>) -> PyResult<Bound<'_, PyAny>> {
    match equal {
        Some(equal) => Ok(equal.into_pyobject(py)?.to_owned().into_any()),
        None => Ok(py.NotImplemented().into_bound(py)),
    }
}

pub(crate) fn hash(field: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    field.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn repr(record: &Bound<'_, PyAny>, fields: &[&str]) -> PyResult<String> {
    let shown = fields.iter().map(|field| Ok(format!("{field}={}", record.getattr(*field)?.repr()?)));
    Ok(format!("{}({})", record.get_type().name()?, shown.collect::<PyResult<Vec<_>>>()?.join(", ")))
}

/// Returns the pickled form of a record: its class name and its plain data, from which `_unpickle` makes it again.
pub(crate) fn reduce<'py>(py: Python<'py>, class: &str, record: &impl Serialize) -> PyResult<Bound<'py, PyTuple>> {
    let json = serde_json::to_string(record).map_err(not_serialized)?;
    let unpickle = py.import("keywright._native")?.getattr("_unpickle")?;
    PyTuple::new(py, [unpickle, (class, json).into_pyobject(py)?.into_any()])
}

fn not_serialized(error: serde_json::Error) -> PyErr {
    pyo3::exceptions::PyValueError::new_err(error.to_string())
}

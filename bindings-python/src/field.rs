//! The types of record fields and their Python values.

use std::borrow::Cow;
use std::convert::Infallible;

use chrono::{DateTime, SecondsFormat, Utc};
use keywright::KeyId;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time;

/// The text of a core enum, such as `active`.
pub(crate) type EnumText = Cow<'static, str>;

/// An aware `datetime` in UTC; RFC 3339 text with milliseconds in plain data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Time(pub(crate) DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl<'py> IntoPyObject<'py> for Time {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        time::to_python(py, self.0)
    }
}

/// The id of a key: text, or an integer where the database was made with integer ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Integer(u64),
    Text(String),
}

impl From<KeyId> for Id {
    fn from(id: KeyId) -> Self {
        match id {
            KeyId::Integer(id) => Self::Integer(id),
            KeyId::Text(id) => Self::Text(id),
        }
    }
}

impl<'py> IntoPyObject<'py> for Id {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(match self {
            Self::Integer(id) => PyInt::new(py, id).into_any(),
            Self::Text(id) => PyString::new(py, &id).into_any(),
        })
    }
}

/// JSON data of the host. Each access returns a new dict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Json(pub(crate) serde_json::Map<String, serde_json::Value>);

impl<'py> IntoPyObject<'py> for Json {
    type Target = PyDict;
    type Output = Bound<'py, PyDict>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        dict(py, &self.0)
    }
}

fn dict<'py>(py: Python<'py>, entries: &serde_json::Map<String, serde_json::Value>) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for (name, value) in entries {
        out.set_item(name, to_python(py, value)?)?;
    }
    Ok(out)
}

/// Converts JSON data into Python objects.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        serde_json::Value::Null => Ok(py.None().into_bound(py)),
        serde_json::Value::Bool(value) => value.into_bound_py_any(py),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => integer.into_bound_py_any(py),
            (None, Some(integer)) => integer.into_bound_py_any(py),
            (None, None) => number.as_f64().into_bound_py_any(py),
        },
        serde_json::Value::String(text) => text.into_bound_py_any(py),
        serde_json::Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| to_python(py, item)).collect::<PyResult<_>>()?;
            Ok(PyList::new(py, items)?.into_any())
        }
        serde_json::Value::Object(entries) => Ok(dict(py, entries)?.into_any()),
    }
}

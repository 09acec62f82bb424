//! What the fields of records hold, as Python sees it.

use std::convert::Infallible;

use chrono::{DateTime, SecondsFormat, Utc};
use keywright::KeyId;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyList, PyString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time;

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
        time::shown(py, self.0)
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
            KeyId::Integer(it) => Self::Integer(it),
            KeyId::Text(it) => Self::Text(it),
        }
    }
}

impl<'py> IntoPyObject<'py> for Id {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(match self {
            Self::Integer(it) => PyInt::new(py, it).into_any(),
            Self::Text(it) => PyString::new(py, &it).into_any(),
        })
    }
}

/// The host's own data: a fresh dict each time it is asked for.
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
        out.set_item(name, plain(py, value)?)?;
    }
    Ok(out)
}

/// Plain data as Python's own.
pub(crate) fn plain<'py>(py: Python<'py>, value: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        serde_json::Value::Null => Ok(py.None().into_bound(py)),
        serde_json::Value::Bool(it) => it.into_bound_py_any(py),
        serde_json::Value::Number(it) => match (it.as_i64(), it.as_u64()) {
            (Some(it), _) => it.into_bound_py_any(py),
            (None, Some(it)) => it.into_bound_py_any(py),
            (None, None) => it.as_f64().into_bound_py_any(py),
        },
        serde_json::Value::String(it) => it.into_bound_py_any(py),
        serde_json::Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|it| plain(py, it)).collect::<PyResult<_>>()?;
            Ok(PyList::new(py, items)?.into_any())
        }
        serde_json::Value::Object(entries) => Ok(dict(py, entries)?.into_any()),
    }
}

//! A new key. Everything that shows the record as a whole hides its text.

use keywright::ffi::{HIDDEN, hidden};
use keywright::{ApiKey, Error, FieldError, IssuedKey};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::exception;
use crate::record;
use crate::records::Key;
use crate::schema::{self, JsonSchema};

/// A key that was just created or rotated, with the only copy of its text.
#[pyclass(frozen, extends = Key, mapping, module = "keywright")]
pub(crate) struct NewKey {
    /// `None` after unpickling: the text never leaves the process that created the key.
    text: Option<ApiKey>,
}

impl NewKey {
    pub(crate) fn new(py: Python<'_>, issued: IssuedKey) -> PyResult<Bound<'_, Self>> {
        Self::build(py, issued.key.into(), Some(issued.api_key))
    }

    pub(crate) fn unpickled(py: Python<'_>, key: Key) -> PyResult<Bound<'_, Self>> {
        Self::build(py, key, None)
    }

    pub(crate) fn received(py: Python<'_>, key: Key, text: String) -> PyResult<Bound<'_, Self>> {
        Self::build(py, key, Some(hidden(text)))
    }

    fn build(py: Python<'_>, key: Key, text: Option<ApiKey>) -> PyResult<Bound<'_, Self>> {
        Bound::new(py, PyClassInitializer::from(key).add_subclass(Self { text }))
    }

    fn with_text<'py>(slf: &Bound<'py, Self>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let out = record::to_dict(py, slf.as_super().get())?;
        out.cast::<PyDict>()?.set_item("api_key", text)?;
        Ok(out)
    }
}

impl JsonSchema for NewKey {
    fn json_schema() -> serde_json::Value {
        let mut fields = Key::field_schemas();
        fields.push(("api_key", String::json_schema()));
        schema::object("NewKey", &fields)
    }
}

#[pymethods]
impl NewKey {
    /// The text of the key. Everything that shows the record as a whole hides it.
    #[getter]
    fn api_key(&self) -> &str {
        self.text.as_ref().map_or(HIDDEN, ApiKey::reveal)
    }

    /// Returns `to_dict()` with the text in it, for the one response that shows it.
    fn reveal<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match &slf.get().text {
            Some(text) => Self::with_text(slf, text.reveal()),
            None => Err(exception(
                slf.py(),
                &Error::Conflict(FieldError {
                    field: "api_key".into(),
                    reason: "did not travel with the pickled record".into(),
                    fix: "reveal it in the process that made it, or rotate the key".into(),
                }),
            )),
        }
    }

    /// Returns the field names, so that `dict(record)` equals `to_dict()`.
    fn keys(&self) -> Vec<&'static str> {
        Key::FIELDS.iter().copied().chain(["api_key"]).collect()
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match name {
            "api_key" => HIDDEN.into_bound_py_any(slf.py()),
            _ => slf.as_super().get().field(slf.py(), name),
        }
    }

    /// Returns the JSON Schema of the plain data.
    #[staticmethod]
    fn _json_schema(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        schema::to_python::<Self>(py)
    }

    /// Returns plain data for JSON, with the text hidden.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::with_text(slf, HIDDEN)
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let equal = other
            .cast_exact::<Self>()
            .ok()
            .map(|other| slf.as_super().get() == other.as_super().get() && slf.get().text == other.get().text);
        record::comparison(slf.py(), equal)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> u64 {
        record::hash(&slf.as_super().get().id)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let shown = record::repr(slf, Key::FIELDS)?;
        Ok(format!("{}, api_key='{HIDDEN}')", shown.strip_suffix(')').unwrap_or(&shown)))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        record::reduce(slf.py(), "NewKey", slf.as_super().get())
    }
}

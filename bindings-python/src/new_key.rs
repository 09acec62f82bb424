//! A key just made. Whatever shows the record as a whole hides its text.

use keywright::{ApiKey, Error, FieldError, HIDDEN, IssuedKey};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::raised;
use crate::record::{self, Key};
use crate::schema::{self, Described};

/// A key just made or rotated, with the only copy of its text.
#[pyclass(frozen, extends = Key, mapping, module = "keywright")]
pub(crate) struct NewKey {
    /// `None` in a record that was pickled: the text stays in the process that made it.
    text: Option<ApiKey>,
}

impl NewKey {
    pub(crate) fn issued(py: Python<'_>, issued: IssuedKey) -> PyResult<Bound<'_, Self>> {
        Self::made(py, issued.key.into(), Some(issued.api_key))
    }

    pub(crate) fn thawed(py: Python<'_>, key: Key) -> PyResult<Bound<'_, Self>> {
        Self::made(py, key, None)
    }

    fn made(py: Python<'_>, key: Key, text: Option<ApiKey>) -> PyResult<Bound<'_, Self>> {
        Bound::new(py, PyClassInitializer::from(key).add_subclass(Self { text }))
    }

    fn shown<'py>(slf: &Bound<'py, Self>, text: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let out = record::to_dict(py, slf.as_super().get())?;
        out.cast::<PyDict>()?.set_item("api_key", text)?;
        Ok(out)
    }
}

impl Described for NewKey {
    fn described() -> serde_json::Value {
        let mut fields = Key::fields();
        fields.push(("api_key", String::described()));
        schema::object("NewKey", &fields)
    }
}

#[pymethods]
impl NewKey {
    /// The text itself. Everything that shows the record as a whole hides it.
    #[getter]
    fn api_key(&self) -> &str {
        self.text.as_ref().map_or(HIDDEN, ApiKey::reveal)
    }

    /// As `to_dict`, with the text in it, for the one response that shows it.
    fn reveal<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        match &slf.get().text {
            Some(text) => Self::shown(slf, text.reveal()),
            None => Err(raised(
                slf.py(),
                &Error::Conflict(FieldError {
                    field: "api_key".into(),
                    reason: "did not travel with the pickled record".into(),
                    fix: "reveal it in the process that made it, or rotate the key".into(),
                }),
            )),
        }
    }

    /// The names of its fields: with them `dict(record)` is as `to_dict()`.
    fn keys(&self) -> Vec<&'static str> {
        Key::FIELDS.iter().copied().chain(["api_key"]).collect()
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        match name {
            "api_key" => HIDDEN.into_bound_py_any(slf.py()),
            _ => slf.as_super().get().plain(slf.py(), name),
        }
    }

    /// The JSON Schema of its plain data.
    #[staticmethod]
    fn _json_schema(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        schema::of::<Self>(py)
    }

    /// Plain data for JSON, the text hidden.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::shown(slf, HIDDEN)
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let equal = other
            .cast_exact::<Self>()
            .ok()
            .map(|it| slf.as_super().get() == it.as_super().get() && slf.get().text == it.get().text);
        record::compared(slf.py(), equal)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> u64 {
        record::hashed(&slf.as_super().get().id)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let shown = record::repr(slf, Key::FIELDS)?;
        Ok(format!("{}, api_key='{HIDDEN}')", shown.strip_suffix(')').unwrap_or(&shown)))
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        record::frozen(slf.py(), "NewKey", slf.as_super().get())
    }
}

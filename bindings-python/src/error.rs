//! The core's errors as the exceptions of `keywright/errors.py`.

use keywright::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static CLASSES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

/// The module `keywright.errors`.
pub(crate) fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    Ok(CLASSES.get_or_try_init(py, || py.import("keywright.errors").map(Bound::unbind))?.bind(py))
}

/// Converts a core error into an exception.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let made = || {
        let class = classes(py)?.getattr("BY_CODE")?.get_item(error.code())?;
        class.call1((error.to_string(), error.field()))
    };
    made().map_or_else(|problem| problem, PyErr::from_value)
}

/// Returns the value, or raises the core's error.
pub(crate) fn or_raise<T>(py: Python<'_>, result: Result<T, Error>) -> PyResult<T> {
    result.map_err(|error| exception(py, &error))
}

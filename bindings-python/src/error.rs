//! The core's errors as the exceptions that `keywright/errors.py` defines.

use keywright::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::wait::wait;

static CLASSES: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

pub(crate) fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    Ok(CLASSES.get_or_try_init(py, || py.import("keywright.errors").map(Bound::unbind))?.bind(py))
}

pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    let made = || {
        let class = classes(py)?.getattr("BY_CODE")?.get_item(error.code())?;
        class.call1((error.to_string(), error.field()))
    };
    made().map_or_else(|problem| problem, PyErr::from_value)
}

/// What the core read, or its complaint raised.
pub(crate) fn checked<T>(py: Python<'_>, read: Result<T, Error>) -> PyResult<T> {
    read.map_err(|it| raised(py, &it))
}

/// Waits for a call; see [`wait`].
pub(crate) fn waited<T: Send>(py: Python<'_>, call: impl Future<Output = Result<T, Error>> + Send) -> PyResult<T> {
    checked(py, wait(py, call)?)
}

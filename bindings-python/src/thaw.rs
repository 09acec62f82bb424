//! Records that come out of a pickle.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::de::DeserializeOwned;

use crate::decision::Decision;
use crate::new_key::NewKey;
use crate::record::{AuditCheck, AuditEntry, AuditHead, Key, Limit, LimitState, OrgRecord, Parsed, Secret};

/// Makes a record again from its kind and its plain form.
#[pyfunction]
pub(crate) fn _thaw<'py>(py: Python<'py>, kind: &str, text: &str) -> PyResult<Bound<'py, PyAny>> {
    match kind {
        "Key" => read::<Key>(text)?.into_bound_py_any(py),
        "NewKey" => NewKey::thawed(py, read(text)?)?.into_bound_py_any(py),
        "Secret" => read::<Secret>(text)?.into_bound_py_any(py),
        "Limit" => read::<Limit>(text)?.into_bound_py_any(py),
        "LimitState" => read::<LimitState>(text)?.into_bound_py_any(py),
        "Decision" => Decision::thawed(text).map_err(unread)?.into_bound_py_any(py),
        "OrgRecord" => read::<OrgRecord>(text)?.into_bound_py_any(py),
        "AuditEntry" => read::<AuditEntry>(text)?.into_bound_py_any(py),
        "AuditHead" => read::<AuditHead>(text)?.into_bound_py_any(py),
        "AuditCheck" => read::<AuditCheck>(text)?.into_bound_py_any(py),
        "Parsed" => read::<Parsed>(text)?.into_bound_py_any(py),
        other => Err(PyValueError::new_err(format!("no record of Keywright is called {other}"))),
    }
}

fn read<T: DeserializeOwned>(text: &str) -> PyResult<T> {
    serde_json::from_str(text).map_err(unread)
}

fn unread(error: serde_json::Error) -> PyErr {
    PyValueError::new_err(format!("this pickle holds no such record: {error}"))
}

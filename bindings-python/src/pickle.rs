//! Records from their plain data: those of a pickle, and those of a server.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::de::DeserializeOwned;

use crate::decision::Decision;
use crate::new_key::NewKey;
use crate::records::{
    AgentUsage, AuditCheck, AuditEntry, AuditHead, ImportReport, ImportedKey, Key, Limit, LimitState, OrgRecord,
    Parsed, Quota, QuotaState, Secret,
};

/// Makes a record from its class name and its plain data as JSON.
#[pyfunction]
pub(crate) fn _unpickle<'py>(py: Python<'py>, class: &str, json: &str) -> PyResult<Bound<'py, PyAny>> {
    match class {
        "Key" => read::<Key>(json)?.into_bound_py_any(py),
        "NewKey" => NewKey::unpickled(py, read(json)?)?.into_bound_py_any(py),
        "Secret" => read::<Secret>(json)?.into_bound_py_any(py),
        "Limit" => read::<Limit>(json)?.into_bound_py_any(py),
        "LimitState" => read::<LimitState>(json)?.into_bound_py_any(py),
        "Quota" => read::<Quota>(json)?.into_bound_py_any(py),
        "QuotaState" => read::<QuotaState>(json)?.into_bound_py_any(py),
        "Decision" => Decision::unpickled(json).map_err(invalid)?.into_bound_py_any(py),
        "OrgRecord" => read::<OrgRecord>(json)?.into_bound_py_any(py),
        "AuditEntry" => read::<AuditEntry>(json)?.into_bound_py_any(py),
        "AuditHead" => read::<AuditHead>(json)?.into_bound_py_any(py),
        "AuditCheck" => read::<AuditCheck>(json)?.into_bound_py_any(py),
        "AgentUsage" => read::<AgentUsage>(json)?.into_bound_py_any(py),
        "ImportReport" => read::<ImportReport>(json)?.into_bound_py_any(py),
        "ImportedKey" => read::<ImportedKey>(json)?.into_bound_py_any(py),
        "Parsed" => read::<Parsed>(json)?.into_bound_py_any(py),
        other => Err(PyValueError::new_err(format!("no record of Keywright is called {other}"))),
    }
}

/// Makes a new key that a server has sent, from its plain data as JSON and its text.
#[pyfunction]
pub(crate) fn _issued<'py>(py: Python<'py>, json: &str, text: String) -> PyResult<Bound<'py, NewKey>> {
    NewKey::received(py, read(json)?, text)
}

fn read<T: DeserializeOwned>(json: &str) -> PyResult<T> {
    serde_json::from_str(json).map_err(invalid)
}

fn invalid(error: serde_json::Error) -> PyErr {
    PyValueError::new_err(format!("this is no such record: {error}"))
}

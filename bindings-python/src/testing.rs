//! Hooks for the shared test vectors. Only the feature `testing` compiles them.

#[cfg(unix)]
use std::path::PathBuf;

use keywright::ffi::Value;
use keywright::testing;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::engine::Keywright;
use crate::error::or_raise;
use crate::input::value_of;

/// Adds the hooks to the module, but not to its `__all__`: the stub describes the module without them.
pub(crate) fn add_hooks(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.setattr("_hash_case", wrap_pyfunction!(hash_case, module)?)?;
    #[cfg(unix)]
    module.setattr("_serve", wrap_pyfunction!(serve, module)?)?;
    module.setattr("_plant", wrap_pyfunction!(plant, module)?)
}

/// Computes one case of the hash vectors.
#[pyfunction]
fn hash_case<'py>(op: &str, input: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = input.py();
    let input = value_of(input)?;
    to_python(py, or_raise(py, py.detach(|| testing::hash_case(op, input)))?)
}

/// Writes a row into the database in the form of an earlier release.
#[pyfunction]
fn plant(kw: &Bound<'_, Keywright>, row: &Bound<'_, PyAny>) -> PyResult<()> {
    let row = value_of(row)?;
    let engine = &kw.get().0;
    or_raise(kw.py(), kw.py().detach(|| testing::plant(engine, row)))
}

/// Serves an engine at a Unix socket until it is closed.
#[cfg(unix)]
#[pyfunction]
fn serve(kw: &Bound<'_, Keywright>, socket: PathBuf) -> PyResult<()> {
    let engine = &kw.get().0;
    or_raise(kw.py(), kw.py().detach(|| testing::serve(engine, &socket)))
}

fn to_python(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    match value {
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Integer(value) => value.into_bound_py_any(py),
        Value::Text(value) => value.into_bound_py_any(py),
        Value::List(items) => {
            let items: Vec<_> = items.into_iter().map(|item| to_python(py, item)).collect::<PyResult<_>>()?;
            PyList::new(py, items)?.into_bound_py_any(py)
        }
        Value::Map(entries) => {
            let out = PyDict::new(py);
            for (name, value) in entries {
                out.set_item(name, to_python(py, value)?)?;
            }
            out.into_bound_py_any(py)
        }
        _ => Ok(py.None().into_bound(py)),
    }
}

//! The handles that an engine or an org has as attributes, like `kw.keys`.

use std::ffi::CStr;

use pyo3::IntoPyObjectExt;
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

/// A `functools.cached_property`: one object however often it is asked for, so that a test may replace a method of it, and
/// put another object in its place.
pub(crate) fn handle<'py, O, H>(
    py: Python<'py>,
    name: &'static CStr,
    doc: &'static CStr,
    make: fn(&O) -> H,
) -> PyResult<Bound<'py, PyAny>>
where
    O: PyClass<Frozen = True> + Sync,
    H: for<'a> IntoPyObject<'a> + 'static,
{
    let found = move |given: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<Py<PyAny>> {
        make(given.get_item(0)?.cast::<O>()?.get()).into_py_any(given.py())
    };
    let found = PyCFunction::new_closure(py, Some(name), Some(doc), found)?;
    let name = found.getattr("__name__")?;
    let cached = py.import("functools")?.getattr("cached_property")?.call1((found,))?;
    // Python names those alone that stand in the body of a class.
    cached.call_method1("__set_name__", (py.None(), name))?;
    Ok(cached)
}

//! Attributes of an engine or an org that hold a handle, like `kw.keys`.

use std::ffi::CStr;

use pyo3::IntoPyObjectExt;
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

/// Returns a `functools.cached_property` that makes a handle. Every access returns the same object, so a test can patch a
/// method of the handle, or replace the handle.
pub(crate) fn cached_handle<'py, O, H>(
    py: Python<'py>,
    name: &'static CStr,
    doc: &'static CStr,
    make: fn(&O) -> H,
) -> PyResult<Bound<'py, PyAny>>
where
    O: PyClass<Frozen = True> + Sync,
    H: for<'a> IntoPyObject<'a> + 'static,
{
    let getter = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<Py<PyAny>> {
        make(arguments.get_item(0)?.cast::<O>()?.get()).into_py_any(arguments.py())
    };
    let getter = PyCFunction::new_closure(py, Some(name), Some(doc), getter)?;
    let name = getter.getattr("__name__")?;
    let cached = py.import("functools")?.getattr("cached_property")?.call1((getter,))?;
    // Python calls this itself only for attributes in the body of a class.
    cached.call_method1("__set_name__", (py.None(), name))?;
    Ok(cached)
}

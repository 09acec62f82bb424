//! Conversion of Python arguments into values of the core, which validates them.

use keywright::Error;
use keywright::ffi::{Casing, Fields, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDelta, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PySequence, PySet,
    PyString, PyTuple, PyType,
};

use crate::error::or_raise;
use crate::time;

/// The greatest depth of a structure. It ends structures that contain themselves.
const DEEPEST: usize = 64;

/// The greatest number of parts of a structure. It ends structures in which each part contains the next one twice.
const LARGEST: usize = 100_000;

/// The `**kwargs` of a method.
pub(crate) type Keywords<'a, 'py> = &'a Bound<'py, PyDict>;

/// Reads the keyword arguments of a call with one of the core's readers.
pub(crate) fn arguments<T>(
    py: Python<'_>,
    keywords: Option<Keywords<'_, '_>>,
    read: impl FnOnce(Fields) -> Result<T, Error>,
) -> PyResult<T> {
    or_raise(py, read(Fields::new(Casing::Snake, entries(keywords)?)))
}

pub(crate) fn entries(keywords: Option<Keywords<'_, '_>>) -> PyResult<Vec<(String, Value)>> {
    let mut entries = Vec::new();
    for (name, value) in keywords.into_iter().flat_map(|keywords| keywords.iter()) {
        entries.push((name.cast::<PyString>()?.to_string_lossy().into_owned(), value_of(&value)?));
    }
    Ok(entries)
}

/// Reads a positional argument as text.
pub(crate) fn text(field: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    or_raise(given.py(), value_of(given)?.into_text(field))
}

pub(crate) fn value_of(given: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(read(given, 0, &mut { LARGEST })?.unwrap_or(Value::TooDeep))
}

/// Returns `None` for a structure that is too deep or too large. The whole value is refused then: reading the rest of a
/// structure that contains itself twice would never end.
fn read(given: &Bound<'_, PyAny>, depth: usize, left: &mut usize) -> PyResult<Option<Value>> {
    match left.checked_sub(1) {
        Some(fewer) => *left = fewer,
        None => return Ok(None),
    }
    if let Some(value) = scalar(given)? {
        return Ok(Some(value));
    }
    let is_map = given.cast::<PyMapping>();
    if is_map.is_err() && !is_list(given)? {
        return Ok(Some(Value::Other(type_name(given))));
    }
    if depth == DEEPEST {
        return Ok(None);
    }
    let Ok(map) = is_map else {
        let is_json_array = given.is_instance_of::<PyList>() || given.is_exact_instance_of::<PyTuple>();
        let mut items = Vec::new();
        for item in given.try_iter()? {
            match read(&item?, depth + 1, left)? {
                Some(value) => items.push(value),
                None => return Ok(None),
            }
        }
        let list = Value::List(items);
        // A set, a range or a named tuple loses something when it becomes an array.
        return Ok(Some(if is_json_array {
            list
        } else {
            Value::Converted { kind: type_name(given), value: list.into() }
        }));
    };
    let mut entries = Vec::new();
    for entry in map.items()?.iter() {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = entry.extract()?;
        let name = match scalar(&name)? {
            Some(Value::Text(name)) => name,
            Some(Value::BrokenText) => return Ok(Some(Value::BrokenText)),
            _ => return Ok(Some(Value::Other(format!("{} with names that are not text", type_name(given))))),
        };
        match read(&value, depth + 1, left)? {
            Some(value) => entries.push((name, value)),
            None => return Ok(None),
        }
    }
    Ok(Some(Value::Map(entries)))
}

fn scalar(given: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    let value = if given.is_none() {
        Value::Null
    } else if let Ok(text) = given.cast::<PyString>() {
        text.to_str().map_or(Value::BrokenText, |text| Value::Text(text.to_owned()))
    } else if let Ok(boolean) = given.cast::<PyBool>() {
        Value::Bool(boolean.is_true())
    } else if let Ok(number) = given.cast::<PyInt>() {
        integer(number)
    } else if let Ok(number) = given.cast::<PyFloat>() {
        Value::Float(number.value())
    } else if let Ok(bytes) = given.cast::<PyBytes>() {
        Value::Bytes(bytes.as_bytes().to_vec())
    } else if let Ok(bytes) = given.cast::<PyByteArray>() {
        Value::Bytes(bytes.to_vec())
    } else if let Some(time) = time::read(given)? {
        time
    } else if let Ok(span) = given.cast::<PyDelta>() {
        Value::Duration(time::millis(span))
    } else {
        return indexed(given);
    };
    Ok(Some(value))
}

/// Reads an integer of another library, such as numpy.
fn indexed(given: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if given.is_instance_of::<PyType>() || !given.hasattr("__index__")? {
        return Ok(None);
    }
    match given.call_method0("__index__") {
        // A boolean is no integer here either.
        Ok(number) if number.is_instance_of::<PyBool>() => Ok(None),
        Ok(number) => Ok(number.cast::<PyInt>().ok().map(integer)),
        Err(refusal) if refusal.is_instance_of::<PyTypeError>(given.py()) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

fn is_list(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    if given.is_instance_of::<PyList>()
        || given.is_instance_of::<PyTuple>()
        || given.is_instance_of::<PySet>()
        || given.is_instance_of::<PyFrozenSet>()
        || given.cast::<PySequence>().is_ok()
    {
        return Ok(true);
    }
    given.is_instance(&given.py().import("collections.abc")?.getattr("Set")?)
}

fn type_name(given: &Bound<'_, PyAny>) -> String {
    given.get_type().name().map_or_else(|_| "unknown".into(), |name| name.to_string_lossy().into_owned())
}

/// Converts an integer. One beyond 128 bits becomes infinity, which no field accepts.
fn integer(number: &Bound<'_, PyInt>) -> Value {
    number.extract::<i128>().map_or(Value::Float(f64::INFINITY), Value::Integer)
}

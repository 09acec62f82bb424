//! What Python gives, as the core's values. Nothing is judged here.

use keywright::input::{Casing, Fields, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDelta, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PySequence, PySet,
    PyString, PyTuple, PyType,
};

use crate::error::checked;
use crate::time;

/// How deep a structure is followed; one that holds itself ends here.
const DEEPEST: usize = 64;

/// How many parts a structure may have, since one that holds each part twice has more than any memory.
const MOST: usize = 100_000;

/// The keyword arguments of one call.
pub(crate) fn fields(given: Option<&Bound<'_, PyDict>>) -> PyResult<Fields> {
    Ok(Fields::new(Casing::Snake, entries(given)?))
}

pub(crate) fn entries(given: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(String, Value)>> {
    let mut entries = Vec::new();
    for (name, value) in given.into_iter().flat_map(|it| it.iter()) {
        entries.push((name.cast::<PyString>()?.to_string_lossy().into_owned(), value_of(&value)?));
    }
    Ok(entries)
}

/// The text of a positional argument.
pub(crate) fn text(field: &str, given: &Bound<'_, PyAny>) -> PyResult<String> {
    checked(given.py(), value_of(given)?.into_text(field))
}

pub(crate) fn value_of(given: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(read(given, 0, &mut { MOST })?.unwrap_or(Value::TooDeep))
}

/// `None` when it is too deep or too large: the whole value then is, since one that holds itself twice would never end.
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
        // A set has no order, a range no members of its own, a named tuple names: as arrays they lose that.
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
        text.to_str().map_or(Value::BrokenText, |it| Value::Text(it.to_owned()))
    } else if let Ok(it) = given.cast::<PyBool>() {
        Value::Bool(it.is_true())
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

/// An integer of another library, such as numpy's.
fn indexed(given: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if given.is_instance_of::<PyType>() || !given.hasattr("__index__")? {
        return Ok(None);
    }
    match given.call_method0("__index__") {
        // A boolean is none here either.
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
    given.get_type().name().map_or_else(|_| "unknown".into(), |it| it.to_string_lossy().into_owned())
}

/// An integer beyond 128 bits is as good as infinite: no field takes one.
fn integer(number: &Bound<'_, PyInt>) -> Value {
    number.extract::<i128>().map_or(Value::Float(f64::INFINITY), Value::Integer)
}

//! What tests need: a clock moved by hand, and the hooks of the shared vectors.

use chrono::{DateTime, Utc};
use keywright::input::Value;
use keywright::{Error, FieldError, testing};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::engine::Keywright;
use crate::error::{checked, raised};
use crate::field::Time;
use crate::input::value_of;

/// The start of 2026, where a clock stands that was told nothing else.
const START: i64 = 1_767_225_600_000;

/// A clock that stands still until a test moves it.
#[pyclass(frozen, module = "keywright.testing")]
pub(crate) struct ManualClock(pub(crate) testing::ManualClock);

#[pymethods]
impl ManualClock {
    #[new]
    #[pyo3(signature = (start = None))]
    fn new(start: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let start =
            start.map_or(Ok(DateTime::from_timestamp_millis(START).unwrap_or_default()), |it| time("start", it))?;
        Ok(Self(testing::ManualClock::new(start)))
    }

    /// The time it shows.
    fn now(&self) -> Time {
        Time(self.0.now())
    }

    /// Moves it by so many milliseconds or a timedelta, back when negative.
    fn advance(&self, by: &Bound<'_, PyAny>) -> PyResult<()> {
        let millis = match value_of(by)? {
            Value::Duration(millis) => Some(millis),
            Value::Integer(millis) => i64::try_from(millis).ok(),
            _ => None,
        };
        self.0.advance(millis.ok_or_else(|| refused(by, "by", "a whole number of milliseconds or a timedelta"))?);
        Ok(())
    }

    /// Sets it to `now`.
    fn set(&self, now: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.set(time("now", now)?);
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("ManualClock({})", self.0.now().to_rfc3339())
    }
}

fn time(field: &str, given: &Bound<'_, PyAny>) -> PyResult<DateTime<Utc>> {
    match value_of(given)? {
        Value::Time(time) => Ok(time),
        _ => Err(refused(given, field, "a datetime with an offset from UTC")),
    }
}

fn refused(given: &Bound<'_, PyAny>, field: &str, wanted: &str) -> PyErr {
    let complaint =
        FieldError { field: field.into(), reason: format!("must be {wanted}"), fix: format!("give {wanted}") };
    raised(given.py(), &Error::InvalidRequest(complaint))
}

/// Computes one case of the hash vectors.
#[pyfunction]
pub(crate) fn hash_case<'py>(op: &str, input: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = input.py();
    let input = value_of(input)?;
    shown(py, checked(py, py.detach(|| testing::hash_case(op, input)))?)
}

/// Puts a stored row into the database as an earlier release left it.
#[pyfunction]
pub(crate) fn plant(kw: &Bound<'_, Keywright>, row: &Bound<'_, PyAny>) -> PyResult<()> {
    let row = value_of(row)?;
    let engine = &kw.get().0;
    checked(kw.py(), kw.py().detach(|| testing::plant(engine, row)))
}

fn shown(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    match value {
        Value::Bool(it) => it.into_bound_py_any(py),
        Value::Integer(it) => it.into_bound_py_any(py),
        Value::Text(it) => it.into_bound_py_any(py),
        Value::List(items) => {
            let items: Vec<_> = items.into_iter().map(|it| shown(py, it)).collect::<PyResult<_>>()?;
            PyList::new(py, items)?.into_bound_py_any(py)
        }
        Value::Map(entries) => {
            let out = PyDict::new(py);
            for (name, it) in entries {
                out.set_item(name, shown(py, it)?)?;
            }
            out.into_bound_py_any(py)
        }
        _ => Ok(py.None().into_bound(py)),
    }
}

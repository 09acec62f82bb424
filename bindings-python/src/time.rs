//! Conversion between core times and `datetime`. It uses the real `datetime` class: tools that freeze the clock in tests
//! replace `datetime.datetime` by a subclass while a test runs.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Timelike, Utc};
use keywright::ffi::Value;
use pyo3::exceptions::{PyImportError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDelta, PyDeltaAccess, PyType, PyTzInfo};

/// Finds the real `datetime` class, even while its module names a subclass.
fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let find = || {
        let named: Bound<'_, PyType> = py.import("datetime")?.getattr("datetime")?.cast_into()?;
        for class in named.mro().iter() {
            if class.getattr("__module__")?.eq("datetime")? && class.getattr("__name__")?.eq("datetime")? {
                return Ok(class.cast_into::<PyType>()?.unbind());
            }
        }
        Err(PyImportError::new_err("the module datetime has another class in place of datetime"))
    };
    Ok(CLASS.get_or_try_init(py, find)?.bind(py))
}

/// Returns an aware `datetime` in UTC.
pub(crate) fn to_python(py: Python<'_>, time: DateTime<Utc>) -> PyResult<Bound<'_, PyAny>> {
    let date = (time.year(), time.month(), time.day());
    let clock = (time.hour(), time.minute(), time.second(), time.timestamp_subsec_micros());
    class(py)?.call1((date.0, date.1, date.2, clock.0, clock.1, clock.2, clock.3, &*PyTzInfo::utc(py)?))
}

/// Reads a `datetime`. Returns `None` for any other object.
pub(crate) fn read(given: &Bound<'_, PyAny>) -> PyResult<Option<Value>> {
    if !given.is_instance(class(given.py())?)? {
        return Ok(None);
    }
    let offset = match given.call_method0("utcoffset") {
        // `NaT`, the missing time of pandas, is an instance of `datetime` too.
        Err(error) if error.is_instance_of::<PyValueError>(given.py()) => return Ok(Some(Value::NaiveTime)),
        offset => offset?,
    };
    let Ok(offset) = offset.cast::<PyDelta>() else {
        return Ok(Some(Value::NaiveTime));
    };
    let date = NaiveDate::from_ymd_opt(part(given, "year")?, part(given, "month")?, part(given, "day")?);
    let clock = (part(given, "hour")?, part(given, "minute")?, part(given, "second")?, part(given, "microsecond")?);
    let local = date.and_then(|date| date.and_hms_micro_opt(clock.0, clock.1, clock.2, clock.3));
    let utc = local.and_then(|local| local.checked_sub_signed(TimeDelta::milliseconds(millis(offset))));
    Ok(Some(utc.map_or(Value::NaiveTime, |utc| Value::Time(utc.and_utc()))))
}

fn part<'py, T: FromPyObjectOwned<'py>>(time: &Bound<'py, PyAny>, name: &str) -> PyResult<T> {
    time.getattr(name)?.extract().map_err(Into::into)
}

/// Returns the whole milliseconds of a `timedelta`.
pub(crate) fn millis(span: &Bound<'_, PyDelta>) -> i64 {
    let seconds = i64::from(span.get_days()) * 86_400 + i64::from(span.get_seconds());
    seconds * 1_000 + i64::from(span.get_microseconds()) / 1_000
}

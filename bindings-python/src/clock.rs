//! A manual clock for the tests of applications.

use chrono::{DateTime, Utc};
use keywright::ffi::Value;
use keywright::{Error, FieldError, testing};
use pyo3::prelude::*;

use crate::error::exception;
use crate::field::Time;
use crate::input::value_of;

/// 2026-01-01T00:00:00Z, the default start.
const START: i64 = 1_767_225_600_000;

/// A clock that stands still until a test moves it.
#[pyclass(frozen, module = "keywright.testing")]
pub(crate) struct ManualClock(pub(crate) testing::ManualClock);

#[pymethods]
impl ManualClock {
    #[new]
    #[pyo3(signature = (start = None))]
    fn new(start: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let start = start
            .map_or(Ok(DateTime::from_timestamp_millis(START).unwrap_or_default()), |start| time("start", start))?;
        Ok(Self(testing::ManualClock::new(start)))
    }

    /// Returns the time it shows.
    fn now(&self) -> Time {
        Time(self.0.now())
    }

    /// Moves it by this many milliseconds or a timedelta, back when negative.
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
    let error = FieldError { field: field.into(), reason: format!("must be {wanted}"), fix: format!("give {wanted}") };
    exception(given.py(), &Error::InvalidRequest(error))
}

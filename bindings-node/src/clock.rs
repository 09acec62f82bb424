//! A manual clock for the tests of applications.

use chrono::{DateTime, Utc};
use keywright::ffi::Value;
use keywright::testing;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::call::invalid_request;
use crate::result::Failure;
use crate::value::read;

/// The native part of `ManualClock` in `lib/clock.cjs`.
#[napi]
pub struct ManualClock(pub(crate) testing::ManualClock);

/// Makes a clock that shows `start`.
#[napi(catch_unwind)]
pub fn manual_clock(start: Unknown<'_>) -> Result<Either<ManualClock, Failure>> {
    Ok(match time("start", read(start)?) {
        Ok(start) => Either::A(ManualClock(testing::ManualClock::new(start))),
        Err(error) => Either::B(error.into()),
    })
}

#[napi]
impl ManualClock {
    /// Returns the time it shows, in milliseconds.
    #[napi(catch_unwind)]
    pub fn now(&self) -> i64 {
        self.0.now().timestamp_millis()
    }

    /// Moves it by this many milliseconds.
    #[napi(catch_unwind)]
    pub fn advance(&self, ms: Unknown<'_>) -> Result<Option<Failure>> {
        let ms = match read(ms)? {
            Value::Integer(ms) => i64::try_from(ms).ok(),
            _ => None,
        };
        Ok(match ms {
            Some(ms) => {
                self.0.advance(ms);
                None
            }
            None => Some(invalid_request("ms", "must be a whole number of milliseconds", "give one, like 1000").into()),
        })
    }

    /// Sets the time.
    #[napi(catch_unwind)]
    pub fn set(&self, to: Unknown<'_>) -> Result<Option<Failure>> {
        let to = time("time", read(to)?);
        Ok(to.map(|time| self.0.set(time)).err().map(Failure::from))
    }
}

fn time(field: &str, value: Value) -> std::result::Result<DateTime<Utc>, keywright::Error> {
    match value {
        Value::Time(time) => Ok(time),
        _ => Err(invalid_request(field, "must be a valid Date", "give one")),
    }
}

//! What `keywright/testing` is made of.

use chrono::{DateTime, Utc};
use keywright::input::Value;
use keywright::testing;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use serde_json::Value as Json;

use crate::answer::{Answer, Failure, answer};
use crate::call::{json, misuse};
use crate::export::Engine;
use crate::value::read;

/// The clock behind `ManualClock` of `lib/clock.cjs`.
#[napi]
pub struct ManualClock(pub(crate) testing::ManualClock);

/// A clock that shows `start`.
#[napi(catch_unwind)]
pub fn manual_clock(start: Unknown<'_>) -> Result<Either<ManualClock, Failure>> {
    Ok(match time("start", read(start)?) {
        Ok(start) => Either::A(ManualClock(testing::ManualClock::new(start))),
        Err(error) => Either::B(error.into()),
    })
}

#[napi]
impl ManualClock {
    /// The time it shows, in milliseconds.
    #[napi(catch_unwind)]
    pub fn now(&self) -> i64 {
        self.0.now().timestamp_millis()
    }

    /// Moves it by so many milliseconds.
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
            None => Some(misuse("ms", "must be a whole number of milliseconds", "give one, like 1000").into()),
        })
    }

    /// Sets it.
    #[napi(catch_unwind)]
    pub fn set(&self, to: Unknown<'_>) -> Result<Option<Failure>> {
        let to = time("time", read(to)?);
        Ok(to.map(|it| self.0.set(it)).err().map(Failure::from))
    }
}

fn time(field: &str, value: Value) -> std::result::Result<DateTime<Utc>, keywright::Error> {
    match value {
        Value::Time(time) => Ok(time),
        _ => Err(misuse(field, "must be a valid Date", "give one")),
    }
}

/// One case of the hash vectors, as JSON.
#[napi(catch_unwind)]
pub fn hash_case(op: String, input: Unknown<'_>) -> Result<Answer> {
    Ok(answer(testing::hash_case(&op, read(input)?).and_then(|it| json(&plain(it)))))
}

fn plain(value: Value) -> Json {
    match value {
        Value::Bool(it) => it.into(),
        Value::Integer(it) => i64::try_from(it).map_or(Json::Null, Json::from),
        Value::Text(it) => it.into(),
        Value::List(items) => items.into_iter().map(plain).collect(),
        Value::Map(entries) => entries.into_iter().map(|(name, it)| (name, plain(it))).collect(),
        _ => Json::Null,
    }
}

#[napi]
impl Engine {
    /// Writes a row as an older release stored it.
    #[napi(catch_unwind)]
    pub fn plant<'env>(&self, env: &'env Env, row: Unknown<'_>) -> Result<PromiseRaw<'env, Answer>> {
        let (late, row) = (self.0.clone(), read(row)?);
        env.spawn_future(async move {
            Ok(answer(match late.open().await {
                Ok(kw) => testing::plant(kw, row).and_then(|()| json(&())),
                Err(error) => Err(error),
            }))
        })
    }
}

/// Panics while JavaScript waits, for the test that nothing of it reaches Node.
#[napi(catch_unwind)]
#[allow(clippy::panic, reason = "a test wants to see it caught")]
pub fn panic_now() {
    panic!("a test asked for this panic")
}

/// Panics on another thread, in a future that JavaScript awaits.
#[napi(catch_unwind)]
#[allow(clippy::panic, reason = "a test wants to see it caught")]
pub fn panic_later(env: &Env) -> Result<PromiseRaw<'_, ()>> {
    env.spawn_future(async { panic!("a test asked for this panic") })
}

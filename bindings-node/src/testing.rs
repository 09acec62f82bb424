//! Hooks for the project's own tests. Only the feature `testing` compiles them.

use keywright::ffi::Value;
use keywright::testing;
use napi::bindgen_prelude::*;
use napi_derive::napi;
use serde_json::Value as Json;

use crate::call::json;
use crate::engine::Engine;
use crate::result::{CallResult, to_result};
use crate::value::read;

/// Computes one case of the hash vectors. Returns JSON.
#[napi(catch_unwind)]
pub fn hash_case(op: String, input: Unknown<'_>) -> Result<CallResult> {
    Ok(to_result(testing::hash_case(&op, read(input)?).and_then(|found| json(&plain(found)))))
}

fn plain(value: Value) -> Json {
    match value {
        Value::Bool(value) => value.into(),
        Value::Integer(value) => i64::try_from(value).map_or(Json::Null, Json::from),
        Value::Text(value) => value.into(),
        Value::List(items) => items.into_iter().map(plain).collect(),
        Value::Map(entries) => entries.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        _ => Json::Null,
    }
}

#[napi]
impl Engine {
    /// Writes a row into the database in the form of an earlier release.
    #[napi(catch_unwind)]
    pub fn plant<'env>(&self, env: &'env Env, row: Unknown<'_>) -> Result<PromiseRaw<'env, CallResult>> {
        let (engine, row) = (self.0.clone(), read(row)?);
        env.spawn_future(async move {
            Ok(to_result(match engine.open().await {
                Ok(kw) => testing::plant(kw, row).and_then(|()| json(&())),
                Err(error) => Err(error),
            }))
        })
    }

    /// Serves the engine at a Unix socket until it is closed.
    #[cfg(unix)]
    #[napi(catch_unwind)]
    pub fn serve<'env>(&self, env: &'env Env, socket: String) -> Result<PromiseRaw<'env, CallResult>> {
        let engine = self.0.clone();
        env.spawn_future(async move {
            Ok(to_result(match engine.open().await {
                Ok(kw) => testing::serve(kw, socket.as_ref()).and_then(|()| json(&())),
                Err(error) => Err(error),
            }))
        })
    }
}

/// Panics in a call, for the test that no panic ends the process.
#[napi(catch_unwind)]
#[allow(clippy::panic, reason = "a test checks that it is caught")]
pub fn panic_now() {
    panic!("a test asked for this panic")
}

/// Panics on another thread, in a future that JavaScript awaits.
#[napi(catch_unwind)]
#[allow(clippy::panic, reason = "a test checks that it is caught")]
pub fn panic_later(env: &Env) -> Result<PromiseRaw<'_, ()>> {
    env.spawn_future(async { panic!("a test asked for this panic") })
}

//! The engine as the addon exports it. A panic becomes an exception and never ends the process.

use keywright::ffi::{Casing, FromFields, Ready, Value, read_org_id};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::cached::EngineNumber;
use crate::call::{Call, OrgSelector, fields, invalid_request, json};
use crate::clock::ManualClock;
use crate::event::EventCallback;
use crate::later::later;
use crate::lazy_engine::LazyEngine;
use crate::result::{CallResult, Failure, to_result};
use crate::value::{constructor_options, lossy_text, optional, read};

/// The version of the addon. The JavaScript around it has the same one.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The engine of a `Keywright` in `lib/keywright.cjs`.
#[napi]
pub struct Engine(pub(crate) LazyEngine, EngineNumber);

/// Checks the options of an engine; the first call opens it.
#[napi(catch_unwind)]
pub fn engine(
    url: Unknown<'_>,
    options: Unknown<'_>,
    clock: Option<&ManualClock>,
    on_event: Option<EventCallback>,
    log: EventCallback,
) -> Result<Either<Engine, Failure>> {
    let (url, mut options) = (read(url)?, constructor_options(options)?);
    if let Some(Value::Map(options)) = &mut options {
        let read_here = [("clock", clock.is_some()), ("onEvent", on_event.is_some())];
        options.retain(|(name, _)| !read_here.contains(&(name.as_str(), true)));
    }
    let clock = clock.map(|clock| clock.0.clone());
    let options = fields(Casing::Camel, options);
    Ok(match options.and_then(|options| LazyEngine::read(url, options, clock, on_event, log)) {
        Ok(engine) => {
            let number = EngineNumber::of(&engine);
            Either::A(Engine(engine, number))
        }
        Err(error) => Either::B(error.into()),
    })
}

#[napi]
impl Engine {
    /// Opens the database.
    #[napi(catch_unwind)]
    pub fn open<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, CallResult>> {
        let engine = self.0.clone();
        env.spawn_future(async move { Ok(to_result(engine.open().await.and_then(|_| json(&())))) })
    }

    /// The number of the engine for `verifyCached`.
    #[napi(getter, catch_unwind)]
    pub fn number(&self) -> u32 {
        self.1.0
    }

    /// Writes the counters to the database.
    #[napi(catch_unwind)]
    pub fn flush<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, CallResult>> {
        let engine = self.0.clone();
        env.spawn_future(async move { Ok(to_result(engine.flush().await.and_then(|()| json(&())))) })
    }

    /// Closes the database. Never fails.
    #[napi(catch_unwind)]
    pub fn close<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        let engine = self.0.clone();
        env.spawn_future(async move {
            engine.close().await;
            Ok(())
        })
    }

    /// Makes the management call with this name.
    #[napi(catch_unwind)]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        name: String,
        org: Unknown<'_>,
        subject: Unknown<'_>,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, CallResult>> {
        let (engine, org, subject, options) = (self.0.clone(), optional(org)?, read(subject)?, optional(options)?);
        env.spawn_future(async move {
            let call =
                || Ok(Call { name, org: OrgSelector::read(org)?, subject, fields: fields(Casing::Snake, options)? });
            Ok(to_result(match call() {
                Ok(call) => engine.call(call).await,
                Err(error) => Err(error),
            }))
        })
    }

    /// Verifies the text of a key. Returns the decision, or a promise when the call has to wait.
    #[napi(catch_unwind)]
    pub fn verify<'env>(
        &self,
        env: &'env Env,
        org: Unknown<'_>,
        text: Unknown<'_>,
        options: Unknown<'_>,
    ) -> Result<Either<CallResult, PromiseRaw<'env, CallResult>>> {
        let (org, text, options) = (optional(org)?, read(text)?, optional(options)?);
        let request =
            || Ok((OrgSelector::read(org)?, fields(Casing::Snake, options).and_then(keywright::Request::read)?));
        match request() {
            Err(error) => Ok(Either::A(to_result(Err(error)))),
            Ok((org, request)) => match self.0.verify(org, text, request) {
                Ready::Now(outcome) => Ok(Either::A(to_result(outcome))),
                Ready::Later(future) => later(env, self.0.network(), future, to_result).map(Either::B),
            },
        }
    }

    /// Parses the text of a key. Returns JSON.
    #[napi(catch_unwind)]
    pub fn parse(&self, text: Unknown<'_>) -> Result<CallResult> {
        let parsed = match read(text)? {
            // Text with lone surrogates is no key.
            Value::BrokenText => json(&()),
            text => text.into_text("text").and_then(|text| json(&self.0.key_formats().parse(&text))),
        };
        Ok(to_result(parsed))
    }

    /// Returns the regular expression of the keys in the named syntax.
    #[napi(catch_unwind)]
    pub fn key_pattern(&self, syntax: Unknown<'_>) -> Result<CallResult> {
        let syntax = read(syntax)?.into_text("syntax").and_then(|word| word.parse());
        Ok(to_result(syntax.map(|syntax| self.0.key_formats().key_pattern_in(syntax))))
    }

    /// Masks the keys in a text. Lone surrogates become U+FFFD, so that a log line never fails.
    #[napi(catch_unwind)]
    pub fn redact(&self, text: Unknown<'_>) -> Result<CallResult> {
        let text = lossy_text(text)?.ok_or_else(|| invalid_request("text", "must be text", "give text"));
        Ok(to_result(text.map(|text| self.0.redact(&text))))
    }
}

/// Checks the id of an org.
#[napi(catch_unwind)]
pub fn check_org(org: Unknown<'_>) -> Result<Option<Failure>> {
    Ok(read_org_id(read(org)?).err().map(Failure::from))
}

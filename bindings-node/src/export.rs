//! What the addon exports. A panic in any of it becomes an exception, and never ends the process.

use keywright::Keywright;
use keywright::input::{Casing, Value};
use keywright::wait::Ready;
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::answer::{Answer, Failure, answer};
use crate::call::{Call, Tenant, fields, json, misuse};
use crate::engine::Late;
use crate::event::Heard;
use crate::recall::Number;
use crate::testing::ManualClock;
use crate::value::{given, lossy, read, settings};

/// The version of the addon, which the library around it shares.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// An engine of `lib/keywright.cjs`.
#[napi]
pub struct Engine(pub(crate) Late, Number);

/// Checks the options of an engine; the first call opens it.
#[napi(catch_unwind)]
pub fn engine(
    url: Unknown<'_>,
    options: Unknown<'_>,
    clock: Option<&ManualClock>,
    heard: Option<Heard>,
    log: Heard,
) -> Result<Either<Engine, Failure>> {
    let (url, mut options) = (read(url)?, settings(options)?);
    if let Some(Value::Map(options)) = &mut options {
        let given = [("clock", clock.is_some()), ("onEvent", heard.is_some())];
        options.retain(|(name, _)| !given.contains(&(name.as_str(), true)));
    }
    let clock = clock.map(|it| it.0.clone());
    Ok(match fields(Casing::Camel, options).and_then(|it| Late::read(url, it, clock, heard, log)) {
        Ok(late) => {
            let number = Number::of(&late);
            Either::A(Engine(late, number))
        }
        Err(error) => Either::B(error.into()),
    })
}

#[napi]
impl Engine {
    /// Opens the database.
    #[napi(catch_unwind)]
    pub fn open<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Answer>> {
        let late = self.0.clone();
        env.spawn_future(async move { Ok(answer(late.open().await.and_then(|_| json(&())))) })
    }

    /// The number by which `recall` knows it.
    #[napi(getter, catch_unwind)]
    pub fn number(&self) -> u32 {
        self.1.0
    }

    /// Writes down what was counted.
    #[napi(catch_unwind)]
    pub fn flush<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Answer>> {
        let late = self.0.clone();
        env.spawn_future(async move { Ok(answer(late.flush().await.and_then(|()| json(&())))) })
    }

    /// Closes it. Never fails.
    #[napi(catch_unwind)]
    pub fn close<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        let late = self.0.clone();
        env.spawn_future(async move {
            late.close().await;
            Ok(())
        })
    }

    /// A management call by its name.
    #[napi(catch_unwind)]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        name: String,
        org: Unknown<'_>,
        subject: Unknown<'_>,
        options: Unknown<'_>,
    ) -> Result<PromiseRaw<'env, Answer>> {
        let (late, org, subject, options) = (self.0.clone(), given(org)?, read(subject)?, given(options)?);
        env.spawn_future(async move {
            let call = || Ok(Call { name, org: Tenant::read(org)?, subject, fields: fields(Casing::Snake, options)? });
            Ok(answer(match call() {
                Ok(call) => late.call(call).await,
                Err(error) => Err(error),
            }))
        })
    }

    /// Judges a text: at once where nothing has to be waited for.
    #[napi(catch_unwind)]
    pub fn verify<'env>(
        &self,
        env: &'env Env,
        org: Unknown<'_>,
        text: Unknown<'_>,
        options: Unknown<'_>,
    ) -> Result<Either<Answer, PromiseRaw<'env, Answer>>> {
        let (org, text, options) = (given(org)?, read(text)?, given(options)?);
        let request = || Ok((Tenant::read(org)?, fields(Casing::Snake, options).and_then(keywright::Request::read)?));
        match request() {
            Err(error) => Ok(Either::A(answer(Err(error)))),
            Ok((org, request)) => match self.0.verify(org, text, request) {
                Ready::Now(outcome) => Ok(Either::A(answer(outcome))),
                Ready::Later(future) => env.spawn_future(async { Ok(answer(future.await)) }).map(Either::B),
            },
        }
    }

    /// What a text says of itself, as JSON.
    #[napi(catch_unwind)]
    pub fn parse(&self, given: Unknown<'_>) -> Result<Answer> {
        let parsed = match read(given)? {
            // What is no text of Unicode is no key.
            Value::BrokenText => json(&()),
            given => given.into_text("text").and_then(|it| json(&self.0.key_formats().parse(&it))),
        };
        Ok(answer(parsed))
    }

    /// The regular expression of our keys, in the syntax that a word names.
    #[napi(catch_unwind)]
    pub fn key_pattern(&self, given: Unknown<'_>) -> Result<Answer> {
        let syntax = read(given)?.into_text("syntax").and_then(|word| word.parse());
        Ok(answer(syntax.map(|it| self.0.key_formats().key_pattern_in(it))))
    }

    /// A text with our keys masked. Lone surrogates come out as U+FFFD: a log line never fails.
    #[napi(catch_unwind)]
    pub fn redact(&self, given: Unknown<'_>) -> Result<Answer> {
        let text = lossy(given)?.ok_or_else(|| misuse("text", "must be text", "give text"));
        Ok(answer(text.map(|it| self.0.key_formats().redact(&it))))
    }
}

/// Refuses what is no id of an org.
#[napi(catch_unwind)]
pub fn check_org(org: Unknown<'_>) -> Result<Option<Failure>> {
    Ok(Keywright::read_org(read(org)?).err().map(Failure::from))
}

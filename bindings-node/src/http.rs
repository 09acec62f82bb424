//! The HTTP contract: a request's parts in, one call of the core, a pass or a whole response out.
#![allow(clippy::too_many_arguments, reason = "the parts of a request; what the macro makes has them too")]

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use keywright::http::{self as contract, Config, Head, Message, Outcome, Passed, Principal, Session};
use keywright::input::{Casing, Value};
use keywright::wait::{Boxed, Ready, now_or_later};
use keywright::{Error, Keywright};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::answer::{Answer, Failure, answer};
use crate::call::{fields, json, misuse};
use crate::engine::Late;
use crate::export::Engine;
use crate::row::Row;
use crate::value::{given, settings};

/// An engine of `lib/http.cjs` that speaks HTTP, once it is open.
#[napi]
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    late: Late,
    config: Config,
    http: OnceLock<keywright::http::Http>,
}

/// What a route needs.
#[napi]
pub struct Needs(Arc<keywright::http::Needs>);

/// What becomes of a request. Headers are flat: name, value, name, value.
#[napi(object, object_from_js = false)]
pub struct Judged {
    /// The status of the answer; 0 where the request may go on.
    pub status: u16,
    /// What to add to the host's response, or those of the answer.
    pub headers: Vec<String>,
    /// The answer's body.
    pub body: Option<Buffer>,
    /// The id of the exchange, where the request may go on.
    pub request_id: Option<String>,
    /// The number of a reading of the key, by which JavaScript keeps what it made of it.
    pub reading: Option<f64>,
    /// The org of a session.
    pub org: Option<String>,
    /// Who the session is of.
    pub actor: Option<String>,
    /// On whose behalf the request is made.
    pub agent: Option<String>,
    /// What `once` takes, where the request is to be done once.
    pub once: Option<Once>,
}

/// A request that was let in, and is to be done once.
#[napi]
pub struct Once(Arc<Passed>);

/// The right to do a request.
#[napi]
pub struct Lease(Mutex<Option<contract::Lease>>);

/// What becomes of a request that is to be done once.
#[napi(object, object_from_js = false)]
pub struct Turn {
    /// The answer, where it is not to be done.
    pub answer: Option<Judged>,
    /// Whose end is to be told, where it is.
    pub lease: Option<Lease>,
}

/// Checks the options of an adapter.
#[napi(catch_unwind)]
pub fn http(engine: &Engine, options: Unknown<'_>) -> Result<Either<Http, Failure>> {
    let options = settings(options)?;
    let read = || {
        let config = Config::read(fields(Casing::Camel, options)?)?;
        config.check(engine.0.config())?;
        Ok::<_, Error>(config)
    };
    Ok(match read() {
        Ok(config) => Either::A(Http(Arc::new(Inner { late: engine.0.clone(), config, http: OnceLock::new() }))),
        Err(error) => Either::B(error.into()),
    })
}

/// What a route needs, made once for each.
#[napi(catch_unwind)]
pub fn needs(options: Unknown<'_>) -> Result<Either<Needs, Failure>> {
    let options = given(options)?;
    Ok(match fields(Casing::Snake, options).and_then(keywright::http::Needs::read) {
        Ok(needs) => Either::A(Needs(Arc::new(needs))),
        Err(error) => Either::B(error.into()),
    })
}

#[napi]
impl Http {
    /// The names, in lower case, of all headers that are looked at.
    #[napi(getter, catch_unwind)]
    pub fn reads(&self) -> Vec<String> {
        self.0.config.reads().map(str::to_owned).collect()
    }

    /// Judges a request: at once where nothing has to be waited for.
    #[napi(catch_unwind)]
    pub fn authenticate<'env>(
        &self,
        env: &'env Env,
        method: String,
        target: String,
        headers: Vec<String>,
        peer: Option<String>,
        needs: Option<&Needs>,
    ) -> Result<Either<Judged, PromiseRaw<'env, Judged>>> {
        let needs = needs.map(|it| Arc::clone(&it.0));
        let ready = match self.0.late.opened().and_then(|it| self.0.http(it).ok()) {
            Some(http) => {
                with_head(&method, &target, &headers, peer.as_deref(), |head| http.begin(head, needs.as_deref()))
            }
            None => {
                let inner = Arc::clone(&self.0);
                now_or_later(async move {
                    let begun = match inner.opened().await {
                        Ok(http) => with_head(&method, &target, &headers, peer.as_deref(), |head| {
                            http.begin(head, needs.as_deref())
                        }),
                        Err(_) => return inner.unavailable(&method, &target, &headers),
                    };
                    match begun {
                        Ready::Now(outcome) => outcome,
                        Ready::Later(future) => future.await,
                    }
                })
            }
        };
        match ready {
            Ready::Now(outcome) => Ok(Either::A(judged(outcome))),
            Ready::Later(future) => later(env, future).map(Either::B),
        }
    }

    /// Answers a management request.
    #[napi(catch_unwind)]
    pub fn manage<'env>(
        &self,
        env: &'env Env,
        method: String,
        target: String,
        headers: Vec<String>,
        peer: Option<String>,
        body: Buffer,
        session: Unknown<'_>,
    ) -> Result<Either<PromiseRaw<'env, Judged>, Failure>> {
        let session = match given(session)? {
            None | Some(Value::Null) => Ok(None),
            Some(said) => session_of(said).map(Some),
        };
        let session = match session {
            Ok(session) => session,
            Err(error) => return Ok(Either::B(error.into())),
        };
        let message = headers.chunks_exact(2).fold(
            Message::new(method.as_str(), target.as_str()).peer(peer).body(body.as_ref()),
            |it, pair| match pair {
                [name, value] => it.header(name.as_str(), value.as_str()),
                _ => it,
            },
        );
        let inner = Arc::clone(&self.0);
        later(env, async move {
            match inner.opened().await {
                Ok(http) => Outcome::Refused(http.manage(message, session).await),
                Err(_) => inner.unavailable(&method, &target, &headers),
            }
        })
        .map(Either::A)
    }

    /// Whether a request was done before.
    #[napi(catch_unwind)]
    pub fn once<'env>(&self, env: &'env Env, passed: &Once, body: Buffer) -> Result<PromiseRaw<'env, Turn>> {
        let (inner, passed) = (Arc::clone(&self.0), Arc::clone(&passed.0));
        let turn = async move {
            let http = inner.opened().await.map_err(|it| napi::Error::from_reason(it.to_string()))?;
            Ok(http.once(&passed, &body).await)
        };
        env.spawn_future_with_callback(turn, |_, turn| {
            Ok(match turn {
                contract::Turn::Answered(it) => Turn { answer: Some(judged(Outcome::Refused(it))), lease: None },
                contract::Turn::Run(lease) => Turn { answer: None, lease: lease.map(|it| Lease(Mutex::new(Some(it)))) },
            })
        })
    }

    /// Ends a lease with the answer of the host.
    #[napi(catch_unwind)]
    pub fn finish<'env>(
        &self,
        env: &'env Env,
        lease: &Lease,
        status: u16,
        headers: Vec<String>,
        body: Buffer,
    ) -> Result<PromiseRaw<'env, Option<Failure>>> {
        let (inner, lease) = (Arc::clone(&self.0), lease.take()?);
        env.spawn_future(async move {
            let http = match inner.opened().await {
                Ok(http) => http,
                Err(error) => return Ok(Some(error.into())),
            };
            Ok(http.finish(lease, status, lines(&headers), &body).await.err().map(Failure::from))
        })
    }

    /// Ends a lease without an answer.
    #[napi(catch_unwind)]
    pub fn release<'env>(&self, env: &'env Env, lease: &Lease) -> Result<PromiseRaw<'env, Option<Failure>>> {
        let (inner, lease) = (Arc::clone(&self.0), lease.take()?);
        env.spawn_future(async move {
            Ok(match inner.opened().await {
                Ok(http) => http.release(lease).await.err(),
                Err(error) => Some(error),
            }
            .map(Failure::from))
        })
    }

    /// Why a request is let in or refused, as JSON.
    #[napi(catch_unwind)]
    pub fn explain<'env>(
        &self,
        env: &'env Env,
        method: String,
        target: String,
        headers: Vec<String>,
        peer: Option<String>,
    ) -> Result<PromiseRaw<'env, Answer>> {
        let inner = Arc::clone(&self.0);
        env.spawn_future(async move {
            let told = match inner.opened().await {
                Ok(http) => {
                    let lines = lines(&headers);
                    let head = Head::new(&method, &target).headers(&lines).peer(peer.as_deref());
                    json(&http.explain(&head).await)
                }
                Err(error) => Err(error),
            };
            Ok(answer(told))
        })
    }

    /// The management endpoints as an OpenAPI document, as JSON.
    #[napi(catch_unwind)]
    pub fn openapi<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Answer>> {
        let inner = Arc::clone(&self.0);
        env.spawn_future(async move { Ok(answer(inner.opened().await.and_then(|it| json(&it.openapi())))) })
    }
}

impl Lease {
    fn take(&self) -> Result<contract::Lease> {
        let lease = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        lease.ok_or_else(|| napi::Error::from_reason("this lease was ended already"))
    }
}

impl Inner {
    fn http(&self, kw: &Keywright) -> std::result::Result<&keywright::http::Http, Error> {
        if self.http.get().is_none() {
            // Another thread may have been first: then its stays.
            let _ = self.http.set(kw.http(self.config.clone())?);
        }
        self.http.get().ok_or(Error::Closed)
    }

    async fn opened(&self) -> std::result::Result<&keywright::http::Http, Error> {
        self.http(self.late.open().await?)
    }

    fn unavailable(&self, method: &str, target: &str, headers: &[String]) -> Outcome {
        Outcome::Refused(with_head(method, target, headers, None, |head| self.config.unavailable(head)))
    }
}

fn session_of(said: Value) -> std::result::Result<Session, Error> {
    match said {
        Value::Map(_) => Session::read(fields(Casing::Snake, Some(said))?),
        _ => Err(misuse("principal", "must give an object or null", "give org, actor and may")),
    }
}

fn lines(headers: &[String]) -> Vec<(&[u8], &[u8])> {
    headers
        .chunks_exact(2)
        .filter_map(|it| match it {
            [name, value] => Some((name.as_bytes(), value.as_bytes())),
            _ => None,
        })
        .collect()
}

fn with_head<T>(
    method: &str,
    target: &str,
    headers: &[String],
    peer: Option<&str>,
    with: impl FnOnce(&Head<'_>) -> T,
) -> T {
    with(&Head::new(method, target).headers(&lines(headers)).peer(peer))
}

fn later<'env>(
    env: &'env Env,
    future: impl Future<Output = Outcome> + Send + 'static,
) -> Result<PromiseRaw<'env, Judged>> {
    let future: Boxed<Outcome> = Box::pin(future);
    env.spawn_future_with_callback(async { Ok(future.await) }, |_, outcome| Ok(judged(outcome)))
}

thread_local! {
    /// What was last let in by a key, for whoever has not seen its reading yet.
    static LAST: RefCell<Option<Box<Passed>>> = const { RefCell::new(None) };
}

/// The row of the key that was last let in on this thread.
#[napi(catch_unwind)]
pub fn let_in() -> Option<String> {
    LAST.take().and_then(|it| it.key().and_then(|it| json(&Row(it)).ok()))
}

fn flat<'a>(headers: impl Iterator<Item = (&'static str, &'a str)>) -> Vec<String> {
    headers.flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}

#[expect(clippy::cast_precision_loss, reason = "no process reads 2^53 keys")]
fn judged(outcome: Outcome) -> Judged {
    let passed = match outcome {
        Outcome::Passed(passed) => passed,
        Outcome::Refused(it) => {
            let headers = flat(it.headers.iter().map(|(name, value)| (*name, value.as_ref())));
            return Judged {
                status: it.status,
                headers,
                body: Some(it.body.into()),
                request_id: None,
                reading: None,
                org: None,
                actor: None,
                agent: None,
                once: None,
            };
        }
    };
    let once = passed.is_once().then(|| Once(Arc::new((*passed).clone())));
    let headers = flat(passed.headers());
    let request_id = Some(passed.request_id.clone().into_owned());
    let (org, actor, reading) = match &passed.principal {
        Principal::Anyone => (None, None, None),
        Principal::Session(it) => (Some(it.org().to_owned()), it.actor_name().map(str::to_owned), None),
        Principal::Key(key) => (None, None, Some(key.reading() as f64)),
    };
    let agent = passed.agent.as_deref().map(str::to_owned);
    if reading.is_some() {
        LAST.set(Some(passed));
    }
    Judged { status: 0, headers, body: None, request_id, reading, org, actor, agent, once }
}

//! The HTTP contract: the parts of a request in, one call of the core, a pass or a complete response out.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use keywright::ffi::{self, Boxed, Casing, FromFields, Ready, Value, now_or_later};
use keywright::http::{self as contract, AuthContext, Config, Head, Header, Outcome, Principal, Response, Session};
use keywright::{Error, Keywright};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::call::{fields, invalid_request, json};
use crate::engine::Engine;
use crate::head::RequestHead;
use crate::key_row::KeyRow;
use crate::later::later;
use crate::lazy_engine::LazyEngine;
use crate::result::{CallResult, Failure, to_result};
use crate::value::{buffered_text, constructor_options, optional};

/// The HTTP contract of an engine that may open later, for `Http` in `lib/http.cjs`.
#[napi]
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    engine: LazyEngine,
    config: Config,
    http: OnceLock<keywright::http::Http>,
}

/// The needs of a route.
#[napi]
pub struct Needs(Arc<keywright::http::Needs>);

/// The outcome of a request that is more than a plain pass.
#[napi(object, object_from_js = false)]
pub struct HttpOutcome {
    /// The status of the response; 0 for a pass.
    pub status: u16,
    /// The headers of the response, or the extra headers of a pass: name, value, name, value.
    pub headers: Vec<String>,
    /// The body of the response.
    pub body: Option<Buffer>,
    /// The result for a later guard, as one text: the revision of the key and the request id.
    pub earlier: Option<String>,
    /// The org of a session.
    pub org: Option<String>,
    /// The actor of a session.
    pub actor: Option<String>,
    /// The agent on whose behalf the request is made.
    pub agent: Option<String>,
    /// The argument of `once` for an idempotent request.
    pub once: Option<IdempotentRequest>,
}

/// An idempotent request that was let through.
#[napi]
pub struct IdempotentRequest(Arc<AuthContext>);

/// The exclusive right to handle an idempotent request.
#[napi]
pub struct Lease(Mutex<Option<contract::Lease>>);

/// The outcome of `once`: a stored response, or a lease.
#[napi(object, object_from_js = false)]
pub struct OnceOutcome {
    /// The stored response of an earlier request with the same key.
    pub answer: Option<HttpOutcome>,
    /// The lease, for a request that must run.
    pub lease: Option<Lease>,
}

/// A plain pass of a key is its text `earlier` alone; anything else is an object.
type HttpResult = Either<String, HttpOutcome>;

/// Checks the options of an adapter.
#[napi(catch_unwind)]
pub fn http(engine: &Engine, options: Unknown<'_>) -> Result<Either<Http, Failure>> {
    let options = constructor_options(options)?;
    let read = || {
        let config = Config::read(fields(Casing::Camel, options)?)?;
        config.check(engine.0.config())?;
        Ok::<_, Error>(config)
    };
    Ok(match read() {
        Ok(config) => Either::A(Http(Arc::new(Inner { engine: engine.0.clone(), config, http: OnceLock::new() }))),
        Err(error) => Either::B(error.into()),
    })
}

/// Reads the needs of a route.
#[napi(catch_unwind)]
pub fn needs(options: Unknown<'_>) -> Result<Either<Needs, Failure>> {
    let options = optional(options)?;
    Ok(match fields(Casing::Snake, options).and_then(keywright::http::Needs::read) {
        Ok(needs) => Either::A(Needs(Arc::new(needs))),
        Err(error) => Either::B(error.into()),
    })
}

#[napi]
impl Http {
    /// The lower-case names of all headers that the contract reads.
    #[napi(getter, catch_unwind)]
    pub fn reads(&self) -> Vec<String> {
        self.0.config.request_headers().map(str::to_owned).collect()
    }

    /// The headers of every response, without the request id.
    #[napi(getter, catch_unwind)]
    pub fn headers(&self) -> Vec<String> {
        flat(pairs(&self.0.config.response_headers()))
    }

    /// Checks that a request can meet the needs.
    #[napi(catch_unwind)]
    pub fn check(&self, needs: &Needs) -> Option<Failure> {
        let Inner { config, engine, .. } = &*self.0;
        config.check_needs(engine.config(), &needs.0).err().map(Into::into)
    }

    /// Tells whether management serves a target.
    #[napi(catch_unwind)]
    pub fn manages(&self, target: String) -> bool {
        self.0.config.manages(&target)
    }

    /// Authenticates a request. Returns a promise only when the call has to wait. `head.rs` has the format of the head.
    #[napi(catch_unwind)]
    pub fn authenticate<'env>(
        &self,
        env: &'env Env,
        head: Unknown<'_>,
        needs: Option<&Needs>,
    ) -> Result<Either3<String, HttpOutcome, Either<PromiseRaw<'env, HttpResult>, Failure>>> {
        let mut buffer = [0; 2_048];
        let text = buffered_text(head, &mut buffer)?;
        let lines = match RequestHead::read(&text) {
            Ok(lines) => lines,
            Err(error) => return Ok(Either3::C(Either::B(error.into()))),
        };
        let ready = match self.0.engine.opened().and_then(|it| self.0.http(it).ok()) {
            Some(http) => ffi::begin(http, &lines.head(), needs.map(|needs| &*needs.0)),
            None => {
                let (inner, text, needs) =
                    (Arc::clone(&self.0), text.into_owned(), needs.map(|needs| Arc::clone(&needs.0)));
                now_or_later(async move { inner.authenticate_when_open(&text, needs.as_deref()).await })
            }
        };
        match ready {
            Ready::Now(outcome) => Ok(match to_javascript(outcome) {
                Either::A(earlier) => Either3::A(earlier),
                Either::B(outcome) => Either3::B(outcome),
            }),
            Ready::Later(future) => {
                let network = self.0.engine.network();
                later(env, network, future, to_javascript).map(|it| Either3::C(Either::A(it)))
            }
        }
    }

    /// Handles a management request.
    #[napi(catch_unwind)]
    pub fn manage<'env>(
        &self,
        env: &'env Env,
        head: String,
        body: Buffer,
        session: Unknown<'_>,
    ) -> Result<Either<PromiseRaw<'env, HttpResult>, Failure>> {
        let session = match optional(session)? {
            None | Some(Value::Null) => Ok(None),
            Some(principal) => session_of(principal).map(Some),
        };
        let read = session.and_then(|session| Ok((session, RequestHead::read(&head)?.message(&body))));
        let (session, message) = match read {
            Ok(read) => read,
            Err(error) => return Ok(Either::B(error.into())),
        };
        let inner = Arc::clone(&self.0);
        let managed: Boxed<Outcome> = Box::pin(async move {
            Outcome::Refused(match inner.opened().await {
                Ok(http) => http.manage(message, session).await,
                Err(_) => inner.unavailable(&head),
            })
        });
        later(env, None, managed, to_javascript).map(Either::A)
    }

    /// Starts an idempotent request.
    #[napi(catch_unwind)]
    pub fn once<'env>(
        &self,
        env: &'env Env,
        request: &IdempotentRequest,
        body: Buffer,
    ) -> Result<PromiseRaw<'env, OnceOutcome>> {
        let (inner, request) = (Arc::clone(&self.0), Arc::clone(&request.0));
        let turn = async move {
            // It let the request through, so it exists, even if the engine was closed since.
            let http = inner.http.get().ok_or_else(|| napi::Error::from_reason(Error::Closed.to_string()))?;
            Ok(http.once(&request, &body).await)
        };
        env.spawn_future_with_callback(turn, |_, turn| {
            Ok(match turn {
                contract::IdempotencyCheck::Answered(response) => {
                    OnceOutcome { answer: Some(refusal(response)), lease: None }
                }
                contract::IdempotencyCheck::Run(lease) => {
                    OnceOutcome { answer: None, lease: lease.map(|it| Lease(Mutex::new(Some(it)))) }
                }
            })
        })
    }

    /// Ends a lease with the response of the host.
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

    /// Ends a lease without a response.
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

    /// Explains why a request is let through or refused. Returns JSON.
    #[napi(catch_unwind)]
    pub fn explain<'env>(
        &self,
        env: &'env Env,
        head: String,
        needs: Option<&Needs>,
    ) -> Result<PromiseRaw<'env, CallResult>> {
        let (inner, needs) = (Arc::clone(&self.0), needs.map(|needs| Arc::clone(&needs.0)));
        env.spawn_future(async move {
            let explanation = async {
                let (http, lines) = (inner.opened().await?, RequestHead::read(&head)?);
                json(&http.explain(&lines.head(), needs.as_deref()).await)
            };
            Ok(to_result(explanation.await))
        })
    }

    /// Returns the OpenAPI document of the management endpoints as JSON.
    #[napi(catch_unwind)]
    pub fn openapi<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, CallResult>> {
        let inner = Arc::clone(&self.0);
        env.spawn_future(async move { Ok(to_result(inner.opened().await.and_then(|it| json(&it.openapi())))) })
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
            // When another thread was first, its object stays.
            let _ = self.http.set(kw.http(self.config.clone())?);
        }
        self.http.get().ok_or(Error::Closed)
    }

    async fn opened(&self) -> std::result::Result<&keywright::http::Http, Error> {
        self.http(self.engine.open().await?)
    }

    /// Authenticates once the engine is open.
    async fn authenticate_when_open(&self, head: &str, needs: Option<&keywright::http::Needs>) -> Outcome {
        match (self.opened().await, RequestHead::read(head)) {
            (Ok(http), Ok(lines)) => http.authenticate(&lines.head(), needs).await,
            _ => Outcome::Refused(self.unavailable(head)),
        }
    }

    fn unavailable(&self, head: &str) -> Response {
        match RequestHead::read(head) {
            Ok(lines) => self.config.unavailable(&lines.head()),
            Err(_) => self.config.unavailable(&Head::new("", "")),
        }
    }
}

fn session_of(principal: Value) -> std::result::Result<Session, Error> {
    match principal {
        Value::Map(_) => Session::read(fields(Casing::Snake, Some(principal))?),
        _ => Err(invalid_request("principal", "must give an object or null", "give org, actor and may")),
    }
}

/// Pairs the headers of the host's response.
fn lines(headers: &[String]) -> Vec<(&[u8], &[u8])> {
    headers
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [name, value] => Some((name.as_bytes(), value.as_bytes())),
            _ => None,
        })
        .collect()
}

thread_local! {
    /// The last pass, for JavaScript that has not cached the revision of its key.
    static LAST: RefCell<Option<Box<AuthContext>>> = const { RefCell::new(None) };
}

/// Returns the row of the key of the last pass on this thread.
#[napi(catch_unwind)]
pub fn last_key() -> Option<String> {
    LAST.take().and_then(|context| context.key().and_then(|key| json(&KeyRow(key)).ok()))
}

fn flat<'a>(headers: impl Iterator<Item = (&'static str, &'a str)>) -> Vec<String> {
    headers.flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}

fn to_javascript(outcome: Outcome) -> HttpResult {
    let context = match outcome {
        Outcome::Allowed(context) => context,
        Outcome::Refused(response) => return Either::B(refusal(response)),
    };
    let once = context.is_once().then(|| IdempotentRequest(Arc::new((*context).clone())));
    let earlier = context.earlier().to_string();
    let (org, actor) = match &context.principal {
        Principal::Session(it) => (Some(it.org().to_owned()), it.actor_name().map(str::to_owned)),
        Principal::Anyone | Principal::Key(_) => (None, None),
    };
    let result = if context.key().is_some() && context.more.is_empty() && context.agent.is_none() && once.is_none() {
        Either::A(earlier)
    } else {
        Either::B(HttpOutcome {
            status: 0,
            headers: flat(pairs(&context.more)),
            body: None,
            earlier: Some(earlier),
            org,
            actor,
            agent: context.agent.as_deref().map(str::to_owned),
            once,
        })
    };
    LAST.set(Some(context));
    result
}

fn refusal(response: Response) -> HttpOutcome {
    HttpOutcome {
        status: response.status,
        headers: flat(pairs(&response.headers)),
        body: Some(response.body.into()),
        earlier: None,
        org: None,
        actor: None,
        agent: None,
        once: None,
    }
}

fn pairs(headers: &[Header]) -> impl Iterator<Item = (&'static str, &str)> {
    headers.iter().map(|(name, value)| (*name, value.as_ref()))
}

//! The HTTP contract: a request's parts in, one call of the core, a pass or a whole response out.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use keywright::http::{self as contract, Config, Head, Header, Outcome, Passed, Principal, Response, Session};
use keywright::input::{Casing, Value};
use keywright::wait::{Boxed, Ready, now_or_later};
use keywright::{Error, Keywright};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::answer::{Answer, Failure, answer};
use crate::call::{fields, json, misuse};
use crate::engine::Late;
use crate::export::Engine;
use crate::head::Lines;
use crate::row::Row;
use crate::value::{borrowed, given, settings};

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

/// What becomes of a request, where it is more than a plain pass.
#[napi(object, object_from_js = false)]
pub struct Judged {
    /// The status of the answer; 0 where the request may go on.
    pub status: u16,
    /// The headers of the answer, or those of a pass that most responses have not: name, value, name, value.
    pub headers: Vec<String>,
    /// The answer's body.
    pub body: Option<Buffer>,
    /// What a guard behind needs to know, in one text: the reading of the key, and the id of the exchange.
    pub earlier: Option<String>,
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

/// A pass that says nothing but its key is its `earlier` alone.
type Told = Either<String, Judged>;

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

    /// The headers of every response but for its request's id.
    #[napi(getter, catch_unwind)]
    pub fn headers(&self) -> Vec<String> {
        flat(pairs(&self.0.config.headers()))
    }

    /// Refuses needs that nobody could meet.
    #[napi(catch_unwind)]
    pub fn check(&self, needs: &Needs) -> Option<Failure> {
        let Inner { config, late, .. } = &*self.0;
        config.check_needs(late.config(), &needs.0).err().map(Into::into)
    }

    /// Whether management answers a target.
    #[napi(catch_unwind)]
    pub fn manages(&self, target: String) -> bool {
        self.0.config.manages(&target)
    }

    /// Judges a request: at once where nothing has to be waited for. Its head is that of `head.rs`.
    #[napi(catch_unwind)]
    pub fn authenticate<'env>(
        &self,
        env: &'env Env,
        head: Unknown<'_>,
        needs: Option<&Needs>,
    ) -> Result<Either3<String, Judged, Either<PromiseRaw<'env, Told>, Failure>>> {
        let mut buffer = [0; 2_048];
        let text = borrowed(head, &mut buffer)?;
        let lines = match Lines::read(&text) {
            Ok(lines) => lines,
            Err(error) => return Ok(Either3::C(Either::B(error.into()))),
        };
        let ready = match self.0.late.opened().and_then(|it| self.0.http(it).ok()) {
            Some(http) => http.begin(&lines.head(), needs.map(|it| &*it.0)),
            None => {
                let (inner, text, needs) = (Arc::clone(&self.0), text.into_owned(), needs.map(|it| Arc::clone(&it.0)));
                now_or_later(async move { inner.late(&text, needs.as_deref()).await })
            }
        };
        match ready {
            Ready::Now(outcome) => Ok(match judged(outcome) {
                Either::A(plain) => Either3::A(plain),
                Either::B(judged) => Either3::B(judged),
            }),
            Ready::Later(future) => later(env, future).map(|it| Either3::C(Either::A(it))),
        }
    }

    /// Answers a management request.
    #[napi(catch_unwind)]
    pub fn manage<'env>(
        &self,
        env: &'env Env,
        head: String,
        body: Buffer,
        session: Unknown<'_>,
    ) -> Result<Either<PromiseRaw<'env, Told>, Failure>> {
        let session = match given(session)? {
            None | Some(Value::Null) => Ok(None),
            Some(said) => session_of(said).map(Some),
        };
        let read = session.and_then(|it| Ok((it, Lines::read(&head)?.message(&body))));
        let (session, message) = match read {
            Ok(read) => read,
            Err(error) => return Ok(Either::B(error.into())),
        };
        let inner = Arc::clone(&self.0);
        later(env, async move {
            Outcome::Refused(match inner.opened().await {
                Ok(http) => http.manage(message, session).await,
                Err(_) => inner.unavailable(&head),
            })
        })
        .map(Either::A)
    }

    /// Whether a request was done before.
    #[napi(catch_unwind)]
    pub fn once<'env>(&self, env: &'env Env, passed: &Once, body: Buffer) -> Result<PromiseRaw<'env, Turn>> {
        let (inner, passed) = (Arc::clone(&self.0), Arc::clone(&passed.0));
        let turn = async move {
            // It has let the request in, and answers also where the engine was closed meanwhile.
            let http = inner.http.get().ok_or_else(|| napi::Error::from_reason(Error::Closed.to_string()))?;
            Ok(http.once(&passed, &body).await)
        };
        env.spawn_future_with_callback(turn, |_, turn| {
            Ok(match turn {
                contract::Turn::Answered(it) => Turn { answer: Some(answered(it)), lease: None },
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
        head: String,
        needs: Option<&Needs>,
    ) -> Result<PromiseRaw<'env, Answer>> {
        let (inner, needs) = (Arc::clone(&self.0), needs.map(|it| Arc::clone(&it.0)));
        env.spawn_future(async move {
            let told = async {
                let (http, lines) = (inner.opened().await?, Lines::read(&head)?);
                json(&http.explain(&lines.head(), needs.as_deref()).await)
            };
            Ok(answer(told.await))
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

    /// Once the engine is open.
    async fn late(&self, head: &str, needs: Option<&keywright::http::Needs>) -> Outcome {
        match (self.opened().await, Lines::read(head)) {
            (Ok(http), Ok(lines)) => http.authenticate(&lines.head(), needs).await,
            _ => Outcome::Refused(self.unavailable(head)),
        }
    }

    fn unavailable(&self, head: &str) -> Response {
        match Lines::read(head) {
            Ok(lines) => self.config.unavailable(&lines.head()),
            Err(_) => self.config.unavailable(&Head::new("", "")),
        }
    }
}

fn session_of(said: Value) -> std::result::Result<Session, Error> {
    match said {
        Value::Map(_) => Session::read(fields(Casing::Snake, Some(said))?),
        _ => Err(misuse("principal", "must give an object or null", "give org, actor and may")),
    }
}

fn later<'env>(
    env: &'env Env,
    future: impl Future<Output = Outcome> + Send + 'static,
) -> Result<PromiseRaw<'env, Told>> {
    let future: Boxed<Outcome> = Box::pin(future);
    env.spawn_future_with_callback(async { Ok(future.await) }, |_, outcome| Ok(judged(outcome)))
}

/// The headers of a host's answer.
fn lines(headers: &[String]) -> Vec<(&[u8], &[u8])> {
    headers
        .chunks_exact(2)
        .filter_map(|it| match it {
            [name, value] => Some((name.as_bytes(), value.as_bytes())),
            _ => None,
        })
        .collect()
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

fn judged(outcome: Outcome) -> Told {
    let passed = match outcome {
        Outcome::Passed(passed) => passed,
        Outcome::Refused(it) => return Either::B(answered(it)),
    };
    let once = passed.is_once().then(|| Once(Arc::new((*passed).clone())));
    let earlier = passed.earlier().to_string();
    let (org, actor) = match &passed.principal {
        Principal::Session(it) => (Some(it.org().to_owned()), it.actor_name().map(str::to_owned)),
        Principal::Anyone | Principal::Key(_) => (None, None),
    };
    let told = if passed.key().is_some() && passed.more.is_empty() && passed.agent.is_none() && once.is_none() {
        Either::A(earlier)
    } else {
        Either::B(Judged {
            status: 0,
            headers: flat(pairs(&passed.more)),
            body: None,
            earlier: Some(earlier),
            org,
            actor,
            agent: passed.agent.as_deref().map(str::to_owned),
            once,
        })
    };
    LAST.set(Some(passed));
    told
}

fn answered(response: Response) -> Judged {
    Judged {
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

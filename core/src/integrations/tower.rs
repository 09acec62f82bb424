//! A `tower` layer for every service over the types of the `http` crate.

#[cfg(feature = "axum")]
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(feature = "axum")]
use axum::extract::ConnectInfo;
use http::header::VARY;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use smallvec::SmallVec;
use tower_layer::Layer;
use tower_service::Service;

pub use super::once::{Kept, Once, OnceLayer};
use crate::error::Error;
/// The other end of the socket, to be put among a request's extensions by the program that accepts connections.
pub use crate::http::Peer;
use crate::http::{Head, Http, Needs, Outcome, Passed};
use crate::wait::Ready;

/// Lets a request through when its key, or the rule of its route, allows it, and answers it otherwise.
///
/// The service finds a [`Passed`] among the extensions; every response of it gets the contract's
/// headers, errors too. Headers in which keys come are marked as [sensitive](HeaderValue::set_sensitive), so that tracing
/// layers behind do not print them; one that stands before sees the request as it came.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// use keywright::integrations::tower::KeywrightLayer;
/// let layer = KeywrightLayer::new(kw.http(keywright::http::Config::new())?);
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct KeywrightLayer(Arc<Guard>);

#[derive(Clone)]
struct Guard {
    http: Http,
    needs: Option<Needs>,
    /// Those of every response, made once.
    headers: HeaderMap,
    /// Whether what stands behind it can do requests once.
    once: bool,
}

impl KeywrightLayer {
    /// Asks of each request what the rule of its route says.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self::of(http, None)
    }

    /// Asks of each request the same, whatever its route.
    ///
    /// # Errors
    /// As [`Http::check`], for needs that nobody could meet.
    pub fn requiring(http: Http, needs: Needs) -> Result<Self, Error> {
        http.check(&needs)?;
        Ok(Self::of(http, Some(needs)))
    }

    /// The same before routes that take idempotency keys. Without it their requests under one are answered with 500.
    #[must_use]
    pub fn once(self) -> OnceLayer {
        OnceLayer(Self(Arc::new(Guard { once: true, ..Guard::clone(&self.0) })))
    }

    pub(super) fn http(&self) -> &Http {
        &self.0.http
    }

    fn of(http: Http, needs: Option<Needs>) -> Self {
        let mut headers = HeaderMap::new();
        http.headers().into_iter().for_each(|(name, value)| add(&mut headers, name, value.to_owned()));
        Self(Arc::new(Guard { http, needs, headers, once: false }))
    }
}

impl<S> Layer<S> for KeywrightLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, layer: self.clone() }
    }
}

/// A service behind a [`KeywrightLayer`].
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    layer: KeywrightLayer,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Vec<u8>> + Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready goes along; its copy is asked whether it is when the next request comes.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let guard = Arc::clone(&self.layer.0);
        hide_credentials(&guard.http, request.headers_mut());
        let begun = with_head(&request, |head| guard.http.begin(head, guard.needs.as_ref()));
        Box::pin(async move {
            let outcome = match begun {
                Ready::Now(outcome) => outcome,
                Ready::Later(future) => future.await,
            };
            let passed = match outcome {
                Outcome::Refused(refusal) => return Ok(response(refusal)),
                Outcome::Passed(passed) => passed,
            };
            if passed.is_once() && !guard.once {
                // A mistake of the host: done here, it would be done as often as it is asked.
                let mut refusal = Response::new(R::from(Vec::new()));
                *refusal.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(refusal);
            }
            let (id, more) = (passed.request_id.clone(), passed.more.clone());
            request.extensions_mut().insert(*passed);
            let mut response = inner.call(request).await?;
            let headers = response.headers_mut();
            guard.headers.iter().for_each(|(name, value)| join(headers, name.clone(), value.clone()));
            add(headers, "x-request-id", id);
            more.into_iter().for_each(|(name, value)| add(headers, name, value));
            Ok(response)
        })
    }
}

/// Marks the headers in which keys come as sensitive, so that what stands behind prints none of them.
pub(super) fn hide_credentials(http: &Http, headers: &mut HeaderMap) {
    for (_, value) in headers.iter_mut().filter(|(name, _)| http.is_credential(name.as_str())) {
        value.set_sensitive(true);
    }
}

/// Calls `with` with the head of a request.
fn with_head<B, T>(request: &Request<B>, with: impl FnOnce(&Head<'_>) -> T) -> T {
    let lines = request.headers().iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    let lines: SmallVec<[_; 16]> = lines.collect();
    let extensions = request.extensions();
    let earlier = extensions.get::<Passed>().map(Passed::earlier);
    let (target, original) = target(extensions, request.uri());
    let head = Head::new(request.method().as_str(), target);
    let head = head.rewritten(original.is_some()).whole(original.map(str::as_bytes));
    with(&head.headers(&lines).peer(peer(extensions)).earlier(earlier.as_ref()))
}

/// The target by which routers have found a service, whole where one is nested in another; and what the client asked for,
/// where something has written another into the request.
#[cfg_attr(not(feature = "axum"), expect(clippy::unnecessary_wraps, reason = "others keep no original"))]
fn target<'a>(extensions: &'a Extensions, uri: &'a Uri) -> (&'a str, Option<&'a str>) {
    let target = path_and_query(uri);
    #[cfg(feature = "axum")]
    if let Some(original) = extensions.get::<axum::extract::OriginalUri>() {
        let original = path_and_query(&original.0);
        let nested = extensions.get::<axum::extract::NestedPath>().map_or("", |it| it.as_str());
        let left = below(original, nested);
        // Where nothing is left, axum writes a slash.
        let is_same = target == left || target.strip_prefix('/') == Some(left);
        return if is_same { (original, None) } else { (target, Some(original)) };
    }
    #[cfg(not(feature = "axum"))]
    let _ = extensions;
    (target, None)
}

/// The rest of a target below a nested path, which may have parameters.
#[cfg(feature = "axum")]
fn below<'a>(target: &'a str, nested: &str) -> &'a str {
    let segments = nested.split('/').filter(|it| !it.is_empty());
    segments.fold(target, |rest, _| {
        let inside = rest.strip_prefix('/').unwrap_or(rest);
        inside.find(['/', '?']).and_then(|at| inside.get(at..)).unwrap_or_default()
    })
}

pub(super) fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), |it| it.as_str())
}

/// The peer that the host has put there, or else the server of axum.
pub(super) fn peer(extensions: &Extensions) -> Peer {
    let known = extensions.get::<Peer>().copied();
    #[cfg(feature = "axum")]
    let known = known.or_else(|| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().into()));
    known.unwrap_or_default()
}

/// A whole response of the contract.
pub(super) fn response<R: From<Vec<u8>>>(from: crate::http::Response) -> Response<R> {
    let mut response = Response::new(R::from(from.body));
    // No status of the contract is out of range; one that were must not become a success.
    *response.status_mut() = http::StatusCode::from_u16(from.status).unwrap_or(http::StatusCode::SERVICE_UNAVAILABLE);
    from.headers.into_iter().for_each(|(name, value)| add(response.headers_mut(), name, value));
    response
}

fn add(to: &mut HeaderMap, name: &'static str, value: impl Into<String>) {
    // No value of the contract is none.
    if let Ok(value) = HeaderValue::try_from(value.into()) {
        join(to, HeaderName::from_static(name), value);
    }
}

/// `vary` joins what is there, others stand where they are not.
fn join(to: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if name != VARY {
        to.entry(name).or_insert(value);
    } else if to.get_all(VARY).iter().all(|it| *it != value) {
        to.append(VARY, value);
    }
}

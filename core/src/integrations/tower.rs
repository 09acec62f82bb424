//! A `tower` layer for services with the types of the `http` crate.

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

pub use super::idempotent::{IdempotencyLayer, IdempotencyService, RecordedBody};
use crate::error::Error;
/// The other end of the socket. The program that accepts connections adds it to the extensions of a request.
pub use crate::http::Peer;
use crate::http::{AuthContext, Head, Http, Needs, Outcome};
use crate::wait::Ready;

/// Passes a request on if its key meets the needs of its route, and answers it otherwise.
///
/// The service behind finds an [`AuthContext`] among the extensions. All of its responses, errors too, get the headers of the
/// contract. Headers that carry keys are marked as [sensitive](HeaderValue::set_sensitive), so that tracing layers behind do
/// not print them; a layer in front sees the request as it came.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// use keywright::integrations::tower::KeywrightLayer;
/// let layer = KeywrightLayer::new(kw.http(keywright::http::Config::new())?);
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct KeywrightLayer(Arc<GuardConfig>);

#[derive(Clone)]
struct GuardConfig {
    http: Http,
    needs: Option<Needs>,
    /// The headers of every response, prepared once.
    headers: HeaderMap,
    /// Whether the service behind handles idempotent requests.
    idempotent: bool,
}

impl KeywrightLayer {
    /// A layer that judges each request by the rule of its path.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self::of(http, None)
    }

    /// A layer with the same needs for each request, whatever its path.
    ///
    /// # Errors
    /// Like [`Http::check`], for needs that no caller can meet.
    pub fn requiring(http: Http, needs: Needs) -> Result<Self, Error> {
        http.check(&needs)?;
        Ok(Self::of(http, Some(needs)))
    }

    /// The same layer in front of a service that handles idempotent requests.
    pub(super) fn idempotent(self) -> Self {
        Self(Arc::new(GuardConfig { idempotent: true, ..GuardConfig::clone(&self.0) }))
    }

    pub(super) fn http(&self) -> &Http {
        &self.0.http
    }

    fn of(http: Http, needs: Option<Needs>) -> Self {
        let mut headers = HeaderMap::new();
        http.response_headers().into_iter().for_each(|(name, value)| add(&mut headers, name, value.to_owned()));
        Self(Arc::new(GuardConfig { http, needs, headers, idempotent: false }))
    }
}

impl<S> Layer<S> for KeywrightLayer {
    type Service = KeywrightService<S>;

    fn layer(&self, inner: S) -> KeywrightService<S> {
        KeywrightService { inner, layer: self.clone() }
    }
}

/// A service behind a [`KeywrightLayer`].
#[derive(Clone)]
pub struct KeywrightService<S> {
    inner: S,
    layer: KeywrightLayer,
}

impl<S, B, R> Service<Request<B>> for KeywrightService<S>
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
        // The request takes the service that is ready. The copy becomes ready for the next request.
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
            let context = match outcome {
                Outcome::Refused(refusal) => return Ok(response(refusal)),
                Outcome::Allowed(context) => context,
            };
            if context.is_once() && !guard.idempotent {
                // A mistake of the host: the request would run as often as it is sent.
                let mut refusal = Response::new(R::from(Vec::new()));
                *refusal.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                return Ok(refusal);
            }
            let (id, more) = (context.request_id.clone(), context.more.clone());
            request.extensions_mut().insert(*context);
            let mut response = inner.call(request).await?;
            let headers = response.headers_mut();
            guard.headers.iter().for_each(|(name, value)| join(headers, name.clone(), value.clone()));
            add(headers, "x-request-id", id);
            more.into_iter().for_each(|(name, value)| add(headers, name, value));
            Ok(response)
        })
    }
}

/// Marks the headers that carry keys as sensitive, so that layers behind do not print them.
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
    let earlier = extensions.get::<AuthContext>().map(AuthContext::earlier);
    let (target, original) = target(extensions, request.uri());
    let head = Head::new(request.method().as_str(), target);
    let head = head.rewritten(original.is_some()).whole(original.map(str::as_bytes));
    with(&head.headers(&lines).peer(peer(extensions)).earlier(earlier.as_ref()))
}

/// The target by which routers found the service, whole even if it is nested; and the target of the client, if a layer has
/// rewritten it.
#[cfg_attr(not(feature = "axum"), allow(clippy::unnecessary_wraps, reason = "only axum keeps the original"))]
fn target<'a>(extensions: &'a Extensions, uri: &'a Uri) -> (&'a str, Option<&'a str>) {
    let target = path_and_query(uri);
    #[cfg(feature = "axum")]
    if let Some(original) = extensions.get::<axum::extract::OriginalUri>() {
        let original = path_and_query(&original.0);
        let nested = extensions.get::<axum::extract::NestedPath>().map_or("", |it| it.as_str());
        let left = below(original, nested);
        // If nothing is left, axum writes a slash.
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

pub(crate) fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), |it| it.as_str())
}

/// The peer that the host has added, or else the one of axum's server.
pub(super) fn peer(extensions: &Extensions) -> Peer {
    let known = extensions.get::<Peer>().copied();
    #[cfg(feature = "axum")]
    let known = known.or_else(|| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().into()));
    known.unwrap_or_default()
}

/// Converts a response of the contract.
pub(crate) fn response<R: From<Vec<u8>>>(from: crate::http::Response) -> Response<R> {
    let mut response = Response::new(R::from(from.body));
    // The contract has no status out of range. If it had, the response must not become a success.
    *response.status_mut() = http::StatusCode::from_u16(from.status).unwrap_or(http::StatusCode::SERVICE_UNAVAILABLE);
    from.headers.into_iter().for_each(|(name, value)| add(response.headers_mut(), name, value));
    response
}

fn add(to: &mut HeaderMap, name: &'static str, value: impl Into<String>) {
    // Every value of the contract is a valid header value.
    if let Ok(value) = HeaderValue::try_from(value.into()) {
        join(to, HeaderName::from_static(name), value);
    }
}

/// Adds a header: `vary` joins an existing one, the others are added only if absent.
fn join(to: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if name != VARY {
        to.entry(name).or_insert(value);
    } else if to.get_all(VARY).iter().all(|it| *it != value) {
        to.append(VARY, value);
    }
}

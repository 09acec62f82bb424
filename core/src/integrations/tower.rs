//! A `tower` layer for every service over the types of the `http` crate.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::VARY;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::Error;
use crate::http::{Head, Header, Http, Needs, Outcome};
use crate::wait::Ready;

/// The address of the socket's other end, to be put among a request's extensions by whoever accepts connections.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Lets a request through when its key, or the rule of its route, allows it, and answers it otherwise.
///
/// The service finds a [`Passed`](crate::http::Passed) among the extensions; every response of it gets the contract's
/// headers, errors too.
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
pub struct KeywrightLayer {
    http: Http,
    needs: Option<Arc<Needs>>,
}

impl KeywrightLayer {
    /// Asks of each request what the rule of its route says.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self { http, needs: None }
    }

    /// Asks of each request the same, whatever its route.
    ///
    /// # Errors
    /// As [`Http::check`], for needs that nobody could meet.
    pub fn requiring(http: Http, needs: Needs) -> Result<Self, Error> {
        http.check(&needs)?;
        Ok(Self { http, needs: Some(needs.into()) })
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes along; its copy is asked whether it is when the next request comes.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let (mut parts, body) = request.into_parts();
        let begun = with_head(&parts, |head| self.layer.http.begin(head, self.layer.needs.as_deref()));
        Box::pin(async move {
            let outcome = match begun {
                Ready::Now(outcome) => outcome,
                Ready::Later(future) => future.await,
            };
            let passed = match outcome {
                Outcome::Refused(refusal) => return Ok(response(refusal)),
                Outcome::Passed(passed) => passed,
            };
            let headers = passed.headers.clone();
            parts.extensions.insert(*passed);
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            add(response.headers_mut(), headers);
            Ok(response)
        })
    }
}

/// Calls `with` with the head of a request.
pub(super) fn with_head<T>(parts: &Parts, with: impl FnOnce(&Head<'_>) -> T) -> T {
    let lines: Vec<(&[u8], &[u8])> =
        parts.headers.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())).collect();
    let peer = parts.extensions.get::<Peer>().map(|it| it.0.to_string());
    with(&Head::new(parts.method.as_str(), target(whole(parts))).headers(&lines).peer(peer.as_deref()))
}

/// What the client asked for: a router hands on what is left of it below the place where another is nested.
#[cfg(feature = "axum")]
fn whole(parts: &Parts) -> &Uri {
    parts.extensions.get::<axum::extract::OriginalUri>().map_or(&parts.uri, |it| &it.0)
}

#[cfg(not(feature = "axum"))]
fn whole(parts: &Parts) -> &Uri {
    &parts.uri
}

pub(super) fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), |it| it.as_str())
}

/// A whole response of the contract.
pub(super) fn response<R: From<Vec<u8>>>(from: crate::http::Response) -> Response<R> {
    let mut response = Response::new(R::from(from.body));
    // No status of the contract is out of range; one that were must not become a success.
    *response.status_mut() = http::StatusCode::from_u16(from.status).unwrap_or(http::StatusCode::SERVICE_UNAVAILABLE);
    add(response.headers_mut(), from.headers);
    response
}

fn add(to: &mut HeaderMap, headers: Vec<Header>) {
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        let Ok(value) = HeaderValue::try_from(value.into_owned()) else { continue };
        if name == VARY {
            to.append(name, value);
        } else {
            to.entry(name).or_insert(value);
        }
    }
}

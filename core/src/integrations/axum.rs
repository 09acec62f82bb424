//! Keywright for `axum`: a guard for routers, an extractor, and key management to be nested.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::idempotent::read_body;
use super::tower::{KeywrightLayer, hide_credentials, path_and_query, peer, response};
use crate::error::Error;
use crate::http::{AuthContext, Http, Message, Needs, Session};
use crate::record::Key;
use crate::wait::Boxed;

/// Guards a whole router by the rules of `http`.
///
/// Serve it with [`into_make_service_with_connect_info::<SocketAddr>()`](Router::into_make_service_with_connect_info), so that
/// addresses are known; without them a key that is bound to networks is refused. For a router on a Unix socket, add
/// `layer(Extension(Peer::Unix))`, see [`Peer`](super::tower::Peer).
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// use axum::{Router, routing::get};
/// use keywright::http::{Config, Needs, Rule};
/// use keywright::integrations::axum::{ApiKey, guarded};
/// let rule = Rule::new("GET", "/v1/deals", Needs::key().scopes("deals:read")?);
/// let routes = Router::new().route("/v1/deals", get(|ApiKey(key): ApiKey| async move { key.name }));
/// let app: Router = guarded(routes, kw.http(Config::new().rule(rule))?);
/// # kw.close().await; Ok(()) }) }
/// ```
pub fn guarded<S: Clone + Send + Sync + 'static>(router: Router<S>, http: Http) -> Router<S> {
    router.layer(KeywrightLayer::new(http).once())
}

/// Guards the present routes of a router by their needs, whatever their paths.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # use axum::{Router, routing::get};
/// # use keywright::http::{Config, Needs};
/// use keywright::integrations::axum::requiring;
/// let http = kw.http(Config::new())?;
/// let read = Router::new().route("/deals", get(|| async { "deals" }));
/// let app: Router = requiring(read, http, Needs::key().scopes("deals:read")?)?;
/// # kw.close().await; Ok(()) }) }
/// ```
///
/// # Errors
/// Like [`Http::check`], for needs that no caller can meet.
pub fn requiring<S>(router: Router<S>, http: Http, needs: Needs) -> Result<Router<S>, Error>
where
    S: Clone + Send + Sync + 'static,
{
    Ok(router.route_layer(KeywrightLayer::requiring(http, needs)?.once()))
}

/// Extracts the key of an allowed request. `Option<Extension<AuthContext>>` also gives sessions.
#[derive(Debug, Clone)]
pub struct ApiKey(pub Key);

impl<S: Send + Sync> FromRequestParts<S> for ApiKey {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let key = parts.extensions.get::<AuthContext>().and_then(AuthContext::key);
        // The route has no guard, or allows callers without a key: a mistake of the host, after which the request must not go on.
        key.cloned().map(Self).ok_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

/// Key management, to be nested: `Router::nest_service("/manage", management(http, principal))`. `principal` is a function of the
/// host from the head of a request to a session; `None` leaves the caller to the key or token of the request.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// use axum::Router;
/// use keywright::integrations::axum::management;
/// let http = kw.http(keywright::http::Config::new().keys_may_manage())?;
/// let app: Router = Router::new().nest_service("/manage", management(http, |_parts| async { None }));
/// # kw.close().await; Ok(()) }) }
/// ```
pub fn management<F, Fut>(http: Http, principal: F) -> Router
where
    F: Fn(Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<Session>> + Send + 'static,
{
    let manager = ManagementService::new(http, principal);
    Router::new().fallback(move |request| manager.clone().answer(request))
}

/// Adds key management at the [`path`](crate::http::Config::path) of `http`, in front of all routes of a router. Requests that
/// management does not answer go on to these routes.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # use axum::{Router, routing::get};
/// use keywright::integrations::axum::{guarded, managed};
/// let http = kw.http(keywright::http::Config::new().path("/api-keys")?)?;
/// let routes: Router = guarded(Router::new().route("/deals", get(|| async { "deals" })), http.clone());
/// let app = managed(routes, http, |_parts| async { None });
/// # kw.close().await; Ok(()) }) }
/// ```
pub fn managed<S, F, Fut>(router: Router<S>, http: Http, principal: F) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    F: Fn(Parts) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<Session>> + Send + 'static,
{
    let manager = ManagementService::new(http, principal);
    let judge = move |request: Request, next: Next| {
        let manager = manager.clone();
        async move {
            match manager.http.manages(path_and_query(request.uri())) {
                true => manager.answer(request).await,
                false => next.run(request).await,
            }
        }
    };
    router.layer(from_fn(judge))
}

type PrincipalFn = dyn Fn(Parts) -> Boxed<Option<Session>> + Send + Sync;

/// Key management, with the host's function that names the caller.
#[derive(Clone)]
struct ManagementService {
    http: Http,
    principal: Arc<PrincipalFn>,
}

impl ManagementService {
    fn new<F, Fut>(http: Http, principal: F) -> Self
    where
        F: Fn(Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Session>> + Send + 'static,
    {
        Self { http, principal: Arc::new(move |parts| Box::pin(principal(parts))) }
    }

    async fn answer(self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        hide_credentials(&self.http, &mut parts.headers);
        let Some(body) = read_body(body, Message::LARGEST_BODY).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let session = (self.principal)(parts.clone()).await;
        let message = Message::new(parts.method.as_str(), path_and_query(&parts.uri));
        let message = message.peer(peer(&parts.extensions)).body(body);
        let message = message.earlier(parts.extensions.get::<AuthContext>().map(AuthContext::earlier));
        let message =
            parts.headers.iter().fold(message, |it, (name, value)| it.header(name.as_str(), value.as_bytes()));
        response::<Body>(self.http.manage(message, session).await)
    }
}

//! Keywright for `axum`: a guard for routers, an extractor, and key management to be nested.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::once::read;
use super::tower::{KeywrightLayer, hide_credentials, path_and_query, peer, response};
use crate::error::Error;
use crate::http::{Http, Message, Needs, Passed, Session};
use crate::record::Key;
use crate::wait::Boxed;

/// Guards a whole router by the rules of `http`. Serve it with
/// [`into_make_service_with_connect_info::<SocketAddr>()`](Router::into_make_service_with_connect_info), so that
/// addresses are known; without them a key that is bound to networks is refused. A router that is served on a Unix socket
/// says so by `layer(Extension(Peer::Unix))`, see [`Peer`](super::tower::Peer).
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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

/// Guards the routes that a router has so far by what they need, whatever their paths.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
/// As [`Http::check`], for needs that nobody could meet.
pub fn requiring<S>(router: Router<S>, http: Http, needs: Needs) -> Result<Router<S>, Error>
where
    S: Clone + Send + Sync + 'static,
{
    Ok(router.route_layer(KeywrightLayer::requiring(http, needs)?.once()))
}

/// The key of a request that was let in: an extractor. `Option<Extension<Passed>>` says more, of sessions too.
#[derive(Debug, Clone)]
pub struct ApiKey(pub Key);

impl<S: Send + Sync> FromRequestParts<S> for ApiKey {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let key = parts.extensions.get::<Passed>().and_then(Passed::key);
        // A route that no guard stands before, or that lets others in: a mistake of the host, and nobody's pass.
        key.cloned().map(Self).ok_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

/// Key management, to be nested: `Router::nest_service("/manage", management(http, no_principal))`. `principal` is the
/// host's own function from the head of a request to a session, `None` for what the request itself presents.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
    let manager = Manager::new(http, principal);
    Router::new().fallback(move |request| manager.clone().answer(request))
}

/// Lets keys be managed at the [`path`](crate::http::Config::path) of `http`, before all routes of a router; what
/// management does not answer there goes on to them.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
    let manager = Manager::new(http, principal);
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

type Asked = dyn Fn(Parts) -> Boxed<Option<Session>> + Send + Sync;

/// Management, and the host's word on who asks.
#[derive(Clone)]
struct Manager {
    http: Http,
    principal: Arc<Asked>,
}

impl Manager {
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
        let Some(body) = read(body, Message::LARGEST_BODY).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let session = (self.principal)(parts.clone()).await;
        let message = Message::new(parts.method.as_str(), path_and_query(&parts.uri));
        let message = message.peer(peer(&parts.extensions)).body(body);
        let message = message.earlier(parts.extensions.get::<Passed>().map(Passed::earlier));
        let message =
            parts.headers.iter().fold(message, |it, (name, value)| it.header(name.as_str(), value.as_bytes()));
        response::<Body>(self.http.manage(message, session).await)
    }
}

//! Health and metrics, on a listener of their own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::ServerState;
use super::metrics::{QueuedWebhooks, WebhookCounts};
use crate::store::Store;

/// How long the database may take to show that it answers.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// The content type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn answer(state: &ServerState, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let (status, kind, text) = match request.uri().path() {
        "/livez" | "/readyz" | "/metrics" if !is_read => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", String::new()),
        "/livez" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => match probe(state).await {
            Ok(()) => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, "text/plain", reason + "\n"),
        },
        "/metrics" => {
            let is_up = database_answers(state).await.is_ok();
            let webhooks = webhook_counts(state).await;
            (StatusCode::OK, PROMETHEUS, state.metrics.text(is_up, state.log.lost(), &webhooks))
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "There are /livez, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Whether this server should get requests.
async fn probe(state: &ServerState) -> Result<(), String> {
    if *state.stopping.borrow() {
        return Err("the server is stopping".to_owned());
    }
    database_answers(state).await
}

async fn database_answers(state: &ServerState) -> Result<(), String> {
    let read = state.kw.engine().store().org("default");
    match tokio::time::timeout(PROBE_LIMIT, read).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("the database cannot be used: {error}")),
        Err(_) => Err("the database does not answer".to_owned()),
    }
}

/// The deliveries of this process, and those in the database.
async fn webhook_counts(state: &ServerState) -> WebhookCounts {
    let engine = state.kw.engine();
    let endpoints = tokio::time::timeout(PROBE_LIMIT, engine.store().webhook_endpoints()).await;
    let queued = endpoints.ok().and_then(Result::ok).map(|endpoints| QueuedWebhooks {
        pending: endpoints.iter().map(|it| it.pending).sum(),
        dead: endpoints.iter().map(|it| it.dead).sum(),
    });
    WebhookCounts {
        delivered: engine.delivery_counts.delivered.load(Ordering::Relaxed),
        failed: engine.delivery_counts.failed.load(Ordering::Relaxed),
        queued,
    }
}

//! One connection: its requests become messages of the HTTP contract.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_rustls::TlsAcceptor;

use super::access_log::AccessEntry;
use super::metrics::RouteClass;
use super::stream::{ByteStream, ImpatientStream};
use super::{Handler, ServerState, admin};
use crate::clock;
use crate::http::{Message, Peer};
use crate::integrations::{path_and_query, read_body, response};

/// The largest head of a request. hyper takes up to 100 header lines in it.
const LARGEST_HEAD: usize = 32 * 1024;

/// The error of a connection that the client broke or used wrongly.
pub(super) struct BrokenConnection;

/// Serves a connection until the client closes it, breaks a limit, or the server stops. Health answers until the API has ended.
pub(super) async fn serve(
    state: &Arc<ServerState>,
    stream: Box<dyn ByteStream>,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    handler: Handler,
) -> Result<(), BrokenConnection> {
    let settings = &state.settings;
    let stream: Box<dyn ByteStream> = match tls {
        None => stream,
        Some(tls) => {
            let handshake = tokio::time::timeout(settings.header_timeout, tls.accept(stream));
            Box::new(handshake.await.map_err(|_| BrokenConnection)?.map_err(|_| BrokenConnection)?)
        }
    };
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(match handler {
            Handler::Api => answer(state, peer, request).await,
            Handler::Admin => admin::answer(state, &request).await,
        })
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout);
    // The buffer holds a head that has not ended; hyper counts its size only once it has.
    builder.max_header_size(LARGEST_HEAD).max_buf_size(LARGEST_HEAD);
    let stream = ImpatientStream::new(stream, settings.request_timeout);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut ending = match handler {
        Handler::Api => state.stopping.subscribe(),
        Handler::Admin => state.ended.subscribe(),
    };
    tokio::select! {
        ended = connection.as_mut() => return ended.map_err(|_| BrokenConnection),
        _ = ending.wait_for(|ends| *ends) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(|_| BrokenConnection)
}

async fn answer(state: &ServerState, peer: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let target = path_and_query(&parts.uri);
    let limit = state.settings.request_timeout;
    let work = async {
        let refuse = |status, code, message| state.http.refuse_unread(status, code, message);
        let body = match tokio::time::timeout(limit, read_body(body, Message::LARGEST_BODY)).await {
            Ok(Some(body)) => body,
            Ok(None) => return refuse(400, "INVALID_REQUEST", "The body breaks off"),
            Err(_) => return refuse(408, "REQUEST_TIMEOUT", "The body came too slowly"),
        };
        let message = Message::new(parts.method.as_str(), target.as_bytes()).peer(peer).body(body);
        let lines = parts.headers.iter();
        let message = lines.fold(message, |message, (name, value)| message.header(name.as_str(), value.as_bytes()));
        let left = limit.saturating_sub(begun.elapsed());
        let session = state.sessions.and_then(|read| read(&parts.headers));
        match tokio::time::timeout(left, Box::pin(state.http.manage(message, session))).await {
            Ok(answer) => answer,
            // Clients repeat a 503, which this request may not stand: it may have been done.
            Err(_) => refuse(504, "UNAVAILABLE", "The answer takes too long, and the request may have been done"),
        }
    };
    let answer = work.await;
    record(state, peer, parts.method.as_str(), target, &answer, begun.elapsed());
    response(answer)
}

fn record(state: &ServerState, peer: Peer, method: &str, target: &str, answer: &crate::http::Response, took: Duration) {
    let path = target.split('?').next().unwrap_or_default();
    let route = RouteClass::of(path);
    state.metrics.record(route, answer.status, took);
    if !state.log.is_on() {
        return;
    }
    let peer = match peer {
        Peer::Address(address) => address.to_string(),
        Peer::Unix => "unix:".to_owned(),
        Peer::Unknown => "-".to_owned(),
    };
    state.log.write(&AccessEntry {
        at: clock::time(state.kw.now()),
        peer: &peer,
        method,
        path: &if route.is_one_path() { path.into() } else { Cow::from(state.kw.redact(path)) },
        status: answer.status,
        bytes: answer.body.len(),
        took,
        request_id: answer.header("x-request-id").unwrap_or_default(),
    });
}

//! One connection: its requests become messages of the HTTP contract.

use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, Version, header};
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

/// The status of a request whose client went away before the answer, as nginx has it. No client sees it.
const CLIENT_GONE: u16 = 499;

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
            Handler::Admin if !has_clear_host(&request) => response(refuse_host(state)),
            Handler::Admin => admin::answer(state, &request).await,
        })
    });
    let mut builder = http1::Builder::new();
    // A client that has sent all it will send still waits for its answer.
    builder.half_close(true);
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
    let has_clear_host = has_clear_host(&request);
    let (parts, body) = request.into_parts();
    let target = path_and_query(&parts.uri);
    let record = RequestRecord { state, peer, method: &parts.method, target, begun, is_answered: false };
    let limit = state.settings.request_timeout;
    let work = async {
        let refuse = |status, code, message| state.http.refuse_unread(status, code, message);
        if !has_clear_host {
            return refuse_host(state);
        }
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
    record.answered(&answer);
    response(answer)
}

/// Whether a request names its host as RFC 9112, section 3.2, demands. A proxy in front may read an unclear one differently.
fn has_clear_host(request: &Request<Incoming>) -> bool {
    let mut lines = request.headers().get_all(header::HOST).iter();
    match (lines.next(), lines.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => {
            let is_of_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
            host.as_bytes().iter().all(is_of_host)
        }
        (Some(_), Some(_)) => false,
    }
}

fn refuse_host(state: &ServerState) -> crate::http::Response {
    let message = "Host is missing, given twice, or no host; send it once, with or without a port";
    state.http.refuse_unread(400, "INVALID_REQUEST", message)
}

/// A request that has begun. It leaves a line and a count, also if its connection breaks, in which case hyper drops its future.
struct RequestRecord<'a> {
    state: &'a ServerState,
    peer: Peer,
    method: &'a Method,
    target: &'a str,
    begun: Instant,
    is_answered: bool,
}

impl RequestRecord<'_> {
    fn answered(mut self, answer: &crate::http::Response) {
        self.is_answered = true;
        self.write(answer.status, answer.body.len(), answer.header("x-request-id").unwrap_or_default());
    }

    fn write(&self, status: u16, bytes: usize, request_id: &str) {
        let Self { state, method, .. } = self;
        let took = self.begun.elapsed();
        let path = self.target.split('?').next().unwrap_or_default();
        let route = RouteClass::of(path);
        state.metrics.record(route, status, took);
        if !state.log.is_on() {
            return;
        }
        let peer = match self.peer {
            Peer::Address(address) => address.to_string(),
            Peer::Unix => "unix:".to_owned(),
            Peer::Unknown => "-".to_owned(),
        };
        let shown =
            |text, cannot_hold_key| if cannot_hold_key { Cow::from(text) } else { state.kw.redact(text).into() };
        state.log.write(&AccessEntry {
            at: clock::time(state.kw.now()),
            peer: &peer,
            method: &shown(method.as_str(), method.is_idempotent() || *method == Method::POST),
            path: &shown(path, route.is_one_path()),
            status,
            bytes,
            took,
            request_id,
        });
    }
}

impl Drop for RequestRecord<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.write(CLIENT_GONE, 0, "");
        }
    }
}

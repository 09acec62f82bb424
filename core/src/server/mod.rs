//! The server of `keywright serve`: the HTTP contract over sockets, with limits on everything that a client sends, and a
//! second listener for health and metrics.

mod access_log;
mod admin;
mod connection;
mod listener;
mod metrics;
mod settings;
mod stream;
mod tls;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use self::access_log::AccessLog;
use self::listener::BoundListener;
use self::metrics::Metrics;
pub(crate) use self::settings::ServerSettings;
use crate::error::Error;
use crate::http::{Http, Session};
use crate::keyring::Keywright;

/// The pause after a failed accept, as when the process has too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many connections the listener for health and metrics has at most.
const ADMIN_CONNECTIONS: usize = 16;

/// A server that listens, and does not serve yet.
pub(crate) struct Server {
    state: Arc<ServerState>,
    listener: BoundListener,
    admin: Option<BoundListener>,
    tls: Option<TlsAcceptor>,
}

/// The parts that all connections share.
struct ServerState {
    kw: Keywright,
    http: Http,
    settings: ServerSettings,
    log: AccessLog,
    metrics: Metrics,
    /// Turns true when the server begins to stop.
    stopping: watch::Sender<bool>,
    /// Turns true when the connections of the API have ended, or their time is over.
    ended: watch::Sender<bool>,
    sessions: Option<SessionReader>,
}

/// Finds the session of the host that a request has. Only tests have a host that knows sessions of its own.
pub(crate) type SessionReader = fn(&::http::HeaderMap) -> Option<Session>;

/// The answer of a connection's handler to a request.
#[derive(Clone, Copy)]
enum Handler {
    Api,
    Admin,
}

impl Server {
    /// Reads the certificate and binds the sockets.
    pub(crate) async fn bind(kw: Keywright, http: Http, settings: ServerSettings) -> Result<Self, Error> {
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = BoundListener::bind("listen", &settings.listen).await?;
        let admin = match &settings.admin_listen {
            Some(address) => Some(BoundListener::bind("admin_listen", address).await?),
            None => None,
        };
        let (stopping, ended) = (watch::Sender::new(false), watch::Sender::new(false));
        let log = AccessLog::new(settings.log);
        let state =
            ServerState { kw, http, settings, log, metrics: Metrics::default(), stopping, ended, sessions: None };
        Ok(Self { state: Arc::new(state), listener, admin, tls })
    }

    /// The same server with sessions of the host. It does not serve yet.
    #[cfg(feature = "testing")]
    pub(crate) fn with_sessions(mut self, read: SessionReader) -> Self {
        if let Some(state) = Arc::get_mut(&mut self.state) {
            state.sessions = Some(read);
        }
        self
    }

    /// The URL of the API, and that of health and metrics.
    pub(crate) fn places(&self) -> (String, Option<String>) {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        (self.listener.shown(scheme), self.admin.as_ref().map(|admin| admin.shown("http")))
    }

    /// Serves until `stop` is ready. Then no connection is accepted, and those that are open end with their present request.
    /// Health answers until they have ended, so that `/readyz` tells of the stop. Returns whether all of them have ended in time.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> bool {
        let Self { state, listener, admin, tls } = self;
        let connections = state.settings.max_connections;
        let slots = Arc::new(Semaphore::new(connections));
        let serving = async {
            tokio::select! {
                () = stop => {}
                () = accept(Arc::clone(&state), &listener, tls, Handler::Api, &slots) => {}
            }
            drop(listener);
            state.stopping.send_replace(true);
            let deadline = Instant::now() + state.settings.stop_timeout;
            // Every slot is free when every connection has ended.
            let all = u32::try_from(connections).unwrap_or(u32::MAX);
            (timeout_at(deadline, slots.acquire_many(all)).await.is_ok(), deadline)
        };
        let admin_slots = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
        let health = async {
            if let Some(admin) = &admin {
                accept(Arc::clone(&state), admin, None, Handler::Admin, &admin_slots).await;
            }
            std::future::pending().await
        };
        let (ended, deadline) = tokio::select! {
            outcome = serving => outcome,
            outcome = health => outcome,
        };
        drop(admin);
        state.ended.send_replace(true);
        // A log that nobody reads does not keep the server from ending.
        let _ = timeout_at(deadline, state.log.finish()).await;
        ended
    }
}

/// Accepts connections for ever, as many at a time as there are slots.
async fn accept(
    state: Arc<ServerState>,
    listener: &BoundListener,
    tls: Option<TlsAcceptor>,
    handler: Handler,
    slots: &Arc<Semaphore>,
) {
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (state, tls) = (Arc::clone(&state), tls.clone());
        tokio::spawn(async move {
            match handler {
                Handler::Api => {
                    state.metrics.accepted.fetch_add(1, Ordering::Relaxed);
                    state.metrics.connections.fetch_add(1, Ordering::Relaxed);
                    let ended = connection::serve(&state, stream, peer, tls, handler).await;
                    state.metrics.connections.fetch_sub(1, Ordering::Relaxed);
                    if ended.is_err() {
                        state.metrics.broken.fetch_add(1, Ordering::Relaxed);
                    }
                }
                // Metrics are about the API.
                Handler::Admin => drop(connection::serve(&state, stream, peer, tls, handler).await),
            }
            drop(slot);
        });
    }
}

//! One exchange with a web server that the host has named, on a connection of its own. It follows no redirect and asks no
//! proxy. It runs in the runtime of this process, and the caller limits its time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::failure::{self, TlsFixes, causes};
use super::tls;
use super::web_address::WebAddress;
use crate::error::{Error, UnavailableCause};

/// The time for one of the addresses of a host. The next one is tried after it.
const CONNECT_LIMIT: Duration = Duration::from_millis(1_500);

/// The largest head of an answer.
const LARGEST_HEAD: usize = 64 * 1024;

const AGENT: &str = concat!("keywright/", env!("CARGO_PKG_VERSION"));

const TLS_FIXES: TlsFixes = TlsFixes {
    unknown_authority: (
        "no authority that this system trusts signed the certificate of the server",
        "add the certificate of its authority to the trusted ones of this system, or name a file with it in SSL_CERT_FILE",
    ),
    other_name: "name the server in the URL as its certificate does (subjectAltName)",
    client_certificate: "let the server do without one, or name a proxy in the URL that gives it",
    old_versions: "let the server speak TLS 1.2 or later",
};

/// The settings of TLS, with the certificates of authorities that this system trusts.
#[derive(Clone)]
pub(crate) struct WebTls(Arc<ClientConfig>);

impl WebTls {
    pub(crate) async fn load() -> Result<Self, Error> {
        // Reading hundreds of certificates takes long enough to hold up the other connections of the runtime.
        let config = tokio::task::spawn_blocking(tls_config).await;
        let stopped =
            |_| Error::unavailable(UnavailableCause::Io, "this process is ending", "ask again in another one");
        Ok(Self(Arc::new(config.map_err(stopped)??)))
    }
}

/// Sends a request, and reads its answer by `read`. Without `tls` the settings are loaded if the address needs them.
pub(super) async fn exchange<T, F>(
    address: &WebAddress,
    tls: Option<&WebTls>,
    request: Request<Full<Bytes>>,
    read: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let stream = connect(address).await?;
    if !address.is_secure() {
        return exchange_on(TokioIo::new(stream), address, request, read).await;
    }
    let tls = match tls {
        Some(tls) => tls.clone(),
        None => WebTls::load().await?,
    };
    let name = ServerName::try_from(address.host().to_owned())
        .map_err(|_| failed(address, "its name is none that a certificate can have", "correct the address"))?;
    let stream = TlsConnector::from(tls.0).connect(name, stream).await.map_err(|error| {
        refused_by_tls(address, &error).unwrap_or_else(|| {
            failed(address, failure::of_socket(&error, false), "look whether it speaks TLS at that port")
        })
    })?;
    exchange_on(TokioIo::new(stream), address, request, read).await
}

async fn connect(address: &WebAddress) -> Result<TcpStream, Error> {
    let unreachable = |reason: &str| failed(address, reason, "look at the address, and at the network to it");
    let found = lookup_host((address.host(), address.port()));
    let found = found.await.map_err(|error| unreachable(failure::of_socket(&error, false)))?;
    let mut reason = "its name has no address that may be used";
    // The name localhost may lead elsewhere, where nothing would be safe from listeners.
    for place in found.filter(|place| address.is_secure() || place.ip().is_loopback()) {
        match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(place)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reason = failure::of_socket(&error, false),
            Err(_) => reason = "it did not answer in time",
        }
    }
    Err(unreachable(reason))
}

fn tls_config() -> Result<ClientConfig, Error> {
    let unusable = |reason: &str, fix: &str| Error::unavailable(UnavailableCause::Access, reason, fix);
    let roots = tls::system_authorities();
    if roots.is_empty() {
        let fix = "install the package of certificates, or name a PEM file in SSL_CERT_FILE";
        return Err(unusable("this machine has no certificate of an authority", fix));
    }
    let builder =
        tls::client().map_err(|_| unusable("this program has no TLS", "build it with a provider of cryptography"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn exchange_on<S, T, F>(
    stream: S,
    address: &WebAddress,
    mut request: Request<Full<Bytes>>,
    read: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, Error>
where
    S: Read + Write + Unpin + Send + 'static,
    F: Future<Output = Result<T, Error>>,
{
    let handshake = http1::Builder::new().max_buf_size(LARGEST_HEAD).handshake(stream);
    let (mut sender, connection) = handshake.await.map_err(|_| lost(address))?;
    let host = HeaderValue::from_str(&address.authority()).map_err(|_| lost(address))?;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let answer = async {
        let sent = sender.send_request(request).await;
        // In TLS 1.3 a server tells only after the handshake that it misses a certificate of the client.
        let response = sent.map_err(|error| refused_by_tls(address, &error).unwrap_or_else(|| lost(address)))?;
        read(response).await
    };
    // The connection lives in this future, so that it ends with it.
    let (mut answer, mut connection) = (pin!(answer), Some(Box::pin(connection)));
    poll_fn(|context| {
        // Each of the two may let the other go on, and wakes this task then.
        if connection.as_mut().is_some_and(|it| it.as_mut().poll(context).is_ready()) {
            connection = None;
        }
        answer.as_mut().poll(context)
    })
    .await
}

/// The error of TLS among the causes of a failure.
fn refused_by_tls(address: &WebAddress, error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let problem = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    let (reason, fix) = failure::of_tls(problem, &TLS_FIXES);
    Some(failed(address, reason, fix))
}

/// The error of a connection that ended too early.
pub(super) fn lost(address: &WebAddress) -> Error {
    failed(address, "it closed the connection, or sent what is no HTTP", "look at the log of the server")
}

/// The error of a request that failed.
pub(crate) fn failed(address: &WebAddress, reason: &str, fix: impl Into<String>) -> Error {
    Error::unavailable(UnavailableCause::Io, format!("{address}: {reason}"), fix)
}

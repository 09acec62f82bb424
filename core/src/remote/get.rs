//! A request for a small document of a server that the host has named. It follows no redirect, asks no proxy and keeps no
//! connection.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AGE, CACHE_CONTROL, CONNECTION, HOST, HeaderName, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::failure::{self, TlsSettingNames, causes};
use super::web_address::WebAddress;
use crate::error::{Error, UnavailableCause};

/// The time for one of the addresses of a host. The next one is tried after it.
const CONNECT_LIMIT: Duration = Duration::from_millis(1_500);

/// The largest head of an answer.
const LARGEST_HEAD: usize = 64 * 1024;

const AGENT: &str = concat!("keywright/", env!("CARGO_PKG_VERSION"));

const TLS_SETTINGS: TlsSettingNames = TlsSettingNames {
    authorities: "the store of this system, or in the file that SSL_CERT_FILE names,",
    client: "a proxy of your own",
    or_any_name: "",
    oldest: "its versions of TLS",
};

/// The parts of an answer that count.
#[derive(Debug)]
pub(crate) struct WebAnswer {
    pub(crate) status: u16,
    pub(crate) cache_control: String,
    /// Seconds that the answer has spent in a cache.
    pub(crate) age: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// Asks for a document of at most `largest` bytes. It runs in the runtime of this process, and the caller limits its time.
pub(crate) async fn get(address: &WebAddress, largest: usize) -> Result<WebAnswer, Error> {
    let stream = connect(address).await?;
    if !address.is_secure() {
        return exchange(TokioIo::new(stream), address, largest).await;
    }
    // Reading hundreds of certificates takes long enough to hold up the other connections of the runtime.
    let config = tokio::task::spawn_blocking(tls_config).await.map_err(|_| lost(address))??;
    let name = ServerName::try_from(address.host().to_owned())
        .map_err(|_| failed(address, "its name is none that a certificate can have", "correct the address"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
        match causes(&error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
            Some(problem) => {
                let (reason, fix) = failure::of_tls(problem, &TLS_SETTINGS);
                failed(address, &reason, fix)
            }
            None => failed(address, failure::of_socket(&error, false), "look whether it speaks TLS at that port"),
        }
    })?;
    exchange(TokioIo::new(stream), address, largest).await
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
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let fix = "install the package of certificates, or name a PEM file in SSL_CERT_FILE";
        return Err(unusable("this machine has no certificate of an authority", fix));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("this program has no TLS", "build it with a provider of cryptography"))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn exchange<S>(stream: S, address: &WebAddress, largest: usize) -> Result<WebAnswer, Error>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new().max_buf_size(LARGEST_HEAD).handshake(stream);
    let (mut sender, connection) = handshake.await.map_err(|_| lost(address))?;
    let request = Request::get(address.target())
        .header(HOST, address.authority())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| failed(address, "its path is none", "correct the address"))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|_| lost(address))?;
        read(response, address, largest).await
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

async fn read(response: Response<Incoming>, address: &WebAddress, largest: usize) -> Result<WebAnswer, Error> {
    let header = |name: HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
    let lines = response.headers().get_all(CACHE_CONTROL).iter();
    let cache_control = lines.filter_map(|line| line.to_str().ok()).collect::<Vec<_>>().join(",");
    let age = header(AGE).and_then(|text| text.trim().parse().ok());
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), largest).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let reason = format!("its document is larger than {} KiB", largest / 1024);
            failed(address, &reason, "name the address of the document, and not of a page")
        } else {
            lost(address)
        }
    })?;
    Ok(WebAnswer { status, cache_control, age, body: body.to_bytes().into() })
}

fn lost(address: &WebAddress) -> Error {
    failed(address, "it closed the connection, or sent what is no HTTP", "look at the log of the server")
}

/// The error of a request that failed.
pub(crate) fn failed(address: &WebAddress, reason: &str, fix: impl Into<String>) -> Error {
    Error::unavailable(UnavailableCause::Io, format!("{address}: {reason}"), fix)
}

//! Sends requests, and sends them again where that is safe.

use std::time::Duration;

use chrono::Utc;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, redirect};
use rustls::{ClientConfig, RootCertStore};

use super::settings::ClientSettings;
use crate::error::{Error, UnavailableCause};
use crate::fork::PerProcess;
use crate::remote::retry::{asked_pause, random_pause};
use crate::remote::with_runtime::WithRuntime;
use crate::remote::{runtime, tls};

const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The most bytes of an answer. A page of a thousand keys with all that they may hold is smaller.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The connections to a server. They live on the runtime of the process, so that callers need none.
pub(super) struct ServerConnection {
    pub(super) settings: ClientSettings,
    /// A forked child does not share the connections of its parent.
    http: PerProcess<Result<reqwest::Client, Error>>,
}

/// A request. Its body may hold a secret, so it is not shown.
pub(super) struct ServerRequest {
    pub(super) method: &'static str,
    /// The path, and the query if there is one.
    pub(super) target: String,
    pub(super) body: Option<Vec<u8>>,
    pub(super) idempotency_key: Option<String>,
    /// Whether the server may get it twice.
    pub(super) is_repeatable: bool,
}

/// The end of an attempt.
pub(super) enum Delivery {
    Answered(ServerReply),
    Lost(LostRequest),
}

/// The answer to a request.
pub(super) struct ServerReply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The pause that the server asks for.
    pub(super) retry_after: Option<Duration>,
}

/// The end of an attempt that got no answer.
pub(super) struct LostRequest {
    pub(super) reason: &'static str,
    /// Whether the server may have run the request.
    pub(super) is_sent: bool,
}

impl ServerConnection {
    pub(super) fn open(settings: ClientSettings) -> Result<Self, Error> {
        let http = connect(&settings);
        if let Err(error) = &http {
            return Err(error.clone());
        }
        Ok(Self { settings, http: PerProcess::new(http) })
    }

    /// Sends a request up to `retries` times more.
    pub(super) async fn exchange(&self, request: &ServerRequest) -> Result<Delivery, Error> {
        WithRuntime::new(runtime::handle()?, async {
            let mut attempt = 0;
            loop {
                let delivery = self.send(request).await?;
                match delivery.pause(request, attempt) {
                    Some(pause) if attempt < self.settings.retries => tokio::time::sleep(pause).await,
                    _ => return Ok(delivery),
                }
                attempt += 1;
            }
        })
        .await
    }

    async fn send(&self, request: &ServerRequest) -> Result<Delivery, Error> {
        let http = self.http.get(|| connect(&self.settings)).as_ref().map_err(Clone::clone)?;
        let method = Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
        let mut sent = http.request(method, format!("{}{}", self.settings.address.base, request.target));
        if let Some(body) = &request.body {
            sent = sent.header(CONTENT_TYPE, JSON).body(body.clone());
        }
        if let Some(key) = &request.idempotency_key {
            sent = sent.header(IDEMPOTENCY_KEY, key);
        }
        Ok(receive(sent).await.unwrap_or_else(|error| Delivery::Lost(LostRequest::of(&error))))
    }
}

/// Sends a request and reads its answer.
async fn receive(sent: RequestBuilder) -> Result<Delivery, reqwest::Error> {
    let mut answer = sent.send().await?;
    let status = answer.status().as_u16();
    let retry_after =
        answer.headers().get(RETRY_AFTER).and_then(|header| asked_pause(header.to_str().ok()?, Utc::now()));
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await? {
        body.extend_from_slice(&part);
        if body.len() > LARGEST_ANSWER {
            return Ok(Delivery::Lost(LostRequest { reason: "sent an answer without an end", is_sent: true }));
        }
    }
    Ok(Delivery::Answered(ServerReply { status, body, retry_after }))
}

impl LostRequest {
    /// The text of the error is left out, because it may hold the URL of a record.
    fn of(error: &reqwest::Error) -> Self {
        let is_unsent = error.is_connect() || error.is_builder();
        let reason = match is_unsent {
            _ if error.is_timeout() => "did not answer in time",
            true => "cannot be reached",
            false => "broke off the connection",
        };
        Self { reason, is_sent: !is_unsent }
    }
}

impl Delivery {
    /// The pause until the request is sent again; `None` if it is not.
    fn pause(&self, request: &ServerRequest, attempt: u32) -> Option<Duration> {
        let backoff = || backoff(attempt);
        match self {
            Self::Lost(lost) => (request.is_repeatable || !lost.is_sent).then(backoff),
            Self::Answered(reply) => {
                let wait = || match reply.retry_after {
                    Some(asked) => (asked <= LONGEST_WAIT).then(|| asked + backoff()),
                    None => Some(backoff()),
                };
                match reply.status {
                    // The same request still runs, or a limit is used up. A limit that tells no time, such as a balance, does not
                    // come back by itself.
                    409 | 429 => reply.retry_after.and_then(|_| wait()),
                    // The server has not run the request.
                    503 if reply.told().is_some() => wait(),
                    // The server, or a proxy before it, does not know whether the request has run.
                    502..=504 if request.is_repeatable => wait(),
                    _ => None,
                }
            }
        }
    }
}

/// The pause after a failed attempt. The next one is twice as long.
fn backoff(attempt: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(10));
    random_pause(longest).unwrap_or(longest)
}

fn connect(settings: &ClientSettings) -> Result<reqwest::Client, Error> {
    let mut headers = HeaderMap::from_iter([(ACCEPT, JSON)]);
    if let Some(api_key) = &settings.api_key {
        let value = zeroize::Zeroizing::new(format!("Bearer {}", api_key.as_str()));
        let value = HeaderValue::from_str(&value);
        let mut value =
            value.map_err(|_| Error::validation_failed("api_key", "has letters that no key has", "give a key"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let builder = reqwest::Client::builder()
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(settings.timeout)
        // In each case, because the process may have no default.
        .tls_backend_preconfigured(tls_config(settings.address.base.starts_with("https:"))?);
    #[cfg(unix)]
    let builder = match &settings.address.socket {
        // No proxy stands before a socket.
        Some(path) => builder.unix_socket(path.clone()).no_proxy(),
        None => builder,
    };
    builder.build().map_err(|_| no_client())
}

/// TLS with the certificates of the system, if it is used.
fn tls_config(is_used: bool) -> Result<ClientConfig, Error> {
    let roots = if is_used { tls::system_authorities() } else { RootCertStore::empty() };
    Ok(tls::client().map_err(|_| no_client())?.with_root_certificates(roots).with_no_client_auth())
}

fn no_client() -> Error {
    let reason = "the client of the server cannot be set up on this system";
    Error::unavailable(UnavailableCause::Access, reason, "look at its certificates and its proxy settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(is_repeatable: bool, delivery: &Delivery) -> bool {
        let request =
            ServerRequest { method: "GET", target: "/keys".into(), body: None, idempotency_key: None, is_repeatable };
        delivery.pause(&request, 0).is_some()
    }

    #[test]
    fn requests_are_sent_again_only_where_that_is_safe() {
        let answered = |status, seconds: Option<u64>, body: &str| {
            let retry_after = seconds.map(Duration::from_secs);
            Delivery::Answered(ServerReply { status, body: body.into(), retry_after })
        };
        let told = |status, seconds| answered(status, seconds, r#"{"code": "UNAVAILABLE", "message": "later"}"#);
        let proxy = |status, seconds| answered(status, seconds, "<html></html>");
        let lost = |is_sent| Delivery::Lost(LostRequest { reason: "", is_sent });
        for (delivery, once, repeatable) in [
            (lost(true), false, true),
            (lost(false), true, true),
            (told(503, None), true, true),
            (told(503, Some(30)), true, true),
            (told(503, Some(31)), false, false),
            (proxy(503, None), false, true),
            (proxy(503, Some(1)), false, true),
            (proxy(503, Some(31)), false, false),
            (answered(503, None, r#"{"code": 503}"#), false, true),
            (told(429, None), false, false),
            (told(429, Some(0)), true, true),
            (told(409, Some(1)), true, true),
            (proxy(502, None), false, true),
            (proxy(504, None), false, true),
            (proxy(504, Some(31)), false, false),
            (proxy(500, None), false, false),
            (proxy(200, None), false, false),
        ] {
            assert_eq!((pauses(false, &delivery), pauses(true, &delivery)), (once, repeatable));
        }
    }

    #[test]
    fn pauses_grow() {
        for attempt in 0..12 {
            let pause = backoff(attempt);
            let longest = FIRST_PAUSE * (1 << attempt.min(10));
            assert!(longest / 2 <= pause && pause <= longest, "{attempt}: {pause:?}");
        }
    }
}

//! A message to a server that the host has named, of whose answer the status counts.

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};

use super::retry::asked_pause;
use super::web_address::WebAddress;
use super::web_client::{WebTls, exchange, failed};
use crate::error::Error;

/// How much of the body of an answer is read, so that the server is not cut off while it writes a short one.
const READ_BODY: usize = 16 * 1024;

/// The parts of an answer that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PostAnswer {
    pub(crate) status: u16,
    /// The pause that the header `Retry-After` asks for.
    pub(crate) retry_after: Option<Duration>,
}

/// Sends JSON. It runs in the runtime of this process, and the caller limits its time.
pub(crate) async fn post(
    address: &WebAddress,
    tls: Option<&WebTls>,
    headers: &[(&'static str, String)],
    body: String,
) -> Result<PostAnswer, Error> {
    let mut request = Request::post(address.target()).header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| failed(address, "its path is none", "correct the address"))?;
    exchange(address, tls, request, |response| async move {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|header| asked_pause(header, Utc::now()));
        // The status is known, whatever becomes of the rest.
        let _ = Limited::new(response.into_body(), READ_BODY).collect().await;
        Ok(PostAnswer { status, retry_after })
    })
    .await
}

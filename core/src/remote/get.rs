//! A request for a small document of a server that the host has named.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AGE, CACHE_CONTROL, HeaderName};
use hyper::{Request, Response};

use super::web_address::WebAddress;
use super::web_client::{exchange, failed, lost};
use crate::error::Error;

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
    let request = Request::get(address.target())
        .header(ACCEPT, "application/json")
        .body(Full::<Bytes>::default())
        .map_err(|_| failed(address, "its path is none", "correct the address"))?;
    exchange(address, None, request, |response| read(response, address, largest)).await
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

//! The names of request headers that a host chooses.

use crate::error::Error;

/// What these carry is somebody else's.
const TAKEN: [&str; 9] = [
    "cookie",
    "proxy-authorization",
    "host",
    "origin",
    "referer",
    "content-type",
    "idempotency-key",
    "x-forwarded-for",
    "x-request-id",
];

/// The name in lower case. `like` are some that would do.
pub(super) fn named(field: &str, name: &str, like: &str) -> Result<String, Error> {
    let fix = || format!("name a request header like {like}");
    let lower = name.to_ascii_lowercase();
    let token = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    if lower.is_empty() || lower.len() > 64 || !lower.bytes().all(token) {
        return Err(Error::validation_failed(field, "names what is no header", fix()));
    }
    if TAKEN.contains(&lower.as_str()) {
        return Err(Error::validation_failed(field, format!("names {lower}, which carries something else"), fix()));
    }
    Ok(lower)
}

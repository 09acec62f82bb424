//! Names of request headers that a host chooses.

use crate::error::Error;

/// Headers that carry something else.
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

/// Parses the name of a header, and returns it in lower case. `like` names headers that would do, for the error.
pub(super) fn parse_name(field: &str, name: &str, like: &str) -> Result<String, Error> {
    let fix = || format!("name a request header like {like}");
    let lower = name.to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if lower.is_empty() || lower.len() > 64 || !lower.bytes().all(is_plain) {
        return Err(Error::validation_failed(field, "names what is no header", fix()));
    }
    if TAKEN.contains(&lower.as_str()) {
        return Err(Error::validation_failed(field, format!("names {lower}, which carries something else"), fix()));
    }
    Ok(lower)
}

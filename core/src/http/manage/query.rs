//! Queries and forms.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Head;
use crate::casing::Casing;
use crate::error::Error;
use crate::http::refusal::Refusal;
use crate::http::route::percent_decode;
use crate::input::Value;

/// The arguments of lists that are numbers.
const NUMBERS: [&str; 2] = ["limit", "idle_days"];

/// Reads the arguments of a query, which has the encoding of forms.
pub(super) fn read(head: &Head<'_>, casing: Casing) -> Result<Vec<(String, Value)>, Refusal> {
    let numbers = NUMBERS.map(|it| casing.spell(it));
    let numbered = |(name, value): (String, String)| {
        let number = numbers.contains(&name).then(|| parse_digits(&value)).flatten();
        (name, number.map_or(Value::Text(value), Value::Integer))
    };
    Ok(pairs("query", head.query())?.into_iter().map(numbered).collect())
}

/// Decodes the names and values of a query or form. `field` names it in errors.
pub(super) fn pairs(field: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let broken = || Refusal::from(Error::validation_failed(field, "cannot be read", "percent-encode it as UTF-8"));
    let text = std::str::from_utf8(bytes).map_err(|_| broken())?;
    let mut entries = Vec::new();
    for part in text.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        entries.push((decode(name).ok_or_else(broken)?, decode(value).ok_or_else(broken)?));
    }
    Ok(entries)
}

/// Decodes a text that has the encoding of forms.
pub(super) fn decode(text: &str) -> Option<String> {
    percent_decode(&text.replace('+', " ")).map(Cow::into_owned)
}

/// The value of `Link` (RFC 8288) to the next page: the same query with another cursor. It is a reference relative to the
/// present page (RFC 3986, section 5.2).
pub(super) fn link_to_next(head: &Head<'_>, cursor: &str) -> Result<String, Refusal> {
    let mut link = String::from("<?");
    for (name, value) in pairs("query", head.query())?.iter().filter(|it| it.0 != "cursor") {
        for part in [encode(name), "=".into(), encode(value), "&".into()] {
            link.push_str(&part);
        }
    }
    Ok(format!("{link}cursor={}>; rel=\"next\"", encode(cursor)))
}

fn encode(text: &str) -> String {
    /// All but the unreserved characters of RFC 3986, section 2.3.
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

fn parse_digits(text: &str) -> Option<i128> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

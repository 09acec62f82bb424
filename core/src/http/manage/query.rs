use super::Head;
use crate::error::Error;
use crate::http::refusal::Refusal;
use crate::http::route::decoded;
use crate::input::{Casing, Value};

/// What is a number among the arguments of lists.
const NUMBERS: [&str; 2] = ["limit", "idle_days"];

/// The arguments in a query, as forms write them.
pub(super) fn read(head: &Head<'_>, casing: Casing) -> Result<Vec<(String, Value)>, Refusal> {
    let numbers = NUMBERS.map(|it| casing.spell(it));
    let numbered = |(name, value): (String, String)| {
        let number = numbers.contains(&name).then(|| digits(&value)).flatten();
        (name, number.map_or(Value::Text(value), Value::Integer))
    };
    Ok(pairs("query", head.query())?.into_iter().map(numbered).collect())
}

/// Names and values as forms write them.
pub(super) fn pairs(place: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let broken = || Refusal::from(Error::validation_failed(place, "cannot be read", "percent-encode it as UTF-8"));
    let query = std::str::from_utf8(bytes).map_err(|_| broken())?;
    let mut entries = Vec::new();
    for part in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        entries.push((plain(name).ok_or_else(broken)?, plain(value).ok_or_else(broken)?));
    }
    Ok(entries)
}

/// A text that is encoded as forms encode it.
pub(super) fn plain(text: &str) -> Option<String> {
    decoded(&text.replace('+', " ")).map(std::borrow::Cow::into_owned)
}

/// The header `Link` (RFC 8288) to the page that a cursor leads to: the same query with another cursor, which is a
/// reference that counts from the page at hand (RFC 3986, section 5.2).
pub(super) fn next(head: &Head<'_>, cursor: &str) -> Result<String, Refusal> {
    let mut link = String::from("<?");
    for (name, value) in pairs("query", head.query())?.iter().filter(|it| it.0 != "cursor") {
        for part in [encoded(name), "=".into(), encoded(value), "&".into()] {
            link.push_str(&part);
        }
    }
    Ok(format!("{link}cursor={}>; rel=\"next\"", encoded(cursor)))
}

fn encoded(text: &str) -> String {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    let byte = |it: u8| if plain(it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    text.bytes().map(byte).collect()
}

fn digits(text: &str) -> Option<i128> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

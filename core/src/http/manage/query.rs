use super::Head;
use crate::error::Error;
use crate::http::refusal::Refusal;
use crate::http::route::decoded;
use crate::input::Value;

/// What is a number among the arguments of lists.
const NUMBERS: [&str; 2] = ["limit", "idle_days"];

/// The arguments in a query, as forms write them.
pub(super) fn read(head: &Head<'_>) -> Result<Vec<(String, Value)>, Refusal> {
    let numbered = |(name, value): (String, String)| {
        let number = NUMBERS.contains(&name.as_str()).then(|| digits(&value)).flatten();
        (name, number.map_or(Value::Text(value), Value::Integer))
    };
    Ok(pairs("query", head.query())?.into_iter().map(numbered).collect())
}

/// Names and values as forms write them.
pub(super) fn pairs(place: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let broken = || Refusal::from(Error::wrong(place, "cannot be read", "percent-encode it as UTF-8"));
    let query = std::str::from_utf8(bytes).map_err(|_| broken())?;
    let mut entries = Vec::new();
    for part in query.split('&').filter(|it| !it.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let plain = |it: &str| decoded(&it.replace('+', " ")).map(std::borrow::Cow::into_owned).ok_or_else(broken);
        entries.push((plain(name)?, plain(value)?));
    }
    Ok(entries)
}

fn digits(text: &str) -> Option<i128> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

//! The parts of the URL of a server. It is read strictly: a parameter that is not known, or a value that means nothing, is an
//! error. The errors name the field `url`.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::input::{chosen, meant};

const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

/// The parameters of a URL that have not been read yet.
pub(crate) struct UrlParameters(Vec<(String, String)>);

impl UrlParameters {
    /// Parses the part after `?`, with parameters that are `known`.
    pub(crate) fn parse(query: &str, known: &[&str]) -> Result<Self, Error> {
        let mut found: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(Error::validation_failed("url", "has a parameter without a value", "write name=value"));
            };
            let name = decode("url", name)?;
            if !known.contains(&name.as_str()) {
                let all = format!("leave it out; known are {}", known.join(", "));
                let fix = meant(&name, known.iter().copied(), all);
                return Err(Error::validation_failed(
                    "url",
                    format!("has the unknown parameter {}", shown(&name)),
                    fix,
                ));
            }
            if found.iter().any(|(other, _)| *other == name) {
                return Err(Error::validation_failed("url", format!("has {name} twice"), "write it once"));
            }
            let value = decode(&name, value)?;
            found.push((name, value));
        }
        Ok(Self(found))
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Reads one of several words.
    pub(crate) fn choose<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], into: &mut T) -> Result<(), Error> {
        if let Some(word) = self.take(name) {
            *into = chosen(name, &word, "has an unknown value", choices).map_err(|error| error.within("url"))?;
        }
        Ok(())
    }

    /// Reads a duration: a number in `unit`, or one with a unit.
    pub(crate) fn duration(&mut self, name: &str, unit: &str, into: &mut Duration) -> Result<(), Error> {
        let Some(text) = self.take(name) else { return Ok(()) };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, given) = text.split_at_checked(digits).unwrap_or_default();
        let scale = match if given.is_empty() { unit } else { given } {
            "ms" => Some(1),
            "s" => Some(1_000),
            "min" | "m" => Some(60_000),
            _ => None,
        };
        let millis = number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
        *into = millis
            .map(Duration::from_millis)
            .filter(|duration| !duration.is_zero() && *duration <= MAX_TIMEOUT)
            .ok_or_else(|| {
                let fix = format!("give 1{unit} to {}s", MAX_TIMEOUT.as_secs());
                invalid(name, "is no time limit: without one, a lost network would hold calls for ever", fix)
            })?;
        Ok(())
    }
}

/// Decodes a part of a URL.
pub(crate) fn decode(name: &str, text: &str) -> Result<String, Error> {
    let is_escape = |(at, _)| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.match_indices('%').all(is_escape) {
        return Err(invalid(name, "has a % without two hexadecimal digits", "write %25 for the sign itself"));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    match decoded {
        Ok(decoded) if !decoded.contains('\0') => Ok(decoded.into_owned()),
        _ => Err(invalid(name, "holds bytes that are no text", "write UTF-8, with %XX for reserved characters")),
    }
}

/// The name of an unknown parameter, if it looks like a name. A piece of a password with `&` in it must not be shown.
fn shown(name: &str) -> &str {
    let is_name = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_name { name } else { "after ? or &" }
}

/// The error for a parameter with a wrong value.
pub(crate) fn invalid(name: &str, reason: &str, fix: impl Into<String>) -> Error {
    Error::validation_failed("url", format!("{name} {reason}"), fix)
}

/// Splits `host:port`. The port is empty if there is none.
pub(crate) fn split_port(part: &str) -> Result<(&str, &str), Error> {
    let refused =
        |reason: &str| Error::validation_failed("url", reason, "write an address with colons as in [::1]:port");
    let (host, port) = match part.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| refused("has a [ without a ]"))?;
            let after = if port.is_empty() { Some("") } else { port.strip_prefix(':') };
            (host, after.ok_or_else(|| refused("has something after ]"))?)
        }
        None => part.split_once(':').unwrap_or((part, "")),
    };
    if part.starts_with('[') || !port.contains(':') {
        Ok((host, port))
    } else {
        Err(refused("has an address with colons without brackets"))
    }
}

/// Reads a port.
pub(crate) fn port(text: &str, default: u16) -> Result<u16, Error> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ if text.is_empty() => Ok(default),
        _ => Err(invalid("port", "is no port", "give a number from 1 to 65535")),
    }
}

//! The parameters in the URL of a PostgreSQL database.

use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::error::Error;
use crate::input::{chosen, meant};

const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);

/// The parameters that a URL may have after `?`.
const PARAMETERS: [&str; 21] = [
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "target_session_attrs",
    "load_balance_hosts",
    "connect_timeout",
    "statement_timeout",
    "application_name",
    "keepalives_idle",
    "schema",
    "max_connections",
    "prepared_statements",
    "listen",
];

/// The parameters of a URL that have not been read yet.
pub(super) struct UrlParameters(Vec<(String, String)>);

impl UrlParameters {
    pub(super) fn parse(query: &str) -> Result<Self, Error> {
        let mut found: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(refused("has a parameter without a value; write name=value"));
            };
            let name = decode("url", name)?;
            if !PARAMETERS.contains(&name.as_str()) {
                let fix =
                    meant(&name, PARAMETERS.into_iter(), format!("leave it out; known are {}", PARAMETERS.join(", ")));
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

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Reads one of several words.
    pub(super) fn choose<T: Copy>(&mut self, name: &str, choices: &[(&str, T)], into: &mut T) -> Result<(), Error> {
        if let Some(word) = self.take(name) {
            *into = chosen(name, &word, "has an unknown value", choices).map_err(|error| error.within("url"))?;
        }
        Ok(())
    }

    /// Reads a duration: a number in `unit`, as in libpq and in PostgreSQL, or one with a unit.
    pub(super) fn duration(&mut self, name: &str, unit: &str, into: &mut Duration) -> Result<(), Error> {
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
pub(super) fn decode(name: &str, text: &str) -> Result<String, Error> {
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

/// The error for a URL that does not have the shape of one.
pub(super) fn refused(reason: &str) -> Error {
    Error::validation_failed("url", reason, "write postgresql://user@host:5432/database?sslmode=verify-full")
}

/// The error for a parameter with a wrong value.
pub(super) fn invalid(name: &str, reason: &str, fix: impl Into<String>) -> Error {
    Error::validation_failed("url", format!("{name} {reason}"), fix)
}

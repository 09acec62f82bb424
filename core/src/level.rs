//! Which methods a level allows.

use crate::error::Error;
use crate::input::nearest;
use crate::record::Level;

const LEVELS: [Level; 3] = [Level::Read, Level::ReadWrite, Level::Full];

pub(crate) fn parse(text: &str) -> Result<Level, Error> {
    LEVELS.into_iter().find(|it| it.as_str() == text).ok_or_else(|| {
        let near = nearest(text, LEVELS.iter().map(|it| it.as_str()));
        let fix = near.map_or("give read, read_write or full".to_owned(), |it| format!("did you mean {it}?"));
        Error::wrong("level", "is no level", fix)
    })
}

/// Methods are compared as they come: RFC 9110 section 9.1 makes them case-sensitive.
pub(crate) fn allows(level: Level, method: &str) -> bool {
    match level {
        Level::Full => true,
        Level::Read => matches!(method, "GET" | "HEAD" | "OPTIONS"),
        Level::ReadWrite => matches!(method, "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH"),
    }
}

/// The refusal's text. A method that is no short word is not echoed.
pub(crate) fn refusal(level: Level, method: &str) -> String {
    let plain = (1..=32).contains(&method.len()) && method.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    let method = if plain { method } else { "such" };
    format!("API key permission level '{}' does not allow {method} requests", level.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_allows_what_the_one_before_does() {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PURGE", "get", ""] {
            assert!(!allows(Level::Read, method) || allows(Level::ReadWrite, method));
            assert!(allows(Level::Full, method));
        }
        assert!(!allows(Level::Read, "get") && !allows(Level::ReadWrite, "DELETE"));
    }

    #[test]
    fn a_hostile_method_is_not_echoed() {
        assert_eq!(refusal(Level::Read, "POST"), "API key permission level 'read' does not allow POST requests");
        assert!(!refusal(Level::Read, "<script>").contains('<'));
    }
}

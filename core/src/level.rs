//! Permission levels, and the HTTP methods that they allow.

use crate::error::Error;
use crate::input::chosen;
use crate::record::Level;

const LEVELS: [Level; 3] = [Level::Read, Level::ReadWrite, Level::Full];

pub(crate) fn parse(text: &str) -> Result<Level, Error> {
    chosen("level", text, "is no level", &LEVELS.map(|it| (it.as_str(), it)))
}

/// Whether a level allows a method. Methods are case-sensitive (RFC 9110, section 9.1). A restricted level does not allow a
/// request without a method, so that a host that forgets to pass it does not open a restricted key.
pub(crate) fn allows(level: Level, method: Option<&str>) -> bool {
    match level {
        Level::Full => true,
        Level::Read => matches!(method, Some("GET" | "HEAD" | "OPTIONS")),
        Level::ReadWrite => matches!(method, Some("GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH")),
    }
}

/// The message of a refusal. It echoes only a method that is a short word.
pub(crate) fn refusal(level: Level, method: Option<&str>) -> String {
    let Some(method) = method else {
        return format!("API key permission level '{}' cannot be judged without the request's method", level.as_str());
    };
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
            assert!(!allows(Level::Read, Some(method)) || allows(Level::ReadWrite, Some(method)));
            assert!(allows(Level::Full, Some(method)) && allows(Level::Full, None));
        }
        assert!(
            !allows(Level::Read, Some("get"))
                && !allows(Level::ReadWrite, Some("DELETE"))
                && !allows(Level::ReadWrite, None)
        );
    }

    #[test]
    fn a_hostile_method_is_not_echoed() {
        assert_eq!(refusal(Level::Read, Some("POST")), "API key permission level 'read' does not allow POST requests");
        assert!(!refusal(Level::Read, Some("<script>")).contains('<'));
    }
}

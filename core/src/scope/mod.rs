//! Scopes: their syntax, which scope covers which, and the catalogue of a product.

mod catalogue;

pub use catalogue::Catalogue;

use crate::error::Error;
use crate::input::Value;

const MAX_SCOPES: usize = 100;
const MAX_SEGMENT: usize = 64;

/// Texts and lists of scopes: `"deals:read,deals:write"`, or a list with one scope in each item.
pub trait IntoScopes {
    /// The scopes in canonical order: sorted, without duplicates.
    fn into_scopes(self) -> Result<Vec<String>, Error>;
}

impl IntoScopes for &str {
    fn into_scopes(self) -> Result<Vec<String>, Error> {
        canonical(split(self)?)
    }
}

impl<T: AsRef<str>, const N: usize> IntoScopes for [T; N] {
    fn into_scopes(self) -> Result<Vec<String>, Error> {
        canonical(self.iter().map(|it| it.as_ref().to_owned()).collect())
    }
}

impl IntoScopes for Vec<String> {
    fn into_scopes(self) -> Result<Vec<String>, Error> {
        canonical(self)
    }
}

pub(crate) fn read(value: Value) -> Result<Vec<String>, Error> {
    match value {
        Value::Text(text) => text.as_str().into_scopes(),
        Value::List(_) => canonical(value.into_texts("scopes")?),
        other => canonical(vec![other.into_text("scopes")?]),
    }
}

/// Splits at commas and spaces. It reports an empty item between commas, which is probably a mistake.
fn split(text: &str) -> Result<Vec<String>, Error> {
    if text.trim_matches(' ').is_empty() {
        return Ok(Vec::new());
    }
    let mut scopes = Vec::new();
    for part in text.split(',') {
        let before = scopes.len();
        scopes.extend(part.split(' ').filter(|it| !it.is_empty()).map(str::to_owned));
        if scopes.len() == before {
            return Err(Error::validation_failed("scopes", "has nothing between two commas", "remove the extra comma"));
        }
    }
    Ok(scopes)
}

fn canonical(mut scopes: Vec<String>) -> Result<Vec<String>, Error> {
    if scopes.len() > MAX_SCOPES {
        return Err(Error::validation_failed(
            "scopes",
            format!("has more than {MAX_SCOPES} scopes"),
            "use wildcards like deals:*",
        ));
    }
    for scope in &scopes {
        check(scope)?;
    }
    scopes.sort();
    scopes.dedup();
    Ok(scopes)
}

/// Checks the syntax: two or three segments, `*` only as the last one. All characters are valid in a scope token of RFC 6749
/// (section 3.3).
pub(crate) fn check(scope: &str) -> Result<(), Error> {
    const FIX: &str = "write resource:action in a-z, 0-9, _ . and -, like deals:read or deals:*";
    if scope == "*" {
        return Err(Error::validation_failed("scopes", "holds a bare *", "name the resource, like deals:*"));
    }
    let segments: Vec<&str> = scope.split(':').collect();
    if !(2..=3).contains(&segments.len()) {
        return Err(Error::validation_failed("scopes", "holds a scope without two or three segments", FIX));
    }
    let last = segments.len() - 1;
    for (index, segment) in segments.iter().enumerate() {
        let reason = match *segment {
            "" => "holds a scope with an empty segment",
            "*" if index == last => continue,
            "*" => "holds a scope with * before the last segment",
            it if it.len() > MAX_SEGMENT => "holds a segment longer than 64 characters",
            it if it.bytes().all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-')) => continue,
            it if it.contains('*') => "holds a * inside a segment",
            it if it.bytes().any(|it| it.is_ascii_uppercase()) => "holds an upper-case letter",
            _ => "holds a character that no scope may have",
        };
        return Err(Error::validation_failed("scopes", reason, FIX));
    }
    Ok(())
}

/// Whether a granted scope covers a required one. It compares whole segments.
pub(crate) fn covers(granted: &str, required: &str) -> bool {
    covers_bytes(granted.as_bytes(), required.as_bytes())
}

fn covers_bytes(granted: &[u8], required: &[u8]) -> bool {
    match granted.strip_suffix(b"*").filter(|stem| stem.ends_with(b":")) {
        None => granted == required,
        Some(stem) => required.strip_prefix(stem).is_some_and(|rest| !rest.is_empty()),
    }
}

/// The scopes of `required` that nothing in `granted` covers. `granted` is a text of scopes, separated by single spaces.
pub(crate) fn missing(granted: &str, required: &[String]) -> Vec<String> {
    let covered = |scope: &&String| {
        // Compares bytes, because every verification runs this.
        granted.as_bytes().split(|it| *it == b' ').any(|it| covers_bytes(it, scope.as_bytes()))
    };
    if required.iter().all(|it| covered(&it)) {
        return Vec::new();
    }
    required.iter().filter(|it| !covered(it)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn coverage_compares_whole_segments() {
        for (granted, required, covered) in [
            ("deals:read", "deals:read", true),
            ("deals:readonly", "deals:read", false),
            ("deals:rea", "deals:read", false),
            ("deals:*", "deals:read", true),
            ("deals:*", "deals:read:own", true),
            ("deals:*", "deals:*", true),
            ("deals:*", "deal:read", false),
            ("deals:read:*", "deals:read", false),
            ("deals:read:*", "deals:read:own", true),
            ("deals:read", "deals:*", false),
            ("deals:read", "deals:read:own", false),
            ("*", "deals:read", false),
            ("deals:r*", "deals:read", false),
        ] {
            assert_eq!(covers(granted, required), covered, "{granted} {required}");
        }
    }

    #[test]
    fn forms() {
        assert_eq!("b:x, a:y  b:x".into_scopes().unwrap(), ["a:y", "b:x"]);
        assert_eq!("".into_scopes().unwrap(), [""; 0]);
        for bad in [
            "*",
            "deals",
            "a:b:c:d",
            "deals:",
            ":read",
            "deals::read",
            "Deals:read",
            "deals:r*",
            "*:read",
            "a:b,,c:d",
            "a:b,",
            "deals:réad",
            "deals:read\n",
            "deals:\u{0440}ead",
        ] {
            assert!(bad.into_scopes().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reading_any_text_gives_canonical_scopes_or_an_error(text in "\\PC{0,40}") {
            if let Ok(scopes) = text.as_str().into_scopes() {
                prop_assert_eq!(scopes.clone().into_scopes().unwrap(), scopes.clone());
                prop_assert!(scopes.windows(2).all(|it| it[0] < it[1]));
            }
        }

        #[test]
        fn a_wildcard_covers_what_its_members_cover(resource in "[a-z]{1,6}", action in "[a-z]{1,6}", detail in "[a-z]{1,6}") {
            let (two, three) = (format!("{resource}:{action}"), format!("{resource}:{action}:{detail}"));
            let all = format!("{resource}:*");
            prop_assert!(covers(&all, &two) && covers(&all, &three));
            prop_assert!(!covers(&two, &three) && !covers(&three, &two));
        }
    }
}

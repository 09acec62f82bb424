//! JSON bodies.

use super::{Head, query};
use crate::casing::Casing;
use crate::error::Error;
use crate::http::refusal::Refusal;
use crate::input::{Value, parse_time};

/// Reads the arguments of a body: one JSON object in which each name occurs once. Without a body there are none.
pub(super) fn read(head: &Head<'_>, body: &[u8], casing: Casing) -> Result<Vec<(String, Value)>, Refusal> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    require_json(head)?;
    let parsed: Result<Value, _> = serde_json::from_slice(body);
    let value = parsed.map_err(|error| {
        let reason = format!("is no valid JSON from line {} column {}", error.line(), error.column());
        Error::validation_failed("body", reason, "send one object, in which each name stands once")
    })?;
    let Value::Map(mut entries) = value else {
        return Err(Error::validation_failed("body", "is no JSON object", "send named fields in braces").into());
    };
    let at = casing.spell("expires_at");
    for (name, value) in &mut entries {
        if *name == at
            && let Value::Text(text) = value
        {
            *value = parse_time(name, text)?;
        }
    }
    Ok(entries)
}

/// Reads the arguments of a form (RFC 7662, section 2.1).
pub(super) fn read_form(head: &Head<'_>, body: &[u8]) -> Result<Vec<(String, Value)>, Refusal> {
    require_type(head, "application/x-www-form-urlencoded")?;
    Ok(query::pairs("body", body)?.into_iter().map(|(name, it)| (name, Value::Text(it))).collect())
}

/// Refuses any content type but JSON, which no form of a page can send.
pub(super) fn require_json(head: &Head<'_>) -> Result<(), Refusal> {
    require_type(head, "application/json")
}

fn require_type(head: &Head<'_>, wanted: &str) -> Result<(), Refusal> {
    let kind = head.single("content-type").unwrap_or_default();
    let kind = kind.split(|it| *it == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(wanted.as_bytes()) {
        return Ok(());
    }
    Err(Refusal::new(415, "UNSUPPORTED_MEDIA_TYPE", format!("Send the content type {wanted}, without a body as well")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(body: &[u8]) -> u16 {
        let headers: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"application/json; charset=utf-8")];
        read(&Head::new("POST", "/keys").headers(&headers), body, Casing::Snake).map_or_else(|it| it.status, |_| 200)
    }

    #[test]
    fn one_object_without_ambiguity() {
        assert_eq!(status(b""), 200);
        assert_eq!(status(br#"{"name": "CI", "metadata": {"a": [1, 2.5, null, true]}}"#), 200);
        assert_eq!(status(br#"{"expires_at": "2030-01-31T12:00:00+02:00"}"#), 200);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        let bad: [&[u8]; 18] = [
            b" ",
            b"[]",
            b"null",
            b"\"x\"",
            b"{",
            b"{}x",
            b"{}{}",
            b"\xef\xbb\xbf{}",
            br#"{"a": 1, "a": 2}"#,
            br#"{"a": {"b": 1, "b": 1}}"#,
            br#"{"a": NaN}"#,
            br#"{"a": 1e400}"#,
            br#"{"a": "\ud800"}"#,
            b"{\"a\": \"\xff\"}",
            br#"{"a": 01}"#,
            br#"{"expires_at": "2030-01-31"}"#,
            br#"{"expires_at": "2030-01-31T12:00:00"}"#,
            deep.as_bytes(),
        ];
        for body in bad {
            assert_eq!(status(body), 400, "{}", String::from_utf8_lossy(body.get(..60).unwrap_or(body)));
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"] {
            let headers: [(&[u8], &[u8]); 1] = [(b"content-type", kind.as_bytes())];
            let head = Head::new("POST", "/keys").headers(&headers);
            assert_eq!(read(&head, b"{}", Casing::Snake).err().map(|it| it.status), Some(415), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = status(&body);
        }
    }
}

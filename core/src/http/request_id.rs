use std::borrow::Cow;

use super::Head;
use crate::entropy;

const LONGEST: usize = 128;

/// The id of a request: the client's own where it is harmless in headers and logs, else a new one (UUID version 4).
/// It identifies nothing but the exchange.
pub(super) fn of(head: &Head<'_>) -> Cow<'static, str> {
    let plain = |it: &&[u8]| {
        (1..=LONGEST).contains(&it.len())
            && it.iter().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-'))
    };
    let given = head.single("x-request-id").filter(plain).and_then(|it| std::str::from_utf8(it).ok());
    match given {
        Some(id) => id.to_owned().into(),
        None => match entropy::bytes() {
            Ok(random) => uuid::Builder::from_random_bytes(random).into_uuid().to_string().into(),
            // An id is for logs alone: a system without randomness answers all the same.
            Err(_) => "unavailable".into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_propagated() {
        let id = |value: &[u8]| of(&Head::new("GET", "/").headers(&[(b"X-Request-Id", value)])).into_owned();
        assert_eq!(id(b"Order-7_a.b"), "Order-7_a.b");
        assert_eq!(id(b"  550e8400-e29b-41d4-a716-446655440000 ").len(), 36);
        for bad in [&b""[..], b"a b", b"a\x1bb", b"a\"b", "\u{e9}".as_bytes(), &[b'a'; 129]] {
            assert_ne!(id(bad).as_bytes(), bad);
            assert_eq!(id(bad).len(), 36);
        }
        let twice: &[(&[u8], &[u8])] = &[(b"x-request-id", b"a"), (b"x-request-id", b"b")];
        assert_eq!(of(&Head::new("GET", "/").headers(twice)).len(), 36);
    }
}

//! The id of a request, for logs.

use std::borrow::Cow;
use std::cell::RefCell;

use super::Head;
use super::receipt::is_request_id;
use crate::{entropy, fork};

/// How many ids one read of randomness yields.
const BATCH_SIZE: usize = 64;

thread_local! {
    static BATCH: RefCell<RandomBatch> = const { RefCell::new(RandomBatch { epoch: 0, random: [[0; 16]; BATCH_SIZE], left: 0 }) };
}

/// Randomness for the next ids. A read from the operating system costs more than the rest of making an id.
struct RandomBatch {
    epoch: u64,
    random: [[u8; 16]; BATCH_SIZE],
    left: usize,
}

impl RandomBatch {
    /// `None` if the system has no randomness.
    fn next(&mut self) -> Option<[u8; 16]> {
        // A forked child must not repeat the ids of its parent.
        if self.left == 0 || self.epoch != fork::epoch() {
            entropy::fill(self.random.as_flattened_mut()).ok()?;
            (self.left, self.epoch) = (BATCH_SIZE, fork::epoch());
        }
        self.left -= 1;
        self.random.get(self.left).copied()
    }
}

impl Head<'_> {
    /// The id of the request, for responses that nothing has judged: the id of the client if it is harmless and cannot hold
    /// a key, else a new one.
    ///
    /// ```
    /// use keywright::http::Head;
    /// let lines: [(&[u8], &[u8]); 1] = [(b"x-request-id", b"order-7")];
    /// assert_eq!(Head::new("GET", "/nowhere").headers(&lines).request_id(), "order-7");
    /// ```
    #[must_use]
    pub fn request_id(&self) -> Cow<'static, str> {
        request_id(self, may_hold_secret)
    }
}

/// The id of a request: the one of an outer guard, else the one of the client if it is harmless in headers and logs, else a
/// new one (UUID version 4). It identifies only the request. `holds_secret` tells whether an id holds the secret of a key.
pub(super) fn request_id(head: &Head<'_>, holds_secret: impl FnOnce(&str) -> bool) -> Cow<'static, str> {
    if let Some(receipt) = head.earlier {
        return receipt.request_id.clone();
    }
    let given = head.single("x-request-id").filter(|id| is_request_id(id)).and_then(|id| std::str::from_utf8(id).ok());
    match given.filter(|id| !holds_secret(id)) {
        Some(id) => id.to_owned().into(),
        None => match BATCH.with_borrow_mut(RandomBatch::next) {
            Some(random) => format_uuid(random).into(),
            // The id is only for logs, so a system without randomness answers all the same.
            None => "unavailable".into(),
        },
    }
}

/// Whether an id may hold a secret, judged without an engine. Every secret has 22 or more letters and digits in a row, in
/// which upper and lower case mix. UUIDs and the ids of tracing systems have one case.
pub(super) fn may_hold_secret(id: &str) -> bool {
    let mixes = |it: &str| it.bytes().any(|it| it.is_ascii_uppercase()) && it.bytes().any(|it| it.is_ascii_lowercase());
    id.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|run| run.len() >= 22 && mixes(run))
}

fn format_uuid(random: [u8; 16]) -> String {
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_propagated() {
        let id = |value: &[u8]| {
            request_id(&Head::new("GET", "/").headers(&[(b"X-Request-Id", value)]), may_hold_secret).into_owned()
        };
        assert_eq!(id(b"Order-7_a.b"), "Order-7_a.b");
        assert_eq!(id(b"  550e8400-e29b-41d4-a716-446655440000 ").len(), 36);
        for bad in [&b""[..], b"a b", b"a\x1bb", b"a\"b", "\u{e9}".as_bytes(), &[b'a'; 129]] {
            assert_ne!(id(bad).as_bytes(), bad);
            assert_eq!(id(bad).len(), 36);
        }
        for plain in ["4bf92f3577b34da6a3ce929d0e0e4736", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "Order-Deal_Import.2026-01-10"]
        {
            assert_eq!(id(plain.as_bytes()), plain);
        }
        assert_ne!(id(b"lw_9mG719N4YNpb_ZZEwYQUyO4iUC9oFuycptR"), "lw_9mG719N4YNpb_ZZEwYQUyO4iUC9oFuycptR");
        let twice: &[(&[u8], &[u8])] = &[(b"x-request-id", b"a"), (b"x-request-id", b"b")];
        assert_eq!(request_id(&Head::new("GET", "/").headers(twice), may_hold_secret).len(), 36);
    }
}

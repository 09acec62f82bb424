use std::borrow::Cow;
use std::cell::RefCell;

use super::Head;
use crate::{entropy, fork};

const LONGEST: usize = 128;

/// How many new ids are drawn together.
const DRAWN: usize = 64;

thread_local! {
    static AHEAD: RefCell<Ahead> = const { RefCell::new(Ahead { epoch: 0, random: [[0; 16]; DRAWN], left: 0 }) };
}

/// Randomness for ids to come: each draw from the operating system costs more than all else that an id does.
struct Ahead {
    epoch: u64,
    random: [[u8; 16]; DRAWN],
    left: usize,
}

impl Ahead {
    /// `None` in a system without randomness.
    fn next(&mut self) -> Option<[u8; 16]> {
        // A forked child must not repeat what its parent says.
        if self.left == 0 || self.epoch != fork::epoch() {
            entropy::fill(self.random.as_flattened_mut()).ok()?;
            (self.left, self.epoch) = (DRAWN, fork::epoch());
        }
        self.left -= 1;
        self.random.get(self.left).copied()
    }
}

/// The id of a request: the one that it was given already, the client's own where it is harmless in headers and logs, else
/// a new one (UUID version 4). It identifies nothing but the exchange. `exposes` says whether an id holds the secret of a key.
pub(super) fn of(head: &Head<'_>, exposes: impl FnOnce(&str) -> bool) -> Cow<'static, str> {
    if let Some(earlier) = head.earlier {
        return earlier.request_id.clone();
    }
    let plain = |it: &&[u8]| {
        (1..=LONGEST).contains(&it.len())
            && it.iter().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-'))
    };
    let given = head.single("x-request-id").filter(plain).and_then(|it| std::str::from_utf8(it).ok());
    match given.filter(|it| !exposes(it)) {
        Some(id) => id.to_owned().into(),
        None => match AHEAD.with_borrow_mut(Ahead::next) {
            Some(random) => written(random).into(),
            // An id is for logs alone: a system without randomness answers all the same.
            None => "unavailable".into(),
        },
    }
}

/// Whether an id may hold a secret, where no engine is there to tell: every secret has 22 letters and digits or more in a
/// row, among which upper and lower case mix. Ids of tracing and UUIDs have one case.
pub(super) fn may_expose(id: &str) -> bool {
    let mixes = |it: &str| it.bytes().any(|it| it.is_ascii_uppercase()) && it.bytes().any(|it| it.is_ascii_lowercase());
    id.split(|it: char| !it.is_ascii_alphanumeric()).any(|it| it.len() >= 22 && mixes(it))
}

fn written(random: [u8; 16]) -> String {
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_propagated() {
        let id =
            |value: &[u8]| of(&Head::new("GET", "/").headers(&[(b"X-Request-Id", value)]), may_expose).into_owned();
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
        assert_eq!(of(&Head::new("GET", "/").headers(twice), may_expose).len(), 36);
    }
}

//! Requests that are done once, however often they are sent: by what they are told apart, and what a repeat gets
//! (draft-ietf-httpapi-idempotency-key-header).

use sha2::{Digest, Sha256};

use crate::clock::{DAY, Millis, SECOND};
use crate::error::Error;
use crate::hash::frame;

/// How long an outcome is remembered.
pub(crate) const KEPT: Millis = DAY;

/// How long a request may run before its key is free again, since whoever ran it may have died.
pub(crate) const LEASE: Millis = 60 * SECOND;

/// How many requests of one caller are remembered at a time. A new request beyond them does not run.
pub(crate) const MOST_KEPT: u32 = 10_000;

/// How many bytes the kept answers of one caller take at most: 64 MiB. An answer beyond them is remembered without its text.
pub(crate) const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The argument that errors speak of.
const FIELD: &str = "Idempotency-Key";

/// The longest key, in characters.
const LONGEST: usize = 255;

/// A request under an idempotency key. Of the key, of who sends it and of what it says only digests are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) org: String,
    /// Who sends it, and under which key.
    pub(crate) name: [u8; 32],
    /// The sender, whichever agent it names: a caller may make up agents.
    pub(crate) caller: [u8; 32],
    /// All that it says.
    pub(crate) request: [u8; 32],
    pub(crate) at: Millis,
}

impl Attempt {
    pub(crate) fn new(org: &str, who: [&str; 3], key: &str, request: [&[u8]; 4], at: Millis) -> Self {
        let [kind, id, agent] = who.map(str::as_bytes);
        let name = digest([kind, id, agent, key.as_bytes()]);
        let caller = digest([kind, id, b"", b""]);
        Self { org: org.to_owned(), name, caller, request: digest(request), at }
    }
}

/// The right to run a request, until its end or for the length of a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) org: String,
    pub(crate) name: [u8; 32],
    pub(crate) caller: [u8; 32],
    /// Held by nobody else, also when another runs the request after this lease.
    pub(crate) token: [u8; 16],
}

/// What is remembered of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) request: [u8; 32],
    pub(crate) outcome: Outcome,
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Running,
    /// A change was made; its answer is made anew from what was changed, so that no secret is kept for it.
    Changed(String),
    Answered(Kept),
    /// It did not run, since its caller has [`MOST_KEPT`] others. The first of them is forgotten at this time.
    Full(Millis),
}

/// What becomes of a request that wants to run.
pub(crate) enum Begun {
    Running(Lease),
    Repeated(Outcome),
}

/// The answer of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) status: u16,
    /// Names and values, as JSON.
    pub(crate) headers: String,
    /// `None` where it was too long to be kept, or its caller has [`MOST_BYTES`] of others.
    pub(crate) body: Option<Vec<u8>>,
}

impl Memory {
    /// What the same request once more is answered with.
    ///
    /// # Errors
    /// `idempotency_mismatch` for another request, `in_progress` while the first one runs.
    pub(crate) fn repeated(self, attempt: &Attempt) -> Result<Outcome, Error> {
        match self.outcome {
            _ if self.request != attempt.request => Err(Error::idempotency_mismatch(
                FIELD,
                "was used with another request",
                "send each request with a key of its own",
            )),
            Outcome::Running => Err(in_progress()),
            outcome => Ok(outcome),
        }
    }
}

pub(crate) fn in_progress() -> Error {
    Error::in_progress(FIELD, "belongs to a request that is still running", "send it again in a moment")
}

/// Two people in one session of an org would get each other's answers.
pub(crate) fn nobodys() -> Error {
    Error::validation_failed(
        FIELD,
        "belongs to nobody, since the session names no actor",
        "leave it out, or let the session name its actor",
    )
}

/// Reads the lines of the header, of which there may be one: a string of RFC 8941, section 3.3.3, or the same characters
/// bare.
pub(crate) fn read<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Result<Option<String>, Error> {
    let wrong = |reason: &str| {
        Error::validation_failed(
            FIELD,
            reason,
            format!("send 1 to {LONGEST} visible ASCII characters, like \"8e03978e-40d5\""),
        )
    };
    let Some(value) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(wrong("stands twice"));
    }
    let key = match value.strip_prefix(b"\"") {
        Some(rest) => unquoted(rest).ok_or_else(|| wrong("is no string"))?,
        None if value.iter().any(|it| b"\",\\".contains(it)) => return Err(wrong("holds a quote, comma or backslash")),
        None => value.to_vec(),
    };
    match String::from_utf8(key) {
        Ok(key) if key.is_empty() => Err(wrong("is empty")),
        Ok(key) if key.len() > LONGEST => Err(wrong("is too long")),
        Ok(key) if key.bytes().all(|it| it.is_ascii_graphic()) => Ok(Some(key)),
        _ => Err(wrong("holds what is not visible")),
    }
}

/// What stands before the quote that ends a string, `None` where that is not its end.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    loop {
        match rest.next()? {
            b'"' => return rest.as_slice().is_empty().then_some(out),
            b'\\' => out.push(*rest.next().filter(|it| b"\"\\".contains(it))?),
            other => out.push(*other),
        }
    }
}

/// Length-framed, so that no two lists of parts give the same bytes.
fn digest(parts: [&[u8]; 4]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(frame(part));
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attempt(org: &str, who: [&str; 3], key: &str, body: &str) -> Attempt {
        Attempt::new(org, who, key, [b"manage", b"POST", b"/keys", body.as_bytes()], 0)
    }

    fn one(value: &[u8]) -> Result<String, Error> {
        read([value].into_iter()).map(Option::unwrap)
    }

    #[test]
    fn a_key_is_the_same_bare_and_as_a_string() {
        for (value, key) in [("abc", "abc"), ("\"abc\"", "abc"), ("a:b;c=1", "a:b;c=1"), (r#""a,\"\\b""#, r#"a,"\b"#)] {
            assert_eq!(one(value.as_bytes()).as_deref(), Ok(key), "{value}");
        }
        assert!(one(&[b'a'; 255]).is_ok());
        assert_eq!(read(std::iter::empty()), Ok(None));
        assert!(read([&b"a"[..], b"a"].into_iter()).is_err());
        let bad: [&[u8]; 14] = [
            b"",
            b"\"\"",
            b"\"",
            b"\"a",
            b"a\"",
            b"\"a\"b",
            b"\"a\";b",
            b"\"a\", \"a\"",
            b"a, a",
            b"a b",
            b"\"a b\"",
            br#""\a""#,
            b"\xc3\xa9",
            b"a\x7f",
        ];
        for value in bad.into_iter().chain([&[b'a'; 256][..]]) {
            let error = one(value).unwrap_err();
            assert_eq!((error.code(), error.field()), ("validation_failed", Some(FIELD)), "{value:?}");
        }
    }

    #[test]
    fn each_part_tells_requests_apart() {
        let first = attempt("acme", ["session", "alice", ""], "k", "{}");
        for other in [["key", "alice", ""], ["session", "bob", ""], ["session", "", ""], ["session", "alice", "bot"]] {
            assert_ne!(attempt("acme", other, "k", "{}").name, first.name, "{other:?}");
        }
        assert_ne!(attempt("acme", ["session", "alic", "e"], "k", "{}").name, first.name);
        assert_ne!(attempt("acme", ["session", "alice", ""], "k", "{ }").request, first.request);
        assert_eq!(attempt("acme", ["session", "alice", ""], "k", "{ }").name, first.name);
        for (other, is_same) in
            [(["session", "alice", "bot"], true), (["session", "bob", ""], false), (["key", "alice", ""], false)]
        {
            assert_eq!(attempt("acme", other, "another", "{}").caller == first.caller, is_same, "{other:?}");
        }
    }

    #[test]
    fn a_repeat_gets_what_came_of_it_and_another_request_does_not() {
        let (first, other) = (attempt("a", ["key", "1", ""], "k", ""), attempt("a", ["key", "1", ""], "k", "x"));
        let memory = |outcome: Outcome| Memory { request: first.request, outcome };
        let changed = Outcome::Changed("7".into());
        assert_eq!(memory(changed.clone()).repeated(&first), Ok(changed.clone()));
        for (memory, attempt, code) in [
            (memory(Outcome::Running), &first, "in_progress"),
            (memory(Outcome::Running), &other, "idempotency_mismatch"),
            (memory(changed), &other, "idempotency_mismatch"),
        ] {
            assert_eq!(memory.repeated(attempt).unwrap_err().code(), code);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(key) = one(&value) {
                let quoted = format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""));
                prop_assert_eq!(one(quoted.as_bytes()), Ok(key));
            }
        }
    }
}

//! Idempotent requests, which run once however often they are sent: how they are identified, and the outcome that a repeat
//! gets (draft-ietf-httpapi-idempotency-key-header).

use sha2::{Digest, Sha256};

use crate::clock::{DAY, Millis, SECOND};
use crate::error::Error;
use crate::hash::frame;

/// How long an outcome is stored.
pub(crate) const RETENTION: Millis = DAY;

/// How long a request may run before its key is free again, since the process that ran it may have died.
pub(crate) const LEASE_DURATION: Millis = 60 * SECOND;

/// How many requests of one caller are stored at a time. A new request beyond them does not run.
pub(crate) const MAX_REQUESTS_PER_CALLER: u32 = 10_000;

/// How often the expired rows of all callers are deleted at least, while verifications are counted. A new request deletes some
/// as well.
pub(crate) const SWEEP_INTERVAL: Millis = 60 * SECOND;

/// How many expired rows one statement of a store deletes at most.
pub(crate) const MAX_DELETED_AT_ONCE: usize = 100;

/// How many bytes the stored responses of one caller may take: 64 MiB. A response beyond them is stored without its body.
pub(crate) const MAX_BYTES_PER_CALLER: u64 = 64 * 1024 * 1024;

/// The argument that errors name.
const FIELD: &str = "Idempotency-Key";

/// The maximum length of a key, in characters.
const MAX_KEY_LENGTH: usize = 255;

/// A request with an idempotency key. The key, the caller and the content are stored as digests only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotentRequest {
    pub(crate) org: String,
    /// Digest of the caller, its agent and the idempotency key.
    pub(crate) name: [u8; 32],
    /// Digest of the caller without the agent, since a caller may invent agents.
    pub(crate) caller: [u8; 32],
    /// Digest of the content.
    pub(crate) content: [u8; 32],
    pub(crate) at: Millis,
}

impl IdempotentRequest {
    /// `caller` is its kind, id and agent.
    pub(crate) fn new(org: &str, caller: [&str; 3], key: &str, content: [&[u8]; 4], at: Millis) -> Self {
        let [kind, id, agent] = caller.map(str::as_bytes);
        let name = digest([kind, id, agent, key.as_bytes()]);
        let caller = digest([kind, id, b"", b""]);
        Self { org: org.to_owned(), name, caller, content: digest(content), at }
    }
}

/// The right to run a request, until it is finished or the lease expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestLease {
    pub(crate) org: String,
    pub(crate) name: [u8; 32],
    pub(crate) caller: [u8; 32],
    /// Unique for this lease. A later lease on the same request has another token.
    pub(crate) token: [u8; 16],
}

/// The stored outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredOutcome {
    /// Digest of the content of the request.
    pub(crate) content: [u8; 32],
    pub(crate) outcome: RequestOutcome,
}

/// The state of a request that was sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    Running,
    /// A management call changed the record with this id. A repeat builds its response from the record, so that no secret
    /// is stored for it.
    Changed(String),
    Answered(StoredResponse),
    /// It does not run, since its caller has [`MAX_REQUESTS_PER_CALLER`] others. The first of them expires at this time.
    Full(Millis),
}

/// The outcome of starting a request.
pub(crate) enum BeginOutcome {
    Started(RequestLease),
    Repeated(RequestOutcome),
}

/// The response of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredResponse {
    pub(crate) status: u16,
    /// A JSON object of names and values.
    pub(crate) headers: String,
    /// `None` if it was too long to be stored, or if its caller has used up [`MAX_BYTES_PER_CALLER`].
    pub(crate) body: Option<Vec<u8>>,
}

impl StoredOutcome {
    /// The outcome that a repeat of the request gets.
    ///
    /// # Errors
    /// `idempotency_mismatch` if the content differs, `in_progress` while the first one runs.
    pub(crate) fn replay(self, request: &IdempotentRequest) -> Result<RequestOutcome, Error> {
        match self.outcome {
            _ if self.content != request.content => Err(Error::idempotency_mismatch(
                FIELD,
                "was used with another request",
                "send each request with a key of its own",
            )),
            RequestOutcome::Running => Err(in_progress()),
            outcome => Ok(outcome),
        }
    }
}

pub(crate) fn in_progress() -> Error {
    Error::in_progress(FIELD, "belongs to a request that is still running", "send it again in a moment")
}

/// Refuses a key in a session without an actor: two people in such sessions would get each other's responses.
pub(crate) fn anonymous_session() -> Error {
    Error::validation_failed(
        FIELD,
        "belongs to nobody, since the session names no actor",
        "leave it out, or let the session name its actor",
    )
}

/// Parses the header, which may have one line: a string of RFC 8941, section 3.3.3, or the same characters without quotes.
pub(crate) fn parse_header<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Result<Option<String>, Error> {
    let wrong = |reason: &str| {
        Error::validation_failed(
            FIELD,
            reason,
            format!("send 1 to {MAX_KEY_LENGTH} visible ASCII characters, like \"8e03978e-40d5\""),
        )
    };
    let Some(value) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(wrong("stands twice"));
    }
    let key = match value.strip_prefix(b"\"") {
        Some(rest) => unquoted(rest).ok_or_else(|| wrong("is no string"))?,
        None if value.iter().any(|byte| b"\",\\".contains(byte)) => {
            return Err(wrong("holds a quote, comma or backslash"));
        }
        None => value.to_vec(),
    };
    match String::from_utf8(key) {
        Ok(key) if key.is_empty() => Err(wrong("is empty")),
        Ok(key) if key.len() > MAX_KEY_LENGTH => Err(wrong("is too long")),
        Ok(key) if key.bytes().all(|it| it.is_ascii_graphic()) => Ok(Some(key)),
        _ => Err(wrong("holds what is not visible")),
    }
}

/// The text of a string up to its closing quote. `None` if there is none, or if anything follows it.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    loop {
        match rest.next()? {
            b'"' => return rest.as_slice().is_empty().then_some(out),
            b'\\' => out.push(*rest.next().filter(|byte| b"\"\\".contains(byte))?),
            other => out.push(*other),
        }
    }
}

/// Digest of several parts, each preceded by its length, so that no two lists of parts give the same bytes.
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

    fn attempt(org: &str, who: [&str; 3], key: &str, body: &str) -> IdempotentRequest {
        IdempotentRequest::new(org, who, key, [b"manage", b"POST", b"/keys", body.as_bytes()], 0)
    }

    fn one(value: &[u8]) -> Result<String, Error> {
        parse_header([value].into_iter()).map(Option::unwrap)
    }

    #[test]
    fn a_key_is_the_same_bare_and_as_a_string() {
        for (value, key) in [("abc", "abc"), ("\"abc\"", "abc"), ("a:b;c=1", "a:b;c=1"), (r#""a,\"\\b""#, r#"a,"\b"#)] {
            assert_eq!(one(value.as_bytes()).as_deref(), Ok(key), "{value}");
        }
        assert!(one(&[b'a'; 255]).is_ok());
        assert_eq!(parse_header(std::iter::empty()), Ok(None));
        assert!(parse_header([&b"a"[..], b"a"].into_iter()).is_err());
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
        assert_ne!(attempt("acme", ["session", "alice", ""], "k", "{ }").content, first.content);
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
        let memory = |outcome: RequestOutcome| StoredOutcome { content: first.content, outcome };
        let changed = RequestOutcome::Changed("7".into());
        assert_eq!(memory(changed.clone()).replay(&first), Ok(changed.clone()));
        for (memory, attempt, code) in [
            (memory(RequestOutcome::Running), &first, "in_progress"),
            (memory(RequestOutcome::Running), &other, "idempotency_mismatch"),
            (memory(changed), &other, "idempotency_mismatch"),
        ] {
            assert_eq!(memory.replay(attempt).unwrap_err().code(), code);
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

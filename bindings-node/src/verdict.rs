//! A verification's text and outcome.

use keywright::input::Value;
use keywright::{Code, Decision, Error, LimitState};
use serde::Serialize;

use crate::call::{json, misuse};
use crate::row::{Row, millis};

/// The presented text as bytes: whatever is text is judged, and what no text can be is a mistake of the caller.
pub(crate) fn presented(text: Value) -> Result<Option<Vec<u8>>, Error> {
    match text {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text.into_bytes())),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        // A byte that is in no text, so that this is in no key.
        Value::BrokenText => Ok(Some(vec![0xff])),
        _ => Err(misuse("api_key", "must be text or bytes", "give what the request presented, or null for nothing")),
    }
}

#[derive(Default, Serialize)]
struct Verdict<'a> {
    allowed: bool,
    code: Option<Code>,
    message: &'a str,
    status: u16,
    key: Option<Row<'a>>,
    missing_scopes: &'a [String],
    limits: Vec<LimitState>,
    retry_after_seconds: Option<u64>,
    deprecated: bool,
    grace_ends_at: Option<i64>,
    agent: Option<&'a str>,
}

/// The decision, or the mistake of the caller that is behind it.
pub(crate) fn outcome(decision: &Decision) -> Result<String, Error> {
    if let Decision::Denied(denial) = decision
        && let Some(error) = denial.misuse()
    {
        return Err(error.clone());
    }
    json(&Verdict {
        allowed: decision.is_allowed(),
        code: decision.code(),
        message: decision.message(),
        status: decision.status(),
        key: decision.key().map(Row),
        missing_scopes: decision.missing_scopes(),
        limits: decision.limits(),
        retry_after_seconds: decision.retry_after_seconds(),
        deprecated: decision.grace_ends_at().is_some(),
        grace_ends_at: decision.grace_ends_at().as_ref().map(millis),
        agent: decision.agent(),
    })
}

/// An engine that could not be opened verifies nothing, which is a decision; wrong options are a mistake.
pub(crate) fn unopened(error: Error) -> Result<String, Error> {
    let Error::Unavailable { .. } = error else { return Err(error) };
    let (code, message) = (Code::Unavailable, format!("API keys cannot be verified now: {error}"));
    json(&Verdict { code: Some(code), message: &message, status: code.status(), ..Verdict::default() })
}

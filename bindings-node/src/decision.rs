//! The credential and the decision of a verification.

use keywright::ffi::Value;
use keywright::{Code, Decision, Error, LimitState, QuotaState};
use serde::Serialize;

use crate::call::{invalid_request, json};
use crate::key_row::{KeyRow, millis};

/// Returns the presented credential as bytes. Any text is verified; a value of another type is an error of the caller.
pub(crate) fn credential(text: Value) -> Result<Option<Vec<u8>>, Error> {
    match text {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text.into_bytes())),
        Value::Bytes(bytes) => Ok(Some(bytes)),
        // A byte that no key contains.
        Value::BrokenText => Ok(Some(vec![0xff])),
        _ => Err(invalid_request(
            "api_key",
            "must be text or bytes",
            "give what the request presented, or null for nothing",
        )),
    }
}

#[derive(Default, Serialize)]
struct DecisionFields<'a> {
    allowed: bool,
    code: Option<Code>,
    message: &'a str,
    status: u16,
    key: Option<KeyRow<'a>>,
    missing_scopes: &'a [String],
    limits: Vec<LimitState>,
    quotas: Vec<QuotaState>,
    retry_after_seconds: Option<u64>,
    deprecated: bool,
    grace_ends_at: Option<i64>,
    agent: Option<&'a str>,
}

/// Returns the decision as JSON, or the error of a request without meaning.
pub(crate) fn to_json(decision: &Decision) -> Result<String, Error> {
    if let Decision::Denied(denial) = decision
        && let Some(error) = denial.misuse()
    {
        return Err(error.clone());
    }
    json(&DecisionFields {
        allowed: decision.is_allowed(),
        code: decision.code(),
        message: decision.message(),
        status: decision.status(),
        key: decision.key().map(KeyRow),
        missing_scopes: decision.missing_scopes(),
        limits: decision.limits(),
        quotas: decision.quotas(),
        retry_after_seconds: decision.retry_after_seconds(),
        deprecated: decision.grace_ends_at().is_some(),
        grace_ends_at: decision.grace_ends_at().as_ref().map(millis),
        agent: decision.agent(),
    })
}

/// Returns the decision `unavailable` for an engine that could not be opened. Wrong options stay an error.
pub(crate) fn unavailable_json(error: Error) -> Result<String, Error> {
    let Error::Unavailable { .. } = error else { return Err(error) };
    let (code, message) = (Code::Unavailable, format!("API keys cannot be verified now: {error}"));
    json(&DecisionFields { code: Some(code), message: &message, status: code.status(), ..DecisionFields::default() })
}

//! Refusals of requests, and the responses to them.

use std::borrow::Cow;

use serde_json::json;

use super::response_style::{Challenge, ErrorFormat, ResponseStyle};
use super::{Header, Response};
use crate::decision::{Code, Denial, UNAVAILABLE};
use crate::error::{Error, UnavailableCause};
use crate::record::{LimitState, QuotaState};

/// The reason why a request is refused. The style of the API turns it into a response.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
    challenge: Option<Challenge>,
    pub(super) headers: Vec<Header>,
    /// The state of the limits and quotas of the key.
    states: Option<Box<BudgetStates>>,
}

/// The challenge if the credential of a request is not valid.
const INVALID: Challenge = Challenge::Key(", error=\"invalid_token\"");

/// The message for a change while the store fails. That no key can be verified would not tell whether the change was made.
const UNCHANGED: &str = "The change cannot be made right now; try again later";

const IN_PROGRESS: &str = "IN_PROGRESS";

/// Seconds after which to retry if an internal step failed.
const RETRY_SECONDS: &str = "1";

/// The state of the limits and quotas of a refused key.
#[derive(Debug, Clone, PartialEq)]
struct BudgetStates {
    limits: Vec<LimitState>,
    quotas: Vec<QuotaState>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into(), challenge: None, headers: Vec::new(), states: None }
    }

    pub(super) fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, Code::InvalidRequest.wire(), message)
    }

    pub(super) fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(403, "FORBIDDEN", message)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "There is nothing here")
    }

    pub(super) fn missing() -> Self {
        Self { challenge: Some(Challenge::Key("")), ..Self::new(401, Code::Missing.wire(), "An API key is required") }
    }

    pub(super) fn invalid_client() -> Self {
        let message = "client_id is neither the id nor the prefix of the key in client_secret";
        Self { challenge: Some(INVALID), ..Self::new(401, Code::Invalid.wire(), message) }
    }

    /// The same refusal, to a client that authenticates by `Authorization: Basic`.
    pub(super) fn for_basic(self) -> Self {
        Self { challenge: self.challenge.and(Some(Challenge::Client)), ..self }
    }

    pub(super) fn bad_session() -> Self {
        Self { challenge: Some(INVALID), ..Self::new(401, "INVALID_SESSION", "The session token is not valid") }
    }

    pub(super) fn unavailable() -> Self {
        Self::new(503, Code::Unavailable.wire(), UNAVAILABLE).with("retry-after", RETRY_SECONDS)
    }

    /// The same refusal, of a request that was to change something.
    pub(super) fn of_change(self) -> Self {
        if self.message == UNAVAILABLE { Self { message: UNCHANGED.into(), ..self } } else { self }
    }

    /// Clients repeat a 503, which a change that may have been made does not stand.
    fn unconfirmed() -> Self {
        let message = "The change may have been made or not; read the record to see";
        Self::new(504, Code::Unavailable.wire(), message)
    }

    pub(super) fn is_in_progress(&self) -> bool {
        self.code == IN_PROGRESS
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn and(mut self, headers: Vec<Header>) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(super) fn map_message(self, with: impl FnOnce(&str) -> String) -> Self {
        Self { message: with(&self.message).into(), ..self }
    }

    /// The refusal of a denied verification.
    pub(super) fn denied(denial: &Denial) -> Self {
        let status = denial.code.status();
        if denial.misuse().is_some() {
            // The needs of the host are wrong, which is not the fault of the client.
            return Self::unavailable();
        }
        let mut refusal = Self::new(status, denial.code.wire(), denial.message.clone());
        match denial.code {
            Code::Missing => refusal.challenge = Some(Challenge::Key("")),
            _ if status == 401 => refusal.challenge = Some(INVALID),
            Code::Unavailable => return Self::unavailable(),
            _ => {}
        }
        if let Some(seconds) = denial.retry_after_seconds {
            refusal = refusal.with("retry-after", seconds.to_string());
        }
        let states = BudgetStates { limits: denial.limits(), quotas: denial.quotas() };
        refusal.states = (!states.limits.is_empty() || !states.quotas.is_empty()).then(|| states.into());
        refusal
    }

    /// The response to the refused request.
    pub(super) fn response(self, style: &ResponseStyle, request_id: Cow<'static, str>, is_head: bool) -> Response {
        let id = style.casing.spell("request_id");
        let body = match style.errors {
            ErrorFormat::Problem => json!({
                "type": "about:blank",
                "title": reason_phrase(self.status),
                "status": self.status,
                "detail": self.message,
                "code": self.code,
                id: request_id,
            }),
            ErrorFormat::List => json!({"errors": [{"code": self.code, "message": self.message}]}),
            ErrorFormat::Plain => json!({"code": self.code, "message": self.message, id: request_id}),
        };
        let mut headers = vec![("content-type", style.errors.content_type().into())];
        headers.extend(style.headers(request_id));
        if let Some(challenge) = self.challenge {
            headers.push(("www-authenticate", style.challenge(challenge).into()));
        }
        headers.extend(self.headers);
        if let Some(states) = self.states {
            style.rate_limit_headers.add(&mut headers, &states.limits, &states.quotas);
        }
        Response { status: self.status, headers, body: if is_head { Vec::new() } else { body.to_string().into() } }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unavailable { cause: UnavailableCause::Unconfirmed, .. } => Self::unconfirmed(),
            Error::Unavailable { .. } | Error::Closed => Self::unavailable(),
            Error::InProgress(_) => {
                Self::new(error.status(), IN_PROGRESS, error.to_string()).with("retry-after", RETRY_SECONDS)
            }
            _ => Self::new(error.status(), error.code().to_ascii_uppercase(), error.to_string()),
        }
    }
}

/// The reason phrase of a status (RFC 9110, section 15), which is the title of a problem of the type `about:blank`
/// (RFC 9457, section 4.2.1).
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        504 => "Gateway Timeout",
        _ => "Service Unavailable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_may_have_been_made_is_not_told_to_be_repeated() {
        let refusal = |cause| Refusal::from(Error::unavailable(cause, "the connection broke off", "read the record"));
        let (lost, busy) = (refusal(UnavailableCause::Unconfirmed), refusal(UnavailableCause::Busy));
        assert_eq!((lost.status, busy.status), (504, 503));
        assert_eq!((&lost.code, lost.headers.len(), busy.headers.len()), (&busy.code, 0, 1));
        // Only the one that was not made says so.
        assert_eq!((lost.clone().of_change(), busy.of_change().message.as_ref()), (lost, UNCHANGED));
    }
}

//! How a refused request is answered.

use std::borrow::Cow;

use serde_json::json;

use super::config::{Errors, Manner};
use super::{Header, Response};
use crate::decision::{Code, Denial, UNAVAILABLE};
use crate::error::Error;
use crate::record::LimitState;

/// Why a request is refused, before it has the form in which this API answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
    challenge: Option<Challenge>,
    pub(super) headers: Vec<Header>,
    /// Where the limits of the key stand.
    limits: Box<[LimitState]>,
}

/// The credential that a 401 asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Challenge {
    /// A key, and the rest of the challenge: nothing where no credential came (RFC 6750, section 3.1).
    Key(&'static str),
    /// The id and secret of a client (RFC 6749, section 5.2).
    Client,
}

/// A credential came and does not hold.
const INVALID: Challenge = Challenge::Key(", error=\"invalid_token\"");

const IN_PROGRESS: &str = "IN_PROGRESS";

/// After how many seconds to come back when something behind the scenes failed.
const PATIENCE: &str = "1";

impl Refusal {
    pub(super) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            challenge: None,
            headers: Vec::new(),
            limits: Box::default(),
        }
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

    /// The same refusal, of a client that authenticates by `Authorization: Basic`.
    pub(super) fn of_basic(self) -> Self {
        Self { challenge: self.challenge.and(Some(Challenge::Client)), ..self }
    }

    pub(super) fn bad_session() -> Self {
        Self { challenge: Some(INVALID), ..Self::new(401, "INVALID_SESSION", "The session token is not valid") }
    }

    pub(super) fn unavailable() -> Self {
        Self::new(503, Code::Unavailable.wire(), UNAVAILABLE).with("retry-after", PATIENCE)
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

    /// A denied verification.
    pub(super) fn of(denial: &Denial) -> Self {
        let status = denial.code.status();
        if denial.misuse().is_some() {
            // The host asked for what has no meaning: no fault of the client, and nothing that it could mend.
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
        refusal.limits = denial.limits().into();
        refusal
    }

    /// The response to it.
    pub(super) fn response(self, manner: &Manner, request_id: Cow<'static, str>, is_head: bool) -> Response {
        let id = manner.casing.spell("request_id");
        let body = match manner.errors {
            Errors::Problem => json!({
                "type": "about:blank",
                "title": title(self.status),
                "status": self.status,
                "detail": self.message,
                "code": self.code,
                id: request_id,
            }),
            Errors::List => json!({"errors": [{"code": self.code, "message": self.message}]}),
            Errors::Plain => json!({"code": self.code, "message": self.message, id: request_id}),
        };
        let mut headers = vec![("content-type", manner.errors.content_type().into())];
        headers.extend(manner.headers_of(request_id));
        if let Some(challenge) = self.challenge {
            headers.push(("www-authenticate", manner.challenge(challenge).into()));
        }
        headers.extend(self.headers);
        manner.rate_limit_headers.add(&mut headers, &self.limits);
        Response { status: self.status, headers, body: if is_head { Vec::new() } else { body.to_string().into() } }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unavailable { .. } | Error::Closed => Self::unavailable(),
            Error::InProgress(_) => {
                Self::new(error.status(), IN_PROGRESS, error.to_string()).with("retry-after", PATIENCE)
            }
            _ => Self::new(error.status(), error.code().to_ascii_uppercase(), error.to_string()),
        }
    }
}

/// The phrase of a status (RFC 9110, section 15), which a problem of the type `about:blank` has as its title (RFC 9457,
/// section 4.2.1).
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        _ => "Service Unavailable",
    }
}

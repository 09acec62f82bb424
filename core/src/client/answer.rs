//! Answers of a server as records and errors of the engine.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::exchange::{Delivery, ServerReply};
use crate::decision::Code;
use crate::error::{Error, ErrorKind, UnavailableCause};
use crate::record::{ApiKey, IssuedKey, Key};

/// The body of an answer that tells of success, or the error.
pub(super) fn accepted(delivery: Delivery, server: &str) -> Result<Vec<u8>, Error> {
    match delivery {
        Delivery::Answered(reply) if (200..300).contains(&reply.status) => Ok(reply.body),
        Delivery::Answered(reply) => Err(refusal(&reply, server)),
        Delivery::Lost(lost) => {
            let reason = format!("the server at {server} {}", lost.reason);
            let cause = if lost.is_sent { UnavailableCause::Unconfirmed } else { UnavailableCause::Io };
            Err(Error::unavailable(cause, reason, "look at the network and at the server"))
        }
    }
}

/// Reads a record.
pub(super) fn record<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|_| foreign())
}

/// Reads the records of a list with one page.
pub(super) fn records<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Error> {
    let mut list: Map<String, Value> = record(body)?;
    serde_json::from_value(list.remove("data").unwrap_or_default()).map_err(|_| foreign())
}

/// Reads a new key with its text.
pub(super) fn issued(body: &[u8]) -> Result<IssuedKey, Error> {
    let mut fields: Map<String, Value> = record(body)?;
    match fields.remove("api_key") {
        Some(Value::String(text)) => {
            let key: Key = serde_json::from_value(Value::Object(fields)).map_err(|_| foreign())?;
            Ok(IssuedKey { key, api_key: ApiKey::new(text) })
        }
        _ => {
            let id = match fields.get("id") {
                Some(Value::String(id)) => id.clone(),
                Some(id @ Value::Number(_)) => id.to_string(),
                _ => return Err(foreign()),
            };
            let reason = "was lost on the way, and the server keeps no copy";
            Err(Error::conflict("api_key", reason, format!("the key {id} exists, so rotate it")))
        }
    }
}

pub(super) fn foreign() -> Error {
    let reason = "the server answered with no record of this release";
    Error::unavailable(UnavailableCause::Io, reason, "look at the URL, and use the same release on both sides")
}

impl ServerReply {
    /// The error in the answer. `None` if something that stands before the server answered, such as a proxy.
    pub(super) fn told(&self) -> Option<Value> {
        let mut answer: Value = serde_json::from_slice(&self.body).ok()?;
        let told = answer.pointer_mut("/errors/0").map(Value::take).unwrap_or(answer);
        told.get("code")?.is_string().then_some(told)
    }
}

/// The error that an answer tells of.
fn refusal(reply: &ServerReply, server: &str) -> Error {
    let told = reply.told().unwrap_or_default();
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let Some(code) = text("code") else {
        let reason = format!("the server at {server} answered {} and no JSON of Keywright", reply.status);
        return Error::unavailable(
            UnavailableCause::Io,
            reason,
            "look at the URL and at what stands before the server",
        );
    };
    let message = text("message").or(text("detail")).unwrap_or_default();
    let kind = ErrorKind::ALL.iter().find(|kind| kind.code().eq_ignore_ascii_case(code));
    match (kind, reply.status) {
        // Another part than the store may be busy: the server, or a limit of the client's own key.
        (Some(ErrorKind::Unavailable | ErrorKind::Closed), _) | (None, 429 | 500..) => {
            let (reason, fix) = message.split_once("; ").unwrap_or((message, "try again later"));
            let reason = format!("the server at {server} refuses the call for now: {reason}");
            let cause = if reply.status == 504 { UnavailableCause::Unconfirmed } else { UnavailableCause::Busy };
            Error::unavailable(cause, reason, fix)
        }
        (Some(kind), _) => of_kind(*kind, message),
        (None, _) if is_about_client(code, reply.status) => {
            let reason = format!("is refused by the server: {message}");
            Error::forbidden("api_key", reason, "give the client a key that may make this call")
        }
        (None, _) => of_kind(ErrorKind::InvalidRequest, message),
    }
}

/// Whether the server refuses the credential of the client.
fn is_about_client(code: &str, status: u16) -> bool {
    matches!(status, 401 | 403) || Code::ALL.iter().any(|known| known.wire() == code)
}

/// The error whose text is `field: reason; fix`, or a message of another form.
fn of_kind(kind: ErrorKind, message: &str) -> Error {
    let is_field = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_.[]".contains(&it))
    };
    let (field, rest) = message.split_once(": ").filter(|(field, _)| is_field(field)).unwrap_or(("request", message));
    let (reason, fix) = rest.split_once("; ").unwrap_or((rest, "correct the call"));
    match kind {
        ErrorKind::InvalidRequest => Error::invalid_request(field, reason, fix),
        ErrorKind::ValidationFailed => Error::validation_failed(field, reason, fix),
        ErrorKind::Forbidden => Error::forbidden(field, reason, fix),
        ErrorKind::NotFound => Error::not_found(field, reason, fix),
        ErrorKind::Conflict => Error::conflict(field, reason, fix),
        ErrorKind::InProgress => Error::in_progress(field, reason, fix),
        ErrorKind::IdempotencyMismatch => Error::idempotency_mismatch(field, reason, fix),
        ErrorKind::Unavailable | ErrorKind::Closed => Error::unavailable(UnavailableCause::Busy, rest, fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(status: u16, body: &str) -> Error {
        let reply = ServerReply { status, body: body.as_bytes().to_vec(), retry_after: None };
        accepted(Delivery::Answered(reply), "https://keys.example").unwrap_err()
    }

    #[test]
    fn errors_are_those_that_the_server_tells_of() {
        for known in [
            Error::validation_failed("name", "is empty", "say what the key is for"),
            Error::invalid_request("limits[0].rate", "is missing", "give it"),
            Error::forbidden("scopes", "exceed those of the caller", "ask for less"),
            Error::not_found("id", "names no key", "list the keys"),
            Error::conflict("id", "the key is revoked and cannot be rotated", "create a new key"),
            Error::in_progress("idempotency_key", "still runs", "wait"),
            Error::idempotency_mismatch("idempotency_key", "was used", "make a new one"),
        ] {
            let code = known.code().to_ascii_uppercase();
            let plain = json!({"code": code, "message": known.to_string(), "request_id": "x"});
            assert_eq!(error(known.status(), &plain.to_string()), known);
            let list = json!({"errors": [{"code": code, "message": known.to_string()}]});
            assert_eq!(error(known.status(), &list.to_string()), known);
            let problem = json!({"code": code, "detail": known.to_string()});
            assert_eq!(error(known.status(), &problem.to_string()), known);
        }
    }

    #[test]
    fn the_clients_own_key_is_told_apart_from_the_arguments() {
        let told = |status: u16, code: &str, message: &str| {
            error(status, &json!({"code": code, "message": message}).to_string())
        };
        let refused = told(401, "API_KEY_REVOKED", "The API key is revoked");
        assert_eq!((refused.code(), refused.field()), ("forbidden", Some("api_key")));
        assert_eq!(told(401, "INVALID_SESSION", "The session token is not valid").code(), "forbidden");
        assert_eq!(told(403, "INSUFFICIENT_SCOPE", "This needs keys:verify").code(), "forbidden");
        assert_eq!(told(429, "RATE_LIMITED", "later").code(), "unavailable");
        assert_eq!(told(503, "UNAVAILABLE", "later").unavailable_cause(), Some(UnavailableCause::Busy));
        assert_eq!(told(504, "UNAVAILABLE", "later").unavailable_cause(), Some(UnavailableCause::Unconfirmed));
        assert_eq!(told(413, "TOO_LARGE", "The body is larger than 64 KiB").code(), "invalid_request");
        assert_eq!(told(404, "NOT_FOUND", "There is nothing here").field(), Some("request"));
        assert_eq!(error(502, "<html>").code(), "unavailable");
        assert_eq!(error(302, "").code(), "unavailable");
    }

    #[test]
    fn a_lost_text_is_a_conflict_that_names_the_key() {
        let lost = issued(br#"{"id": 7, "api_key": null}"#).unwrap_err();
        assert!(lost.code() == "conflict" && lost.to_string().contains("the key 7 exists"), "{lost}");
        assert_eq!(issued(b"{}").unwrap_err().code(), "unavailable");
        assert_eq!(record::<Key>(br#"{"id": "7"}"#).unwrap_err().code(), "unavailable");
        assert_eq!(records::<Key>(b"{}").unwrap_err().code(), "unavailable");
    }
}

//! Results for JavaScript: JSON text, or a failure as data from which `lib/error.cjs` makes the exception.

use keywright::Error;
use napi::bindgen_prelude::Either;
use napi_derive::napi;

/// JSON text or a failure.
pub(crate) type CallResult = Either<String, Failure>;

/// An error of the core.
#[napi(object, object_from_js = false)]
pub struct Failure {
    /// The stable code.
    pub code: &'static str,
    /// The argument or option at fault.
    pub field: Option<String>,
    /// The HTTP status that goes with the code.
    pub status: u16,
    /// Field, reason and fix.
    pub message: String,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code(),
            field: error.field().map(Into::into),
            status: error.status(),
            message: error.to_string(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

pub(crate) fn to_result(outcome: Result<String, Error>) -> CallResult {
    match outcome {
        Ok(json) => Either::A(json),
        Err(error) => Either::B(error.into()),
    }
}

/// Returns the code of each denial, by its code in the bodies of HTTP, as JSON.
#[napi(catch_unwind)]
pub fn wire_codes() -> String {
    let codes = keywright::Code::ALL.iter().map(|code| (code.wire().to_owned(), code.as_str().into()));
    serde_json::Value::Object(codes.collect()).to_string()
}

//! The header `Idempotency-Key` of a request for an idempotent route.

use super::Head;
use super::refusal::Refusal;
use super::route::Idempotent;
use crate::idempotency;

/// A request with an idempotency key, without its caller.
#[derive(Debug, Clone)]
pub(super) struct KeyedRequest {
    pub(super) key: String,
    pub(super) method: String,
    pub(super) target: Vec<u8>,
}

/// The idempotency key of a request, read before its caller is known: an error in it concerns only a proved caller.
pub(super) type IdempotencyHeader = Option<Result<Box<KeyedRequest>, Refusal>>;

impl KeyedRequest {
    /// Reads the header of a request for a route that is `idempotent`. Safe methods change nothing and can be repeated, so
    /// they need no key (RFC 9110, section 9.2.1).
    pub(super) fn read(head: &Head<'_>, idempotent: Idempotent) -> IdempotencyHeader {
        if idempotent == Idempotent::No || matches!(head.judged_method(), "GET" | "OPTIONS" | "TRACE") {
            return None;
        }
        match idempotency::parse_header(head.values("idempotency-key")) {
            Err(error) => Some(Err(error.into())),
            // An outer guard handles the key.
            Ok(Some(_)) if head.earlier.is_some_and(|receipt| receipt.once) => None,
            Ok(Some(key)) => {
                Some(Ok(Box::new(Self { key, method: head.method.to_owned(), target: head.target().to_vec() })))
            }
            Ok(None) if idempotent == Idempotent::Required => {
                let message = "This takes the header Idempotency-Key; send one for each new request";
                Some(Err(Refusal::invalid_request(message)))
            }
            Ok(None) => None,
        }
    }
}

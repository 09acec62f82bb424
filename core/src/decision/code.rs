//! The codes of denials.

use serde::{Serialize, Serializer};

/// Declares [`Code`] from one table, so that a new code is one new row.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident: $code:literal, $status:literal, $wire:literal;)+) => {
        /// Why a request was denied. All interfaces use the same codes.
        ///
        /// ```
        /// use keywright::Code;
        ///
        /// assert_eq!((Code::Revoked.status(), Code::Revoked.wire()), (401, "API_KEY_REVOKED"));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code there is.
            ///
            /// ```
            /// use keywright::Code;
            ///
            /// assert!(Code::ALL.contains(&Code::RateLimited));
            /// ```
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code, for example `wrong_environment`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The HTTP status of a response with this code.
            #[must_use]
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)+
                }
            }

            /// The code as HTTP bodies spell it.
            #[must_use]
            pub fn wire(self) -> &'static str {
                match self {
                    $(Self::$name => $wire,)+
                }
            }
        }
    };
}

codes! {
    /// The request has no credential.
    Missing: "missing", 401, "API_KEY_REQUIRED";
    /// The key is unknown or malformed, or its secret is wrong.
    Invalid: "invalid", 401, "INVALID_API_KEY";
    /// The key is revoked, or the secret was replaced and its grace is over.
    Revoked: "revoked", 401, "API_KEY_REVOKED";
    /// The key has expired.
    Expired: "expired", 401, "API_KEY_EXPIRED";
    /// The key or its org is disabled.
    Disabled: "disabled", 401, "API_KEY_DISABLED";
    /// The key is valid, but in another environment.
    WrongEnvironment: "wrong_environment", 401, "WRONG_ENVIRONMENT";
    /// The key's level does not allow the method.
    MethodNotAllowed: "method_not_allowed", 403, "FORBIDDEN";
    /// The key lacks a required scope.
    InsufficientScope: "insufficient_scope", 403, "INSUFFICIENT_SCOPE";
    /// The client's address is not on an allow list.
    IpNotAllowed: "ip_not_allowed", 403, "IP_NOT_ALLOWED";
    /// A rate limit is used up.
    RateLimited: "rate_limited", 429, "RATE_LIMITED";
    /// A quota is used up.
    QuotaExceeded: "quota_exceeded", 429, "QUOTA_EXCEEDED";
    /// The store or the hash queue could not answer.
    Unavailable: "unavailable", 503, "UNAVAILABLE";
    /// The host made a mistake in its call; see [`Denial::misuse`](crate::Denial::misuse).
    InvalidRequest: "invalid_request", 400, "INVALID_REQUEST";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

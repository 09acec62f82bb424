//! Errors with stable codes. A denied verification is no error: see [`Decision`](crate::Decision).

use std::fmt;

use crate::casing::Casing;

/// An error of a management call, or of a call with arguments that mean nothing. Its text names the field, the reason and the
/// fix, and never holds a secret.
///
/// ```
/// let error = keywright::NewKey::named("CI").scopes("Deals:read").unwrap_err();
/// assert_eq!((error.code(), error.field(), error.status()), ("validation_failed", Some("scopes"), 400));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Code `invalid_request`: a wrong type, an unknown option, a missing argument, two options that exclude each other.
    #[error("{0}")]
    InvalidRequest(FieldError),
    /// Code `validation_failed`: the right type with a value that is not allowed.
    #[error("{0}")]
    ValidationFailed(FieldError),
    /// Code `forbidden`: the caller may not do this, or not to this key or org.
    #[error("{0}")]
    Forbidden(FieldError),
    /// Code `not_found`: this org has no key or org of that id.
    #[error("{0}")]
    NotFound(FieldError),
    /// Code `conflict`: the state of the key or org does not allow the change.
    #[error("{0}")]
    Conflict(FieldError),
    /// Code `in_progress`: the same request is still running.
    #[error("{0}")]
    InProgress(FieldError),
    /// Code `idempotency_mismatch`: the idempotency key was used before with another request.
    #[error("{0}")]
    IdempotencyMismatch(FieldError),
    /// Code `unavailable`: the store could not answer. It changed nothing, unless the cause is [`UnavailableCause::Unconfirmed`].
    #[error("{reason}; {fix}")]
    Unavailable {
        /// The cause, for programs.
        cause: UnavailableCause,
        /// The cause, for people.
        reason: String,
        /// The next step of the operator.
        fix: String,
    },
    /// Code `closed`: the engine was used after `close`.
    #[error("this Keywright is closed; open a new one")]
    Closed,
}

/// Field, reason and fix of an [`Error`]; its text is `field: reason; fix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The argument or option at fault.
    pub field: String,
    /// The reason for the refusal, as a predicate of the field: `is empty`.
    pub reason: String,
    /// The next step of the caller, in the imperative.
    pub fix: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.field, self.reason, self.fix)
    }
}

/// Why the store could not answer.
///
/// ```
/// let none = keywright::Keywright::builder("sqlite:/nowhere/at/all.db").brand("liq").read_only(true).build();
/// let error = pollster::block_on(none).err().unwrap();
/// assert_eq!(error.unavailable_cause(), Some(keywright::UnavailableCause::Access));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnavailableCause {
    /// Another writer held the database longer than the busy timeout.
    Locked,
    /// The disk is full.
    Full,
    /// The file, its folder or the engine is read-only.
    ReadOnly,
    /// The file is damaged.
    Corrupt,
    /// The file is not a Keywright database.
    Foreign,
    /// A newer release made the database.
    Newer,
    /// A database cannot live there: a network or FUSE file system, a bind-mounted file, a link.
    Location,
    /// The file cannot be opened: missing folder, no permission.
    Access,
    /// Rows name a pepper that this engine does not have.
    Pepper,
    /// A key has a tier that this engine does not have.
    Tier,
    /// A queue is full.
    Busy,
    /// The answer to a change was lost, so the change may have been made or not.
    Unconfirmed,
    /// Any other failure of input or output.
    Io,
}

/// Defines [`ErrorKind`] from one table, so that a kind has its code and status and is in `ALL`.
macro_rules! error_kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal, $status:literal;)+) => {
        /// The kind of an [`Error`], with its stable code. `tests/vectors/errors.json` lists the same kinds for every language.
        ///
        /// ```
        /// let codes: Vec<_> = keywright::ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        /// assert!(codes.contains(&"not_found"));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $kind,)+
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The stable code, the same in all three languages.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)+
                }
            }

            /// The HTTP status that goes with the code.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$kind => $status,)+
                }
            }
        }
    };
}

error_kinds! {
    /// See [`Error::InvalidRequest`].
    InvalidRequest = "invalid_request", 400;
    /// See [`Error::ValidationFailed`].
    ValidationFailed = "validation_failed", 400;
    /// See [`Error::Forbidden`].
    Forbidden = "forbidden", 403;
    /// See [`Error::NotFound`].
    NotFound = "not_found", 404;
    /// See [`Error::Conflict`].
    Conflict = "conflict", 409;
    /// See [`Error::InProgress`].
    InProgress = "in_progress", 409;
    /// See [`Error::IdempotencyMismatch`].
    IdempotencyMismatch = "idempotency_mismatch", 422;
    /// See [`Error::Unavailable`].
    Unavailable = "unavailable", 503;
    /// See [`Error::Closed`].
    Closed = "closed", 503;
}

impl Error {
    /// The kind of the error, without its text.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidRequest(_) => ErrorKind::InvalidRequest,
            Self::ValidationFailed(_) => ErrorKind::ValidationFailed,
            Self::Forbidden(_) => ErrorKind::Forbidden,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::InProgress(_) => ErrorKind::InProgress,
            Self::IdempotencyMismatch(_) => ErrorKind::IdempotencyMismatch,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Closed => ErrorKind::Closed,
        }
    }

    /// The stable code, the same in all three languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind().code()
    }

    /// The HTTP status that goes with the code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind().status()
    }

    /// The argument or option at fault; `None` for `unavailable` and `closed`.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidRequest(error)
            | Self::ValidationFailed(error)
            | Self::Forbidden(error)
            | Self::NotFound(error)
            | Self::Conflict(error)
            | Self::InProgress(error)
            | Self::IdempotencyMismatch(error) => Some(&error.field),
            Self::Unavailable { .. } | Self::Closed => None,
        }
    }

    /// The cause of an `unavailable`; `None` for every other error.
    #[must_use]
    pub fn unavailable_cause(&self) -> Option<UnavailableCause> {
        match self {
            Self::Unavailable { cause, .. } => Some(*cause),
            _ => None,
        }
    }

    /// Spells the field as the caller spells field names.
    pub(crate) fn spelt(mut self, casing: Casing) -> Self {
        if let Some(error) = self.detail_mut() {
            error.field = casing.spell(&error.field);
        }
        self
    }

    /// Names a field of one item of a list as the one at fault, or the item itself.
    pub(crate) fn in_item(mut self, list: &str, index: usize, itself: bool) -> Self {
        match &mut self {
            Self::InvalidRequest(error)
            | Self::ValidationFailed(error)
            | Self::Forbidden(error)
            | Self::NotFound(error)
            | Self::Conflict(error)
            | Self::InProgress(error)
            | Self::IdempotencyMismatch(error) => {
                error.field =
                    if itself { format!("{list}[{index}]") } else { format!("{list}[{index}].{}", error.field) };
            }
            Self::Unavailable { .. } | Self::Closed => {}
        }
        self
    }

    /// Names `field` as the one at fault in place of the former one.
    #[cfg(feature = "redis")]
    pub(crate) fn at_field(mut self, field: &str) -> Self {
        if let Some(error) = self.detail_mut() {
            field.clone_into(&mut error.field);
        }
        self
    }

    /// Tells another fix.
    #[cfg(feature = "cli")]
    pub(crate) fn with_fix(mut self, fix: &str) -> Self {
        if let Some(error) = self.detail_mut() {
            fix.clone_into(&mut error.fix);
        }
        self
    }

    fn detail_mut(&mut self) -> Option<&mut FieldError> {
        match self {
            Self::InvalidRequest(error)
            | Self::ValidationFailed(error)
            | Self::Forbidden(error)
            | Self::NotFound(error)
            | Self::Conflict(error)
            | Self::InProgress(error)
            | Self::IdempotencyMismatch(error) => Some(error),
            Self::Unavailable { .. } | Self::Closed => None,
        }
    }

    /// Names `field` as the one at fault, of which the former one is a part.
    pub(crate) fn within(self, field: &str) -> Self {
        let moved = |error: FieldError| FieldError {
            reason: format!("{} {}", error.field, error.reason),
            field: field.to_owned(),
            fix: error.fix,
        };
        match self {
            Self::InvalidRequest(error) => Self::InvalidRequest(moved(error)),
            Self::ValidationFailed(error) => Self::ValidationFailed(moved(error)),
            other => other,
        }
    }

    pub(crate) fn validation_failed(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::ValidationFailed(FieldError::new(field, reason, fix))
    }

    pub(crate) fn invalid_request(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::InvalidRequest(FieldError::new(field, reason, fix))
    }

    pub(crate) fn forbidden(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Forbidden(FieldError::new(field, reason, fix))
    }

    pub(crate) fn not_found(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::NotFound(FieldError::new(field, reason, fix))
    }

    pub(crate) fn conflict(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Conflict(FieldError::new(field, reason, fix))
    }

    pub(crate) fn in_progress(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::InProgress(FieldError::new(field, reason, fix))
    }

    pub(crate) fn idempotency_mismatch(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::IdempotencyMismatch(FieldError::new(field, reason, fix))
    }

    pub(crate) fn unavailable(cause: UnavailableCause, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Unavailable { cause, reason: reason.into(), fix: fix.into() }
    }
}

impl FieldError {
    fn new(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into(), fix: fix.into() }
    }
}

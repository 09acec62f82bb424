//! What goes wrong, with stable codes. A denied verification is no error: see [`Decision`](crate::Decision).

use std::fmt;

use crate::input::Casing;

/// An error of a management call or of misuse. Its text names the field, the reason and the fix, and never holds a secret.
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
    InvalidRequest(Complaint),
    /// Code `validation_failed`: the right type with a value that is not allowed.
    #[error("{0}")]
    ValidationFailed(Complaint),
    /// Code `forbidden`: whoever asks may not do this, at least not to this.
    #[error("{0}")]
    Forbidden(Complaint),
    /// Code `not_found`: nothing of that name in this org.
    #[error("{0}")]
    NotFound(Complaint),
    /// Code `conflict`: the state of the key or org does not allow the change.
    #[error("{0}")]
    Conflict(Complaint),
    /// Code `in_progress`: the same request is still running.
    #[error("{0}")]
    InProgress(Complaint),
    /// Code `idempotency_mismatch`: the idempotency key was used before with another request.
    #[error("{0}")]
    IdempotencyMismatch(Complaint),
    /// Code `unavailable`: the store could not answer. Nothing was changed.
    #[error("{reason}; {fix}")]
    Unavailable {
        /// What kind of trouble it is.
        trouble: Trouble,
        /// What happened.
        reason: String,
        /// What to do about it.
        fix: String,
    },
    /// Code `closed`: the engine was used after `close`.
    #[error("this Keywright is closed; open a new one")]
    Closed,
}

/// Field, reason and fix of an [`Error`]; its text is `field: reason; fix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The argument or option at fault.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do instead.
    pub fix: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.field, self.reason, self.fix)
    }
}

/// Why the store could not answer.
///
/// ```
/// let none = keywright::Keywright::builder("sqlite:/nowhere/at/all.db").brand("liq").read_only(true).build();
/// let error = keywright::wait::block_on(none).err().unwrap();
/// assert_eq!(error.trouble(), Some(keywright::Trouble::Access));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// Another writer held the database longer than the busy timeout.
    Locked,
    /// The disk is full.
    Full,
    /// The file, its folder or the engine is read-only.
    ReadOnly,
    /// The file is damaged.
    Corrupt,
    /// The file is no Keywright database.
    Foreign,
    /// The database was made by a newer release.
    Newer,
    /// The place does not suit a database: a network or FUSE file system, a bind-mounted file, a link.
    Place,
    /// The file cannot be opened: missing folder, no permission.
    Access,
    /// Rows name a pepper that this engine was not given.
    Pepper,
    /// A key has a tier that this engine was not given.
    Tier,
    /// Too much work is queued.
    Busy,
    /// Any other failure of input or output.
    Io,
}

impl Error {
    /// The stable code, the same in all three languages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::ValidationFailed(_) => "validation_failed",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::InProgress(_) => "in_progress",
            Self::IdempotencyMismatch(_) => "idempotency_mismatch",
            Self::Unavailable { .. } => "unavailable",
            Self::Closed => "closed",
        }
    }

    /// The HTTP status that goes with the code.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidRequest(_) | Self::ValidationFailed(_) => 400,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) | Self::InProgress(_) => 409,
            Self::IdempotencyMismatch(_) => 422,
            Self::Unavailable { .. } | Self::Closed => 503,
        }
    }

    /// The argument or option at fault, where one is.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::InvalidRequest(it)
            | Self::ValidationFailed(it)
            | Self::Forbidden(it)
            | Self::NotFound(it)
            | Self::Conflict(it)
            | Self::InProgress(it)
            | Self::IdempotencyMismatch(it) => Some(&it.field),
            Self::Unavailable { .. } | Self::Closed => None,
        }
    }

    /// What kind of trouble the store had, for `unavailable`.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Unavailable { trouble, .. } => Some(*trouble),
            _ => None,
        }
    }

    /// The error with its field spelt as the caller spells fields.
    pub(crate) fn spelt(mut self, casing: Casing) -> Self {
        match &mut self {
            Self::InvalidRequest(it)
            | Self::ValidationFailed(it)
            | Self::Forbidden(it)
            | Self::NotFound(it)
            | Self::Conflict(it)
            | Self::InProgress(it)
            | Self::IdempotencyMismatch(it) => it.field = casing.spell(&it.field),
            Self::Unavailable { .. } | Self::Closed => {}
        }
        self
    }

    /// The same complaint about a part of `field`.
    pub(crate) fn within(self, field: &str) -> Self {
        let told = |it: Complaint| Complaint {
            reason: format!("{} {}", it.field, it.reason),
            field: field.to_owned(),
            fix: it.fix,
        };
        match self {
            Self::InvalidRequest(it) => Self::InvalidRequest(told(it)),
            Self::ValidationFailed(it) => Self::ValidationFailed(told(it)),
            other => other,
        }
    }

    pub(crate) fn wrong(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::ValidationFailed(complaint(field, reason, fix))
    }

    pub(crate) fn misuse(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::InvalidRequest(complaint(field, reason, fix))
    }

    pub(crate) fn forbidden(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Forbidden(complaint(field, reason, fix))
    }

    pub(crate) fn not_found(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::NotFound(complaint(field, reason, fix))
    }

    pub(crate) fn conflict(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Conflict(complaint(field, reason, fix))
    }

    pub(crate) fn in_progress(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::InProgress(complaint(field, reason, fix))
    }

    pub(crate) fn mismatch(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::IdempotencyMismatch(complaint(field, reason, fix))
    }

    pub(crate) fn unavailable(trouble: Trouble, reason: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Unavailable { trouble, reason: reason.into(), fix: fix.into() }
    }
}

fn complaint(field: &str, reason: impl Into<String>, fix: impl Into<String>) -> Complaint {
    Complaint { field: field.to_owned(), reason: reason.into(), fix: fix.into() }
}

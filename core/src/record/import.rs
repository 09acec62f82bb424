use serde::{Serialize, Serializer};

use super::KeyId;
use crate::error::Error;

/// The outcome of an import.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// The keys, in the order in which they were given.
    pub data: Vec<ImportedKey>,
    /// How many were imported, or would be by an import that is no dry run.
    pub imported: u64,
    /// How many were there already.
    pub existing: u64,
    /// How many were refused.
    pub refused: u64,
}

/// The outcome of one key of an import.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ImportedKey {
    /// The place of the key in the call, from 0.
    pub index: u64,
    /// The id of the key; `None` if it was refused, and for a new key of a dry run.
    pub id: Option<KeyId>,
    /// The outcome.
    pub outcome: ImportOutcome,
    /// Of a key that was there already, the times of the import by which it has ended, or ends sooner, than the one that is there:
    /// `revoked_at`, `disabled_at`, `expires_at`. They were not applied.
    pub not_applied: Vec<String>,
    /// Why the key was refused.
    #[serde(serialize_with = "refusal")]
    pub error: Option<Error>,
}

/// The kinds of outcome of a key.
///
/// ```
/// assert_eq!(keywright::ImportOutcome::Existing.as_str(), "existing");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImportOutcome {
    /// The key is new.
    Imported,
    /// The key was imported before, and stays as it is.
    Existing,
    /// The key was not imported.
    Refused,
}

impl ImportOutcome {
    /// The name, as every language has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Existing => "existing",
            Self::Refused => "refused",
        }
    }
}

impl ImportReport {
    pub(crate) fn of(data: Vec<ImportedKey>) -> Self {
        let count = |outcome| data.iter().map(|key| u64::from(key.outcome == outcome)).sum();
        Self {
            imported: count(ImportOutcome::Imported),
            existing: count(ImportOutcome::Existing),
            refused: count(ImportOutcome::Refused),
            data,
        }
    }
}

/// Serializes an error as its code, field and text.
fn refusal<S: Serializer>(error: &Option<Error>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        code: &'a str,
        field: Option<&'a str>,
        message: String,
    }
    match error {
        Some(error) => Refusal { code: error.code(), field: error.field(), message: error.to_string() }.serialize(to),
        None => to.serialize_none(),
    }
}

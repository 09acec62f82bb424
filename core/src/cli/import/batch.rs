//! The rows of one transaction.

use super::report::RowReport;
use crate::error::Error;
use crate::keyring::HashedKey;

/// Rows in the order of the file, and the keys of those that could be read.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) reports: Vec<RowReport>,
    pub(super) keys: Vec<HashedKey>,
    pub(super) sent: Vec<Sent>,
}

/// A key that is sent to the engine.
pub(super) struct Sent {
    /// The place of its row in the reports.
    pub(super) position: usize,
    /// Whether a row before it has the same key.
    pub(super) is_repeated: bool,
    pub(super) lacks_scopes: bool,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.reports.len()
    }

    pub(super) fn add(&mut self, line: u64, key: HashedKey, is_repeated: bool) {
        let lacks_scopes = key.settings.scopes.as_ref().is_none_or(Vec::is_empty);
        self.sent.push(Sent { position: self.reports.len(), is_repeated, lacks_scopes });
        self.keys.push(key);
        self.reports.push(RowReport::imported(line));
    }

    pub(super) fn refuse(&mut self, line: u64, error: Error) {
        self.reports.push(RowReport::refused(line, error));
    }
}

//! SQLite's errors as errors of the engine. They never contain a value of a row.

use rusqlite::ErrorCode;

use crate::error::{Error, UnavailableCause};
use crate::store::rows::foreign_row;

pub(super) fn from_sqlite(error: &rusqlite::Error) -> Error {
    let Some(code) = error.sqlite_error_code() else { return foreign_row() };
    let (trouble, reason, fix) = match code {
        // A statement of this release does not fit the tables.
        ErrorCode::Unknown => return foreign_row(),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            UnavailableCause::Locked,
            "the database is locked by another program",
            "try again; end the program that holds a transaction open",
        ),
        ErrorCode::DiskFull => (UnavailableCause::Full, "the disk is full", "free space, and try again"),
        ErrorCode::ReadOnly => (
            UnavailableCause::ReadOnly,
            "the database cannot be written",
            "allow this user to write the file and its folder, or open it with read_only",
        ),
        ErrorCode::DatabaseCorrupt => {
            (UnavailableCause::Corrupt, "the database file is damaged", "restore it from a backup")
        }
        ErrorCode::NotADatabase => {
            (UnavailableCause::Foreign, "the file is no SQLite database", "name another file; Keywright makes its own")
        }
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied => (
            UnavailableCause::Access,
            "the database cannot be opened",
            "allow this user to read and write the file and its folder, and this process to open more files",
        ),
        ErrorCode::ConstraintViolation => (
            UnavailableCause::Corrupt,
            "the database refuses the change",
            "restore it from a backup, or undo what another program changed",
        ),
        _ => {
            let number = error.sqlite_error().map_or(0, |cause| cause.extended_code);
            let reason = format!("the database could not be read or written (SQLite error {number})");
            return Error::unavailable(
                UnavailableCause::Io,
                reason,
                "look at the disk and at the system's log, and try again",
            );
        }
    };
    Error::unavailable(trouble, reason, fix)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        from_sqlite(&error)
    }
}

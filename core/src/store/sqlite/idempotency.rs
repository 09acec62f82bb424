//! What came of requests under an idempotency key.

use rusqlite::{Connection, Row, Transaction, params};

use super::trouble::foreign_row;
use crate::clock::Millis;
use crate::error::Error;
use crate::idempotency::{self, Attempt, KEPT, Kept, LEASE, Lease, Memory, Outcome};

/// As many rows that are over are deleted at a time.
const SWEPT: usize = 100;

/// What is remembered under the name of an attempt.
pub(super) fn get(on: &Connection, attempt: &Attempt) -> Result<Option<Memory>, Error> {
    let mut statement = on.prepare_cached(
        "SELECT request, token IS NOT NULL, changed, status, headers, body FROM idempotency \
         WHERE org = ?1 AND name = ?2 AND expires_at > ?3",
    )?;
    let mut rows = statement.query(params![attempt.org, attempt.name, attempt.at])?;
    rows.next()?.map(read).transpose()
}

/// Gives the attempt its turn, or what is remembered in place of it.
pub(super) fn begin(on: &Transaction<'_>, attempt: &Attempt, token: [u8; 16]) -> Result<Option<Memory>, Error> {
    if let Some(memory) = get(on, attempt)? {
        return Ok(Some(memory));
    }
    sweep(on, attempt.at)?;
    on.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (org, name, request, expires_at, token) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![attempt.org, attempt.name, attempt.request, attempt.at + LEASE, token])?;
    Ok(None)
}

/// Puts the answer in place of the lease, or frees the name without one.
pub(super) fn settle(on: &Transaction<'_>, lease: &Lease, kept: Option<&Kept>, now: Millis) -> Result<(), Error> {
    match kept {
        Some(kept) => on
            .prepare_cached(
                "UPDATE idempotency SET token = NULL, status = ?4, headers = ?5, body = ?6, expires_at = ?7 \
                 WHERE org = ?1 AND name = ?2 AND token = ?3",
            )?
            .execute(params![lease.org, lease.name, lease.token, kept.status, kept.headers, kept.body, now + KEPT])?,
        None => on
            .prepare_cached("DELETE FROM idempotency WHERE org = ?1 AND name = ?2 AND token = ?3")?
            .execute(params![lease.org, lease.name, lease.token])?,
    };
    Ok(())
}

/// Makes a change under the name of an attempt, and remembers what `named` says of it: both, or none. Refused as
/// `in_progress` when the name was taken meanwhile; another look says by what.
pub(super) fn once<T>(
    on: &Transaction<'_>,
    attempt: Option<&Attempt>,
    change: impl FnOnce() -> Result<T, Error>,
    named: impl FnOnce(&T) -> Option<String>,
) -> Result<T, Error> {
    let Some(attempt) = attempt else { return change() };
    if get(on, attempt)?.is_some() {
        return Err(idempotency::in_progress());
    }
    let done = change()?;
    if let Some(changed) = named(&done) {
        sweep(on, attempt.at)?;
        on.prepare_cached(
            "INSERT OR REPLACE INTO idempotency (org, name, request, expires_at, changed) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![attempt.org, attempt.name, attempt.request, attempt.at + KEPT, changed])?;
    }
    Ok(done)
}

/// Forgets requests that are over by now, so many at a time: also where nobody sends more of them.
pub(super) fn sweep(on: &Transaction<'_>, now: Millis) -> Result<(), Error> {
    on.prepare_cached(
        "DELETE FROM idempotency WHERE rowid IN \
         (SELECT rowid FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?
    .execute(params![now, SWEPT])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Memory, Error> {
    let outcome = match (row.get(1)?, row.get(2)?, row.get(3)?) {
        (true, _, _) => Outcome::Running,
        (false, Some(changed), _) => Outcome::Changed(changed),
        (false, None, Some(status)) => Outcome::Answered(Kept { status, headers: row.get(4)?, body: row.get(5)? }),
        (false, None, None) => return Err(foreign_row()),
    };
    Ok(Memory { request: row.get(0)?, outcome })
}

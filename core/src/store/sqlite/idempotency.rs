//! What came of requests under an idempotency key.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::error::foreign_row;
use crate::clock::Millis;
use crate::error::Error;
use crate::idempotency::{self, Attempt, KEPT, Kept, LEASE, Lease, MOST_BYTES, MOST_KEPT, Memory, Outcome};

/// As many rows that are over are deleted at a time.
const SWEPT: usize = 100;

/// The stored outcome under the name of an attempt, or the refusal of a new name to a caller that has reached its bound.
pub(super) fn get(on: &Connection, attempt: &Attempt) -> Result<Option<Memory>, Error> {
    let mut statement = on.prepare_cached(
        "SELECT request, token IS NOT NULL, changed, status, headers, body FROM idempotency \
         WHERE org = ?1 AND name = ?2 AND expires_at > ?3",
    )?;
    let mut rows = statement.query(params![attempt.org, attempt.name, attempt.at])?;
    match rows.next()? {
        Some(row) => read(row).map(Some),
        None => full(on, attempt),
    }
}

/// Says that the caller has as many rows as one may have. The end of its first row is looked for only then.
fn full(on: &Connection, attempt: &Attempt) -> Result<Option<Memory>, Error> {
    let first_end = on
        .prepare_cached(
            "SELECT (SELECT min(expires_at) FROM idempotency WHERE org = ?1 AND caller = ?2) \
             FROM idempotency_callers WHERE org = ?1 AND caller = ?2 AND kept >= ?3",
        )?
        .query_row(params![attempt.org, attempt.caller, MOST_KEPT], |row| row.get::<_, Millis>(0))
        .optional()?;
    // A row that is over makes room as soon as another comes.
    let until = first_end.filter(|end| *end > attempt.at);
    Ok(until.map(|end| Memory { request: attempt.request, outcome: Outcome::Full(end) }))
}

/// Gives the attempt its turn, or what is remembered in place of it.
pub(super) fn begin(on: &Transaction<'_>, attempt: &Attempt, token: [u8; 16]) -> Result<Option<Memory>, Error> {
    if let Some(memory) = get(on, attempt)? {
        return Ok(Some(memory));
    }
    make_room(on, attempt)?;
    on.prepare_cached(
        "INSERT OR REPLACE INTO idempotency (org, name, request, expires_at, caller, token) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![attempt.org, attempt.name, attempt.request, attempt.at + LEASE, attempt.caller, token])?;
    Ok(None)
}

/// Puts the answer in place of the lease, or frees the name without one.
pub(super) fn settle(on: &Transaction<'_>, lease: &Lease, kept: Option<&Kept>, now: Millis) -> Result<(), Error> {
    match kept {
        Some(kept) => {
            let room = MOST_BYTES.saturating_sub(bytes(on, lease)?);
            let takes = |body: &[u8]| u64::try_from(kept.headers.len() + body.len()).unwrap_or(u64::MAX);
            let body = kept.body.as_deref().filter(|body| takes(body) <= room);
            // Without its body an answer is not given again, and its headers are of no use.
            let headers = if body.is_some() { kept.headers.as_str() } else { "" };
            on.prepare_cached(
                "UPDATE idempotency SET token = NULL, status = ?4, headers = ?5, body = ?6, expires_at = ?7 \
                 WHERE org = ?1 AND name = ?2 AND token = ?3",
            )?
            .execute(params![
                lease.org,
                lease.name,
                lease.token,
                kept.status,
                headers,
                body,
                now + KEPT
            ])?
        }
        None => on
            .prepare_cached("DELETE FROM idempotency WHERE org = ?1 AND name = ?2 AND token = ?3")?
            .execute(params![lease.org, lease.name, lease.token])?,
    };
    Ok(())
}

/// How many bytes the kept answers of the caller take.
fn bytes(on: &Transaction<'_>, lease: &Lease) -> Result<u64, Error> {
    let counted = on
        .prepare_cached("SELECT bytes FROM idempotency_callers WHERE org = ?1 AND caller = ?2")?
        .query_row(params![lease.org, lease.caller], |row| row.get(0))
        .optional()?;
    Ok(counted.unwrap_or_default())
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
        make_room(on, attempt)?;
        on.prepare_cached(
            "INSERT OR REPLACE INTO idempotency (org, name, request, expires_at, caller, changed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            attempt.org,
            attempt.name,
            attempt.request,
            attempt.at + KEPT,
            attempt.caller,
            changed
        ])?;
    }
    Ok(done)
}

/// Forgets requests that are over: first those of the caller, which may stand behind many of others.
fn make_room(on: &Transaction<'_>, attempt: &Attempt) -> Result<(), Error> {
    on.prepare_cached(
        "DELETE FROM idempotency WHERE rowid IN \
         (SELECT rowid FROM idempotency WHERE org = ?1 AND caller = ?2 AND expires_at <= ?3 LIMIT ?4)",
    )?
    .execute(params![attempt.org, attempt.caller, attempt.at, SWEPT])?;
    sweep(on, attempt.at)
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

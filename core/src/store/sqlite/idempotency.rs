//! The table of idempotent requests and their outcomes.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, params};

use super::error::foreign_row;
use super::table::{Columns, IDEMPOTENCY};
use crate::clock::Millis;
use crate::error::Error;
use crate::idempotency::{
    self, IdempotentRequest, LEASE_DURATION, MAX_BYTES_PER_CALLER, MAX_REQUESTS_PER_CALLER, RETENTION, RequestLease,
    RequestOutcome, StoredOutcome, StoredResponse,
};

/// How many expired rows one statement deletes at most.
const DELETED_AT_ONCE: usize = 100;

static INSERT: LazyLock<String> = LazyLock::new(|| IDEMPOTENCY.insert_or_replace());
static GET: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM idempotency i WHERE i.org = ?1 AND i.name = ?2 AND i.expires_at > ?3",
        IDEMPOTENCY.select("i")
    )
});

/// The stored outcome of a request, or `Full` for a new request of a caller that has reached its bound.
pub(super) fn get(on: &Connection, request: &IdempotentRequest) -> Result<Option<StoredOutcome>, Error> {
    let mut statement = on.prepare_cached(&GET)?;
    let mut rows = statement.query(params![request.org, request.name, request.at])?;
    match rows.next()? {
        Some(row) => read(row).map(Some),
        None => refuse_if_full(on, request),
    }
}

/// Returns `Full` if the caller has as many rows as one may have. Only then does it read when the first row expires.
fn refuse_if_full(on: &Connection, request: &IdempotentRequest) -> Result<Option<StoredOutcome>, Error> {
    let first_end = on
        .prepare_cached(
            "SELECT (SELECT min(expires_at) FROM idempotency WHERE org = ?1 AND caller = ?2) \
             FROM idempotency_callers WHERE org = ?1 AND caller = ?2 AND kept >= ?3",
        )?
        .query_row(params![request.org, request.caller, MAX_REQUESTS_PER_CALLER], |row| row.get::<_, Millis>(0))
        .optional()?;
    // An expired row makes room as soon as another request comes.
    let until = first_end.filter(|end| *end > request.at);
    Ok(until.map(|end| StoredOutcome { content: request.content, outcome: RequestOutcome::Full(end) }))
}

/// Starts a request: takes a lease, or returns the stored outcome if there is one.
pub(super) fn begin(
    on: &Transaction<'_>,
    request: &IdempotentRequest,
    token: [u8; 16],
) -> Result<Option<StoredOutcome>, Error> {
    if let Some(memory) = get(on, request)? {
        return Ok(Some(memory));
    }
    make_room(on, request)?;
    insert(on, request, LEASE_DURATION, Some(token), None)?;
    Ok(None)
}

/// Inserts a request that runs under a lease, or one that changed the record with an id.
fn insert(
    on: &Transaction<'_>,
    request: &IdempotentRequest,
    lifetime: Millis,
    token: Option<[u8; 16]>,
    changed: Option<String>,
) -> Result<(), Error> {
    let IdempotentRequest { org, name, caller, content, at } = request;
    let (expires_at, none) = (at + lifetime, rusqlite::types::Null);
    let values: [&dyn ToSql; IDEMPOTENCY.len()] =
        [org, name, content, caller, &expires_at, &token, &changed, &none, &none, &none];
    on.prepare_cached(&INSERT)?.execute(values.as_slice())?;
    Ok(())
}

/// Ends a lease: stores the response, or deletes the row without one.
pub(super) fn finish(
    on: &Transaction<'_>,
    lease: &RequestLease,
    response: Option<&StoredResponse>,
    now: Millis,
) -> Result<(), Error> {
    match response {
        Some(response) => {
            let room = MAX_BYTES_PER_CALLER.saturating_sub(stored_bytes(on, lease)?);
            let size = |body: &[u8]| u64::try_from(response.headers.len() + body.len()).unwrap_or(u64::MAX);
            let body = response.body.as_deref().filter(|body| size(body) <= room);
            // A response without its body is not repeated, so its headers are of no use.
            let headers = if body.is_some() { response.headers.as_str() } else { "" };
            on.prepare_cached(
                "UPDATE idempotency SET token = NULL, status = ?4, headers = ?5, body = ?6, expires_at = ?7 \
                 WHERE org = ?1 AND name = ?2 AND token = ?3",
            )?
            .execute(params![
                lease.org,
                lease.name,
                lease.token,
                response.status,
                headers,
                body,
                now + RETENTION
            ])?
        }
        None => on
            .prepare_cached("DELETE FROM idempotency WHERE org = ?1 AND name = ?2 AND token = ?3")?
            .execute(params![lease.org, lease.name, lease.token])?,
    };
    Ok(())
}

/// The number of bytes that the stored responses of the caller take.
fn stored_bytes(on: &Transaction<'_>, lease: &RequestLease) -> Result<u64, Error> {
    let counted = on
        .prepare_cached("SELECT bytes FROM idempotency_callers WHERE org = ?1 AND caller = ?2")?
        .query_row(params![lease.org, lease.caller], |row| row.get(0))
        .optional()?;
    Ok(counted.unwrap_or_default())
}

/// Makes a change and stores its outcome, which `changed_id` takes from it: both, or none. If the same request came in the
/// meantime, the error is `in_progress`; the caller then reads the stored outcome.
pub(super) fn run_once<T>(
    on: &Transaction<'_>,
    request: Option<&IdempotentRequest>,
    change: impl FnOnce() -> Result<T, Error>,
    changed_id: impl FnOnce(&T) -> Option<String>,
) -> Result<T, Error> {
    let Some(request) = request else { return change() };
    if get(on, request)?.is_some() {
        return Err(idempotency::in_progress());
    }
    let done = change()?;
    if let Some(changed) = changed_id(&done) {
        make_room(on, request)?;
        insert(on, request, RETENTION, None, Some(changed))?;
    }
    Ok(done)
}

/// Deletes expired rows: first those of the caller, which may come after many rows of others.
fn make_room(on: &Transaction<'_>, request: &IdempotentRequest) -> Result<(), Error> {
    on.prepare_cached(
        "DELETE FROM idempotency WHERE rowid IN \
         (SELECT rowid FROM idempotency WHERE org = ?1 AND caller = ?2 AND expires_at <= ?3 LIMIT ?4)",
    )?
    .execute(params![request.org, request.caller, request.at, DELETED_AT_ONCE])?;
    delete_expired(on, request.at)
}

/// Deletes a number of expired rows, also for callers that send no more requests.
pub(super) fn delete_expired(on: &Transaction<'_>, now: Millis) -> Result<(), Error> {
    on.prepare_cached(
        "DELETE FROM idempotency WHERE rowid IN \
         (SELECT rowid FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?
    .execute(params![now, DELETED_AT_ONCE])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<StoredOutcome, Error> {
    let mut columns = Columns::at(row, 0);
    // The primary key is that of the request.
    columns.skip();
    columns.skip();
    let content = columns.next()?;
    // The caller is that of the request too, and the row has not expired.
    columns.skip();
    columns.skip();
    let token: Option<[u8; 16]> = columns.next()?;
    let outcome = match (token, columns.next()?, columns.next()?) {
        (Some(_), _, _) => RequestOutcome::Running,
        (None, Some(changed), _) => RequestOutcome::Changed(changed),
        (None, None, Some(status)) => {
            RequestOutcome::Answered(StoredResponse { status, headers: columns.next()?, body: columns.next()? })
        }
        (None, None, None) => return Err(foreign_row()),
    };
    Ok(StoredOutcome { content, outcome })
}

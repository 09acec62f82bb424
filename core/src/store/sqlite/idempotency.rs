//! The table of idempotent requests and their outcomes.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::table::{Columns, SQLITE};
use crate::clock::Millis;
use crate::error::Error;
use crate::idempotency::{
    IdempotentRequest, MAX_DELETED_AT_ONCE, MAX_REQUESTS_PER_CALLER, RequestLease, RequestOutcome, StoredOutcome,
    StoredResponse,
};
use crate::store::rows::foreign_row;
use crate::store::script::{RequestId, RequestRows, RequestState};
use crate::store::table::IDEMPOTENCY;

static INSERT: LazyLock<String> =
    LazyLock::new(|| IDEMPOTENCY.insert(&SQLITE).replacen("INSERT", "INSERT OR REPLACE", 1));
static GET: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM idempotency i WHERE i.org = ?1 AND i.name = ?2 AND i.expires_at > ?3",
        IDEMPOTENCY.select(&SQLITE, "i")
    )
});

pub(super) fn get(on: &Connection, id: RequestId<'_>) -> Result<RequestRows, Error> {
    let mut statement = on.prepare_cached(&GET)?;
    let mut rows = statement.query(params![id.org, id.name, id.at])?;
    let stored = rows.next()?.map(read).transpose()?;
    let sums = on
        .prepare_cached(
            "SELECT kept, bytes, CASE WHEN kept >= ?3 THEN \
             (SELECT min(expires_at) FROM idempotency WHERE org = ?1 AND caller = ?2) END \
             FROM idempotency_callers WHERE org = ?1 AND caller = ?2",
        )?
        .query_row(params![id.org, id.caller, MAX_REQUESTS_PER_CALLER], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (kept, bytes, first_end) = sums.unwrap_or_default();
    Ok(RequestRows { stored, kept, bytes, first_end })
}

pub(super) fn insert(
    on: &Connection,
    request: &IdempotentRequest,
    expires_at: Millis,
    state: &RequestState,
) -> Result<(), Error> {
    let IdempotentRequest { org, name, caller, content, at: _ } = request;
    let (token, changed) = match state {
        RequestState::Running(token) => (Some(token), None),
        RequestState::Changed(id) => (None, Some(id)),
    };
    let none = rusqlite::types::Null;
    let values: [&dyn ToSql; IDEMPOTENCY.len()] =
        [org, name, content, caller, &expires_at, &token, &changed, &none, &none, &none];
    on.prepare_cached(&INSERT)?.execute(values.as_slice())?;
    Ok(())
}

pub(super) fn finish(
    on: &Connection,
    lease: &RequestLease,
    response: &StoredResponse,
    expires_at: Millis,
) -> Result<(), Error> {
    on.prepare_cached(
        "UPDATE idempotency SET token = NULL, status = ?4, headers = ?5, body = ?6, expires_at = ?7 \
         WHERE org = ?1 AND name = ?2 AND token = ?3",
    )?
    .execute(params![
        lease.org,
        lease.name,
        lease.token,
        response.status,
        response.headers,
        response.body,
        expires_at
    ])?;
    Ok(())
}

pub(super) fn delete(on: &Connection, lease: &RequestLease) -> Result<(), Error> {
    on.prepare_cached("DELETE FROM idempotency WHERE org = ?1 AND name = ?2 AND token = ?3")?.execute(params![
        lease.org,
        lease.name,
        lease.token
    ])?;
    Ok(())
}

/// Deletes a number of expired rows of one caller, which may come after many rows of others.
pub(super) fn delete_expired_of(on: &Connection, org: &str, caller: &[u8; 32], now: Millis) -> Result<(), Error> {
    on.prepare_cached(
        "DELETE FROM idempotency WHERE rowid IN \
         (SELECT rowid FROM idempotency WHERE org = ?1 AND caller = ?2 AND expires_at <= ?3 LIMIT ?4)",
    )?
    .execute(params![org, caller, now, MAX_DELETED_AT_ONCE])?;
    Ok(())
}

/// Deletes a number of expired rows, also for callers that send no more requests.
pub(super) fn delete_expired(on: &Connection, now: Millis) -> Result<(), Error> {
    on.prepare_cached(
        "DELETE FROM idempotency WHERE rowid IN \
         (SELECT rowid FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?
    .execute(params![now, MAX_DELETED_AT_ONCE])?;
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

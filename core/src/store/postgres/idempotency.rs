//! The table of idempotent requests and their outcomes.

use std::sync::LazyLock;

use tokio_postgres::Row;

use super::connection::Query;
use super::table::{POSTGRES, PgColumns, take_over};
use super::value::SqlValue;
use crate::clock::Millis;
use crate::error::Error;
use crate::idempotency::{
    IdempotentRequest, MAX_DELETED_AT_ONCE, MAX_REQUESTS_PER_CALLER, RequestLease, RequestOutcome, StoredOutcome,
    StoredResponse,
};
use crate::store::rows::foreign_row;
use crate::store::script::{RequestId, RequestRows, RequestState};
use crate::store::table::IDEMPOTENCY;

/// The row and the sums of its caller. There is always one row, in which both may be missing.
static GET: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, c.kept, c.bytes, CASE WHEN c.kept >= $5 THEN \
           (SELECT min(e.expires_at) FROM keywright.idempotency e WHERE e.org = $1 AND e.caller = $4) END \
         FROM (SELECT 1) one \
         LEFT JOIN keywright.idempotency i ON i.org = $1 AND i.name = $2 AND i.expires_at > $3 \
         LEFT JOIN keywright.idempotency_callers c ON c.org = $1 AND c.caller = $4",
        IDEMPOTENCY.select(&POSTGRES, "i")
    )
});

static STORE: LazyLock<String> = LazyLock::new(|| {
    format!("{} ON CONFLICT (org, name) DO UPDATE SET {}", IDEMPOTENCY.insert(&POSTGRES), take_over(&IDEMPOTENCY))
});

static DELETE_EXPIRED_OF: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} AND e.org = $2 AND e.caller = $3 LIMIT {MAX_DELETED_AT_ONCE} FOR UPDATE SKIP LOCKED)",
        DELETE_EXPIRED_START
    )
});

static DELETE_EXPIRED: LazyLock<String> = LazyLock::new(|| {
    format!("{} ORDER BY e.expires_at LIMIT {MAX_DELETED_AT_ONCE} FOR UPDATE SKIP LOCKED)", DELETE_EXPIRED_START)
});

/// Rows that another transaction holds are left to it.
const DELETE_EXPIRED_START: &str = "DELETE FROM keywright.idempotency WHERE (org, name) IN \
    (SELECT e.org, e.name FROM keywright.idempotency e WHERE e.expires_at <= $1";

/// Takes a lock until the end of the transaction, so that no other one starts or ends the same request.
pub(super) fn lock_query(key: i64) -> Query<'static> {
    Query { sql: "SELECT pg_advisory_xact_lock($1)", values: vec![SqlValue::Integer(Some(key))] }
}

/// The key of the lock of a request, from the digest of its name. Two requests with the same key only wait for each other.
pub(super) fn lock_key(name: &[u8; 32]) -> i64 {
    let (start, _) = name.split_first_chunk().unwrap_or((&[0; 8], &[]));
    i64::from_be_bytes(*start)
}

pub(super) fn get_query(id: RequestId<'_>) -> Query<'_> {
    let RequestId { org, name, caller, at } = id;
    let most = SqlValue::unsigned(MAX_REQUESTS_PER_CALLER.into());
    Query {
        sql: &GET,
        values: vec![org.into(), name.as_slice().into(), SqlValue::time(at), caller.as_slice().into(), most],
    }
}

/// Reads the rows of [`get_query`].
pub(super) fn read_request(rows: &[Row]) -> Result<RequestRows, Error> {
    let row = rows.first().ok_or_else(foreign_row)?;
    let mut sums = PgColumns::at(row, IDEMPOTENCY.len());
    Ok(RequestRows {
        stored: read_stored(row)?,
        kept: u32::try_from(sums.count()?).unwrap_or(u32::MAX),
        bytes: sums.count()?,
        first_end: sums.optional_time()?,
    })
}

fn read_stored(row: &Row) -> Result<Option<StoredOutcome>, Error> {
    let mut columns = PgColumns::at(row, 0);
    if columns.next::<Option<&str>>()?.is_none() {
        return Ok(None);
    }
    // The rest of the primary key is that of the request.
    columns.skip();
    let content = columns.digest()?;
    // The caller is that of the request too, and the row has not expired.
    columns.skip();
    columns.skip();
    let token: Option<&[u8]> = columns.next()?;
    let outcome = match (token, columns.next()?, columns.next::<Option<i64>>()?) {
        (Some(_), _, _) => RequestOutcome::Running,
        (None, Some(changed), _) => RequestOutcome::Changed(changed),
        (None, None, Some(status)) => {
            let status = u16::try_from(status).map_err(|_| foreign_row())?;
            RequestOutcome::Answered(StoredResponse { status, headers: columns.next()?, body: columns.next()? })
        }
        (None, None, None) => return Err(foreign_row()),
    };
    Ok(Some(StoredOutcome { content, outcome }))
}

/// Stores a request, in place of an expired one.
pub(super) fn store<'a>(request: &'a IdempotentRequest, expires_at: Millis, state: &'a RequestState) -> Query<'a> {
    let IdempotentRequest { org, name, caller, content, at: _ } = request;
    let (token, changed) = match state {
        RequestState::Running(token) => (Some(token.as_slice()), None),
        RequestState::Changed(id) => (None, Some(id.as_str())),
    };
    let values: [SqlValue<'_>; IDEMPOTENCY.len()] = [
        org.into(),
        name.as_slice().into(),
        content.as_slice().into(),
        caller.as_slice().into(),
        SqlValue::time(expires_at),
        SqlValue::Bytes(token),
        changed.into(),
        SqlValue::Integer(None),
        SqlValue::Text(None),
        SqlValue::Bytes(None),
    ];
    Query { sql: &STORE, values: values.into() }
}

pub(super) fn finish<'a>(lease: &'a RequestLease, response: &'a StoredResponse, expires_at: Millis) -> Query<'a> {
    let sql = "UPDATE keywright.idempotency SET token = NULL, status = $4, headers = $5, body = $6, expires_at = $7 \
        WHERE org = $1 AND name = $2 AND token = $3";
    let mut values = lease_values(lease);
    values.extend([
        SqlValue::unsigned(response.status.into()),
        SqlValue::from(&response.headers),
        SqlValue::Bytes(response.body.as_deref()),
        SqlValue::time(expires_at),
    ]);
    Query { sql, values }
}

pub(super) fn delete(lease: &RequestLease) -> Query<'_> {
    let sql = "DELETE FROM keywright.idempotency WHERE org = $1 AND name = $2 AND token = $3";
    Query { sql, values: lease_values(lease) }
}

fn lease_values(lease: &RequestLease) -> Vec<SqlValue<'_>> {
    vec![(&lease.org).into(), lease.name.as_slice().into(), lease.token.as_slice().into()]
}

/// Deletes a number of expired rows of one caller, which may come after many rows of others.
pub(super) fn delete_expired_of<'a>(org: &'a str, caller: &'a [u8; 32], now: Millis) -> Query<'a> {
    Query { sql: &DELETE_EXPIRED_OF, values: vec![SqlValue::time(now), org.into(), caller.as_slice().into()] }
}

/// Deletes a number of expired rows, also for callers that send no more requests.
pub(super) fn delete_expired(now: Millis) -> Query<'static> {
    Query { sql: &DELETE_EXPIRED, values: vec![SqlValue::time(now)] }
}

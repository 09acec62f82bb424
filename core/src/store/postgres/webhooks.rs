//! The tables of webhooks. A trigger on the audit queues; a row that one program claims is skipped by all others.

use tokio_postgres::Row;

use super::connection::Query;
use super::table::PgColumns;
use super::value::SqlValue;
use crate::clock::{DAY, Millis};
use crate::error::Error;
use crate::store::webhook::{
    ClaimedDelivery, DeliveryOutcome, EndpointChange, EndpointRow, EndpointState, SettledBatch, SettledDelivery,
};

pub(super) fn register(endpoint: &EndpointRow) -> Query<'_> {
    let EndpointRow { id, url, actions, created_at, kept_until } = endpoint;
    Query {
        sql: "INSERT INTO keywright.webhook_endpoints AS e (id, origin, actions, created_at, kept_until) VALUES ($1, $2, $3, $4, $5) \
            ON CONFLICT (id) DO UPDATE SET origin = excluded.origin, actions = excluded.actions, \
            kept_until = greatest(e.kept_until, excluded.kept_until)",
        values: vec![id.into(), url.into(), actions.into(), SqlValue::time(*created_at), SqlValue::time(*kept_until)],
    }
}

pub(super) fn due(endpoints: &[String], now: Millis) -> Query<'_> {
    Query {
        sql: "SELECT e.id FROM keywright.webhook_endpoints e WHERE e.id = ANY ($1) AND e.disabled_at IS NULL \
            AND EXISTS (SELECT 1 FROM keywright.webhook_outbox o WHERE o.endpoint = e.id AND o.dead_at IS NULL AND o.next_at <= $2)",
        values: vec![SqlValue::Texts(endpoints.iter().map(String::as_str).collect()), SqlValue::time(now)],
    }
}

pub(super) fn read_due(rows: &[Row]) -> Result<Vec<String>, Error> {
    rows.iter().map(|row| PgColumns::at(row, 0).next()).collect()
}

pub(super) fn claim(endpoint: &str, now: Millis, until: Millis, limit: usize) -> Query<'_> {
    Query {
        // The first ones of both kinds in turn, so that neither waits for the end of the other. Only these are read of the index.
        sql: "WITH fresh AS MATERIALIZED (\
              SELECT d.seq FROM keywright.webhook_outbox d \
              WHERE d.endpoint = $1 AND d.dead_at IS NULL AND d.next_at <= '1970-01-01 00:00Z' \
              ORDER BY d.next_at, d.seq LIMIT $4 FOR UPDATE SKIP LOCKED), \
            again AS MATERIALIZED (\
              SELECT d.seq, d.next_at FROM keywright.webhook_outbox d \
              WHERE d.endpoint = $1 AND d.dead_at IS NULL AND d.next_at > '1970-01-01 00:00Z' AND d.next_at <= $2 \
              ORDER BY d.next_at, d.seq LIMIT $4 FOR UPDATE SKIP LOCKED), \
            found AS (\
              SELECT seq FROM (\
                SELECT seq, 1 AS is_new, row_number() OVER (ORDER BY seq) AS place FROM fresh \
                UNION ALL \
                SELECT seq, 0, row_number() OVER (ORDER BY next_at, seq) FROM again) AS due \
              ORDER BY place, is_new LIMIT $4) \
            UPDATE keywright.webhook_outbox AS o SET next_at = $3 FROM found \
            WHERE o.endpoint = $1 AND o.seq = found.seq \
            RETURNING o.seq, o.message, o.at, o.org, o.actor, o.action, o.target, o.reason, o.details::text, o.attempts, o.body",
        values: vec![
            endpoint.into(),
            SqlValue::time(now),
            SqlValue::time(until),
            SqlValue::unsigned(u64::try_from(limit).unwrap_or(u64::MAX)),
        ],
    }
}

pub(super) fn read_claimed(row: &Row) -> Result<ClaimedDelivery, Error> {
    let mut columns = PgColumns::at(row, 0);
    Ok(ClaimedDelivery {
        seq: columns.count()?,
        message: columns.next()?,
        at: columns.time()?,
        org: columns.next()?,
        actor: columns.next()?,
        action: columns.next()?,
        target: columns.next()?,
        reason: columns.next()?,
        details: columns.next()?,
        attempts: columns.count()?,
        body: columns.next()?,
    })
}

pub(super) fn settle<'a>(batch: &'a SettledBatch, delivery: &'a SettledDelivery) -> Query<'a> {
    let own = [SqlValue::from(&batch.endpoint), SqlValue::unsigned(delivery.seq), SqlValue::time(batch.leased_until)];
    match &delivery.outcome {
        DeliveryOutcome::Delivered => Query {
            sql: "DELETE FROM keywright.webhook_outbox \
                WHERE endpoint = $1 AND seq = $2 AND next_at = $3 AND dead_at IS NULL",
            values: own.into(),
        },
        DeliveryOutcome::Failed { next_at, body, failure } => Query {
            sql: "UPDATE keywright.webhook_outbox SET attempts = attempts + 1, next_at = coalesce($4, next_at), body = $5, \
                failure = $6, dead_at = CASE WHEN $4 IS NULL THEN $7::timestamptz END \
                WHERE endpoint = $1 AND seq = $2 AND next_at = $3 AND dead_at IS NULL",
            values: own
                .into_iter()
                .chain([SqlValue::optional_time(*next_at), body.into(), failure.into(), SqlValue::time(batch.at)])
                .collect(),
        },
    }
}

pub(super) fn endpoints() -> Query<'static> {
    Query {
        sql: "SELECT e.id, e.origin, e.actions, e.kept_until, e.disabled_at, e.reason, \
              (SELECT count(*) FROM keywright.webhook_outbox o WHERE o.endpoint = e.id AND o.dead_at IS NULL), \
              (SELECT count(*) FROM keywright.webhook_outbox o WHERE o.endpoint = e.id AND o.dead_at IS NOT NULL), \
              (SELECT o.failure FROM keywright.webhook_outbox o \
               WHERE o.endpoint = e.id AND o.failure IS NOT NULL ORDER BY o.seq DESC LIMIT 1) \
            FROM keywright.webhook_endpoints e ORDER BY e.created_at, e.id",
        values: Vec::new(),
    }
}

pub(super) fn read_endpoint(row: &Row) -> Result<EndpointState, Error> {
    let mut columns = PgColumns::at(row, 0);
    Ok(EndpointState {
        id: columns.next()?,
        url: columns.next()?,
        actions: columns.next()?,
        kept_until: columns.time()?,
        disabled_at: columns.optional_time()?,
        reason: columns.next()?,
        pending: columns.count()?,
        dead: columns.count()?,
        failure: columns.next()?,
    })
}

/// The statements of a change. The first one returns a row if there is such an endpoint.
pub(super) fn change<'a>(id: &'a str, change: &'a EndpointChange) -> Vec<Query<'a>> {
    let exists =
        Query { sql: "SELECT 1::bigint FROM keywright.webhook_endpoints WHERE id = $1", values: vec![id.into()] };
    let of_endpoint = |sql| Query { sql, values: vec![id.into()] };
    let rest = match change {
        EndpointChange::Disable { at, reason } => vec![
            Query {
                sql: "UPDATE keywright.webhook_endpoints SET disabled_at = $2, reason = $3 \
                    WHERE id = $1 AND disabled_at IS NULL",
                values: vec![id.into(), SqlValue::time(*at), reason.into()],
            },
            Query {
                sql: "UPDATE keywright.webhook_outbox SET dead_at = $2 WHERE endpoint = $1 AND dead_at IS NULL",
                values: vec![id.into(), SqlValue::time(*at)],
            },
        ],
        EndpointChange::Enable => {
            vec![of_endpoint("UPDATE keywright.webhook_endpoints SET disabled_at = NULL, reason = NULL WHERE id = $1")]
        }
        EndpointChange::Remove => vec![
            of_endpoint("DELETE FROM keywright.webhook_endpoints WHERE id = $1"),
            of_endpoint("DELETE FROM keywright.webhook_outbox WHERE endpoint = $1"),
        ],
        EndpointChange::Retry { at } => vec![Query {
            sql: "UPDATE keywright.webhook_outbox SET dead_at = NULL, attempts = 0, next_at = $2 \
                WHERE endpoint = $1 AND dead_at IS NOT NULL",
            values: vec![id.into(), SqlValue::time(*at)],
        }],
    };
    std::iter::once(exists).chain(rest).collect()
}

/// Deletes deliveries that are dead since before a time, and those that are a month older, whatever their state: for these no program
/// has made the attempts, which end within days.
pub(super) fn forget(before: Millis) -> Query<'static> {
    Query {
        sql: "DELETE FROM keywright.webhook_outbox WHERE dead_at < $1 OR at < $2",
        values: vec![SqlValue::time(before), SqlValue::time(before.saturating_sub(30 * DAY))],
    }
}

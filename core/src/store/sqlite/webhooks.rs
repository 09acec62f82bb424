//! The tables of webhooks. A trigger on the audit queues; the writer's transaction gives each delivery to one program.

use rusqlite::{Connection, Row, ToSql, params, params_from_iter};

use super::table::Columns;
use crate::clock::{DAY, Millis};
use crate::error::Error;
use crate::store::webhook::{
    ClaimedDelivery, DeliveryOutcome, EndpointChange, EndpointRow, EndpointState, SettledBatch,
};

pub(super) fn register(on: &Connection, endpoints: &[EndpointRow]) -> Result<(), Error> {
    let mut statement = on.prepare_cached(
        "INSERT INTO webhook_endpoints (id, origin, actions, created_at, kept_until) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO UPDATE SET origin = ?2, actions = ?3, kept_until = max(kept_until, ?5)",
    )?;
    for EndpointRow { id, url, actions, created_at, kept_until } in endpoints {
        statement.execute(params![id, url, actions, created_at, kept_until])?;
    }
    Ok(())
}

pub(super) fn due(on: &Connection, endpoints: &[String], now: Millis) -> Result<Vec<String>, Error> {
    let mut statement = on.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = ?1 AND disabled_at IS NULL) \
         AND EXISTS (SELECT 1 FROM webhook_outbox WHERE endpoint = ?1 AND dead_at IS NULL AND next_at <= ?2)",
    )?;
    let mut due = Vec::new();
    for endpoint in endpoints {
        if statement.query_row(params![endpoint, now], |row| row.get(0))? {
            due.push(endpoint.clone());
        }
    }
    Ok(due)
}

/// The first ones of both kinds in turn, so that neither waits for the end of the other. `<=` and the order by the time keep SQLite on
/// the index of what is due: by the primary key it would read all that waits before the first new one.
const CLAIM: &str = "UPDATE webhook_outbox SET next_at = ?3 WHERE endpoint = ?1 AND seq IN (\
       SELECT seq FROM (\
         SELECT seq, 1 AS is_new, row_number() OVER (ORDER BY seq) AS place FROM (\
           SELECT o.seq FROM webhook_outbox o WHERE o.endpoint = ?1 AND o.dead_at IS NULL AND o.next_at <= 0 \
           ORDER BY o.next_at, o.seq LIMIT ?4) \
         UNION ALL \
         SELECT seq, 0, row_number() OVER (ORDER BY next_at, seq) FROM (\
           SELECT o.seq, o.next_at FROM webhook_outbox o \
           WHERE o.endpoint = ?1 AND o.dead_at IS NULL AND o.next_at > 0 AND o.next_at <= ?2 \
           ORDER BY o.next_at, o.seq LIMIT ?4)) \
       ORDER BY place, is_new LIMIT ?4) \
     RETURNING seq, message, at, org, actor, action, target, reason, details, attempts, body";

pub(super) fn claim(
    on: &Connection,
    endpoint: &str,
    now: Millis,
    until: Millis,
    limit: usize,
) -> Result<Vec<ClaimedDelivery>, Error> {
    let mut statement = on.prepare_cached(CLAIM)?;
    let rows = statement.query_map(params![endpoint, now, until, limit], read_claimed)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read_claimed(row: &Row<'_>) -> rusqlite::Result<ClaimedDelivery> {
    let mut columns = Columns::at(row, 0);
    Ok(ClaimedDelivery {
        seq: columns.next()?,
        message: columns.next()?,
        at: columns.next()?,
        org: columns.next()?,
        actor: columns.next()?,
        action: columns.next()?,
        target: columns.next()?,
        reason: columns.next()?,
        details: columns.next()?,
        attempts: columns.next()?,
        body: columns.next()?,
    })
}

pub(super) fn settle(on: &Connection, batch: &SettledBatch) -> Result<(), Error> {
    const OWN: &str = "endpoint = ?1 AND seq = ?2 AND next_at = ?3 AND dead_at IS NULL";
    let mut delivered = on.prepare_cached(&format!("DELETE FROM webhook_outbox WHERE {OWN}"))?;
    let mut failed = on.prepare_cached(&format!(
        "UPDATE webhook_outbox SET attempts = attempts + 1, next_at = coalesce(?4, next_at), body = ?5, failure = ?6, \
         dead_at = CASE WHEN ?4 IS NULL THEN ?7 END WHERE {OWN}"
    ))?;
    let SettledBatch { endpoint, leased_until, at, deliveries } = batch;
    for delivery in deliveries {
        match &delivery.outcome {
            DeliveryOutcome::Delivered => delivered.execute(params![endpoint, delivery.seq, leased_until])?,
            DeliveryOutcome::Failed { next_at, body, failure } => {
                failed.execute(params![endpoint, delivery.seq, leased_until, next_at, body, failure, at])?
            }
        };
    }
    Ok(())
}

pub(super) fn endpoints(on: &Connection) -> Result<Vec<EndpointState>, Error> {
    let mut statement = on.prepare_cached(
        "SELECT e.id, e.origin, e.actions, e.kept_until, e.disabled_at, e.reason, \
           (SELECT count(*) FROM webhook_outbox o WHERE o.endpoint = e.id AND o.dead_at IS NULL), \
           (SELECT count(*) FROM webhook_outbox o WHERE o.endpoint = e.id AND o.dead_at IS NOT NULL), \
           (SELECT o.failure FROM webhook_outbox o WHERE o.endpoint = e.id AND o.failure IS NOT NULL ORDER BY o.seq DESC LIMIT 1) \
         FROM webhook_endpoints e ORDER BY e.created_at, e.id",
    )?;
    let rows = statement.query_map([], |row| {
        let mut columns = Columns::at(row, 0);
        Ok(EndpointState {
            id: columns.next()?,
            url: columns.next()?,
            actions: columns.next()?,
            kept_until: columns.next()?,
            disabled_at: columns.next()?,
            reason: columns.next()?,
            pending: columns.next()?,
            dead: columns.next()?,
            failure: columns.next()?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Changes an endpoint. `false` if there is none with this id.
pub(super) fn change(on: &Connection, id: &str, change: &EndpointChange) -> Result<bool, Error> {
    let run = |sql: &str, values: &[&dyn ToSql]| -> Result<usize, Error> {
        Ok(on.prepare_cached(sql)?.execute(params_from_iter(values))?)
    };
    let exists: bool = on
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = ?1)")?
        .query_row([id], |row| row.get(0))?;
    match change {
        EndpointChange::Disable { at, reason } => {
            run(
                "UPDATE webhook_endpoints SET disabled_at = ?2, reason = ?3 WHERE id = ?1 AND disabled_at IS NULL",
                &[&id, at, reason],
            )?;
            run("UPDATE webhook_outbox SET dead_at = ?2 WHERE endpoint = ?1 AND dead_at IS NULL", &[&id, at])?;
        }
        EndpointChange::Enable => {
            run("UPDATE webhook_endpoints SET disabled_at = NULL, reason = NULL WHERE id = ?1", &[&id])?;
        }
        EndpointChange::Remove => {
            run("DELETE FROM webhook_endpoints WHERE id = ?1", &[&id])?;
            run("DELETE FROM webhook_outbox WHERE endpoint = ?1", &[&id])?;
        }
        EndpointChange::Retry { at } => {
            run(
                "UPDATE webhook_outbox SET dead_at = NULL, attempts = 0, next_at = ?2 WHERE endpoint = ?1 AND dead_at IS NOT NULL",
                &[&id, at],
            )?;
        }
    }
    Ok(exists)
}

/// Deletes deliveries that are dead since before a time, and those that are a month older, whatever their state: for these no program
/// has made the attempts, which end within days.
pub(super) fn forget(on: &Connection, before: Millis) -> Result<(), Error> {
    on.prepare_cached("DELETE FROM webhook_outbox WHERE dead_at < ?1 OR at < ?2")?
        .execute([before, before.saturating_sub(30 * DAY)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_claim_reads_only_what_it_takes() {
        let steps = |queued: i64| {
            let on = Connection::open_in_memory().unwrap();
            on.execute_batch("CREATE TABLE audit (seq, hash, at, org, actor, action, target, reason, details)")
                .unwrap();
            on.execute_batch(include_str!("migrations/0012_webhooks.sql")).unwrap();
            // The last ones are new; half of the others are due again, and half wait.
            let fill = "WITH RECURSIVE n (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?1) \
                INSERT INTO webhook_outbox (endpoint, seq, message, at, action, details, next_at) \
                SELECT 'we', seq, '', 0, '', '{}', iif(seq > ?1 - 20, 0, 1000 + seq % 2 * 1000) FROM n";
            on.execute(fill, [queued]).unwrap();
            let mut statement = on.prepare(CLAIM).unwrap();
            let claimed = statement.query_map(params!["we", 1_500, 60_000, 16], read_claimed).unwrap();
            let claimed: Vec<_> = claimed.map(Result::unwrap).collect();
            let cut = u64::try_from(queued - 20).unwrap();
            assert_eq!((claimed.len(), claimed.iter().filter(|it| it.seq > cut).count()), (16, 8));
            statement.get_status(StatementStatus::VmStep)
        };
        let (few, many) = (steps(200), steps(20_000));
        assert!(many < 2 * few, "{many} steps with a hundred times the queue, and not {few}");
    }
}

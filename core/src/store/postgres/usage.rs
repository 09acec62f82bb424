//! The tables of counters. They are apart from the tables of keys and secrets, so that a flush can never write a right back.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::changes;
use super::connection::Query;
use super::pool::Pool;
use super::rows::read_counts;
use super::table::{InsertStatements, POSTGRES, PgColumns};
use super::value::SqlValue;
use crate::clock::{DAY, Millis, time};
use crate::error::Error;
use crate::store::rows::{AgentCounts, Counts, FlushId, MOST_AGENTS, OTHER_AGENTS, UsageDelta};
use crate::store::table::{AGENTS, USAGE};

/// The lookup of the row that counts for all secrets of a key.
const ALL: &str = "";

/// How long a flush without an answer may be sent again.
const REPEATED_WITHIN: Millis = 7 * DAY;

/// Adds to the counters of a row `r`. A counter stays at the largest integer.
const ADD: &str = "usage_count = least(r.usage_count, 9223372036854775807 - excluded.usage_count) + excluded.usage_count, \
    denied_count = least(r.denied_count, 9223372036854775807 - excluded.denied_count) + excluded.denied_count, \
    last_used_at = greatest(r.last_used_at, excluded.last_used_at)";

/// Both tables in one statement, unless this flush was written before. It returns the changes after a number as well, which saves
/// the watcher a query. Clients choose the names of agents, so those beyond a number count as one.
static ADD_COUNTS: LazyLock<String> = LazyLock::new(|| {
    let (usage, agents) = (USAGE.columns.join(", "), AGENTS.columns.join(", "));
    format!(
        "WITH flush AS (\
           INSERT INTO keywright.usage_flushes AS r (meters, number, flushed_at) VALUES ($11, $12, $13) \
           ON CONFLICT (meters) DO UPDATE SET number = excluded.number, flushed_at = excluded.flushed_at \
             WHERE r.number < excluded.number \
           RETURNING number), \
         counted AS (\
           INSERT INTO keywright.usage AS r ({usage}) \
           SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[]) \
           WHERE EXISTS (SELECT FROM flush) \
           ON CONFLICT (key_id, lookup) DO UPDATE SET {ADD}), \
         used AS (\
           SELECT * FROM unnest($6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::timestamptz[]) \
             AS u (key_id, agent, usage_count, denied_count, last_used_at) \
           WHERE EXISTS (SELECT FROM flush)), \
         known AS (\
           SELECT key_id, count(*) FILTER (WHERE agent <> '{OTHER_AGENTS}') AS number FROM keywright.agents \
           WHERE key_id IN (SELECT key_id FROM used) GROUP BY key_id), \
         placed AS (\
           SELECT u.*, a.agent IS NOT NULL OR u.agent = '{OTHER_AGENTS}' AS exists_already, \
             row_number() OVER (PARTITION BY u.key_id, a.agent IS NOT NULL OR u.agent = '{OTHER_AGENTS}') \
               + coalesce(k.number, 0) AS place \
           FROM used u LEFT JOIN keywright.agents a ON a.key_id = u.key_id AND a.agent = u.agent \
           LEFT JOIN known k ON k.key_id = u.key_id), \
         counted_agents AS (\
           INSERT INTO keywright.agents AS r ({agents}) \
           SELECT key_id, CASE WHEN exists_already OR place <= {MOST_AGENTS} THEN agent ELSE '{OTHER_AGENTS}' END AS name, \
             sum(usage_count)::bigint, sum(denied_count)::bigint, max(last_used_at) \
           FROM placed GROUP BY key_id, name ORDER BY key_id, name \
           ON CONFLICT (key_id, agent) DO UPDATE SET {ADD}) \
         {}",
        changes::since_parameter(14)
    )
});

pub(super) static INSERT: LazyLock<InsertStatements> = LazyLock::new(|| InsertStatements::new(&USAGE));

static GET_AGENTS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM keywright.agents a WHERE a.key_id = $1", AGENTS.select(&POSTGRES, "a")));

/// Counters by two names. They are in order, so that two flushes lock the rows that they share in the same order.
type CountsByName<'a> = BTreeMap<(&'a str, &'a str), Counts>;

/// The statement that adds to the counters of each secret, of its key and of the agents, once for each flush, and reads the
/// changes after a number. `None` if there is nothing to add.
pub(super) fn add(flush: FlushId, used: &[UsageDelta], now: Millis, after: i64) -> Option<Query<'_>> {
    let (mut usage, mut of_agents): (CountsByName<'_>, CountsByName<'_>) = (BTreeMap::new(), BTreeMap::new());
    for UsageDelta { key_id, lookup, counts, agents, .. } in used {
        for lookup in [ALL, lookup] {
            usage.entry((key_id, lookup)).or_default().add(*counts);
        }
        for AgentCounts { agent, counts } in agents {
            of_agents.entry((key_id, agent)).or_default().add(*counts);
        }
    }
    if usage.is_empty() {
        return None;
    }
    let integer = |it| SqlValue::Integer(Some(it));
    let rest = vec![flush.meters.to_vec().into(), integer(flush.number), SqlValue::time(now), integer(after)];
    Some(Query { sql: &ADD_COUNTS, values: [columns(&usage), columns(&of_agents), rest].concat() })
}

/// The rows of the counters of a new secret and its key, in the order of [`USAGE`].
pub(super) fn values<'a>(key_id: &'a str, lookup: &'a str, counts: Counts) -> [[SqlValue<'a>; USAGE.len()]; 2] {
    let Counts { usage_count, denied_count, last_used_at } = counts;
    [ALL, lookup].map(|lookup| {
        [
            key_id.into(),
            lookup.into(),
            SqlValue::unsigned(usage_count),
            SqlValue::unsigned(denied_count),
            SqlValue::optional_time(last_used_at),
        ]
    })
}

/// The statement that forgets the flushes of engines that have ended.
pub(super) fn forget_flushes(now: Millis) -> Query<'static> {
    let sql = "DELETE FROM keywright.usage_flushes WHERE flushed_at < $1";
    Query { sql, values: vec![SqlValue::time(now.saturating_sub(REPEATED_WITHIN))] }
}

fn columns<'a>(counts: &CountsByName<'a>) -> Vec<SqlValue<'a>> {
    let integers = |number: fn(&Counts) -> u64| {
        SqlValue::Integers(counts.values().map(|it| i64::try_from(number(it)).unwrap_or(i64::MAX)).collect())
    };
    vec![
        SqlValue::Texts(counts.keys().map(|names| names.0).collect()),
        SqlValue::Texts(counts.keys().map(|names| names.1).collect()),
        integers(|counts| counts.usage_count),
        integers(|counts| counts.denied_count),
        SqlValue::Times(counts.values().map(|counts| counts.last_used_at.map(time)).collect()),
    ]
}

pub(super) async fn agents(on: &Pool, key_id: &str) -> Result<Vec<AgentCounts>, Error> {
    let rows = on.read(&Query { sql: &GET_AGENTS, values: vec![key_id.into()] }).await?;
    let read = |row| {
        let mut columns = PgColumns::at(row, 1);
        Ok(AgentCounts { agent: Arc::from(columns.next::<&str>()?), counts: read_counts(&mut columns)? })
    };
    rows.iter().map(read).collect()
}

/// The statement that claims a day. It returns a row for the first one who does.
pub(super) fn claim_day(day: i64) -> Query<'static> {
    let sql = "UPDATE keywright.meta SET looked_on = $1 WHERE looked_on < $1 RETURNING looked_on";
    Query { sql, values: vec![SqlValue::Integer(Some(day))] }
}

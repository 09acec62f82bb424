//! Counters, in a table of their own: writing them can never write a right back.

use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use crate::error::Error;
use crate::store::{AgentCounts, Counts, MOST_AGENTS, OTHER_AGENTS, UsageDelta};

/// The lookup of the row that counts for all secrets of a key.
const ALL: &str = "";

pub(super) fn add(on: &Transaction<'_>, used: &[UsageDelta]) -> Result<(), Error> {
    let mut statement = on.prepare_cached(
        "INSERT INTO usage (key_id, lookup, usage_count, denied_count, last_used_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (key_id, lookup) DO UPDATE SET \
         usage_count = min(usage_count, ?6 - ?3) + ?3, denied_count = min(denied_count, ?6 - ?4) + ?4, \
         last_used_at = coalesce(max(last_used_at, ?5), last_used_at, ?5)",
    )?;
    for UsageDelta { key_id, lookup, counts, agents, .. } in used {
        add_agents(on, key_id, agents)?;
        for lookup in [ALL, lookup] {
            statement.execute(params![
                key_id,
                lookup,
                count(counts.usage_count),
                count(counts.denied_count),
                counts.last_used_at,
                i64::MAX
            ])?;
        }
    }
    Ok(())
}

fn count(it: u64) -> i64 {
    i64::try_from(it).unwrap_or(i64::MAX)
}

/// Adds to what agents of a key have counted. A key has so many rows and no more, whatever names its clients think of.
fn add_agents(on: &Transaction<'_>, key_id: &str, agents: &[AgentCounts]) -> Result<(), Error> {
    if agents.is_empty() {
        return Ok(());
    }
    let mut held: usize = on
        .prepare_cached("SELECT count(*) FROM agents WHERE key_id = ?1 AND agent <> ?2")?
        .query_row([key_id, OTHER_AGENTS], |row| row.get(0))?;
    let mut more = on.prepare_cached(
        "UPDATE agents SET usage_count = min(usage_count, ?6 - ?3) + ?3, denied_count = min(denied_count, ?6 - ?4) + ?4, \
         last_used_at = coalesce(max(last_used_at, ?5), last_used_at, ?5) WHERE key_id = ?1 AND agent = ?2",
    )?;
    let mut first = on.prepare_cached(
        "INSERT INTO agents (key_id, agent, usage_count, denied_count, last_used_at) VALUES (?1, ?2, 0, 0, NULL) \
         ON CONFLICT (key_id, agent) DO NOTHING",
    )?;
    for AgentCounts { agent, counts } in agents {
        let mut add = |agent: &str| {
            let (used, denied) = (count(counts.usage_count), count(counts.denied_count));
            more.execute(params![key_id, agent, used, denied, counts.last_used_at, i64::MAX])
        };
        if add(agent)? > 0 {
            continue;
        }
        let agent = if held < MOST_AGENTS { agent } else { OTHER_AGENTS };
        held += usize::from(agent != OTHER_AGENTS);
        first.execute([key_id, agent])?;
        add(agent)?;
    }
    Ok(())
}

pub(super) fn agents(on: &Connection, key_id: &str) -> Result<Vec<AgentCounts>, Error> {
    let mut statement =
        on.prepare_cached("SELECT agent, usage_count, denied_count, last_used_at FROM agents WHERE key_id = ?1")?;
    let rows = statement.query_map([key_id], |row| {
        let counts = Counts { usage_count: row.get(1)?, denied_count: row.get(2)?, last_used_at: row.get(3)? };
        Ok(AgentCounts { agent: Arc::from(row.get_ref(0)?.as_str()?), counts })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn claim_day(on: &Transaction<'_>, day: i64) -> Result<bool, Error> {
    Ok(on.execute("UPDATE meta SET looked_on = ?1 WHERE looked_on < ?1", [day])? > 0)
}

//! The tables of counters. They are apart from the tables of keys and secrets, so that a flush can never write a right back.

use std::sync::{Arc, LazyLock};

use rusqlite::{Connection, ToSql};

use super::rows::read_counts;
use super::table::{Columns, SQLITE};
use crate::error::Error;
use crate::store::rows::{AgentCounts, Counts, MOST_AGENTS, OTHER_AGENTS, UsageDelta};
use crate::store::table::{AGENTS, USAGE};

/// The lookup of the row that counts for all secrets of a key.
const ALL: &str = "";

/// Adds the parameters of an `INSERT` to the counters of a row. `?6` is the largest integer, at which a counter stays.
const ADD: &str = "usage_count = min(usage_count, ?6 - ?3) + ?3, denied_count = min(denied_count, ?6 - ?4) + ?4, \
    last_used_at = coalesce(max(last_used_at, ?5), last_used_at, ?5)";

static ADD_USAGE: LazyLock<String> =
    LazyLock::new(|| format!("{} ON CONFLICT (key_id, lookup) DO UPDATE SET {ADD}", USAGE.insert(&SQLITE)));
static ADD_AGENT: LazyLock<String> =
    LazyLock::new(|| format!("{} ON CONFLICT (key_id, agent) DO UPDATE SET {ADD}", AGENTS.insert(&SQLITE)));
static GET_AGENTS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM agents a WHERE a.key_id = ?1", AGENTS.select(&SQLITE, "a")));

pub(super) fn add(on: &Connection, used: &[UsageDelta]) -> Result<(), Error> {
    for UsageDelta { key_id, lookup, counts, agents, .. } in used {
        add_agents(on, key_id, agents)?;
        for lookup in [ALL, lookup] {
            add_counts(on, &ADD_USAGE, key_id, lookup, *counts)?;
        }
    }
    Ok(())
}

/// The counters of a new secret and its key.
pub(super) fn insert(on: &Connection, key_id: &str, lookup: &str, counts: Counts) -> Result<(), Error> {
    [ALL, lookup].into_iter().try_for_each(|lookup| add_counts(on, &ADD_USAGE, key_id, lookup, counts))
}

fn add_counts(on: &Connection, sql: &str, key_id: &str, name: &str, counts: Counts) -> Result<(), Error> {
    let Counts { usage_count, denied_count, last_used_at } = counts;
    let (usage_count, denied_count) = (integer(usage_count), integer(denied_count));
    let values: [&dyn ToSql; USAGE.len() + 1] = [&key_id, &name, &usage_count, &denied_count, &last_used_at, &i64::MAX];
    on.prepare_cached(sql)?.execute(values.as_slice())?;
    Ok(())
}

fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Adds to the counters of the agents of a key. Clients choose the names, so the number of rows has a bound.
fn add_agents(on: &Connection, key_id: &str, agents: &[AgentCounts]) -> Result<(), Error> {
    if agents.is_empty() {
        return Ok(());
    }
    let mut known: usize = on
        .prepare_cached("SELECT count(*) FROM agents WHERE key_id = ?1 AND agent <> ?2")?
        .query_row([key_id, OTHER_AGENTS], |row| row.get(0))?;
    let mut exists = on.prepare_cached("SELECT EXISTS (SELECT 1 FROM agents WHERE key_id = ?1 AND agent = ?2)")?;
    for AgentCounts { agent, counts } in agents {
        let mut name = &**agent;
        if name != OTHER_AGENTS && !exists.query_row([key_id, name], |row| row.get(0))? {
            if known < MOST_AGENTS {
                known += 1;
            } else {
                name = OTHER_AGENTS;
            }
        }
        add_counts(on, &ADD_AGENT, key_id, name, *counts)?;
    }
    Ok(())
}

pub(super) fn agents(on: &Connection, key_id: &str) -> Result<Vec<AgentCounts>, Error> {
    let mut statement = on.prepare_cached(&GET_AGENTS)?;
    let rows = statement.query_map([key_id], |row| {
        let mut columns = Columns::at(row, 1);
        Ok(AgentCounts { agent: Arc::from(columns.next_ref()?.as_str()?), counts: read_counts(&mut columns)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn claim_day(on: &Connection, day: i64) -> Result<bool, Error> {
    Ok(on.execute("UPDATE meta SET looked_on = ?1 WHERE looked_on < ?1", [day])? > 0)
}

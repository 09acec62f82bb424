//! Counters, in a table of their own: writing them can never write a right back.

use rusqlite::{Transaction, params};

use crate::error::Error;
use crate::store::Used;

/// The lookup of the row that counts for all secrets of a key.
const ALL: &str = "";

pub(super) fn add(on: &Transaction<'_>, used: &[Used]) -> Result<(), Error> {
    let mut statement = on.prepare_cached(
        "INSERT INTO usage (key_id, lookup, usage_count, denied_count, last_used_at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (key_id, lookup) DO UPDATE SET \
         usage_count = min(usage_count, ?6 - ?3) + ?3, denied_count = min(denied_count, ?6 - ?4) + ?4, \
         last_used_at = coalesce(max(last_used_at, ?5), last_used_at, ?5)",
    )?;
    for Used { key_id, lookup, counts } in used {
        let count = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
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

//! The table of quotas. A sale reads and writes one row in the transaction of the writer, which no other process shares.

use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};

use crate::error::Error;
use crate::limit::quota::{MAX_AMOUNT, QuotaCount};
use crate::store::rows::{QuotaId, QuotaSale, QuotaSold};

/// The row of one count.
const ROW: &str = "per = ?1 AND owner = ?2 AND name = ?3 AND every = ?4 AND starts_at = ?5";

const INSERT: &str = "INSERT INTO quotas (per, owner, name, every, starts_at, used, credited)";

/// Sells in the order of the sales, by [`Demand::sell`](crate::limit::quota::Demand::sell).
pub(super) fn sell(on: &Connection, sales: &[QuotaSale]) -> Result<Vec<QuotaSold>, Error> {
    let sell = |sale: &QuotaSale| {
        let before = count(on, &sale.id)?;
        let (sold, count) = sale.demand.sell(before);
        if count != before {
            let sql = format!("{INSERT} VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) ON CONFLICT DO UPDATE SET used = ?6");
            execute(on, &sql, &sale.id, &[&integer(count.used)])?;
        }
        if sale.is_first {
            forget(on, &sale.id)?;
        }
        Ok(QuotaSold { sold, count })
    };
    sales.iter().map(sell).collect()
}

/// Adds to what a balance was given.
pub(super) fn credit(on: &Connection, id: &QuotaId, amount: u64) -> Result<(), Error> {
    let sql = format!(
        "{INSERT} VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6) ON CONFLICT DO UPDATE SET credited = min(credited + ?6, ?7)"
    );
    execute(on, &sql, id, &[&integer(amount), &integer(MAX_AMOUNT)])
}

/// The count of a quota in a period, which is 0 without a row.
pub(super) fn count(on: &Connection, id: &QuotaId) -> Result<QuotaCount, Error> {
    let mut statement = on.prepare_cached(&format!("SELECT used, credited FROM quotas WHERE {ROW}"))?;
    let (per, every) = (id.per.as_str(), id.every_text());
    let key: [&dyn ToSql; 5] = [&per, &id.owner, &id.name, &every, &id.starts_at];
    let read = |row: &rusqlite::Row<'_>| Ok(QuotaCount { used: row.get(0)?, credited: row.get(1)? });
    Ok(statement.query_row(key.as_slice(), read).optional()?.unwrap_or_default())
}

/// Deletes the periods before the last two that came before this one.
fn forget(on: &Connection, id: &QuotaId) -> Result<(), Error> {
    const OF_QUOTA: &str = "per = ?1 AND owner = ?2 AND name = ?3 AND every = ?4";
    let sql = format!(
        "DELETE FROM quotas WHERE {OF_QUOTA} AND starts_at < (SELECT starts_at FROM quotas WHERE {OF_QUOTA} \
         AND starts_at < ?5 ORDER BY starts_at DESC LIMIT 1 OFFSET 1)"
    );
    execute(on, &sql, id, &[])
}

fn execute(on: &Connection, sql: &str, id: &QuotaId, more: &[&dyn ToSql]) -> Result<(), Error> {
    let (per, every) = (id.per.as_str(), id.every_text());
    let key: [&dyn ToSql; 5] = [&per, &id.owner, &id.name, &every, &id.starts_at];
    on.prepare_cached(sql)?.execute(params_from_iter(key.iter().chain(more)))?;
    Ok(())
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! The table of quotas. A sale is one statement, which locks the row of its count.

use std::sync::LazyLock;

use tokio_postgres::Row;

use super::connection::Query;
use super::table::PgColumns;
use super::value::SqlValue;
use crate::error::Error;
use crate::limit::quota::{ADVANCE_PART, MAX_AMOUNT, QuotaCount};
use crate::store::rows::{QuotaId, QuotaSale, QuotaSold, foreign_row};

/// [`Demand::sell`](crate::limit::quota::Demand::sell) in SQL: the parameters from 6 on are the amount, the least need, the needs,
/// what is wanted and what comes back.
static SELL: LazyLock<String> = LazyLock::new(|| {
    let sold = |left: &str| {
        format!("CASE WHEN {left} < $7 THEN 0 ELSE least({left}, greatest($8, least($9, {left} / {ADVANCE_PART}))) END")
    };
    let first = sold("$6");
    let used = "greatest(q.used - $10, 0)";
    let next = sold(&format!("greatest($6 + q.credited - {used}, 0)"));
    format!(
        "INSERT INTO keywright.quotas AS q (per, owner, name, every, starts_at, used, credited, last_sale) \
         VALUES ($1, $2, $3, $4, $5, {first}, 0, {first}) \
         ON CONFLICT (per, owner, name, every, starts_at) DO UPDATE SET used = {used} + {next}, last_sale = {next} \
         RETURNING used, credited, last_sale"
    )
});

/// Sells by one purchase. It returns one row, which [`read_sold`] reads.
pub(super) fn sell(sale: &QuotaSale) -> Query<'_> {
    let demand = &sale.demand;
    let numbers = [demand.amount, demand.least, demand.need, demand.want, demand.given_back];
    Query { sql: &SELL, values: key(&sale.id).chain(numbers.map(SqlValue::unsigned)).collect() }
}

/// Reads the answer to [`sell`].
pub(super) fn read_sold(rows: &[Row]) -> Result<QuotaSold, Error> {
    let mut columns = PgColumns::at(rows.first().ok_or_else(foreign_row)?, 0);
    let count = QuotaCount { used: columns.count()?, credited: columns.count()? };
    Ok(QuotaSold { sold: columns.count()?, count })
}

/// Deletes the periods before the last two that came before this one.
pub(super) fn forget(id: &QuotaId) -> Query<'_> {
    let sql = "DELETE FROM keywright.quotas WHERE per = $1 AND owner = $2 AND name = $3 AND every = $4 AND starts_at < \
        (SELECT q.starts_at FROM keywright.quotas q WHERE q.per = $1 AND q.owner = $2 AND q.name = $3 AND q.every = $4 \
         AND q.starts_at < $5 ORDER BY q.starts_at DESC LIMIT 1 OFFSET 1)";
    Query { sql, values: key(id).collect() }
}

/// Adds to what a balance was given.
pub(super) fn credit(id: &QuotaId, amount: u64) -> Query<'_> {
    let sql = "INSERT INTO keywright.quotas AS q (per, owner, name, every, starts_at, used, credited, last_sale) \
        VALUES ($1, $2, $3, $4, $5, 0, $6, 0) ON CONFLICT (per, owner, name, every, starts_at) \
        DO UPDATE SET credited = least(q.credited + $6, $7)";
    Query { sql, values: key(id).chain([amount, MAX_AMOUNT].map(SqlValue::unsigned)).collect() }
}

/// Reads the count of a quota in a period.
pub(super) fn count(id: &QuotaId) -> Query<'_> {
    let sql = "SELECT used, credited FROM keywright.quotas \
        WHERE per = $1 AND owner = $2 AND name = $3 AND every = $4 AND starts_at = $5";
    Query { sql, values: key(id).collect() }
}

/// Reads the answer to [`count`]: 0 without a row.
pub(super) fn read_count(rows: &[Row]) -> Result<QuotaCount, Error> {
    let Some(row) = rows.first() else { return Ok(QuotaCount::default()) };
    let mut columns = PgColumns::at(row, 0);
    Ok(QuotaCount { used: columns.count()?, credited: columns.count()? })
}

fn key(id: &QuotaId) -> impl Iterator<Item = SqlValue<'_>> {
    let texts = [id.per.as_str(), &id.owner, &id.name, id.every_text()].map(SqlValue::from);
    texts.into_iter().chain([SqlValue::any_time(id.starts_at)])
}

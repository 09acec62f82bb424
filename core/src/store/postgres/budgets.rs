//! The table of budgets of shared limits. A purchase is one statement, which takes no lock of other tables.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;

use super::connection::Query;
use super::error;
use super::pool::Pool;
use super::table::PgColumns;
use super::value::SqlValue;
use crate::error::{Error, UnavailableCause};
use crate::limit::lease::{Backlog, BudgetState, BudgetTerms, PlaceTime, Purchase, Sale, Sales, nonsense};
use crate::remote::runtime::limited;

/// How long a purchase may take. A verification waits for it.
const PATIENCE: Duration = Duration::from_millis(900);

const BUY: &str = "SELECT sold, backlog, sold_at, refused FROM keywright.buy_requests($1, $2, $3, $4, $5, $6, $7, $8)";

/// Buys in one round trip. The first purchase connects before.
pub(super) async fn buy(on: &Arc<Pool>, purchases: &[Purchase]) -> Result<Sales, Error> {
    match run(on, purchases).await? {
        Err(problem) if error::is_lost(&problem) => {
            // The server restarted, or a firewall cut an idle connection. What went back then must not go back twice.
            let once: Vec<_> = purchases.iter().map(|purchase| Purchase { give_back: None, ..*purchase }).collect();
            run(on, &once).await?.map_err(|problem| error::of_statement(&problem))
        }
        answer => answer.map_err(|problem| error::of_statement(&problem)),
    }
    .and_then(|rows| read(&rows, purchases.len()))
}

async fn run(on: &Arc<Pool>, purchases: &[Purchase]) -> Result<Result<Vec<Row>, tokio_postgres::Error>, Error> {
    let connection = on.budgets().await?;
    let query = Query { sql: BUY, values: values(purchases) };
    let answer = limited(on.runtime(), PATIENCE, connection.query(&query)).await;
    answer.ok_or_else(|| {
        // The statement may still wait there, and with it those that come after it.
        connection.retire();
        slow()
    })
}

fn slow() -> Error {
    Error::unavailable(
        UnavailableCause::Busy,
        "PostgreSQL did not answer a purchase of a limit in time",
        "look for what slows the server or the network down",
    )
}

fn values(purchases: &[Purchase]) -> Vec<SqlValue<'_>> {
    let numbers = |number: fn(&Purchase) -> u64| {
        SqlValue::Integers(purchases.iter().map(|it| i64::try_from(number(it)).unwrap_or(i64::MAX)).collect())
    };
    vec![
        SqlValue::ByteLists(purchases.iter().map(|it| it.budget.0.as_slice()).collect()),
        numbers(|Purchase { terms: BudgetTerms::Rate(params), .. }| params.ticks()),
        numbers(|Purchase { terms: BudgetTerms::Rate(params), .. }| params.emission_interval()),
        numbers(|Purchase { terms: BudgetTerms::Rate(params), .. }| params.tolerance()),
        numbers(|purchase| purchase.need),
        numbers(|purchase| purchase.want),
        numbers(|purchase| purchase.give_back.map_or(0, |it| it.amount)),
        numbers(|purchase| purchase.give_back.map_or(0, |it| it.sold_at.0)),
    ]
}

fn read(rows: &[Row], expected: usize) -> Result<Sales, Error> {
    let (mut at, mut refused, mut sales) = (0, None, Vec::with_capacity(expected));
    for row in rows {
        let mut columns = PgColumns::at(row, 0);
        let (sold, backlog, sold_at): (i64, i64, i64) = (columns.next()?, columns.next()?, columns.next()?);
        let first: Option<i32> = columns.next()?;
        let unsigned = |number: i64| u64::try_from(number).map_err(|_| nonsense());
        let state = BudgetState::Rate(Backlog::from_ticks(unsigned(backlog)?));
        (at, refused) = (unsigned(sold_at)?, first);
        sales.push(Sale { sold: unsigned(sold)?, state });
    }
    let refused = refused.map(|number| usize::try_from(number - 1).map_err(|_| nonsense())).transpose()?;
    Ok(Sales { at: PlaceTime(at), refused, sales })
}

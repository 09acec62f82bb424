//! The rows that an import meets.

use tokio_postgres::Row;

use super::connection::Query;
use super::orgs;
use super::table::PgColumns;
use super::value::SqlValue;
use crate::error::Error;
use crate::lifecycle::Lifecycle;
use crate::store::rows::foreign_row;
use crate::store::script::{FoundLookup, ImportReads, ImportRows};

/// The statements, whose answers [`read`] takes in the same order.
pub(super) fn queries(reads: ImportReads<'_>) -> [Query<'_>; 4] {
    let ImportReads { ids, lookups, orgs: of } = reads;
    let formats = Query { sql: "SELECT imported_formats FROM keywright.meta", values: Vec::new() };
    let found = Query {
        sql: "SELECT s.lookup, s.key_id, k.org, k.expires_at, k.disabled_at, k.revoked_at, s.verifier FROM keywright.secrets s \
              JOIN keywright.keys k ON k.id = s.key_id WHERE s.lookup = ANY ($1)",
        values: vec![SqlValue::TextList(Some(lookups))],
    };
    let taken =
        Query { sql: "SELECT id FROM keywright.keys WHERE id = ANY ($1)", values: vec![SqlValue::TextList(Some(ids))] };
    [formats, found, taken, orgs::get_query(of.iter().map(String::as_str).collect())]
}

pub(super) fn read([formats, found, taken, orgs]: [Vec<Row>; 4]) -> Result<ImportRows, Error> {
    let mut rows = ImportRows {
        formats: PgColumns::at(formats.first().ok_or_else(foreign_row)?, 0).next()?,
        ..ImportRows::default()
    };
    for row in &found {
        let mut columns = PgColumns::at(row, 0);
        let lookup = columns.next()?;
        let found = FoundLookup {
            key_id: columns.next()?,
            org: columns.next()?,
            life: Lifecycle {
                expires_at: columns.optional_time()?,
                disabled_at: columns.optional_time()?,
                revoked_at: columns.optional_time()?,
            },
            verifier: columns.next()?,
        };
        rows.lookups.insert(lookup, found);
    }
    for row in &taken {
        rows.ids.insert(PgColumns::at(row, 0).next()?);
    }
    for row in &orgs {
        rows.orgs.push(orgs::read(row)?);
    }
    Ok(rows)
}

//! The rows that an import meets.

use rusqlite::{Connection, OptionalExtension};

use super::orgs;
use crate::error::Error;
use crate::store::script::{FoundLookup, ImportReads, ImportRows};

pub(super) fn rows(on: &Connection, reads: ImportReads<'_>) -> Result<ImportRows, Error> {
    let mut rows = ImportRows {
        formats: on.query_row("SELECT imported_formats FROM meta", [], |row| row.get(0))?,
        ..ImportRows::default()
    };
    let mut find = on.prepare_cached(
        "SELECT s.key_id, k.org, s.verifier FROM secrets s JOIN keys k ON k.id = s.key_id WHERE s.lookup = ?1",
    )?;
    for lookup in reads.lookups {
        let found = find.query_row([lookup], |row| {
            Ok(FoundLookup { key_id: row.get(0)?, org: row.get(1)?, verifier: row.get(2)? })
        });
        rows.lookups.extend(found.optional()?.map(|found| (lookup.clone(), found)));
    }
    let mut exists = on.prepare_cached("SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1)")?;
    for id in reads.ids {
        if exists.query_row([id], |row| row.get(0))? {
            rows.ids.insert(id.clone());
        }
    }
    for org in reads.orgs {
        rows.orgs.extend(orgs::get(on, org)?);
    }
    Ok(rows)
}

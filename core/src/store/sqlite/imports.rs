//! The rows that an import meets.

use rusqlite::{Connection, OptionalExtension};

use super::orgs;
use crate::error::Error;
use crate::lifecycle::Lifecycle;
use crate::store::script::{FoundLookup, ImportReads, ImportRows};

pub(super) fn rows(on: &Connection, reads: ImportReads<'_>) -> Result<ImportRows, Error> {
    let mut rows = ImportRows {
        formats: on.query_row("SELECT imported_formats FROM meta", [], |row| row.get(0))?,
        ..ImportRows::default()
    };
    let mut find = on.prepare_cached(
        "SELECT s.key_id, k.org, k.expires_at, k.disabled_at, k.revoked_at, s.verifier \
         FROM secrets s JOIN keys k ON k.id = s.key_id WHERE s.lookup = ?1",
    )?;
    for lookup in reads.lookups {
        let found = find.query_row([lookup], |row| {
            let life = Lifecycle { expires_at: row.get(2)?, disabled_at: row.get(3)?, revoked_at: row.get(4)? };
            Ok(FoundLookup { key_id: row.get(0)?, org: row.get(1)?, life, verifier: row.get(5)? })
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

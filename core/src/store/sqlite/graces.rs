//! The ends of graces. They are stored, so that a clock that steps back revives no secret.

use rusqlite::{Connection, Transaction, params};

use super::audit;
use crate::audit::AuditDraft;
use crate::clock::{Millis, time};
use crate::error::Error;
use crate::lifecycle::ENDED;
use crate::record::wire_time;
use crate::store::port::AuditKey;

/// The former secrets of a key whose grace is over by the clock alone, so that a clock that steps back could revive them.
pub(super) fn over(on: &Connection, key_id: &str, now: Millis) -> Result<Vec<String>, Error> {
    let mut statement = on.prepare_cached(
        "SELECT lookup FROM secrets WHERE key_id = ?1 AND grace_ends_at > ?2 AND grace_ends_at <= ?3",
    )?;
    let lookups = statement.query_map(params![key_id, ENDED, now], |row| row.get(0))?;
    Ok(lookups.collect::<Result<_, _>>()?)
}

/// Ends graces for ever, and appends an audit row for each that was not ended before.
pub(super) fn end(
    on: &Transaction<'_>,
    lookups: &[impl AsRef<str>],
    now: Millis,
    audit_key: &AuditKey,
) -> Result<(), Error> {
    if lookups.is_empty() {
        return Ok(());
    }
    let lookups = serde_json::Value::from_iter(lookups.iter().map(AsRef::as_ref)).to_string();
    let mut statement = on.prepare_cached(
        "SELECT k.org, k.id, s.prefix, s.grace_ends_at FROM secrets s JOIN keys k ON k.id = s.key_id \
         WHERE s.lookup IN (SELECT value FROM json_each(?1)) AND s.grace_ends_at > ?2",
    )?;
    let drafts = statement.query_map(params![lookups, ENDED], |row| {
        let end: Millis = row.get(3)?;
        let details = [
            ("prefix".to_owned(), row.get::<_, String>(2)?.into()),
            ("grace_ends_at".to_owned(), wire_time(&time(end)).into()),
        ];
        Ok(AuditDraft {
            at: now,
            org: row.get(0)?,
            actor: None,
            action: "key.grace_ended",
            target: row.get(1)?,
            reason: None,
            details: details.into_iter().collect(),
            authority: None,
        })
    })?;
    let drafts = drafts.collect::<Result<Vec<_>, _>>()?;
    if drafts.is_empty() {
        return Ok(());
    }
    on.prepare_cached(
        "UPDATE secrets SET grace_ends_at = ?2 \
         WHERE lookup IN (SELECT value FROM json_each(?1)) AND grace_ends_at > ?2",
    )?
    .execute(params![lookups, ENDED])?;
    drafts.iter().try_for_each(|draft| audit::append(on, draft, audit_key))
}

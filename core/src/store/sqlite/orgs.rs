use rusqlite::{Connection, Row, Transaction, params};

use super::audit;
use super::keys::{join, words_or_none};
use crate::audit::AuditDraft;
use crate::error::Error;
use crate::store::{AuditKey, OrgRow, OrgRule, PageCursor};

const ORG: &str = "id, networks, created_at, updated_at, disabled_at, reason";

/// Makes the org on its first use.
pub(super) fn ensure(on: &Transaction<'_>, id: &str, first: &AuditDraft, audit_key: &AuditKey) -> Result<(), Error> {
    let made = on
        .prepare_cached(
            "INSERT INTO orgs (id, created_at, updated_at) VALUES (?1, ?2, ?2) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![id, first.at])?;
    if made == 0 {
        return Ok(());
    }
    let draft = AuditDraft {
        at: first.at,
        org: Some(id.to_owned()),
        actor: first.actor.clone(),
        action: "org.create",
        target: Some(id.to_owned()),
        reason: None,
        details: serde_json::Map::new(),
        authority: None,
    };
    audit::append(on, &draft, audit_key)
}

pub(super) fn get(on: &Connection, id: &str) -> Result<Option<OrgRow>, Error> {
    let mut statement = on.prepare_cached(&format!("SELECT {ORG} FROM orgs WHERE id = ?1"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(read).transpose()
}

/// An org without a row has had no key yet, and nobody has disabled it.
pub(super) fn is_disabled(on: &Connection, id: &str) -> Result<bool, Error> {
    Ok(on
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM orgs WHERE id = ?1 AND disabled_at IS NOT NULL)")?
        .query_row([id], |row| row.get(0))?)
}

pub(super) fn list(on: &Connection, after: Option<&PageCursor>, limit: usize) -> Result<Vec<OrgRow>, Error> {
    let mut statement = on.prepare_cached(&format!(
        "SELECT {ORG} FROM orgs WHERE (created_at, id) < (?1, ?2) ORDER BY created_at DESC, id DESC LIMIT ?3"
    ))?;
    let (at, id) = after.map_or((i64::MAX, ""), |it| (it.at, it.id.as_str()));
    let mut rows = statement.query(params![at, id, limit])?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}

pub(super) fn change(
    on: &Transaction<'_>,
    id: &str,
    rule: OrgRule,
    audit_key: &AuditKey,
) -> Result<Option<OrgRow>, Error> {
    let Some(before) = get(on, id)? else { return Ok(None) };
    let Some(edit) = rule(&before)? else { return Ok(Some(before)) };
    let org = edit.org;
    on.prepare_cached("UPDATE orgs SET networks = ?2, updated_at = ?3, disabled_at = ?4, reason = ?5 WHERE id = ?1")?
        .execute(params![id, join(org.networks.as_deref()), org.updated_at, org.disabled_at, org.reason])?;
    audit::append(on, &edit.audit, audit_key)?;
    Ok(Some(org))
}

pub(super) fn revoke_keys(
    on: &Transaction<'_>,
    org: &str,
    reason: Option<&str>,
    mut draft: AuditDraft,
    audit_key: &AuditKey,
) -> Result<Option<u64>, Error> {
    if get(on, org)?.is_none() {
        return Ok(None);
    }
    let revoked = on
        .prepare_cached(
            "UPDATE keys SET revoked_at = ?2, updated_at = ?2, reason = ?3 WHERE org = ?1 AND revoked_at IS NULL",
        )?
        .execute(params![org, draft.at, reason])?;
    if revoked > 0 {
        draft.details.insert("revoked".into(), revoked.into());
        audit::append(on, &draft, audit_key)?;
    }
    Ok(Some(u64::try_from(revoked).unwrap_or(u64::MAX)))
}

fn read(row: &Row<'_>) -> Result<OrgRow, Error> {
    Ok(OrgRow {
        id: row.get(0)?,
        networks: words_or_none(row.get(1)?),
        created_at: row.get(2)?,
        updated_at: row.get(3)?,
        disabled_at: row.get(4)?,
        reason: row.get(5)?,
    })
}

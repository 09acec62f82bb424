//! Changes of keys and their secrets.

use std::sync::LazyLock;

use rusqlite::{Connection, Transaction, params, params_from_iter};

use super::keys::{find, get};
use super::rows::{key_values, secret_values};
use super::table::{KEYS, SECRETS};
use super::{audit, graces, orgs};
use crate::audit::AuditDraft;
use crate::clock::Millis;
use crate::error::Error;
use crate::lifecycle;
use crate::rights::ChangeAuthority;
use crate::store::key::{KeyRow, KeyView, LookupResult};
use crate::store::port::{AuditKey, AuditRule, KeyRule};
use crate::store::rows::{AuditFilter, AuditRow, SecretRow, Tenant};

static INSERT_KEY: LazyLock<String> = LazyLock::new(|| KEYS.insert());
static UPDATE_KEY: LazyLock<String> = LazyLock::new(|| KEYS.update());
static INSERT_SECRET: LazyLock<String> = LazyLock::new(|| SECRETS.insert());

pub(super) fn create(
    on: &Transaction<'_>,
    key: &KeyRow,
    secret: &SecretRow,
    draft: &AuditDraft,
    audit_key: &AuditKey,
) -> Result<bool, Error> {
    let taken: bool = on
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1) OR EXISTS (SELECT 1 FROM secrets WHERE lookup = ?2)",
        )?
        .query_row([&key.id, &secret.lifetime.lookup], |row| row.get(0))?;
    if taken {
        return Ok(false);
    }
    check_caller(on, draft)?;
    orgs::ensure(on, &key.org, draft, audit_key)?;
    on.prepare_cached(&INSERT_KEY)?.execute(params_from_iter(key_values(key)?))?;
    insert_secret(on, &key.id, secret)?;
    audit::append(on, draft, audit_key)?;
    Ok(true)
}

fn insert_secret(on: &Transaction<'_>, key_id: &str, secret: &SecretRow) -> Result<(), Error> {
    on.prepare_cached(&INSERT_SECRET)?.execute(params_from_iter(secret_values(key_id, secret)?))?;
    Ok(())
}

pub(super) fn change(
    on: &Transaction<'_>,
    tenant: &Tenant,
    id: &str,
    now: Millis,
    rule: KeyRule,
    audit_key: &AuditKey,
) -> Result<Option<KeyView>, Error> {
    let Some(before) = get(on, tenant, id, now)? else { return Ok(None) };
    let Some(mut edit) = rule(&before, now)? else { return Ok(Some(before)) };
    check_caller(on, &edit.audit)?;
    if before.key.life.revoked_at.is_none() && edit.key.life.revoked_at.is_some() {
        let children = descendants(on, id)?;
        if children > 0 {
            edit.audit.details.insert("children_revoked".into(), children.into());
        }
    }
    on.prepare_cached(&UPDATE_KEY)?.execute(params_from_iter(key_values(&edit.key)?))?;
    if edit.new_secret.is_some() {
        // Otherwise a clock that steps back would revive a third secret.
        graces::end(on, &graces::over(on, id, now)?, now, audit_key)?;
    }
    for lifetime in &edit.grace_ends {
        on.prepare_cached("UPDATE secrets SET grace_ends_at = ?2 WHERE lookup = ?1")?
            .execute(params![lifetime.lookup, lifetime.grace_ends_at])?;
    }
    if let Some(secret) = &edit.new_secret {
        insert_secret(on, id, secret)?;
    }
    audit::append(on, &edit.audit, audit_key)?;
    get(on, tenant, id, now)
}

pub(super) fn append_audit(
    on: &Transaction<'_>,
    tenant: &Tenant,
    id: &str,
    now: Millis,
    rule: AuditRule,
    audit_key: &AuditKey,
) -> Result<Option<Vec<AuditRow>>, Error> {
    let Some(view) = get(on, tenant, id, now)? else { return Ok(None) };
    let drafts = rule(&view, now)?;
    drafts.first().map_or(Ok(()), |draft| check_caller(on, draft))?;
    drafts.iter().try_for_each(|draft| audit::append(on, draft, audit_key))?;
    let mut rows = audit::list(on, &Tenant::Every, &AuditFilter::default(), None, drafts.len())?;
    rows.reverse();
    Ok(Some(rows))
}

/// Checks inside the transaction what may have changed since the call began: by now the org may be disabled, or the key that
/// makes the change revoked.
fn check_caller(on: &Connection, draft: &AuditDraft) -> Result<(), Error> {
    if !draft.is_allowed_when_disabled()
        && let Some(org) = &draft.org
        && orgs::is_disabled(on, org)?
    {
        return Err(lifecycle::org_disabled());
    }
    let Some(authority) = &draft.authority else { return Ok(()) };
    let found = find(on, &authority.lookup, draft.at)?.filter(|found| !found.org_disabled);
    let LookupResult { secret, view: KeyView { key, .. }, .. } = found.ok_or_else(ChangeAuthority::ended)?;
    authority.recheck(&key.rights(), key.life, &secret.lifetime, draft.at)
}

/// The number of keys that a trigger revokes together with this one.
fn descendants(on: &Connection, id: &str) -> Result<u64, Error> {
    Ok(on
        .prepare_cached(
            "WITH RECURSIVE child (id) AS (SELECT id FROM keys WHERE parent = ?1 \
             UNION SELECT k.id FROM keys k JOIN child ON k.parent = child.id) \
             SELECT count(*) FROM keys WHERE id IN child AND revoked_at IS NULL",
        )?
        .query_row([id], |row| row.get(0))?)
}

pub(super) fn replace_verifier(
    on: &Transaction<'_>,
    lookup: &str,
    from: &str,
    to: &str,
    filter: Option<&[u8]>,
) -> Result<(), Error> {
    on.prepare_cached("UPDATE secrets SET verifier = ?3, filter = ?4 WHERE lookup = ?1 AND verifier = ?2")?
        .execute(params![lookup, from, to, filter])?;
    Ok(())
}

//! The rows and writes of a script.

use rusqlite::Connection;

use super::{audit, idempotency, imports, key_edits, keys, orgs, quotas, usage};
use crate::error::Error;
use crate::lifecycle::ENDED;
use crate::store::script::{AuditKey, Chain, ImportRows, Reads, RequestRows, Rows, TransactionScript, Write};

/// Runs a script in an open transaction.
pub(super) fn run<S: TransactionScript>(
    on: &Connection,
    script: &S,
    audit_key: &AuditKey,
) -> Result<S::Outcome, Error> {
    let rows = read(on, script.reads())?;
    let mut chain = Chain::new(rows.chain_end, audit_key.clone());
    let decided = script.decide(rows, &mut chain)?;
    decided.writes.iter().try_for_each(|write| apply(on, write))?;
    Ok(decided.outcome)
}

fn read(on: &Connection, reads: Reads<'_>) -> Result<Rows, Error> {
    let Reads { ordered, key, new_key, org, revoked_org, authority, request, former, prune, import } = reads;
    Ok(Rows {
        chain_end: if ordered { audit::end(on)? } else { Default::default() },
        key: key.map_or(Ok(None), |id| key_edits::locked(on, id))?,
        taken: new_key.map_or(Ok(false), |(id, lookup)| key_edits::is_taken(on, id, lookup))?,
        org: org.map_or(Ok(None), |id| orgs::get(on, id))?,
        unrevoked: revoked_org.map_or(Ok(0), |org| orgs::unrevoked(on, org))?,
        authority: authority.map_or(Ok(None), |lookup| keys::find(on, lookup, ENDED))?,
        request: request.map_or_else(|| Ok(RequestRows::default()), |id| idempotency::get(on, id))?,
        former: if former.is_empty() { Vec::new() } else { key_edits::former(on, former)? },
        prunable: prune.map_or(Ok(None), |before| audit::prunable(on, before))?,
        import: import.map_or_else(|| Ok(ImportRows::default()), |import| imports::rows(on, import))?,
    })
}

fn apply(on: &Connection, write: &Write) -> Result<(), Error> {
    match write {
        Write::InsertOrg(org) => orgs::insert(on, org),
        Write::UpdateOrg(org) => orgs::update(on, org),
        Write::InsertKey(key) => key_edits::insert_key(on, key),
        Write::UpdateKey(key) => key_edits::update_key(on, key),
        Write::RevokeKeys { org, at, reason } => orgs::revoke_keys(on, org, *at, reason.as_deref()),
        Write::InsertSecret { key_id, secret } => key_edits::insert_secret(on, key_id, secret),
        Write::InsertCounts { key_id, lookup, counts } => usage::insert(on, key_id, lookup, *counts),
        Write::EndSecret(lifetime) => key_edits::end_secret(on, lifetime),
        Write::ReplaceVerifier { lookup, from, to, filter } => {
            key_edits::replace_verifier(on, lookup, from, to, filter.as_deref())
        }
        Write::CreditBalance { balance, amount } => quotas::credit(on, balance, *amount),
        Write::AppendAudit(row) => audit::insert(on, row),
        Write::DeleteAudit { through } => audit::delete(on, *through),
        Write::StoreRequest { request, expires_at, state } => idempotency::insert(on, request, *expires_at, state),
        Write::FinishRequest { lease, response, expires_at } => idempotency::finish(on, lease, response, *expires_at),
        Write::DeleteRequest(lease) => idempotency::delete(on, lease),
        Write::DeleteExpiredRequests { org, caller, now } => {
            idempotency::delete_expired_of(on, org, caller, *now)?;
            idempotency::delete_expired(on, *now)
        }
    }
}

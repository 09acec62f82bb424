//! The rows and writes of a script, as the steps of a pipeline.

use tokio_postgres::Row;

use super::connection::Query;
use super::{audit, idempotency, key_edits, keys, orgs};
use crate::error::Error;
use crate::lifecycle::ENDED;
use crate::store::rows::foreign_row;
use crate::store::script::{ChainEnd, Reads, RequestRows, Rows, Write};

/// The statements that read the rows of a script, which [`rows`] takes in the same order.
pub(super) fn queries(reads: Reads<'_>) -> Vec<Query<'_>> {
    let Reads { ordered: _, key, new_key, org, revoked_org, authority, request, former, prune } = reads;
    let mut queries = Vec::new();
    queries.extend(key.into_iter().flat_map(|id| [keys::get_query(id, ENDED), key_edits::restrictions(id)]));
    queries.extend(new_key.map(|(id, lookup)| key_edits::taken(id, lookup)));
    queries.extend(org.map(orgs::get_query));
    queries.extend(revoked_org.map(orgs::unrevoked));
    queries.extend(authority.map(|lookup| keys::find_query(lookup, ENDED)));
    queries.extend(request.map(idempotency::get_query));
    queries.extend((!former.is_empty()).then(|| key_edits::former(former)));
    queries.extend(prune.map(audit::prunable));
    queries
}

/// Reads the answers to [`queries`].
pub(super) fn rows(
    reads: Reads<'_>,
    chain_end: ChainEnd,
    answers: &mut impl Iterator<Item = Vec<Row>>,
) -> Result<Rows, Error> {
    let mut next = || answers.next().ok_or_else(foreign_row);
    let Reads { ordered: _, key, new_key, org, revoked_org, authority, request, former, prune } = reads;
    Ok(Rows {
        chain_end,
        key: key.map_or(Ok(None), |_| key_edits::read_locked(&next()?, &next()?))?,
        taken: new_key.map_or(Ok(false), |_| one(&next()?))?,
        org: org.map_or(Ok(None), |_| next()?.first().map(orgs::read).transpose())?,
        unrevoked: revoked_org.map_or(Ok(0), |_| one::<i64>(&next()?))?.unsigned_abs(),
        authority: authority.map_or(Ok(None), |_| keys::read_found(&next()?))?,
        request: request.map_or_else(|| Ok(RequestRows::default()), |_| idempotency::read_request(&next()?))?,
        former: if former.is_empty() {
            Vec::new()
        } else {
            next()?.iter().map(key_edits::read_former).collect::<Result<_, _>>()?
        },
        prunable: prune.map_or(Ok(None), |_| next()?.first().map(audit::read_prunable).transpose())?,
    })
}

/// The one value of one row.
pub(super) fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(rows: &[Row]) -> Result<T, Error> {
    rows.first().ok_or_else(foreign_row)?.try_get(0).map_err(|_| foreign_row())
}

/// The statements of a write.
pub(super) fn statements(write: &Write) -> Result<Vec<Query<'_>>, Error> {
    Ok(vec![match write {
        Write::InsertOrg(org) => orgs::insert(org),
        Write::UpdateOrg(org) => orgs::update(org),
        Write::InsertKey(key) => key_edits::insert_key(key)?,
        Write::UpdateKey(key) => key_edits::update_key(key)?,
        Write::RevokeKeys { org, at, reason } => orgs::revoke_keys(org, *at, reason.as_deref()),
        Write::InsertSecret { key_id, secret } => key_edits::insert_secret(key_id, secret),
        Write::EndSecret(lifetime) => key_edits::end_secret(lifetime),
        Write::ReplaceVerifier { lookup, from, to, filter } => {
            key_edits::replace_verifier(lookup, from, to, filter.as_deref())
        }
        Write::AppendAudit(row) => audit::insert(row),
        Write::DeleteAudit { through } => audit::delete(*through),
        Write::StoreRequest { request, expires_at, state } => idempotency::store(request, *expires_at, state),
        Write::FinishRequest { lease, response, expires_at } => idempotency::finish(lease, response, *expires_at),
        Write::DeleteRequest(lease) => idempotency::delete(lease),
        Write::DeleteExpiredRequests { org, caller, now } => {
            return Ok(vec![idempotency::delete_expired_of(org, caller, *now), idempotency::delete_expired(*now)]);
        }
    }])
}

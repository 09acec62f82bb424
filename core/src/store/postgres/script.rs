//! The rows and writes of scripts, as the steps of a pipeline.

use std::collections::{HashMap, HashSet};
use std::vec;

use tokio_postgres::Row;

use super::connection::Query;
use super::rows::{key_values, secret_values};
use super::{audit, idempotency, imports, key_edits, keys, orgs, quotas, usage};
use crate::error::Error;
use crate::lifecycle::ENDED;
use crate::store::rows::{OrgRow, foreign_row};
use crate::store::script::{ChainEnd, ImportRows, Reads, RequestRows, Rows, Write};

/// The answers to the statements of a pipeline, in their order.
pub(super) type Answers = vec::IntoIter<Vec<Row>>;

/// The rows that the scripts of a group read with one statement for each table.
#[derive(Default)]
pub(super) struct SharedReads<'a> {
    new_ids: Vec<&'a str>,
    new_lookups: Vec<&'a str>,
    orgs: Vec<&'a str>,
}

/// The rows of [`SharedReads`] that were found.
#[derive(Default)]
pub(super) struct SharedRows {
    taken_ids: HashSet<String>,
    taken_lookups: HashSet<String>,
    orgs: HashMap<String, OrgRow>,
}

impl<'a> SharedReads<'a> {
    pub(super) fn of(group: impl Iterator<Item = Reads<'a>>) -> Self {
        let mut shared = Self::default();
        for reads in group {
            if let Some((id, lookup)) = reads.new_key {
                shared.new_ids.push(id);
                shared.new_lookups.push(lookup);
            }
            shared.orgs.extend(reads.org);
        }
        shared.orgs.sort_unstable();
        shared.orgs.dedup();
        shared
    }

    /// The statements, whose answers [`rows`](Self::rows) takes in the same order.
    pub(super) fn queries(&self) -> impl Iterator<Item = Query<'a>> {
        let taken = || key_edits::taken(self.new_ids.clone(), self.new_lookups.clone());
        let orgs = || orgs::get_query(self.orgs.clone());
        [(!self.new_ids.is_empty()).then(taken), (!self.orgs.is_empty()).then(orgs)].into_iter().flatten()
    }

    pub(super) fn rows(&self, answers: &mut Answers) -> Result<SharedRows, Error> {
        let mut found = SharedRows::default();
        if !self.new_ids.is_empty() {
            for row in &next(answers)? {
                let (id, lookup) = key_edits::read_taken(row)?;
                found.taken_ids.extend(id.map(str::to_owned));
                found.taken_lookups.extend(lookup.map(str::to_owned));
            }
        }
        if !self.orgs.is_empty() {
            for row in &next(answers)? {
                let org = orgs::read(row)?;
                found.orgs.insert(org.id.clone(), org);
            }
        }
        Ok(found)
    }
}

fn next(answers: &mut Answers) -> Result<Vec<Row>, Error> {
    answers.next().ok_or_else(foreign_row)
}

/// The statements that read the other rows of a script, whose answers [`rows`] takes in the same order.
pub(super) fn queries(reads: Reads<'_>) -> Vec<Query<'_>> {
    let Reads { ordered: _, key, new_key: _, org: _, revoked_org, authority, request, former, prune, import } = reads;
    let mut queries = Vec::new();
    queries.extend(key.into_iter().flat_map(|id| [keys::get_query(id, ENDED), key_edits::restrictions(id)]));
    queries.extend(revoked_org.map(orgs::unrevoked));
    queries.extend(authority.map(|lookup| keys::find_query(lookup, ENDED)));
    queries.extend(request.map(idempotency::get_query));
    queries.extend((!former.is_empty()).then(|| key_edits::former(former)));
    queries.extend(prune.map(audit::prunable));
    queries.extend(import.into_iter().flat_map(imports::queries));
    queries
}

/// Reads the answers to [`queries`].
pub(super) fn rows(
    reads: Reads<'_>,
    chain_end: ChainEnd,
    shared: &SharedRows,
    answers: &mut Answers,
) -> Result<Rows, Error> {
    let mut next = || next(answers);
    let Reads { ordered: _, key, new_key, org, revoked_org, authority, request, former, prune, import } = reads;
    Ok(Rows {
        chain_end,
        key: key.map_or(Ok(None), |_| key_edits::read_locked(&next()?, &next()?))?,
        taken: new_key
            .is_some_and(|(id, lookup)| shared.taken_ids.contains(id) || shared.taken_lookups.contains(lookup)),
        org: org.and_then(|id| shared.orgs.get(id)).cloned(),
        unrevoked: revoked_org.map_or(Ok(0), |_| one::<i64>(&next()?))?.unsigned_abs(),
        authority: authority.map_or(Ok(None), |_| keys::read_found(&next()?))?,
        request: request.map_or_else(|| Ok(RequestRows::default()), |_| idempotency::read_request(&next()?))?,
        former: if former.is_empty() {
            Vec::new()
        } else {
            next()?.iter().map(key_edits::read_former).collect::<Result<_, _>>()?
        },
        prunable: prune.map_or(Ok(None), |_| next()?.first().map(audit::read_prunable).transpose())?,
        import: import
            .map_or_else(|| Ok(ImportRows::default()), |_| imports::read([next()?, next()?, next()?, next()?]))?,
    })
}

/// The one value of one row.
pub(super) fn one<T: for<'a> tokio_postgres::types::FromSql<'a>>(rows: &[Row]) -> Result<T, Error> {
    rows.first().ok_or_else(foreign_row)?.try_get(0).map_err(|_| foreign_row())
}

/// The statements of the writes of scripts that share nothing. Rows of one table are inserted together, after those that they
/// refer to.
pub(super) fn statements<'a>(writes: impl Iterator<Item = &'a Write>) -> Result<Vec<Query<'a>>, Error> {
    let (mut statements, mut others) = (Vec::new(), Vec::new());
    let (mut keys, mut secrets, mut entries, mut counts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for write in writes {
        match write {
            Write::InsertOrg(org) => statements.push(orgs::insert(org)),
            Write::InsertKey(key) => keys.push(key_values(key)?),
            Write::InsertSecret { key_id, secret } => secrets.push(secret_values(key_id, secret)),
            Write::AppendAudit(row) => entries.push(audit::values(row)),
            Write::InsertCounts { key_id, lookup, counts: of } => counts.extend(usage::values(key_id, lookup, *of)),
            Write::UpdateOrg(org) => others.push(orgs::update(org)),
            Write::UpdateKey(key) => others.push(key_edits::update_key(key)?),
            Write::RevokeKeys { org, at, reason } => others.push(orgs::revoke_keys(org, *at, reason.as_deref())),
            Write::EndSecret(lifetime) => others.push(key_edits::end_secret(lifetime)),
            Write::ReplaceVerifier { lookup, from, to, filter } => {
                others.push(key_edits::replace_verifier(lookup, from, to, filter.as_deref()));
            }
            Write::CreditBalance { balance, amount } => others.push(quotas::credit(balance, *amount)),
            Write::DeleteAudit { through } => others.push(audit::delete(*through)),
            Write::StoreRequest { request, expires_at, state } => {
                others.push(idempotency::store(request, *expires_at, state));
            }
            Write::FinishRequest { lease, response, expires_at } => {
                others.push(idempotency::finish(lease, response, *expires_at));
            }
            Write::DeleteRequest(lease) => others.push(idempotency::delete(lease)),
            Write::DeleteExpiredRequests { org, caller, now } => {
                others.extend([idempotency::delete_expired_of(org, caller, *now), idempotency::delete_expired(*now)]);
            }
        }
    }
    statements.extend(key_edits::INSERT_KEYS.queries(keys));
    statements.extend(key_edits::INSERT_SECRETS.queries(secrets));
    statements.extend(usage::INSERT.queries(counts));
    statements.extend(others);
    statements.extend(audit::INSERT.queries(entries));
    Ok(statements)
}

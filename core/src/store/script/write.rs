//! The writes that a script returns.

use crate::clock::Millis;
use crate::idempotency::{IdempotentRequest, RequestLease, StoredResponse};
use crate::lifecycle::SecretLifetime;
use crate::store::key::KeyRow;
use crate::store::rows::{AuditRow, Counts, OrgRow, QuotaId, SecretRow};

/// One change of the tables. Triggers of the database stamp the rows of keys, secrets and orgs, revoke the descendants of a
/// revoked key, and refuse to take back a revocation or the end of a grace.
#[derive(Debug)]
pub(crate) enum Write {
    InsertOrg(OrgRow),
    UpdateOrg(OrgRow),
    InsertKey(KeyRow),
    UpdateKey(KeyRow),
    /// Revokes every key of an org that is not yet revoked.
    RevokeKeys {
        org: String,
        at: Millis,
        reason: Option<String>,
    },
    InsertSecret {
        key_id: String,
        secret: SecretRow,
    },
    /// Inserts the counters of a new secret and its key.
    InsertCounts {
        key_id: String,
        lookup: String,
        counts: Counts,
    },
    /// Sets the end of the grace of a secret.
    EndSecret(SecretLifetime),
    /// Replaces the verifier of a secret, if it is still `from`.
    ReplaceVerifier {
        lookup: String,
        from: String,
        to: String,
        filter: Option<Vec<u8>>,
    },
    /// Adds to what a balance was given.
    CreditBalance {
        balance: QuotaId,
        amount: u64,
    },
    AppendAudit(AuditRow),
    /// Deletes the audit entries up to one.
    DeleteAudit {
        through: u64,
    },
    /// Inserts a request, in place of an expired one.
    StoreRequest {
        request: IdempotentRequest,
        expires_at: Millis,
        state: RequestState,
    },
    /// Stores the response of a request, if it still runs under the lease.
    FinishRequest {
        lease: RequestLease,
        response: StoredResponse,
        expires_at: Millis,
    },
    /// Deletes a request, if it still runs under the lease.
    DeleteRequest(RequestLease),
    /// Deletes up to 100 expired requests of a caller, and up to 100 of any caller.
    DeleteExpiredRequests {
        org: String,
        caller: [u8; 32],
        now: Millis,
    },
}

/// The state of a request that is stored before it has a response.
#[derive(Debug)]
pub(crate) enum RequestState {
    /// It runs under the lease with this token.
    Running([u8; 16]),
    /// It changed the record with this id.
    Changed(String),
}

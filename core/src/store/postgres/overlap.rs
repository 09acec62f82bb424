//! Whether a script reads what another one writes. Two scripts that share nothing commit together, on the same snapshot.

use crate::store::script::{Reads, Write};

/// Whether rows that were read before a write may differ after it. In doubt they do: the script then waits for its own
/// snapshot.
pub(super) fn meets(reads: Reads<'_>, write: &Write) -> bool {
    let Reads { ordered: _, key, new_key, org, revoked_org, authority, request, former, prune, import } = reads;
    let is_import = import.is_some();
    // Every key and its org, through the key that makes the change.
    let any_right = authority.is_some();
    match write {
        Write::InsertOrg(row) | Write::UpdateOrg(row) => {
            any_right || is_import || key.is_some() || org == Some(&row.id) || revoked_org == Some(&row.id)
        }
        Write::InsertKey(row) => {
            is_import
                || new_key.is_some_and(|(id, _)| id == row.id)
                || revoked_org == Some(&row.org)
                // A new descendant.
                || (key.is_some() && row.parent.is_some())
        }
        Write::UpdateKey(row) => {
            // A revocation takes descendants with it.
            any_right || revoked_org.is_some() || key.is_some_and(|id| id == row.id || row.life.revoked_at.is_some())
        }
        Write::RevokeKeys { .. } => any_right || revoked_org.is_some() || key.is_some(),
        Write::InsertSecret { key_id, secret } => {
            is_import || key == Some(key_id) || new_key.is_some_and(|(_, lookup)| lookup == secret.lifetime.lookup)
        }
        Write::EndSecret(_) => any_right || key.is_some() || !former.is_empty(),
        // A sale is no script.
        Write::CreditBalance { .. } | Write::InsertCounts { .. } => false,
        Write::ReplaceVerifier { .. } => is_import,
        Write::AppendAudit(_) | Write::DeleteAudit { .. } => prune.is_some(),
        Write::StoreRequest { request: row, .. } => {
            request.is_some_and(|id| id.org == row.org && *id.caller == row.caller)
        }
        Write::FinishRequest { lease, .. } | Write::DeleteRequest(lease) => {
            request.is_some_and(|id| id.org == lease.org && *id.caller == lease.caller)
        }
        Write::DeleteExpiredRequests { .. } => false,
    }
}

//! The audit chain, to which scripts append.

use std::sync::Arc;

use super::reads::{ChainEnd, Reads, Rows};
use super::write::Write;
use super::{Decided, TransactionScript};
use crate::audit::{AuditDraft, AuditFields, entry_hash};
use crate::clock::{Millis, time};
use crate::error::Error;
use crate::hash::hex;
use crate::record::AuditEntry;
use crate::store::rows::AuditRow;

/// The key under which this engine hashes the audit entries that it writes, with the id of the pepper that it is derived
/// from. Without a pepper there is no key.
#[derive(Clone)]
pub(crate) struct AuditKey {
    pub(crate) pepper: Option<String>,
    pub(crate) key: Option<Arc<zeroize::Zeroizing<[u8; 32]>>>,
}

/// The end of the audit chain in a transaction, which moves with each entry.
#[derive(Clone)]
pub(crate) struct Chain {
    end: ChainEnd,
    key: AuditKey,
}

impl Chain {
    pub(crate) fn new(end: ChainEnd, key: AuditKey) -> Self {
        Self { end, key }
    }

    /// Gives an entry its place in the chain.
    pub(super) fn append(&mut self, draft: &AuditDraft) -> AuditRow {
        let details = serde_json::Value::Object(draft.details.clone()).to_string();
        let fields = AuditFields {
            seq: self.end.seq + 1,
            at: draft.at,
            org: draft.org.as_deref(),
            actor: draft.actor.as_deref(),
            action: draft.action,
            target: draft.target.as_deref(),
            reason: draft.reason.as_deref(),
            details: &details,
        };
        let hash = entry_hash(&self.end.hash, &fields, self.key.key.as_deref().map(|key| &**key));
        self.end = ChainEnd { seq: fields.seq, hash };
        let entry = AuditEntry {
            seq: fields.seq,
            at: time(draft.at),
            org: draft.org.clone(),
            actor: draft.actor.clone(),
            action: draft.action.to_owned(),
            target: draft.target.clone(),
            reason: draft.reason.clone(),
            details: draft.details.clone(),
            hash: hex(&hash),
        };
        AuditRow { entry, at: draft.at, details, pepper: self.key.pepper.clone(), hash }
    }
}

/// Deletes the entries that were made before a time, and appends a checkpoint entry if there were any. Its outcome is their
/// number.
pub(crate) struct PruneAudit {
    pub(crate) before: Millis,
    pub(crate) audit: AuditDraft,
}

impl TransactionScript for PruneAudit {
    type Outcome = u64;

    fn reads(&self) -> Reads<'_> {
        Reads { ordered: true, prune: Some(self.before), ..Reads::default() }
    }

    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<u64>, Error> {
        let Some(prunable) = rows.prunable else { return Ok(Decided::unchanged(0)) };
        let mut audit = self.audit.clone();
        audit.details.insert("through_seq".into(), prunable.last.seq.into());
        audit.details.insert("through_hash".into(), hex(&prunable.last.hash).into());
        let writes = vec![Write::DeleteAudit { through: prunable.last.seq }, Write::AppendAudit(chain.append(&audit))];
        Ok(Decided { outcome: prunable.count, writes })
    }
}

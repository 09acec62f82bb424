//! The transaction scripts, written once for all stores. A script names the rows that it reads, decides on them without I/O,
//! and returns its writes. A store reads all rows in one step and applies all writes in another one, so that a transaction
//! takes few round trips. It may run a script again: after a failure of serialization, or when the connection was lost.

mod audit;
mod import;
mod keys;
mod orgs;
mod quotas;
mod reads;
mod requests;
mod write;

pub(crate) use self::audit::{AuditKey, Chain, PruneAudit};
pub(crate) use self::import::{ImportKeys, Imported, NewImport, RefusedImport};
pub(crate) use self::keys::{AppendAudit, ChangeKey, CreateKey, EndGraces, KeyEdit, KeyRule, ReplaceVerifier};
pub(crate) use self::orgs::{ChangeOrg, OrgEdit, RevokeKeys};
pub(crate) use self::quotas::CreditBalance;
pub(crate) use self::reads::{
    ChainEnd, FormerSecret, FoundLookup, ImportReads, ImportRows, LockedKey, PrunableAudit, Reads, RequestId,
    RequestRows, Rows,
};
pub(crate) use self::requests::{BeginRequest, FinishRequest, Once};
pub(crate) use self::write::{RequestState, Write};

use crate::error::Error;

/// One transaction.
pub(crate) trait TransactionScript: Send + Sync + 'static {
    type Outcome: Send + 'static;

    /// The rows that the script needs.
    fn reads(&self) -> Reads<'_>;

    /// Whether it writes many rows.
    fn is_large(&self) -> bool {
        false
    }

    /// Decides on the rows. If this fails, nothing is written.
    fn decide(&self, rows: Rows, chain: &mut Chain) -> Result<Decided<Self::Outcome>, Error>;
}

/// A script whose outcome is stored with the idempotent request that asked for it.
pub(crate) trait ChangeScript: TransactionScript {
    /// The id of what changed, from which a repetition of the request builds its response. `None` if nothing did.
    fn changed_id(&self, outcome: &Self::Outcome) -> Option<String>;
}

/// The outcome of a script, and its writes in the order in which they are applied.
pub(crate) struct Decided<T> {
    pub(crate) outcome: T,
    pub(crate) writes: Vec<Write>,
}

impl<T> Decided<T> {
    /// An outcome without writes.
    fn unchanged(outcome: T) -> Self {
        Self { outcome, writes: Vec::new() }
    }
}

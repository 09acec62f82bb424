//! The rows that a script reads.

use std::collections::{HashMap, HashSet};

use crate::audit::AuditHash;
use crate::clock::Millis;
use crate::idempotency::{IdempotentRequest, MAX_REQUESTS_PER_CALLER, RequestLease, RequestOutcome, StoredOutcome};
use crate::lifecycle::{Lifecycle, SecretLifetime};
use crate::store::key::{KeyView, LookupResult};
use crate::store::rows::OrgRow;

/// The rows that a script needs. A store reads them from one snapshot, after it has taken the locks. What is `None` or empty
/// is not read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reads<'a> {
    /// Whether the script writes keys, secrets, orgs or audit entries. Such scripts run one after the other, so that the
    /// order of their commits is the order of their changes. They also read the end of the audit chain.
    pub(crate) ordered: bool,
    /// The id of a key.
    pub(crate) key: Option<&'a str>,
    /// The id and the lookup of a key that is to be created.
    pub(crate) new_key: Option<(&'a str, &'a str)>,
    /// The id of an org.
    pub(crate) org: Option<&'a str>,
    /// The id of an org whose keys are to be revoked.
    pub(crate) revoked_org: Option<&'a str>,
    /// The lookup of the secret of the key that makes the change.
    pub(crate) authority: Option<&'a str>,
    /// A request that no other script may start or end at the same time.
    pub(crate) request: Option<RequestId<'a>>,
    /// Lookups of former secrets.
    pub(crate) former: &'a [String],
    /// The time before which audit entries are to be deleted.
    pub(crate) prune: Option<Millis>,
    /// Keys that are to be imported.
    pub(crate) import: Option<ImportReads<'a>>,
}

/// The ids, lookups and orgs of keys that are to be imported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImportReads<'a> {
    pub(crate) ids: &'a [String],
    pub(crate) lookups: &'a [String],
    pub(crate) orgs: &'a [String],
}

/// The rows that were found.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) chain_end: ChainEnd,
    pub(crate) key: Option<LockedKey>,
    /// Whether the id or the lookup of the new key is taken.
    pub(crate) taken: bool,
    pub(crate) org: Option<OrgRow>,
    /// The number of keys of `revoked_org` that are not revoked.
    pub(crate) unrevoked: u64,
    pub(crate) authority: Option<LookupResult>,
    pub(crate) request: RequestRows,
    /// The former secrets whose grace is not ended for ever.
    pub(crate) former: Vec<FormerSecret>,
    /// `None` if no entry was made before the time.
    pub(crate) prunable: Option<PrunableAudit>,
    pub(crate) import: ImportRows,
}

/// The rows that are there already of keys to import.
#[derive(Debug, Default)]
pub(crate) struct ImportRows {
    /// By lookup.
    pub(crate) lookups: HashMap<String, FoundLookup>,
    pub(crate) ids: HashSet<String>,
    pub(crate) orgs: Vec<OrgRow>,
    /// The formats of imported keys, one on each line.
    pub(crate) formats: String,
}

/// A secret with the lookup of a key to import.
#[derive(Debug)]
pub(crate) struct FoundLookup {
    pub(crate) key_id: String,
    pub(crate) org: String,
    pub(crate) life: Lifecycle,
    pub(crate) verifier: String,
}

/// The last entry of the audit chain; 0 and [`GENESIS_HASH`](crate::audit::GENESIS_HASH) in an empty one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ChainEnd {
    pub(crate) seq: u64,
    pub(crate) hash: AuditHash,
}

/// A key that a script changes.
#[derive(Debug)]
pub(crate) struct LockedKey {
    /// The key with every secret whose grace is not ended for ever, also those whose grace is over by the clock alone.
    pub(crate) view: KeyView,
    pub(crate) org_disabled: bool,
    /// The number of keys that a trigger would revoke together with this one.
    pub(crate) descendants: u64,
}

/// A secret that a rotation has replaced.
#[derive(Debug)]
pub(crate) struct FormerSecret {
    pub(crate) org: String,
    pub(crate) key_id: String,
    pub(crate) prefix: String,
    pub(crate) lifetime: SecretLifetime,
}

/// The audit entries before a time.
#[derive(Debug)]
pub(crate) struct PrunableAudit {
    pub(crate) count: u64,
    /// The last of them.
    pub(crate) last: ChainEnd,
}

/// The key of a stored request, and the time at which it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId<'a> {
    pub(crate) org: &'a str,
    pub(crate) name: &'a [u8; 32],
    pub(crate) caller: &'a [u8; 32],
    pub(crate) at: Millis,
}

/// The row of a request, and the sums over all requests of its caller.
#[derive(Debug, Default)]
pub(crate) struct RequestRows {
    /// `None` if there is no row, or if it has expired.
    pub(crate) stored: Option<StoredOutcome>,
    /// How many rows the caller has, and how many bytes their responses take.
    pub(crate) kept: u32,
    pub(crate) bytes: u64,
    /// When the first of them expires. It is read only if the caller has [`MAX_REQUESTS_PER_CALLER`].
    pub(crate) first_end: Option<Millis>,
}

impl<'a> From<&'a IdempotentRequest> for RequestId<'a> {
    fn from(request: &'a IdempotentRequest) -> Self {
        let IdempotentRequest { org, name, caller, content: _, at } = request;
        Self { org, name, caller, at: *at }
    }
}

impl<'a> RequestId<'a> {
    pub(super) fn of_lease(lease: &'a RequestLease, at: Millis) -> Self {
        let RequestLease { org, name, caller, token: _ } = lease;
        Self { org, name, caller, at }
    }
}

impl RequestRows {
    /// The stored outcome of a request, or `Full` for a new request of a caller that has reached its bound.
    pub(crate) fn outcome(self, request: &IdempotentRequest) -> Option<StoredOutcome> {
        let full = |end| StoredOutcome { content: request.content, outcome: RequestOutcome::Full(end) };
        let is_full = self.kept >= MAX_REQUESTS_PER_CALLER;
        // An expired row makes room as soon as another request comes.
        let until = self.first_end.filter(|end| is_full && *end > request.at);
        self.stored.or(until.map(full))
    }
}

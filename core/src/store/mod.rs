//! The store port: rows as they are kept, and what any store can do. A store keeps and finds; it decides nothing.
//! Rules reach it as pure functions that it runs inside its transaction.

#[cfg(feature = "testing")]
pub(crate) mod contract;
mod show;
pub(crate) mod sqlite;

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::{Draft, Seal};
use crate::clock::{Clock, Millis};
use crate::error::Error;
use crate::idempotency::{Attempt, Kept, Lease, Memory};
use crate::lifecycle::{Life, Term};
use crate::record::{AuditEntry, Level, Limit};
use crate::rights::Rights;

/// Whose rows a call may see. Every call carries one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tenant {
    One(String),
    Every,
}

impl Tenant {
    pub(crate) fn only(&self) -> Option<&str> {
        match self {
            Self::One(org) => Some(org),
            Self::Every => None,
        }
    }

    pub(crate) fn sees(&self, org: &str) -> bool {
        self.only().is_none_or(|it| it == org)
    }
}

/// The store of an engine; the place where PostgreSQL will stand beside SQLite.
pub(crate) type AnyStore = sqlite::Sqlite;

/// A key's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) id: String,
    pub(crate) org: String,
    pub(crate) environment: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) level: Option<Level>,
    pub(crate) tier: Option<String>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) networks: Option<Vec<String>>,
    /// JSON text of an object.
    pub(crate) metadata: String,
    pub(crate) created_at: Millis,
    pub(crate) created_by: Option<String>,
    pub(crate) updated_at: Millis,
    pub(crate) life: Life,
    pub(crate) reason: Option<String>,
    /// The key that made it, where it is revoked with that one.
    pub(crate) parent: Option<String>,
}

/// A secret's row: what proves it, and when it is over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SecretRow {
    pub(crate) term: Term,
    pub(crate) prefix: String,
    /// How its text is to be read.
    pub(crate) format: String,
    pub(crate) verifier: String,
    /// Only beside a slow verifier of a secret that we generated.
    pub(crate) filter: Option<Vec<u8>>,
    pub(crate) created_at: Millis,
}

/// What is public of a secret's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecretView {
    pub(crate) term: Term,
    pub(crate) prefix: String,
    pub(crate) created_at: Millis,
    pub(crate) last_used_at: Option<Millis>,
}

/// A key with those of its secrets that are not over, newest first, and what it has counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyView {
    pub(crate) key: KeyRow,
    pub(crate) secrets: Vec<SecretView>,
    pub(crate) usage: Counts,
}

/// What a meter counts: allowed verifications, refused ones of a proved secret, and when it last allowed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) usage_count: u64,
    pub(crate) denied_count: u64,
    pub(crate) last_used_at: Option<Millis>,
}

impl Counts {
    pub(crate) fn add(&mut self, more: Self) {
        self.usage_count = self.usage_count.saturating_add(more.usage_count);
        self.denied_count = self.denied_count.saturating_add(more.denied_count);
        self.last_used_at = self.last_used_at.max(more.last_used_at);
    }
}

/// What a secret was used since it was last written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) key_id: String,
    pub(crate) lookup: String,
    pub(crate) counts: Counts,
    pub(crate) agents: Vec<AgentCounts>,
    /// Whether it is a former secret that was seen after the end of its grace.
    pub(crate) grace_over: bool,
}

/// What was counted for one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentCounts {
    pub(crate) agent: Arc<str>,
    pub(crate) counts: Counts,
}

/// How many agents of a key are counted by themselves. Their names are the client's own.
pub(crate) const MOST_AGENTS: usize = 1_000;

/// What stands for all agents beyond those.
pub(crate) const OTHER_AGENTS: &str = "";

/// A place in the sequence of changes, and of which past of the database it is: a copy that was brought back has another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) seq: i64,
    pub(crate) past: i64,
}

/// What has changed up to a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) until: Moment,
    /// The ids of changed keys, more than once where their secrets changed as well.
    pub(crate) keys: Vec<String>,
    pub(crate) orgs: Vec<String>,
    /// Whether everything may have changed.
    pub(crate) all: bool,
}

impl KeyRow {
    pub(crate) fn rights(&self) -> Rights {
        Rights {
            environment: self.environment.clone(),
            scopes: self.scopes.clone(),
            level: self.level,
            tier: self.tier.clone(),
            limits: self.limits.clone(),
            networks: self.networks.clone(),
            expires_at: self.life.expires_at,
        }
    }
}

impl KeyView {
    pub(crate) fn terms(&self) -> Vec<Term> {
        self.secrets.iter().map(|it| it.term.clone()).collect()
    }
}

impl SecretRow {
    pub(crate) fn view(&self) -> SecretView {
        SecretView {
            term: self.term.clone(),
            prefix: self.prefix.clone(),
            created_at: self.created_at,
            last_used_at: None,
        }
    }
}

/// What a lookup finds: the secret, its key and what its org adds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) secret: SecretRow,
    pub(crate) view: KeyView,
    pub(crate) org_disabled: bool,
    pub(crate) org_networks: Option<Vec<String>>,
}

/// An org's row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OrgRow {
    pub(crate) id: String,
    pub(crate) networks: Option<Vec<String>>,
    pub(crate) created_at: Millis,
    pub(crate) updated_at: Millis,
    pub(crate) disabled_at: Option<Millis>,
    pub(crate) reason: Option<String>,
}

/// What is fixed when a database is made.
#[derive(Debug, Clone)]
pub(crate) struct Birth {
    pub(crate) integer_ids: bool,
    pub(crate) filter_key: [u8; 32],
    pub(crate) cursor_key: [u8; 32],
    pub(crate) at: Millis,
}

/// A place in a list that is ordered newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: Millis,
    pub(crate) id: String,
}

/// Which keys a list shows, judged at `now`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeyFilter {
    pub(crate) status: StatusFilter,
    pub(crate) environment: Option<String>,
    pub(crate) name: Option<String>,
    /// Only keys that were not used after this, nor made after it.
    pub(crate) idle_since: Option<Millis>,
    /// Only keys that expire until then.
    pub(crate) expires_until: Option<Millis>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StatusFilter {
    #[default]
    NotRevoked,
    Active,
    Disabled,
    Expired,
    Revoked,
    All,
}

/// Which audit entries a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AuditFilter {
    pub(crate) target: Option<String>,
    pub(crate) action: Option<String>,
    /// The `agent` in its details.
    pub(crate) agent: Option<String>,
}

/// An audit row: the entry with what its seal was made from.
#[derive(Debug, Clone)]
pub(crate) struct AuditRow {
    pub(crate) entry: AuditEntry,
    pub(crate) at: Millis,
    pub(crate) details: String,
    pub(crate) pepper: Option<String>,
    pub(crate) seal: Seal,
}

/// Seals entries as the engine does that writes them.
#[derive(Clone)]
pub(crate) struct Sealer {
    pub(crate) pepper: Option<String>,
    pub(crate) key: Option<Arc<zeroize::Zeroizing<[u8; 32]>>>,
}

/// A change of one key, worked out by a rule inside the store's transaction.
pub(crate) struct Edit {
    pub(crate) key: KeyRow,
    pub(crate) ends: Vec<Term>,
    pub(crate) add: Option<SecretRow>,
    pub(crate) audit: Draft,
}

/// A change of one org, likewise.
pub(crate) struct OrgEdit {
    pub(crate) org: OrgRow,
    pub(crate) audit: Draft,
}

/// A rule over a key at a time: what to change, or `None` when all is as it should be.
pub(crate) type KeyRule = Box<dyn FnOnce(&KeyView, Millis) -> Result<Option<Edit>, Error> + Send>;

/// A rule that changes nothing of a key, and says what to tell of it.
pub(crate) type Telling = Box<dyn FnOnce(&KeyView, Millis) -> Result<Vec<Draft>, Error> + Send>;

/// A rule over an org.
pub(crate) type OrgRule = Box<dyn FnOnce(&OrgRow) -> Result<Option<OrgEdit>, Error> + Send>;

/// What any store can do. Reads are consistent in themselves; each write is one transaction with its audit row and with
/// what is remembered of the attempt under which it is made, and has survived a loss of power when it returns.
pub(crate) trait Store: Send + Sync {
    fn birth(&self) -> &Birth;

    /// A number that differs after each commit of any process, from the moment at which it is acknowledged, and costs
    /// one load of memory. `None` when it has to be asked for.
    fn pulse(&self) -> Option<NonZeroU64>;
    /// The same number, by whatever it takes.
    fn ask(&self) -> impl Future<Output = Result<NonZeroU64, Error>> + Send;
    /// What has changed after a moment; all, for `None`.
    fn changes(&self, after: Option<Moment>) -> impl Future<Output = Result<Changes, Error>> + Send;

    /// The only look-up of a verification: all it needs in one snapshot, as it is at `now`. Whoever calls it has asked
    /// within the last second.
    fn find(&self, lookup: &str, now: Millis) -> impl Future<Output = Result<Option<Found>, Error>> + Send;
    fn get(
        &self,
        tenant: &Tenant,
        id: &str,
        now: Millis,
    ) -> impl Future<Output = Result<Option<KeyView>, Error>> + Send;
    fn by_prefix(
        &self,
        tenant: &Tenant,
        prefix: &str,
        now: Millis,
    ) -> impl Future<Output = Result<Option<KeyView>, Error>> + Send;
    fn list(
        &self,
        tenant: &Tenant,
        filter: &KeyFilter,
        after: Option<&Place>,
        limit: usize,
        now: Millis,
    ) -> impl Future<Output = Result<Vec<KeyView>, Error>> + Send;

    /// `false` when the id or the lookup is taken. Makes the org when it is new.
    fn create(
        &self,
        key: KeyRow,
        secret: SecretRow,
        audit: Draft,
        attempt: Option<Attempt>,
    ) -> impl Future<Output = Result<bool, Error>> + Send;
    /// The key after the rule, or `None` when the tenant has no such key. The time is asked for once the store is held,
    /// since what was true before a wait may be true no longer.
    fn change(
        &self,
        tenant: &Tenant,
        id: &str,
        clock: &Clock,
        rule: KeyRule,
        attempt: Option<Attempt>,
    ) -> impl Future<Output = Result<Option<KeyView>, Error>> + Send;
    /// The keys that were revoked by the very revocation of this one, which had made them.
    fn revoked_with(&self, id: &str, now: Millis) -> impl Future<Output = Result<Vec<KeyView>, Error>> + Send;
    /// The entries that a rule makes, in one transaction; `None` when the tenant has no such key.
    fn tell(
        &self,
        tenant: &Tenant,
        id: &str,
        clock: &Clock,
        rule: Telling,
        attempt: Option<Attempt>,
    ) -> impl Future<Output = Result<Option<Vec<AuditRow>>, Error>> + Send;
    /// Replaces one verifier by another of the same secret, if it still stands there.
    fn replace_verifier(
        &self,
        lookup: String,
        from: String,
        to: String,
        filter: Option<Vec<u8>>,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Adds to the counters, of each secret and of its key, ends for ever the graces that were seen to be over, with an
    /// audit row for each, and forgets requests under idempotency keys that are over by now. All of it, or nothing.
    fn add_usage(&self, used: Arc<[Used]>, now: Millis) -> impl Future<Output = Result<(), Error>> + Send;
    /// What was counted for the agents of a key.
    fn agents(&self, key_id: &str) -> impl Future<Output = Result<Vec<AgentCounts>, Error>> + Send;
    /// Whether nobody has yet claimed to look at the keys on this day; the next who asks is told no.
    fn claim_day(&self, day: i64) -> impl Future<Output = Result<bool, Error>> + Send;

    fn org(&self, id: &str) -> impl Future<Output = Result<Option<OrgRow>, Error>> + Send;
    fn orgs(&self, after: Option<&Place>, limit: usize) -> impl Future<Output = Result<Vec<OrgRow>, Error>> + Send;
    fn change_org(
        &self,
        id: &str,
        rule: OrgRule,
        attempt: Option<Attempt>,
    ) -> impl Future<Output = Result<Option<OrgRow>, Error>> + Send;
    /// Revokes every key of an org that is not yet revoked, and says how many; `None` for an unknown org.
    fn revoke_keys(
        &self,
        org: &str,
        reason: Option<String>,
        audit: Draft,
        attempt: Option<Attempt>,
    ) -> impl Future<Output = Result<Option<u64>, Error>> + Send;

    /// The stored outcome under the name of an attempt that has not expired when the attempt is made. For a new name of a
    /// caller that has reached its bound, the refusal.
    fn remembered(&self, attempt: &Attempt) -> impl Future<Output = Result<Option<Memory>, Error>> + Send;
    /// Starts an attempt: takes a lease, or returns the stored outcome if there is one.
    fn begin(&self, attempt: Attempt, token: [u8; 16]) -> impl Future<Output = Result<Option<Memory>, Error>> + Send;
    /// Ends a lease with an answer, which is kept as far as the caller has room for it, or without one, which frees the name. Nothing, where the lease was over
    /// and another has the turn.
    fn settle(&self, lease: Lease, kept: Option<Kept>, now: Millis) -> impl Future<Output = Result<(), Error>> + Send;

    /// Entries newest first, below `before`.
    fn audit(
        &self,
        tenant: &Tenant,
        filter: &AuditFilter,
        before: Option<u64>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<AuditRow>, Error>> + Send;
    /// Entries oldest first, above `after`.
    fn audit_scan(&self, after: u64, limit: usize) -> impl Future<Output = Result<Vec<AuditRow>, Error>> + Send;
    /// Deletes the entries up to the last before `before`, leaving a checkpoint entry when there were any.
    fn prune(&self, before: Millis, audit: Draft) -> impl Future<Output = Result<u64, Error>> + Send;

    /// The peppers that live secrets name.
    fn peppers(&self, now: Millis) -> impl Future<Output = Result<Vec<String>, Error>> + Send;

    /// Lets go of everything once queued writes are done.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

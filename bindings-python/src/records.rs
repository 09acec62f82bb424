//! The record classes that mirror records of the core.

use keywright::Allowed;
use keywright::ffi::{key_revision, same_names};
use pyo3::prelude::*;

use crate::cache::{ByRevision, Cache, by_revision};
use crate::field::{EnumText, Id, Json, Time};
use crate::record::{IntoField, mirror};

thread_local! {
    static KEYS: ByRevision<Key> = const { std::cell::RefCell::new(Cache::EMPTY) };
}

impl Key {
    /// Returns the key of an allowed decision: one object per revision of the key and thread.
    pub(crate) fn of<'py>(py: Python<'py>, allowed: &Allowed) -> PyResult<Bound<'py, Self>> {
        by_revision(py, &KEYS, key_revision(allowed), || Bound::new(py, Self::from(allowed.key().clone())))
    }
}

mirror! {
    /// A key. It contains no secret.
    Key by id {
        /// The id, which never changes.
        id: Id,
        /// The display name.
        name: String,
        /// The purpose of the key, as free text.
        description: Option<String>,
        /// The org that owns the key.
        org: String,
        /// The environment of the key.
        environment: String,
        /// The public part of the current secret's text.
        prefix: String,
        /// The state of the key at the time of the call.
        status: EnumText,
        /// The scopes, in canonical order.
        scopes: Vec<String>,
        /// The level, which decides about HTTP methods; `None` allows all.
        level: Option<EnumText>,
        /// The name of the tier.
        tier: Option<String>,
        /// The rate limits of the key itself.
        limits: Vec<Limit>,
        /// The quotas of the key itself.
        quotas: Vec<Quota>,
        /// The networks that may use the key: no restriction for `None`, none for an empty list.
        networks: Option<Vec<String>>,
        /// The data of the host.
        metadata: Json,
        /// The time of its creation.
        created_at: Time,
        /// The creator.
        created_by: Option<String>,
        /// The time of the last change.
        updated_at: Time,
        /// The time from which the key no longer verifies.
        expires_at: Option<Time>,
        /// The time since which the key is disabled.
        disabled_at: Option<Time>,
        /// The time of the revocation.
        revoked_at: Option<Time>,
        /// The reason of the last disabling or revocation.
        reason: Option<String>,
        /// The time of the last use of one of its secrets.
        last_used_at: Option<Time>,
        /// The number of allowed verifications.
        usage_count: u64,
        /// The number of denied verifications of a proved secret.
        denied_count: u64,
        /// The secrets that still verify, newest first: the current one and, during its grace, the former one.
        secrets: Vec<Secret>,
    }
}

const _: () = assert!(same_names(Key::FIELDS, keywright::Key::FIELDS), "a key has the core's fields, in its order");

mirror! {
    /// The public data of one secret of a key.
    Secret by prefix {
        prefix: String,
        created_at: Time,
        grace_ends_at: Option<Time>,
        last_used_at: Option<Time>,
    }
}

mirror! {
    /// A rate limit.
    Limit by name {
        /// The name of the limit.
        name: String,
        /// Requests per minute.
        rate: u64,
        /// Requests allowed at once.
        burst: u64,
        /// The requests that it counts together: those of a `key`, an `org` or an `agent`.
        per: EnumText,
        /// The class of operations that the limit counts; `None` for every request.
        operation: Option<String>,
        /// Whether processes of several machines buy each request of its own.
        exact: bool,
        /// The answer when the place of shared limits cannot be reached: `local`, `refuse` or `allow`.
        when_unreachable: EnumText,
    }
}

mirror! {
    /// The state of a limit after a verification.
    LimitState by name {
        /// The name of the limit.
        name: String,
        /// Requests per minute.
        limit: u64,
        /// The number of requests allowed now.
        remaining: u64,
        /// The seconds until the limit is unused again.
        reset_seconds: u64,
        /// Whether processes shared the limit for this verification.
        shared: bool,
    }
}

mirror! {
    /// A quota.
    Quota by name {
        /// The name of the quota.
        name: String,
        /// Requests in each period; for a balance, the requests that it begins with.
        amount: u64,
        /// The period in UTC: an `hour`, a `day`, a `week` or a `month`; `None` for a balance.
        every: Option<EnumText>,
        /// The day of the month on which a month begins; `None` for the first.
        anchor: Option<u8>,
        /// The requests that it counts together: those of a `key` or an `org`.
        per: EnumText,
        /// The class of operations that the quota counts; `None` for every request.
        operation: Option<String>,
    }
}

mirror! {
    /// The state of a quota.
    QuotaState by name {
        /// The name of the quota.
        name: String,
        /// Requests in each period; for a balance, all that it was ever given.
        amount: u64,
        /// Requests that were counted, up to the last time that this process asked the database.
        used: u64,
        /// Requests that are left.
        remaining: u64,
        /// The period in UTC: an `hour`, a `day`, a `week` or a `month`; `None` for a balance.
        every: Option<EnumText>,
        /// The start of the present period; `None` for a balance.
        starts_at: Option<Time>,
        /// The start of the next period, when the count begins anew; `None` for a balance.
        resets_at: Option<Time>,
        /// The seconds until the next period; `None` for a balance.
        reset_seconds: Option<u64>,
    }
}

mirror! {
    /// An org.
    OrgRecord by id {
        id: String,
        status: EnumText,
        networks: Option<Vec<String>>,
        created_at: Time,
        updated_at: Time,
        disabled_at: Option<Time>,
        reason: Option<String>,
    }
}

mirror! {
    /// One entry of the audit chain.
    AuditEntry by hash {
        seq: u64,
        at: Time,
        org: Option<String>,
        actor: Option<String>,
        action: String,
        target: Option<String>,
        reason: Option<String>,
        details: Json,
        hash: String,
    }
}

mirror! {
    /// The counters of one agent of a key.
    AgentUsage by agent {
        /// The agent; `None` for all agents after the first thousand of a key.
        agent: Option<String>,
        /// The number of allowed verifications.
        usage_count: u64,
        /// The number of denied verifications of a proved secret.
        denied_count: u64,
        /// The time of the last allowed verification.
        last_used_at: Option<Time>,
    }
}

mirror! {
    /// The outcome of an import.
    ImportReport by imported {
        /// The keys, in the order in which they were given.
        data: Vec<ImportedKey>,
        /// The number of imported keys, or of those that an import without `dry_run` would import.
        imported: u64,
        /// The number of keys that were there already.
        existing: u64,
        /// The number of refused keys.
        refused: u64,
    }
}

mirror! {
    /// The outcome of the import of one key.
    ImportedKey by index {
        /// The place of the key in the call, from 0.
        index: u64,
        /// The id; `None` for a refused key, and for a new key of a dry run.
        id: Option<Id>,
        /// `imported`, `existing` or `refused`.
        outcome: EnumText,
        /// Of a key that was there already, the times of the import by which it has ended, or ends sooner, than the one that is there:
        /// `revoked_at`, `disabled_at`, `expires_at`. They were not applied.
        not_applied: Vec<String>,
        /// The `code`, `field` and `message` of the error of a refused key.
        error: Option<Json>,
    }
}

mirror! {
    /// An event of a key or of the database, for `on_event`. It contains no secret.
    Event by key_id {
        /// One of `created`, `rotated`, `former_secret_used`, `expiring`, `idle`, `credited`, `revoked`,
        /// `refused_after_revocation`, `store_failed`, `store_recovered`, `store_replaced`, `limits_unshared`,
        /// `provider_failed`, `provider_recovered`, `webhook_disabled`.
        kind: EnumText,
        /// The time of the event.
        at: Time,
        /// The org; `None` for an event of the database.
        org: Option<String>,
        /// The key; `None` if every key of the org was revoked.
        key_id: Option<Id>,
        /// The display name of the key.
        name: Option<String>,
        /// The environment of the key.
        environment: Option<String>,
        /// The public part of the secret: the newest one, or the one that was presented.
        prefix: Option<String>,
        /// The actor.
        actor: Option<String>,
        /// The code of a denied verification.
        code: Option<EnumText>,
        /// Why the database, another server or a webhook endpoint cannot be used, or which other database answers, and the fix.
        reason: Option<String>,
        /// The number of occurrences since the last flush; for a revocation, the number of revoked keys.
        count: u64,
        /// The expiry of the key.
        expires_at: Option<Time>,
        /// The end of the grace of the former secret.
        grace_ends_at: Option<Time>,
        /// The time of the last use of the key.
        last_used_at: Option<Time>,
        /// The number of events dropped before this one because the listener was too slow.
        lost: u64,
    }
}

mirror! {
    /// The end of the audit chain.
    AuditHead by hash { seq: u64, hash: String, }
}

mirror! {
    /// The result of a check of the audit chain. It is true when the chain is intact.
    AuditCheck by last_seq {
        ok: bool,
        checked: u64,
        first_seq: Option<u64>,
        last_seq: Option<u64>,
        problem: Option<String>,
    }

    fn __bool__(&self) -> bool {
        self.ok
    }
}

mirror! {
    /// Parses the text of a key. This proves nothing about the key.
    Parsed by prefix { environment: String, prefix: String, lookup: String, }
}

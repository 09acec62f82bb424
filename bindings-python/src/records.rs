//! The record classes that mirror records of the core.

use keywright::Allowed;
use pyo3::prelude::*;

use crate::cache::{ByReading, Cache, by_reading};
use crate::field::{EnumText, Id, Json, Time};
use crate::record::{IntoField, mirror};

thread_local! {
    static KEYS: ByReading<Key> = const { std::cell::RefCell::new(Cache::EMPTY) };
}

impl Key {
    /// Returns the key of an allowed decision: one object per reading of the key and thread.
    pub(crate) fn of<'py>(py: Python<'py>, allowed: &Allowed) -> PyResult<Bound<'py, Self>> {
        by_reading(py, &KEYS, allowed.reading(), || Bound::new(py, Self::from(allowed.key().clone())))
    }
}

mirror! {
    /// A key as every surface shows it. Nothing in it is secret.
    Key by id {
        /// Its id, which never changes.
        id: Id,
        /// What people call it.
        name: String,
        /// What it is for, as free text.
        description: Option<String>,
        /// The tenant that owns it.
        org: String,
        /// The environment it works in.
        environment: String,
        /// The public part of the current secret's text.
        prefix: String,
        /// Its state at the time of the call.
        status: EnumText,
        /// What it may do, in canonical order.
        scopes: Vec<String>,
        /// Which HTTP methods it may use; `None` leaves them unjudged.
        level: Option<EnumText>,
        /// The name of its set of rate limits.
        tier: Option<String>,
        /// Rate limits of its own.
        limits: Vec<Limit>,
        /// The networks it may be used from: `None` is no restriction, empty is nowhere.
        networks: Option<Vec<String>>,
        /// The host's own data.
        metadata: Json,
        /// When it was made.
        created_at: Time,
        /// Who made it.
        created_by: Option<String>,
        /// When it was last changed.
        updated_at: Time,
        /// From when on it no longer verifies.
        expires_at: Option<Time>,
        /// Since when it is disabled.
        disabled_at: Option<Time>,
        /// When it was revoked.
        revoked_at: Option<Time>,
        /// Why it was last disabled or revoked.
        reason: Option<String>,
        /// When one of its secrets was last used.
        last_used_at: Option<Time>,
        /// Allowed verifications.
        usage_count: u64,
        /// Refused verifications of a proved secret.
        denied_count: u64,
        /// The secrets that still verify, newest first: the current one, and in grace the former one.
        secrets: Vec<Secret>,
    }
}

const _: () =
    assert!(keywright::same_fields(Key::FIELDS, keywright::Key::FIELDS), "a key has the core's fields, in its order");

mirror! {
    /// What is public about one secret of a key.
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
        /// What it is called.
        name: String,
        /// Requests per minute.
        rate: u64,
        /// Requests that may come at once.
        burst: u64,
        /// Whose requests it counts together: `key`, `org` or `agent`.
        per: EnumText,
        /// The class of operations that it is for; `None` is every request.
        operation: Option<String>,
    }
}

mirror! {
    /// Where a limit stands after a verification.
    LimitState by name {
        /// What it is called.
        name: String,
        /// Requests per minute.
        limit: u64,
        /// Requests that are allowed now.
        remaining: u64,
        /// After how many seconds it is unused again.
        reset_seconds: u64,
        /// Whether all processes share it.
        shared: bool,
    }
}

mirror! {
    /// A tenant.
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
    /// One change, as the audit chain keeps it.
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
    /// What was counted for one agent of a key.
    AgentUsage by agent {
        /// The agent; `None` for all beyond the first thousand of a key.
        agent: Option<String>,
        /// Allowed verifications.
        usage_count: u64,
        /// Refused verifications of a proved secret.
        denied_count: u64,
        /// When one was last allowed.
        last_used_at: Option<Time>,
    }
}

mirror! {
    /// An event of a key or of the database, as `on_event` gets it. Nothing in it is secret.
    Event by key_id {
        /// One of `created`, `rotated`, `former_secret_used`, `expiring`, `idle`, `revoked`, `refused_after_revocation`,
        /// `store_failed`, `store_recovered`.
        kind: EnumText,
        /// When.
        at: Time,
        /// The tenant it concerns; `None` for what concerns the database.
        org: Option<String>,
        /// The key; `None` where every key of the org was revoked.
        key_id: Option<Id>,
        /// What people call the key.
        name: Option<String>,
        /// The environment it works in.
        environment: Option<String>,
        /// The public part of the secret that it is about: the newest, or the one that was presented.
        prefix: Option<String>,
        /// Who did it.
        actor: Option<String>,
        /// Why a verification was denied.
        code: Option<EnumText>,
        /// Why the database cannot be used, and what to do about it.
        reason: Option<String>,
        /// How often, since it was last written down; of a revocation, how many keys it ended.
        count: u64,
        /// When the key expires.
        expires_at: Option<Time>,
        /// When the former secret stops.
        grace_ends_at: Option<Time>,
        /// When the key was last used.
        last_used_at: Option<Time>,
        /// How many events before this one were dropped, since the listener was too slow for them.
        lost: u64,
    }
}

mirror! {
    /// The end of the audit chain.
    AuditHead by hash { seq: u64, hash: String, }
}

mirror! {
    /// What a check of the audit chain found. It is true when the chain is whole.
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
    /// What the text of a key says about itself. Nothing is proved by it.
    Parsed by prefix { environment: String, prefix: String, lookup: String, }
}

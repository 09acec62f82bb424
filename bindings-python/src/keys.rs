//! The handle of an org's keys. Each method reads its arguments, makes one call of the core, and converts the result.

use keywright::ffi::{Casing, Fields, FromFields, read_key_id};
use keywright::{Attestation, Change, Credit, HashedImport, KeyId, KeyUpdate, ListKeys, Rotation};
use pyo3::prelude::*;

use crate::error::or_raise;
use crate::input::{Keywords, arguments, entries, text, value_of};
use crate::new_key::NewKey;
use crate::page::{Items, Page};
use crate::records::{AgentUsage, AuditEntry, ImportReport, Key, QuotaState};
use crate::wait::wait_or_raise;

/// The keys of an org.
#[pyclass(frozen, dict, weakref, module = "keywright")]
pub(crate) struct Keys(pub(crate) keywright::Keys);

fn key_id(given: &Bound<'_, PyAny>) -> PyResult<KeyId> {
    or_raise(given.py(), read_key_id(value_of(given)?))
}

/// Makes a call that takes an id, a reason and an actor.
macro_rules! change {
    ($keys:ident.$method:ident($id:ident, $keywords:ident)) => {{
        let (py, id) = ($id.py(), key_id($id)?);
        let change = arguments(py, $keywords, Change::read)?;
        wait_or_raise(py, $keys.0.$method(&id, change)).map(Key::from)
    }};
}

#[pymethods]
impl Keys {
    /// Creates a key. `api_key` of the result is the only copy of its text.
    ///
    /// name: a display name, 1 to 200 characters.
    /// description: what it is for, as free text of up to 1,000 characters, which may be several lines.
    /// scopes: the scopes of the key, up to 100, as `"deals:read,deals:write"` or a list; none when left out.
    /// level: the HTTP methods of the key. `"read"` allows GET, HEAD and OPTIONS; `"read_write"` also POST, PUT and
    ///     PATCH; `"full"` every method. Without a level, methods are not checked. With a level other than full,
    ///     `verify` needs `method`.
    /// tier: the name of a tier of the engine, whose limits and quotas apply to the key.
    /// limits: further limits of the key alone, up to 8, written as for `Keywright` but without `per`. Their names
    ///     differ from those of the engine's limits. If the engine has limits with an operation, the operation of each
    ///     is one of those.
    /// quotas: further quotas of the key alone, up to 8, written as for `Keywright` but without `per`, under the same
    ///     conditions.
    /// networks: the networks that may use the key, up to 100, like `"203.0.113.0/24"` or `"2001:db8::1"`; none for an
    ///     empty list, no restriction when left out. With networks, `verify` needs `ip`.
    /// metadata: your own data, up to 16 KiB of JSON, 8 levels deep.
    /// environment: the environment of the key; the first that the engine accepts when left out.
    /// expires_in_days: days of 24 hours until the key expires, 1 to 36,500. Without it, the key never expires.
    /// expires_at: an aware datetime in the future, instead of `expires_in_days`.
    /// created_by: the creator of the key, 1 to 200 characters.
    #[pyo3(
        signature = (**keywords),
        text_signature = "($self, *, name, description=None, scopes=None, level=None, tier=None, limits=None, quotas=None, networks=None, metadata=None, environment=None, expires_in_days=None, expires_at=None, created_by=None)"
    )]
    fn create<'py>(&self, py: Python<'py>, keywords: Option<Keywords<'_, 'py>>) -> PyResult<Bound<'py, NewKey>> {
        let new = arguments(py, keywords, keywright::NewKey::read)?;
        NewKey::new(py, wait_or_raise(py, self.0.create(new))?)
    }

    /// Lists keys, newest first: all but the revoked ones unless `status` asks for them.
    ///
    /// limit: the number of items on a page, 1 to 1,000.
    /// cursor: `next_cursor` of the previous page; the other arguments must be the same.
    /// status: `"active"`, `"disabled"`, `"expired"` or `"revoked"` for keys in that state, `"all"` for every key.
    /// environment: only keys of this environment.
    /// name: only keys of exactly this name.
    /// idle_days: only keys that were last used, or created and never used, at least this many days ago; 1 to 36,500.
    #[pyo3(
        signature = (**keywords),
        text_signature = "($self, *, limit=100, cursor=None, status=None, environment=None, name=None, idle_days=None)"
    )]
    fn list(&self, py: Python<'_>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Page> {
        let keys = self.0.clone();
        Page::first(py, keywords, move |py, fields| {
            let list = or_raise(py, ListKeys::read(fields))?;
            Items::of::<_, Key>(py, wait_or_raise(py, keys.list(list))?)
        })
    }

    /// Returns the key with this id.
    fn get(&self, id: &Bound<'_, PyAny>) -> PyResult<Key> {
        let (py, id) = (id.py(), key_id(id)?);
        wait_or_raise(py, self.0.get(&id)).map(Key::from)
    }

    /// Returns the key with this prefix, as logs show it.
    fn find(&self, prefix: &Bound<'_, PyAny>) -> PyResult<Key> {
        let (py, prefix) = (prefix.py(), text("prefix", prefix)?);
        wait_or_raise(py, self.0.find(&prefix)).map(Key::from)
    }

    /// Changes the given fields. A revoked key is refused, and so is a new expiry of an expired one.
    ///
    /// The arguments are those of `create` without environment and created_by. A new list, dict or metadata replaces all
    /// there was; `None` clears any field but the name and the scopes. The days of `expires_in_days` start now.
    ///
    /// actor: the actor in the audit chain, 1 to 200 characters.
    #[pyo3(
        signature = (id, **keywords),
        text_signature = "($self, id, *, name=..., description=..., scopes=..., level=..., tier=..., limits=..., quotas=..., networks=..., metadata=..., expires_in_days=..., expires_at=..., actor=None)"
    )]
    fn update(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Key> {
        let (py, id) = (id.py(), key_id(id)?);
        let update = arguments(py, keywords, KeyUpdate::read)?;
        wait_or_raise(py, self.0.update(&id, update)).map(Key::from)
    }

    /// Gives the key a new secret. The former one verifies until its grace ends.
    ///
    /// grace: its duration: a whole number with s, m, h or d, like `"24h"`, or a timedelta, up to 365 days; 24 hours
    ///     when left out, and never beyond the key's expiry. 0 ends all former secrets now.
    /// reason: the reason, 1 to 200 characters. `"compromised"` ends all former secrets now, regardless of the grace.
    /// replace_current: during a grace, ends the newest secret now and lets the former one keep its end; not with `grace`.
    /// actor: the actor in the audit chain, 1 to 200 characters.
    ///
    /// Raises `Conflict` during the grace of the last rotation, unless all former secrets end now or the current one is
    /// replaced.
    #[pyo3(
        signature = (id, **keywords),
        text_signature = "($self, id, *, grace='24h', reason=None, replace_current=False, actor=None)"
    )]
    fn rotate<'py>(&self, id: &Bound<'py, PyAny>, keywords: Option<Keywords<'_, 'py>>) -> PyResult<Bound<'py, NewKey>> {
        let (py, id) = (id.py(), key_id(id)?);
        let rotation = arguments(py, keywords, Rotation::read)?;
        NewKey::new(py, wait_or_raise(py, self.0.rotate(&id, rotation))?)
    }

    /// Ends the former secret now.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn end_grace(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Key> {
        change!(self.end_grace(id, keywords))
    }

    /// Revokes the key with all its secrets, for ever. A second call changes nothing.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn revoke(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Key> {
        change!(self.revoke(id, keywords))
    }

    /// Switches the key off until `enable`.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn disable(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Key> {
        change!(self.disable(id, keywords))
    }

    /// Switches a disabled key on again.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn enable(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Key> {
        change!(self.enable(id, keywords))
    }

    /// Returns the counters of the agents that have used the key, the most recent first. The first 1,000 agents have
    /// counters of their own; all others share one, as `None`.
    fn agents(&self, id: &Bound<'_, PyAny>) -> PyResult<Vec<AgentUsage>> {
        let (py, id) = (id.py(), key_id(id)?);
        Ok(wait_or_raise(py, self.0.agents(&id))?.into_iter().map(AgentUsage::from).collect())
    }

    /// Raises a balance that the key draws on, its own or its org's, and returns the state of the balance. Other processes
    /// admit requests by it after a second at most.
    ///
    /// amount: the requests to add, 1 to 999,999,999,999,999.
    /// quota: the name of the balance; the only one of the key when left out.
    /// reason: the reason, 1 to 200 characters.
    /// actor: the actor in the audit chain, 1 to 200 characters.
    ///
    /// Raises `Conflict` for a revoked key.
    #[pyo3(
        signature = (id, amount, **keywords),
        text_signature = "($self, id, amount, *, quota=None, reason=None, actor=None)"
    )]
    fn credit(
        &self,
        id: &Bound<'_, PyAny>,
        amount: &Bound<'_, PyAny>,
        keywords: Option<Keywords<'_, '_>>,
    ) -> PyResult<QuotaState> {
        let (py, id) = (id.py(), key_id(id)?);
        let mut entries = entries(keywords)?;
        entries.push(("amount".to_owned(), value_of(amount)?));
        let credit = or_raise(py, Credit::read(Fields::new(Casing::Snake, entries)))?;
        wait_or_raise(py, self.0.credit(&id, credit)).map(QuotaState::from)
    }

    /// Records what agents claim to do with the key, and returns the audit entries: one of the action `agent.attest`
    /// each, all or none. The key does not change, and the claims are not checked.
    ///
    /// agent: the agent, 1 to 128 of A-Z, a-z, 0-9, _ . : and -.
    /// claims: its claims, up to 16 KiB of JSON, 8 levels deep.
    /// attestations: instead of both, a list of up to 100 dicts of `agent` and `claims`.
    /// actor: the actor in the audit chain, 1 to 200 characters.
    ///
    /// Raises `Conflict` for a revoked, expired or disabled key.
    #[pyo3(
        signature = (id, agent=None, claims=None, **keywords),
        text_signature = "($self, id, agent=None, claims=None, *, attestations=None, actor=None)"
    )]
    fn attest(
        &self,
        id: &Bound<'_, PyAny>,
        agent: Option<&Bound<'_, PyAny>>,
        claims: Option<&Bound<'_, PyAny>>,
        keywords: Option<Keywords<'_, '_>>,
    ) -> PyResult<Vec<AuditEntry>> {
        let (py, id) = (id.py(), key_id(id)?);
        let mut entries = entries(keywords)?;
        for (name, argument) in [("agent", agent), ("claims", claims)] {
            if let Some(argument) = argument {
                entries.push((name.to_owned(), value_of(argument)?));
            }
        }
        let attestation = or_raise(py, Attestation::read(Fields::new(Casing::Snake, entries)))?;
        Ok(wait_or_raise(py, self.0.attest(&id, attestation))?.into_iter().map(AuditEntry::from).collect())
    }

    /// Imports keys that another product has issued. They keep their texts: a verification compares a text with what the
    /// product has stored, and the first one that succeeds replaces that by a hash of this engine. All keys of a call are written
    /// together, or none. A key that is there already stays as it is.
    ///
    /// keys: 1 to 1,000 dicts, each with `name` and `verifier`, which is what the product has stored (the guide lists the forms).
    ///     `lookup` is the part of the text that finds the key; without one in the format, `start` may give the first characters
    ///     of the text. `id`, `org` (on the handle of every org), `environment`, the settings of `create`, `created_at`,
    ///     `expires_at`, `disabled_at`, `revoked_at`, `reason`, `last_used_at` and `usage_count` carry over.
    /// format: `"djangorestframework-api-key"`, `"better-auth"`, `"sanctum"`, `"unkey"`, `"prefixed-api-key"`, `"bcrypt"`, or a
    ///     template such as `"acme_{lookup:8}_{secret}"`.
    /// start: the fixed start of the texts of a named format that has one.
    /// hashed: with a template, what the product has hashed: the whole `"text"` or the `"secret"`.
    /// dry_run: whether to report what would be imported, and write nothing.
    /// skip_refused: whether to import the other keys if some are refused, and report these.
    /// actor: the actor in the audit chain, 1 to 200 characters.
    ///
    /// Raises `ValidationFailed`, `InvalidRequest` or `Conflict` with a field like `keys[17].verifier`.
    #[pyo3(
        signature = (keys, **keywords),
        text_signature = "($self, keys, *, format, start=None, hashed=None, dry_run=False, skip_refused=False, actor=None)"
    )]
    fn import_hashed(&self, keys: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<ImportReport> {
        let py = keys.py();
        let mut entries = entries(keywords)?;
        entries.push(("keys".to_owned(), value_of(keys)?));
        let import = or_raise(py, HashedImport::read(Fields::new(Casing::Snake, entries)))?;
        wait_or_raise(py, self.0.import_hashed(import)).map(ImportReport::from)
    }

    /// Wipes the fields of a key that can name a person. The key must have been revoked over 30 days ago.
    ///
    /// Audit entries keep their actor and reason, until `audit.prune`. The key's id and revocation stay.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn purge(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Key> {
        change!(self.purge(id, keywords))
    }
}

//! The handles of one org, of all orgs, and of the audit chain.

use keywright::ffi::FromFields;
use keywright::{Change, ListAudit, ListOrgs, OrgUpdate};
use pyo3::prelude::*;

use crate::error::or_raise;
use crate::handle::cached_handle;
use crate::input::{Keywords, arguments, text, value_of};
use crate::keys::Keys;
use crate::page::{Items, Page};
use crate::records::{AuditCheck, AuditEntry, AuditHead, OrgRecord};
use crate::verify::{Backend, Verifier};
use crate::wait::wait_or_raise;

/// One org, or every org.
#[pyclass(frozen, dict, weakref, extends = Verifier, module = "keywright")]
pub(crate) struct Org(keywright::Org);

impl Org {
    pub(crate) fn new(py: Python<'_>, org: keywright::Org) -> PyResult<Py<Self>> {
        Py::new(py, PyClassInitializer::from(Verifier(Backend::Org(org.clone()))).add_subclass(Self(org)))
    }
}

#[pymethods]
impl Org {
    #[classattr]
    fn keys(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        cached_handle(py, c"keys", c"The keys of this org.", |org: &Self| Keys(org.0.keys()))
    }

    #[classattr]
    fn audit(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        cached_handle(py, c"audit", c"The audit chain, as this org sees it.", |org: &Self| Audit(org.0.audit()))
    }
}

/// The orgs of a database.
#[pyclass(frozen, dict, weakref, module = "keywright")]
pub(crate) struct Orgs(pub(crate) keywright::Orgs);

/// Makes a call that takes an id and keyword arguments.
macro_rules! change {
    ($orgs:ident.$method:ident($id:ident, $keywords:ident, $change:ty)) => {{
        let (py, id) = ($id.py(), text("id", $id)?);
        let change = arguments(py, $keywords, <$change>::read)?;
        wait_or_raise(py, $orgs.0.$method(&id, change))
    }};
}

#[pymethods]
impl Orgs {
    /// Returns the org with this id.
    fn get(&self, id: &Bound<'_, PyAny>) -> PyResult<OrgRecord> {
        let (py, id) = (id.py(), text("id", id)?);
        wait_or_raise(py, self.0.get(&id)).map(OrgRecord::from)
    }

    /// Lists orgs, newest first.
    #[pyo3(signature = (**keywords), text_signature = "($self, *, limit=100, cursor=None)")]
    fn list(&self, py: Python<'_>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Page> {
        let orgs = self.0.clone();
        Page::first(py, keywords, move |py, fields| {
            let list = or_raise(py, ListOrgs::read(fields))?;
            Items::of::<_, OrgRecord>(py, wait_or_raise(py, orgs.list(list))?)
        })
    }

    /// Changes the networks of an org; `None` lifts the restriction.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, networks=..., actor=None)")]
    fn update(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<OrgRecord> {
        change!(self.update(id, keywords, OrgUpdate)).map(OrgRecord::from)
    }

    /// Denies every key of the org until `enable`.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn disable(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<OrgRecord> {
        change!(self.disable(id, keywords, Change)).map(OrgRecord::from)
    }

    /// Lets the org's keys verify again.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn enable(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<OrgRecord> {
        change!(self.enable(id, keywords, Change)).map(OrgRecord::from)
    }

    /// Revokes every key of the org. Returns their number.
    #[pyo3(signature = (id, **keywords), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn revoke_keys(&self, id: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<u64> {
        change!(self.revoke_keys(id, keywords, Change))
    }
}

/// The audit chain.
#[pyclass(frozen, dict, weakref, module = "keywright")]
pub(crate) struct Audit(pub(crate) keywright::Audit);

#[pymethods]
impl Audit {
    /// Lists entries, newest first.
    ///
    /// limit: the number of items on a page, 1 to 1,000.
    /// cursor: `next_cursor` of the previous page; the other arguments must be the same.
    /// key_id: only changes of this key.
    /// action: only this action, like `"key.revoke"`.
    /// agent: only claims of this agent, and changes on its behalf.
    #[pyo3(
        signature = (**keywords),
        text_signature = "($self, *, limit=100, cursor=None, key_id=None, action=None, agent=None)"
    )]
    fn list(&self, py: Python<'_>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Page> {
        let audit = self.0.clone();
        Page::first(py, keywords, move |py, fields| {
            let list = or_raise(py, ListAudit::read(fields))?;
            Items::of::<_, AuditEntry>(py, wait_or_raise(py, audit.list(list))?)
        })
    }

    /// Checks the whole chain.
    fn verify(&self, py: Python<'_>) -> PyResult<AuditCheck> {
        wait_or_raise(py, self.0.verify()).map(AuditCheck::from)
    }

    /// Returns the end of the chain, to keep it elsewhere.
    fn head(&self, py: Python<'_>) -> PyResult<AuditHead> {
        wait_or_raise(py, self.0.head()).map(AuditHead::from)
    }

    /// Removes the entries before a time and leaves a checkpoint. Returns their number.
    fn prune(&self, before: &Bound<'_, PyAny>) -> PyResult<u64> {
        let py = before.py();
        let before = or_raise(py, keywright::ffi::read_prune_before(value_of(before)?))?;
        wait_or_raise(py, self.0.prune(before))
    }
}

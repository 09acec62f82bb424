//! The handles of one org, of the orgs, and of the audit chain.

use keywright::{Change, ListAudit, ListOrgs, OrgUpdate};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{checked, waited};
use crate::handle::handle;
use crate::input::{fields, text, value_of};
use crate::keys::Keys;
use crate::page::{Items, Page};
use crate::record::{AuditCheck, AuditEntry, AuditHead, OrgRecord};
use crate::verify::{Judge, Verifier};

type Given<'a, 'py> = &'a Bound<'py, PyDict>;

/// One org, or every org.
#[pyclass(frozen, dict, weakref, extends = Verifier, module = "keywright")]
pub(crate) struct Org(keywright::Org);

impl Org {
    pub(crate) fn over(py: Python<'_>, org: keywright::Org) -> PyResult<Py<Self>> {
        Py::new(py, PyClassInitializer::from(Verifier(Judge::Org(org.clone()))).add_subclass(Self(org)))
    }
}

#[pymethods]
impl Org {
    #[classattr]
    fn keys(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        handle(py, c"keys", c"The keys of this org.", |it: &Self| Keys(it.0.keys()))
    }

    #[classattr]
    fn audit(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        handle(py, c"audit", c"The audit chain, as this org sees it.", |it: &Self| Audit(it.0.audit()))
    }
}

/// The orgs of a database.
#[pyclass(frozen, dict, weakref, module = "keywright")]
pub(crate) struct Orgs(pub(crate) keywright::Orgs);

#[pymethods]
impl Orgs {
    /// The org of this id.
    fn get(&self, id: &Bound<'_, PyAny>) -> PyResult<OrgRecord> {
        let (py, id) = (id.py(), text("id", id)?);
        waited(py, self.0.get(&id)).map(OrgRecord::from)
    }

    /// Lists orgs, newest first.
    #[pyo3(signature = (**given), text_signature = "($self, *, limit=100, cursor=None)")]
    fn list(&self, py: Python<'_>, given: Option<Given<'_, '_>>) -> PyResult<Page> {
        let orgs = self.0.clone();
        Page::first(py, given, move |py, fields| {
            let list = checked(py, ListOrgs::read(fields))?;
            Items::of::<_, OrgRecord>(py, waited(py, orgs.list(list))?)
        })
    }

    /// Changes the networks of an org; `None` lifts the restriction.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, networks=..., actor=None)")]
    fn update(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<OrgRecord> {
        let (py, id) = (id.py(), text("id", id)?);
        let update = checked(py, OrgUpdate::read(fields(given)?))?;
        waited(py, self.0.update(&id, update)).map(OrgRecord::from)
    }

    /// Denies every key of the org until `enable`.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn disable(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<OrgRecord> {
        let (py, id) = (id.py(), text("id", id)?);
        let change = checked(py, Change::read(fields(given)?))?;
        waited(py, self.0.disable(&id, change)).map(OrgRecord::from)
    }

    /// Lets the org's keys verify again.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn enable(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<OrgRecord> {
        let (py, id) = (id.py(), text("id", id)?);
        let change = checked(py, Change::read(fields(given)?))?;
        waited(py, self.0.enable(&id, change)).map(OrgRecord::from)
    }

    /// Revokes every key of the org; answers how many were revoked.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn revoke_keys(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<u64> {
        let (py, id) = (id.py(), text("id", id)?);
        let change = checked(py, Change::read(fields(given)?))?;
        waited(py, self.0.revoke_keys(&id, change))
    }
}

/// The audit chain.
#[pyclass(frozen, dict, weakref, module = "keywright")]
pub(crate) struct Audit(pub(crate) keywright::Audit);

#[pymethods]
impl Audit {
    /// Lists entries, newest first.
    ///
    /// limit: how many on a page, 1 to 1,000.
    /// cursor: `next_cursor` of the page before; the other arguments must be the same.
    /// key_id: only what was done to this key.
    /// action: only this action, like `"key.revoke"`.
    /// agent: only what this agent claimed, or what was changed on its behalf.
    #[pyo3(
        signature = (**given),
        text_signature = "($self, *, limit=100, cursor=None, key_id=None, action=None, agent=None)"
    )]
    fn list(&self, py: Python<'_>, given: Option<Given<'_, '_>>) -> PyResult<Page> {
        let audit = self.0.clone();
        Page::first(py, given, move |py, fields| {
            let list = checked(py, ListAudit::read(fields))?;
            Items::of::<_, AuditEntry>(py, waited(py, audit.list(list))?)
        })
    }

    /// Checks the whole chain.
    fn verify(&self, py: Python<'_>) -> PyResult<AuditCheck> {
        waited(py, self.0.verify()).map(AuditCheck::from)
    }

    /// The chain's end, to be kept elsewhere.
    fn head(&self, py: Python<'_>) -> PyResult<AuditHead> {
        waited(py, self.0.head()).map(AuditHead::from)
    }

    /// Removes the entries before a time and leaves a checkpoint; answers how many were removed.
    fn prune(&self, before: &Bound<'_, PyAny>) -> PyResult<u64> {
        let py = before.py();
        let before = checked(py, keywright::Audit::read_before(value_of(before)?))?;
        waited(py, self.0.prune(before))
    }
}

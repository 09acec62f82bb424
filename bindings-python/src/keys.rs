//! The handle of an org's keys: each method reads its arguments, calls the core once, and shows the answer.

use keywright::{Change, KeyId, KeyUpdate, ListKeys, NewKey as Wanted, Rotation};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{checked, waited};
use crate::input::{fields, text, value_of};
use crate::new_key::NewKey;
use crate::page::{Items, Page};
use crate::record::Key;

type Given<'a, 'py> = &'a Bound<'py, PyDict>;

/// The keys of an org.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct Keys(pub(crate) keywright::Keys);

fn key_id(given: &Bound<'_, PyAny>) -> PyResult<KeyId> {
    checked(given.py(), KeyId::read(value_of(given)?))
}

/// A method that takes an id, a reason and an actor.
macro_rules! change {
    ($keys:ident.$method:ident($id:ident, $given:ident)) => {{
        let (py, id) = ($id.py(), key_id($id)?);
        let change = checked(py, Change::read(fields($given)?))?;
        waited(py, $keys.0.$method(&id, change)).map(Key::from)
    }};
}

#[pymethods]
impl Keys {
    /// Makes a key. `api_key` of the answer is the only copy of its text.
    #[pyo3(
        signature = (**given),
        text_signature = "($self, *, name, scopes=None, level=None, networks=None, metadata=None, environment=None, expires_in_days=None, expires_at=None, created_by=None)"
    )]
    fn create<'py>(&self, py: Python<'py>, given: Option<Given<'_, 'py>>) -> PyResult<Bound<'py, NewKey>> {
        let wanted = checked(py, Wanted::read(fields(given)?))?;
        NewKey::issued(py, waited(py, self.0.create(wanted))?)
    }

    /// Lists keys, newest first; all but the revoked ones unless `status` asks for them.
    #[pyo3(
        signature = (**given),
        text_signature = "($self, *, limit=100, cursor=None, status=None, environment=None, name=None)"
    )]
    fn list(&self, py: Python<'_>, given: Option<Given<'_, '_>>) -> PyResult<Page> {
        let keys = self.0.clone();
        Page::first(py, given, move |py, fields| {
            let list = checked(py, ListKeys::read(fields))?;
            Items::of::<_, Key>(py, waited(py, keys.list(list))?)
        })
    }

    /// The key of this id.
    fn get(&self, id: &Bound<'_, PyAny>) -> PyResult<Key> {
        let (py, id) = (id.py(), key_id(id)?);
        waited(py, self.0.get(&id)).map(Key::from)
    }

    /// The key with this prefix, as logs show it.
    fn find(&self, prefix: &Bound<'_, PyAny>) -> PyResult<Key> {
        let (py, prefix) = (prefix.py(), text("prefix", prefix)?);
        waited(py, self.0.find(&prefix)).map(Key::from)
    }

    /// Changes what is given. `None` clears a level, networks, metadata or an expiry.
    #[pyo3(
        signature = (id, **given),
        text_signature = "($self, id, *, name=..., scopes=..., level=..., networks=..., metadata=..., expires_in_days=..., expires_at=..., actor=None)"
    )]
    fn update(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<Key> {
        let (py, id) = (id.py(), key_id(id)?);
        let update = checked(py, KeyUpdate::read(fields(given)?))?;
        waited(py, self.0.update(&id, update)).map(Key::from)
    }

    /// Gives the key a new secret; the former one verifies until its grace is over.
    #[pyo3(
        signature = (id, **given),
        text_signature = "($self, id, *, grace='24h', reason=None, replace_current=False, actor=None)"
    )]
    fn rotate<'py>(&self, id: &Bound<'py, PyAny>, given: Option<Given<'_, 'py>>) -> PyResult<Bound<'py, NewKey>> {
        let (py, id) = (id.py(), key_id(id)?);
        let rotation = checked(py, Rotation::read(fields(given)?))?;
        NewKey::issued(py, waited(py, self.0.rotate(&id, rotation))?)
    }

    /// Ends the former secret now.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn end_grace(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<Key> {
        change!(self.end_grace(id, given))
    }

    /// Revokes the key with all its secrets, for ever. A second call changes nothing.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn revoke(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<Key> {
        change!(self.revoke(id, given))
    }

    /// Switches the key off until `enable`.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn disable(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<Key> {
        change!(self.disable(id, given))
    }

    /// Switches a disabled key on again.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn enable(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<Key> {
        change!(self.enable(id, given))
    }

    /// Wipes the personal data of a key that was revoked over 30 days ago.
    #[pyo3(signature = (id, **given), text_signature = "($self, id, *, reason=None, actor=None)")]
    fn purge(&self, id: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<Key> {
        change!(self.purge(id, given))
    }
}

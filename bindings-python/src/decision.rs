//! The outcome of a verification. Its fields become Python values on first access.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::OnceLock;

use keywright::ffi::cache_key;
use keywright::{Code, Decision as Outcome};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cache::{ByRevision, Cache, by_revision};
use crate::error::{classes, exception};
use crate::field::{EnumText, Time};
use crate::record::{IntoField, fields, record_methods};
use crate::records::{Key, LimitState, QuotaState};
use crate::schema::JsonSchema;

/// The outcome of a verification. It is true when the key is allowed.
#[pyclass(frozen, subclass, mapping, weakref, module = "keywright")]
pub(crate) struct Decision {
    /// The core's decision; `None` after unpickling.
    outcome: Option<Outcome>,
    /// The fields, made from the outcome on first access.
    data: OnceLock<Box<DecisionData>>,
}

fields! {
    struct DecisionData {
        allowed: bool,
        code: Option<EnumText>,
        message: String,
        status: u16,
        key: Option<ProvedKey>,
        missing_scopes: Vec<String>,
        limits: Vec<LimitState>,
        quotas: Vec<QuotaState>,
        retry_after_seconds: Option<u64>,
        deprecated: bool,
        grace_ends_at: Option<Time>,
        agent: Option<String>,
    }
}

impl DecisionData {
    fn new(py: Python<'_>, outcome: &Outcome) -> PyResult<Self> {
        Ok(Self {
            allowed: outcome.is_allowed(),
            code: outcome.code().into_field(),
            message: outcome.message().to_owned(),
            status: outcome.status(),
            key: match outcome {
                Outcome::Allowed(allowed) => Some(ProvedKey(Key::of(py, allowed)?.unbind())),
                Outcome::Denied(denial) => denial.key().map(|key| ProvedKey::new(py, key.clone())).transpose()?,
            },
            missing_scopes: outcome.missing_scopes().to_vec(),
            limits: outcome.limits().into_field(),
            quotas: outcome.quotas().into_field(),
            retry_after_seconds: outcome.retry_after_seconds(),
            deprecated: outcome.grace_ends_at().is_some(),
            grace_ends_at: outcome.grace_ends_at().into_field(),
            agent: outcome.agent().map(str::to_owned),
        })
    }
}

/// The code of each denial, by its code in the bodies of HTTP.
#[pyfunction]
pub(crate) fn _wire_codes() -> BTreeMap<&'static str, &'static str> {
    Code::ALL.iter().map(|code| (code.wire(), code.as_str())).collect()
}

thread_local! {
    /// Decisions that allow a key and carry nothing else.
    static DECISIONS: ByRevision<Decision> = const { RefCell::new(Cache::EMPTY) };
}

impl Decision {
    /// Returns the decision for an outcome. A plain "allowed" is one object per revision of the key and thread. Raises the
    /// error of a request without meaning.
    pub(crate) fn of(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, Self>> {
        match cache_key(&outcome) {
            Some(revision) => by_revision(py, &DECISIONS, revision, || Bound::new(py, Self::new(py, outcome)?)),
            None => Bound::new(py, Self::new(py, outcome)?),
        }
    }

    fn new(py: Python<'_>, outcome: Outcome) -> PyResult<Self> {
        if let Outcome::Denied(denial) = &outcome
            && let Some(error) = denial.misuse()
        {
            return Err(exception(py, error));
        }
        Ok(Self { outcome: Some(outcome), data: OnceLock::new() })
    }

    pub(crate) fn unpickled(json: &str) -> serde_json::Result<Self> {
        Ok(Self { outcome: None, data: OnceLock::from(serde_json::from_str::<Box<DecisionData>>(json)?) })
    }

    fn data(&self, py: Python<'_>) -> PyResult<&DecisionData> {
        if let (None, Some(outcome)) = (self.data.get(), &self.outcome) {
            // When another thread was first, its data stay.
            let _ = self.data.set(DecisionData::new(py, outcome)?.into());
        }
        self.data.get().map(Box::as_ref).ok_or_else(|| PyRuntimeError::new_err("this decision has no data"))
    }

    /// Returns the key, or raises `Denied` with this decision.
    pub(crate) fn key_or_denied<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, Key>> {
        let py = this.py();
        let data = this.get().data(py)?;
        match &data.key {
            Some(key) if data.allowed => Ok(key.0.bind(py).clone()),
            _ => {
                let class = classes(py)?.getattr("Denied")?;
                Err(PyErr::from_value(class.call1((data.message.as_str(), this))?))
            }
        }
    }
}

record_methods! { Decision: DecisionData, hash by message {
    #[getter]
    fn allowed(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.outcome {
            Some(outcome) => Ok(outcome.is_allowed()),
            None => Ok(self.data(py)?.allowed),
        }
    }

    #[getter]
    fn code(&self, py: Python<'_>) -> PyResult<Option<EnumText>> {
        match &self.outcome {
            Some(outcome) => Ok(outcome.code().into_field()),
            None => Ok(self.data(py)?.code.clone()),
        }
    }

    #[getter]
    fn message(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.data(py)?.message)
    }

    #[getter]
    fn status(&self, py: Python<'_>) -> PyResult<u16> {
        Ok(self.data(py)?.status)
    }

    #[getter]
    fn key(&self, py: Python<'_>) -> PyResult<Option<&ProvedKey>> {
        Ok(self.data(py)?.key.as_ref())
    }

    #[getter]
    fn missing_scopes(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.data(py)?.missing_scopes.clone())
    }

    #[getter]
    fn limits(&self, py: Python<'_>) -> PyResult<Vec<LimitState>> {
        Ok(self.data(py)?.limits.clone())
    }

    #[getter]
    fn quotas(&self, py: Python<'_>) -> PyResult<Vec<QuotaState>> {
        Ok(self.data(py)?.quotas.clone())
    }

    #[getter]
    fn retry_after_seconds(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        Ok(self.data(py)?.retry_after_seconds)
    }

    #[getter]
    fn deprecated(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.data(py)?.deprecated)
    }

    #[getter]
    fn grace_ends_at(&self, py: Python<'_>) -> PyResult<Option<Time>> {
        Ok(self.data(py)?.grace_ends_at)
    }

    #[getter]
    fn agent(&self, py: Python<'_>) -> PyResult<Option<&str>> {
        Ok(self.data(py)?.agent.as_deref())
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.allowed(py)
    }
} }

/// The key of a proved secret. Every access returns the same object.
pub(crate) struct ProvedKey(Py<Key>);

impl ProvedKey {
    fn new(py: Python<'_>, key: keywright::Key) -> PyResult<Self> {
        Py::new(py, Key::from(key)).map(Self)
    }
}

impl JsonSchema for ProvedKey {
    fn json_schema() -> serde_json::Value {
        Key::json_schema()
    }
}

impl PartialEq for ProvedKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Serialize for ProvedKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.get().serialize(to)
    }
}

impl<'de> Deserialize<'de> for ProvedKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let key = Key::deserialize(from)?;
        Python::attach(|py| Py::new(py, key)).map(Self).map_err(serde::de::Error::custom)
    }
}

impl<'py> IntoPyObject<'py> for &ProvedKey {
    type Target = Key;
    type Output = Bound<'py, Key>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(self.0.bind(py).clone())
    }
}

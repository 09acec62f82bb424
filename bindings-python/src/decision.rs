//! The outcome of a verification.

use std::convert::Infallible;

use keywright::Decision as Outcome;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{classes, raised};
use crate::field::Time;
use crate::record::{Key, LimitState, Shown, Word, record};

record! {
    /// What a verification found. It is true when the key is allowed.
    Decision by message {
        allowed: bool,
        code: Option<Word>,
        message: String,
        status: u16,
        key: Option<Proved>,
        missing_scopes: Vec<String>,
        limits: Vec<LimitState>,
        retry_after_seconds: Option<u64>,
        deprecated: bool,
        grace_ends_at: Option<Time>,
        agent: Option<String>,
    }

    fn __bool__(&self) -> bool {
        self.allowed
    }
}

impl Decision {
    /// Raises what is a mistake of the host.
    pub(crate) fn of(py: Python<'_>, outcome: Outcome) -> PyResult<Self> {
        if let Outcome::Denied(it) = &outcome
            && let Some(error) = it.misuse()
        {
            return Err(raised(py, error));
        }
        let decision = Self {
            allowed: outcome.is_allowed(),
            code: outcome.code().map(|it| it.as_str().into()),
            message: outcome.message().to_owned(),
            status: outcome.status(),
            key: None,
            missing_scopes: outcome.missing_scopes().to_vec(),
            limits: Vec::new(),
            retry_after_seconds: None,
            deprecated: outcome.grace_ends_at().is_some(),
            grace_ends_at: outcome.grace_ends_at().shown(),
            agent: None,
        };
        let key = outcome.key().map(|it| Proved::new(py, it.clone())).transpose()?;
        let agent = outcome.agent().map(str::to_owned);
        Ok(Self {
            key,
            limits: outcome.limits().shown(),
            retry_after_seconds: outcome.retry_after_seconds(),
            agent,
            ..decision
        })
    }

    /// The key, or `Denied`.
    pub(crate) fn key_or_denied(py: Python<'_>, outcome: Outcome) -> PyResult<Py<Key>> {
        let decision = Self::of(py, outcome)?;
        match decision.key {
            Some(key) if decision.allowed => Ok(key.0),
            key => {
                let message = decision.message.clone();
                let class = classes(py)?.getattr("Denied")?;
                Err(PyErr::from_value(class.call1((message, Self { key, ..decision }))?))
            }
        }
    }
}

/// The key of a proved secret: one object however often it is asked for.
pub(crate) struct Proved(Py<Key>);

impl Proved {
    fn new(py: Python<'_>, key: keywright::Key) -> PyResult<Self> {
        Py::new(py, Key::from(key)).map(Self)
    }
}

impl PartialEq for Proved {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl Serialize for Proved {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.get().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Proved {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let key = Key::deserialize(from)?;
        Python::attach(|py| Py::new(py, key)).map(Self).map_err(serde::de::Error::custom)
    }
}

impl<'py> IntoPyObject<'py> for &Proved {
    type Target = Key;
    type Output = Bound<'py, Key>;
    type Error = Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(self.0.bind(py).clone())
    }
}

//! The outcome of a verification. Its parts become Python values when somebody asks for one.

use std::convert::Infallible;
use std::sync::OnceLock;

use keywright::Decision as Outcome;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{classes, raised};
use crate::field::Time;
use crate::recall;
use crate::record::{self, Key, LimitState, Shown, Word};
use crate::schema::{self, Described};

/// What a verification found. It is true when the key is allowed.
#[pyclass(frozen, subclass, mapping, weakref, module = "keywright")]
pub(crate) struct Decision {
    /// What the parts are made of; `None` where they came out of a pickle.
    outcome: Option<Outcome>,
    parts: OnceLock<Box<Parts>>,
}

/// The parts, and what is known of them by name.
macro_rules! parts {
    ($($field:ident: $type:ty,)*) => {
        #[derive(PartialEq, Serialize, Deserialize)]
        struct Parts {
            $($field: $type,)*
        }

        impl Parts {
            const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// A part in plain data.
            fn plain<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
                match name {
                    $(stringify!($field) => record::to_dict(py, &self.$field),)*
                    _ => Err(record::unknown(name)),
                }
            }
        }

        impl Described for Decision {
            fn described() -> serde_json::Value {
                schema::object("Decision", &[$((stringify!($field), <$type>::described())),*])
            }
        }
    };
}

parts! {
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

impl Parts {
    fn of(py: Python<'_>, outcome: &Outcome) -> PyResult<Self> {
        Ok(Self {
            allowed: outcome.is_allowed(),
            code: outcome.code().map(|it| it.as_str().into()),
            message: outcome.message().to_owned(),
            status: outcome.status(),
            key: match outcome {
                Outcome::Allowed(allowed) => Some(Proved(recall::key(py, allowed)?.unbind())),
                Outcome::Denied(denial) => denial.key().map(|it| Proved::new(py, it.clone())).transpose()?,
            },
            missing_scopes: outcome.missing_scopes().to_vec(),
            limits: outcome.limits().shown(),
            retry_after_seconds: outcome.retry_after_seconds(),
            deprecated: outcome.grace_ends_at().is_some(),
            grace_ends_at: outcome.grace_ends_at().shown(),
            agent: outcome.agent().map(str::to_owned),
        })
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
        Ok(Self { outcome: Some(outcome), parts: OnceLock::new() })
    }

    pub(crate) fn thawed(text: &str) -> serde_json::Result<Self> {
        Ok(Self { outcome: None, parts: OnceLock::from(serde_json::from_str::<Box<Parts>>(text)?) })
    }

    fn parts(&self, py: Python<'_>) -> PyResult<&Parts> {
        if let (None, Some(outcome)) = (self.parts.get(), &self.outcome) {
            // Another thread may have been first: then its parts stay.
            let _ = self.parts.set(Parts::of(py, outcome)?.into());
        }
        self.parts
            .get()
            .map(Box::as_ref)
            .ok_or_else(|| pyo3::exceptions::PyRuntimeError::new_err("this decision has no parts"))
    }

    /// The key, or `Denied` with `this`.
    pub(crate) fn key_or_denied<'py>(&self, this: &Bound<'py, Self>) -> PyResult<Bound<'py, Key>> {
        let py = this.py();
        let parts = self.parts(py)?;
        match &parts.key {
            Some(key) if parts.allowed => Ok(key.0.bind(py).clone()),
            _ => {
                let class = classes(py)?.getattr("Denied")?;
                Err(PyErr::from_value(class.call1((parts.message.as_str(), this))?))
            }
        }
    }
}

#[pymethods]
impl Decision {
    #[getter]
    fn allowed(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.outcome {
            Some(outcome) => Ok(outcome.is_allowed()),
            None => Ok(self.parts(py)?.allowed),
        }
    }

    #[getter]
    fn code(&self, py: Python<'_>) -> PyResult<Option<Word>> {
        match &self.outcome {
            Some(outcome) => Ok(outcome.code().map(|it| it.as_str().into())),
            None => Ok(self.parts(py)?.code.clone()),
        }
    }

    #[getter]
    fn message(&self, py: Python<'_>) -> PyResult<&str> {
        Ok(&self.parts(py)?.message)
    }

    #[getter]
    fn status(&self, py: Python<'_>) -> PyResult<u16> {
        Ok(self.parts(py)?.status)
    }

    #[getter]
    fn key(&self, py: Python<'_>) -> PyResult<Option<&Proved>> {
        Ok(self.parts(py)?.key.as_ref())
    }

    #[getter]
    fn missing_scopes(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.parts(py)?.missing_scopes.clone())
    }

    #[getter]
    fn limits(&self, py: Python<'_>) -> PyResult<Vec<LimitState>> {
        Ok(self.parts(py)?.limits.clone())
    }

    #[getter]
    fn retry_after_seconds(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        Ok(self.parts(py)?.retry_after_seconds)
    }

    #[getter]
    fn deprecated(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.parts(py)?.deprecated)
    }

    #[getter]
    fn grace_ends_at(&self, py: Python<'_>) -> PyResult<Option<Time>> {
        Ok(self.parts(py)?.grace_ends_at)
    }

    #[getter]
    fn agent(&self, py: Python<'_>) -> PyResult<Option<&str>> {
        Ok(self.parts(py)?.agent.as_deref())
    }

    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        self.allowed(py)
    }

    /// The names of its fields: with them `dict(decision)` is as `to_dict()`.
    fn keys(&self) -> &'static [&'static str] {
        Parts::FIELDS
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.parts(py)?.plain(py, name)
    }

    /// The JSON Schema of its plain data.
    #[staticmethod]
    fn _json_schema(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        schema::of::<Self>(py)
    }

    #[classmethod]
    fn __get_pydantic_core_schema__<'py>(
        cls: &Bound<'py, PyType>,
        _source: &Bound<'py, PyAny>,
        _handler: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        schema::pydantic(cls)
    }

    #[classmethod]
    fn __get_pydantic_json_schema__<'py>(
        cls: &Bound<'py, PyType>,
        _schema: &Bound<'py, PyAny>,
        _handler: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cls.call_method0("_json_schema")
    }

    /// Plain data for JSON; times as RFC 3339 text.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record::to_dict(py, self.parts(py)?)
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let other = other.cast_exact::<Self>().ok();
        let equal = other.map(|it| Ok::<_, PyErr>(slf.get().parts(py)? == it.get().parts(py)?)).transpose()?;
        record::compared(py, equal)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(record::hashed(&self.parts(py)?.message))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        record::repr(slf, Parts::FIELDS)
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        record::frozen(py, "Decision", self.parts(py)?)
    }
}

/// The key of a proved secret: one object however often it is asked for.
struct Proved(Py<Key>);

impl Proved {
    fn new(py: Python<'_>, key: keywright::Key) -> PyResult<Self> {
        Py::new(py, Key::from(key)).map(Self)
    }
}

impl Described for Proved {
    fn described() -> serde_json::Value {
        Key::described()
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

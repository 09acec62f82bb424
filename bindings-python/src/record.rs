//! The records, as frozen classes over what the core answered. Each field becomes a Python value when it is asked for.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use keywright::KeyId;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use serde::{Deserialize, Serialize};

use crate::field::{Id, Json, Time, plain};
use crate::schema::Described;

/// One of a few words of the core.
pub(crate) type Word = Cow<'static, str>;

/// A field of a core record in the form that Python shows.
pub(crate) trait Shown {
    type As;
    fn shown(self) -> Self::As;
}

macro_rules! shown {
    ($($from:ty => $to:ty: $how:expr;)*) => {$(
        impl Shown for $from {
            type As = $to;
            fn shown(self) -> $to {
                ($how)(self)
            }
        }
    )*};
}

shown! {
    bool => bool: |it| it;
    u64 => u64: |it| it;
    String => String: |it| it;
    DateTime<Utc> => Time: Time;
    KeyId => Id: Id::from;
    serde_json::Map<String, serde_json::Value> => Json: Json;
    keywright::Status => Word: |it: keywright::Status| it.as_str().into();
    keywright::Level => Word: |it: keywright::Level| it.as_str().into();
    keywright::Per => Word: |it: keywright::Per| it.as_str().into();
    keywright::EventKind => Word: |it: keywright::EventKind| it.as_str().into();
    keywright::Code => Word: |it: keywright::Code| it.as_str().into();
    keywright::Secret => Secret: Secret::from;
    keywright::Limit => Limit: Limit::from;
    keywright::LimitState => LimitState: LimitState::from;
}

impl<T: Shown> Shown for Option<T> {
    type As = Option<T::As>;
    fn shown(self) -> Self::As {
        self.map(Shown::shown)
    }
}

impl<T: Shown> Shown for Vec<T> {
    type As = Vec<T::As>;
    fn shown(self) -> Self::As {
        self.into_iter().map(Shown::shown).collect()
    }
}

/// A frozen class: its fields, plain data, equality by value, a hash by one field, pickling by its plain form.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident by $hashed:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* } $($method:tt)*) => {
        $(#[$meta])*
        #[pyclass(frozen, get_all, subclass, mapping, weakref, module = "keywright")]
        #[derive(PartialEq, Serialize, Deserialize)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $name {
            pub(crate) const FIELDS: &'static [&'static str] = &[$(stringify!($field)),*];

            /// The names of the fields, with the schema of each.
            pub(crate) fn fields() -> Vec<(&'static str, serde_json::Value)> {
                vec![$((stringify!($field), <$type>::described())),*]
            }

            /// A field in plain data.
            pub(crate) fn plain<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
                match name {
                    $(stringify!($field) => $crate::record::to_dict(py, &self.$field),)*
                    _ => Err($crate::record::unknown(name)),
                }
            }
        }

        impl $crate::schema::Described for $name {
            fn described() -> serde_json::Value {
                $crate::schema::object(stringify!($name), &Self::fields())
            }
        }

        #[pymethods]
        impl $name {
            /// The names of its fields: with them `dict(record)` is as `to_dict()`.
            fn keys(&self) -> &'static [&'static str] {
                Self::FIELDS
            }

            fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
                self.plain(py, name)
            }

            /// The JSON Schema of its plain data.
            #[staticmethod]
            fn _json_schema(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                $crate::schema::of::<Self>(py)
            }

            #[classmethod]
            fn __get_pydantic_core_schema__<'py>(
                cls: &Bound<'py, PyType>,
                _source: &Bound<'py, PyAny>,
                _handler: &Bound<'py, PyAny>,
            ) -> PyResult<Bound<'py, PyAny>> {
                $crate::schema::pydantic(cls)
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
                $crate::record::to_dict(py, self)
            }

            fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                let other = other.cast_exact::<Self>().ok().map(|it| slf.get() == it.get());
                $crate::record::compared(slf.py(), other)
            }

            fn __hash__(&self) -> u64 {
                $crate::record::hashed(&self.$hashed)
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                $crate::record::repr(slf, Self::FIELDS)
            }

            fn __copy__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
                slf
            }

            fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
                $crate::record::frozen(py, stringify!($name), self)
            }

            $($method)*
        }
    };
}

/// A [`record`] made from the core's record of the same name and fields.
macro_rules! mirror {
    ($(#[$meta:meta])* $name:ident by $hashed:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* } $($method:tt)*) => {
        record! { $(#[$meta])* #[derive(Clone)] $name by $hashed { $($(#[$doc])* $field: $type,)* } $($method)* }

        impl From<keywright::$name> for $name {
            fn from(it: keywright::$name) -> Self {
                Self { $($field: it.$field.shown(),)* }
            }
        }
    };
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
        status: Word,
        /// What it may do, in canonical order.
        scopes: Vec<String>,
        /// Which HTTP methods it may use; `None` leaves them unjudged.
        level: Option<Word>,
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
        per: Word,
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
        status: Word,
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
        kind: Word,
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
        code: Option<Word>,
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

pub(crate) fn to_dict<'py>(py: Python<'py>, record: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    plain(py, &serde_json::to_value(record).map_err(unwritten)?)
}

pub(crate) fn unknown(name: &str) -> PyErr {
    pyo3::exceptions::PyKeyError::new_err(name.to_owned())
}

pub(crate) fn compared(py: Python<'_>, equal: Option<bool>) -> PyResult<Bound<'_, PyAny>> {
    match equal {
        Some(equal) => Ok(equal.into_pyobject(py)?.to_owned().into_any()),
        None => Ok(py.NotImplemented().into_bound(py)),
    }
}

pub(crate) fn hashed(field: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    field.hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn repr(record: &Bound<'_, PyAny>, fields: &[&str]) -> PyResult<String> {
    let shown = fields.iter().map(|it| Ok(format!("{it}={}", record.getattr(*it)?.repr()?)));
    Ok(format!("{}({})", record.get_type().name()?, shown.collect::<PyResult<Vec<_>>>()?.join(", ")))
}

/// What pickle keeps of a record: its kind and its plain form, from which [`thaw`](crate::thaw::thaw) makes it again.
pub(crate) fn frozen<'py>(py: Python<'py>, kind: &str, record: &impl Serialize) -> PyResult<Bound<'py, PyTuple>> {
    let text = serde_json::to_string(record).map_err(unwritten)?;
    let thaw = py.import("keywright._native")?.getattr("_thaw")?;
    PyTuple::new(py, [thaw, (kind, text).into_pyobject(py)?.into_any()])
}

fn unwritten(error: serde_json::Error) -> PyErr {
    pyo3::exceptions::PyValueError::new_err(error.to_string())
}

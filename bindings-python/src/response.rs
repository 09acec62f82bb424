//! The outcomes of a request: a pass, a complete response, or the lease of an idempotent request.

use std::sync::{Mutex, OnceLock, PoisonError};

use keywright::ffi::{Boxed, Ready};
use keywright::http::{Outcome, Principal};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::head::{is_named, part};
use crate::records::Key;
use crate::wait::wait;

/// A request that the contract lets through.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct AuthContext {
    pub(crate) context: keywright::http::AuthContext,
    key: OnceLock<Py<Key>>,
}

#[pymethods]
impl AuthContext {
    /// The kind of caller: `"key"`, `"session"`, or `"anyone"` on a public route.
    #[getter]
    fn principal(&self) -> &'static str {
        match &self.context.principal {
            Principal::Anyone => "anyone",
            Principal::Key(_) => "key",
            Principal::Session(_) => "session",
        }
    }

    /// The key, if the caller presented one.
    #[getter]
    fn key(&self, py: Python<'_>) -> PyResult<Option<Py<Key>>> {
        let Principal::Key(allowed) = &self.context.principal else { return Ok(None) };
        if self.key.get().is_none() {
            // When another thread was first, its object stays.
            let _ = self.key.set(Key::of(py, allowed)?.unbind());
        }
        Ok(self.key.get().map(|key| key.clone_ref(py)))
    }

    /// The org of the key or session.
    #[getter]
    fn org(&self) -> Option<&str> {
        match &self.context.principal {
            Principal::Anyone => None,
            Principal::Key(key) => Some(&key.org),
            Principal::Session(session) => Some(session.org()),
        }
    }

    /// The actor of the session, if it names one.
    #[getter]
    fn actor(&self) -> Option<&str> {
        match &self.context.principal {
            Principal::Session(session) => session.actor_name(),
            Principal::Anyone | Principal::Key(_) => None,
        }
    }

    /// The agent on whose behalf the request is made, if the header that `agent_header` names is present.
    #[getter]
    fn agent(&self) -> Option<&str> {
        self.context.agent.as_deref()
    }

    /// Whether the request is idempotent. If so, call `Http.once` with its body before handling it.
    #[getter]
    fn once(&self) -> bool {
        self.context.is_once()
    }

    /// The request id, for logs.
    #[getter]
    fn request_id(&self) -> &str {
        &self.context.request_id
    }

    /// The headers of every response, as pairs of bytes. Append `vary` to an existing one; add any other only if it is
    /// absent.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        pairs(py, self.context.headers())
    }

    /// Returns the entries of `headers` that a response with these header lines lacks.
    fn lacking<'py>(&self, lines: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let names = lines.try_iter()?.map(|line| part(&line?, 0)).collect::<PyResult<Vec<_>>>()?;
        let has = |header: &str| names.iter().any(|name| is_named(name, header));
        pairs(lines.py(), self.context.lacking(has))
    }

    fn __repr__(&self) -> String {
        format!("<AuthContext {} {}>", self.principal(), self.org().unwrap_or("-"))
    }
}

/// A complete response.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct Response(pub(crate) keywright::http::Response);

#[pymethods]
impl Response {
    /// The HTTP status.
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    /// The headers, as pairs of bytes with lower-case names, without `content-length`.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        pairs(py, self.0.headers.iter().map(|(name, value)| (*name, value.as_ref())))
    }

    /// The body.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    fn __repr__(&self) -> String {
        format!("<Response {}>", self.0.status)
    }
}

/// The exclusive right to handle an idempotent request, until `Http.finish` or `Http.release`, at most for 60 seconds.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct Lease(Mutex<Option<keywright::http::Lease>>);

impl Lease {
    pub(crate) fn new(lease: keywright::http::Lease) -> Self {
        Self(Mutex::new(Some(lease)))
    }

    pub(crate) fn take(&self) -> PyResult<keywright::http::Lease> {
        let lease = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        lease.ok_or_else(|| PyRuntimeError::new_err("this lease was ended already"))
    }
}

/// A response that waits for a thread of the core.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct PendingResponse(Mutex<Option<Boxed<Outcome>>>);

#[pymethods]
impl PendingResponse {
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match future {
            Some(future) => {
                let outcome = wait(py, future)?;
                to_python(py, outcome)
            }
            None => Err(PyRuntimeError::new_err("this response was waited for already")),
        }
    }
}

/// Waits for the outcome of a request.
pub(crate) fn wait_for(py: Python<'_>, ready: Ready<Outcome>) -> PyResult<Py<PyAny>> {
    let outcome = match ready {
        Ready::Now(outcome) => outcome,
        Ready::Later(future) => wait(py, future)?,
    };
    to_python(py, outcome)
}

/// Returns the outcome of a request, or a [`PendingResponse`].
pub(crate) fn now_or_pending(py: Python<'_>, ready: Ready<Outcome>) -> PyResult<Py<PyAny>> {
    match ready {
        Ready::Now(outcome) => to_python(py, outcome),
        Ready::Later(future) => PendingResponse(Mutex::new(Some(future))).into_py_any(py),
    }
}

pub(crate) fn to_python(py: Python<'_>, outcome: Outcome) -> PyResult<Py<PyAny>> {
    match outcome {
        Outcome::Allowed(context) => AuthContext { context: *context, key: OnceLock::new() }.into_py_any(py),
        Outcome::Refused(response) => Response(response).into_py_any(py),
    }
}

fn pairs<'py, 'a>(
    py: Python<'py>,
    headers: impl Iterator<Item = (&'static str, &'a str)>,
) -> PyResult<Bound<'py, PyList>> {
    let pair = |(name, value): (&str, &str)| {
        PyTuple::new(py, [PyBytes::new(py, name.as_bytes()), PyBytes::new(py, value.as_bytes())])
    };
    PyList::new(py, headers.map(pair).collect::<PyResult<Vec<_>>>()?)
}

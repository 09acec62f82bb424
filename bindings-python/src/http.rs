//! The HTTP contract: the parts of a request in, one call of the core, a pass or a complete response out.

use keywright::ffi::{Casing, Fields, FromFields, Ready, Value, begin, block_on, now_or_later};
use keywright::http::{Config, IdempotencyCheck, Outcome, Session};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::or_raise;
use crate::head::{HeaderLines, RequestTarget};
use crate::input::{Keywords, arguments, value_of};
use crate::record;
use crate::response::{AuthContext, Lease, Response, now_or_pending, wait_for};
use crate::wait::{wait, wait_or_raise};

/// The HTTP contract of an engine.
///
/// `Keywright.http` makes one; its options are those of every adapter.
#[pyclass(frozen, dict, weakref, module = "keywright.http")]
pub(crate) struct Http(pub(crate) keywright::http::Http);

impl Http {
    pub(crate) fn new(kw: &keywright::Keywright, py: Python<'_>, options: Option<Keywords<'_, '_>>) -> PyResult<Self> {
        or_raise(py, kw.http(arguments(py, options, Config::read)?)).map(Self)
    }

    fn start(
        &self,
        method: &str,
        target: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        peer: Option<&str>,
        needs: Option<&Needs>,
        earlier: Option<&AuthContext>,
    ) -> PyResult<Ready<Outcome>> {
        let target = RequestTarget::read(target)?;
        let earlier = earlier.map(|context| context.context.earlier());
        Ok(HeaderLines::read(headers)?.with_head(method, &target, peer, |head| {
            begin(&self.0, &head.earlier(earlier.as_ref()), needs.map(|needs| &needs.0))
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn start_management(
        &self,
        py: Python<'_>,
        method: &str,
        target: &[u8],
        headers: &Bound<'_, PyAny>,
        peer: Option<String>,
        body: &[u8],
        session: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Ready<Outcome>> {
        let message = HeaderLines::read(headers)?.message(method, target, peer, body);
        let session =
            session.filter(|session| !session.is_none()).map(|session| read_session(session, py)).transpose()?;
        let http = self.0.clone();
        Ok(now_or_later(async move { Outcome::Refused(http.manage(message, session).await) }))
    }
}

/// Reads what the host's own function returned for a request.
fn read_session(session: &Bound<'_, PyAny>, py: Python<'_>) -> PyResult<Session> {
    match value_of(session)? {
        Value::Map(entries) => or_raise(py, Session::read(Fields::new(Casing::Snake, entries))),
        _ => Err(PyTypeError::new_err("a principal must be a mapping with org, actor and may, or None")),
    }
}

#[pymethods]
impl Http {
    /// Authenticates a request. A `AuthContext` lets it through; a `Response` is the response to send.
    ///
    /// method: the HTTP method.
    /// target: path and query, percent-encoded as the client sent them.
    /// headers: all header lines in order, as pairs of bytes.
    /// peer: the address of the peer, `"unix:"` on a Unix socket, None if it is unknown.
    /// needs: the needs of the route; the rule of its path when left out.
    /// earlier: the pass of an earlier guard for the same request, so that counters and limits count it once.
    #[pyo3(signature = (method, target, headers, peer=None, needs=None, earlier=None))]
    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn authenticate(
        &self,
        py: Python<'_>,
        method: &str,
        target: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        peer: Option<&str>,
        needs: Option<&Needs>,
        earlier: Option<&AuthContext>,
    ) -> PyResult<Py<PyAny>> {
        wait_for(py, self.start(method, target, headers, peer, needs, earlier)?)
    }

    /// Authenticates like `authenticate`, but returns a `PendingResponse` instead of waiting.
    #[pyo3(signature = (method, target, headers, peer=None, needs=None, earlier=None))]
    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn _begin(
        &self,
        py: Python<'_>,
        method: &str,
        target: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        peer: Option<&str>,
        needs: Option<&Needs>,
        earlier: Option<&AuthContext>,
    ) -> PyResult<Py<PyAny>> {
        now_or_pending(py, self.start(method, target, headers, peer, needs, earlier)?)
    }

    /// Raises if no request could meet the needs of a route.
    fn check(&self, py: Python<'_>, needs: &Needs) -> PyResult<()> {
        or_raise(py, self.0.check(&needs.0))
    }

    /// Answers a management request with a `Response`.
    ///
    /// target: path and query below the path of management, like `b"/keys?limit=10"`.
    /// body: the body.
    /// session: the caller as the host knows it: a dict with `org`, `actor` and `may`; None for the credential of the
    ///     request.
    #[pyo3(signature = (method, target, headers, peer, body, session=None))]
    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn manage(
        &self,
        py: Python<'_>,
        method: &str,
        target: &[u8],
        headers: &Bound<'_, PyAny>,
        peer: Option<String>,
        body: &[u8],
        session: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        wait_for(py, self.start_management(py, method, target, headers, peer, body, session)?)
    }

    /// Handles like `manage`, but returns a `PendingResponse` instead of waiting.
    #[pyo3(signature = (method, target, headers, peer, body, session=None))]
    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn _begin_manage(
        &self,
        py: Python<'_>,
        method: &str,
        target: &[u8],
        headers: &Bound<'_, PyAny>,
        peer: Option<String>,
        body: &[u8],
        session: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        now_or_pending(py, self.start_management(py, method, target, headers, peer, body, session)?)
    }

    /// Tells whether management serves a target: with the option `path` only its own routes, else every one.
    fn manages(&self, target: &[u8]) -> bool {
        self.0.manages(target)
    }

    /// Starts an idempotent request: returns a lease, or the stored response of the same request.
    ///
    /// context: the context of the request.
    /// body: the body of the request. A body longer than `LARGEST_ONCE` is refused, and may be cut at the first byte
    ///     beyond it.
    ///
    /// Returns a `Response` to send instead of running the request, a `Lease` to end, or None for a request that may
    /// run every time.
    fn once(&self, py: Python<'_>, context: &AuthContext, body: &[u8]) -> PyResult<Py<PyAny>> {
        match wait(py, self.0.once(&context.context, body))? {
            IdempotencyCheck::Run(None) => Ok(py.None()),
            IdempotencyCheck::Run(Some(lease)) => Lease::new(lease).into_py_any(py),
            IdempotencyCheck::Answered(response) => Response(response).into_py_any(py),
        }
    }

    /// Ends a lease with the response of the host, which is stored for a repeat.
    ///
    /// headers: its header lines, of which type, encoding, language, tag and location are stored.
    /// body: its body. A body longer than 64 KiB is not stored, and may be cut at the first byte beyond it. Nor is it
    /// stored if the responses of its caller would then take more than 64 MiB.
    fn finish(
        &self,
        py: Python<'_>,
        lease: &Lease,
        status: u16,
        headers: &Bound<'_, PyAny>,
        body: &[u8],
    ) -> PyResult<()> {
        let lease = lease.take()?;
        wait_or_raise(py, self.0.finish(lease, status, HeaderLines::read(headers)?.as_bytes(), body))
    }

    /// Ends a lease without a response: the request broke off and may run again.
    fn release(&self, py: Python<'_>, lease: &Lease) -> PyResult<()> {
        let lease = lease.take()?;
        wait_or_raise(py, self.0.release(lease))
    }

    /// Explains the address of a request and why it is refused, with the nearest fix. Counts nothing.
    ///
    /// needs: the needs of the route; the rule of its path when left out.
    #[pyo3(signature = (method, target, headers, peer=None, needs=None))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        target: &Bound<'_, PyAny>,
        headers: &Bound<'py, PyAny>,
        peer: Option<&str>,
        needs: Option<&Needs>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let target = RequestTarget::read(target)?;
        let needs = needs.map(|needs| &needs.0);
        let explanation =
            HeaderLines::read(headers)?.with_head(method, &target, peer, |head| block_on(self.0.explain(head, needs)));
        record::to_dict(py, &explanation)
    }

    /// Returns the OpenAPI 3.1 document of the management endpoints, which `GET /openapi.json` also serves.
    fn openapi<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record::to_dict(py, &self.0.openapi())
    }
}

/// The needs of a route.
///
/// scopes: the scopes that a key must have, all of them, as `"deals:read,deals:write"` or a list.
/// operation: the class of the operation, for limits that count only one class.
/// cost: how much of each limit it takes, 1 when left out.
/// environment: the only environment whose keys are accepted.
/// access: `"key"` (when left out), `"session"`, `"either"`, `"public"`, or `"rule"` for the rule of the path.
/// idempotent: whether requests with the same `Idempotency-Key` run once; `"required"` refuses a request without one.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct Needs(pub(crate) keywright::http::Needs);

#[pymethods]
impl Needs {
    #[new]
    #[pyo3(
        signature = (**keywords),
        text_signature = "(*, scopes=None, operation=None, cost=None, environment=None, access=None, idempotent=None)"
    )]
    fn new(py: Python<'_>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Self> {
        arguments(py, keywords, keywright::http::Needs::read).map(Self)
    }
}

/// Returns the request id for a request with these header lines, for responses outside the contract.
#[pyfunction]
pub(crate) fn _request_id(headers: &Bound<'_, PyAny>) -> PyResult<String> {
    let target = RequestTarget::Plain(b"");
    Ok(HeaderLines::read(headers)?.with_head("GET", &target, None, |head| head.request_id().into_owned()))
}

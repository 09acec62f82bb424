//! The HTTP contract: the parts of a request in, one call of the core, a pass or a complete response out.

use keywright::http::{Config, Outcome, Session, Turn};
use keywright::input::{Casing, Fields, Value};
use keywright::wait::{Ready, block_on, now_or_later};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::or_raise;
use crate::head::{HeaderLines, RequestTarget};
use crate::input::{Keywords, arguments, value_of};
use crate::record;
use crate::response::{Lease, Passed, Response, now_or_pending, wait_for};
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
        earlier: Option<&Passed>,
    ) -> PyResult<Ready<Outcome>> {
        let target = RequestTarget::read(target)?;
        let earlier = earlier.map(|passed| passed.passed.earlier());
        Ok(HeaderLines::read(headers)?.with_head(method, &target, peer, |head| {
            self.0.begin(&head.earlier(earlier.as_ref()), needs.map(|needs| &needs.0))
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
    /// Judges a request: a `Passed` may go on, a `Response` is the answer to send.
    ///
    /// method: its method.
    /// target: path and query as they came, still percent-encoded.
    /// headers: all header lines in their order, as pairs of bytes.
    /// peer: the address of the socket's other end, `"unix:"` on a Unix socket; None where nobody tells.
    /// needs: what the route needs; left out, the rule that its path has.
    /// earlier: what another guard before has found of the same request, so that it is counted and charged once.
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
        earlier: Option<&Passed>,
    ) -> PyResult<Py<PyAny>> {
        wait_for(py, self.start(method, target, headers, peer, needs, earlier)?)
    }

    /// As `authenticate`, but answers with something to wait for where the answer is not at hand.
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
        earlier: Option<&Passed>,
    ) -> PyResult<Py<PyAny>> {
        now_or_pending(py, self.start(method, target, headers, peer, needs, earlier)?)
    }

    /// Refuses needs of a route that nobody could meet, before any request comes.
    fn check(&self, py: Python<'_>, needs: &Needs) -> PyResult<()> {
        or_raise(py, self.0.check(&needs.0))
    }

    /// Answers a management request with a `Response`.
    ///
    /// target: path and query from where management is mounted, like `b"/keys?limit=10"`.
    /// body: the body.
    /// session: what the host knows of who asks: a dict with `org`, `actor` and `may`; None for what the request presents.
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

    /// As `manage`, but answers with something to wait for where the answer is not at hand.
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

    /// Whether management answers a target: with the option `path` its own routes alone, else every one.
    fn manages(&self, target: &[u8]) -> bool {
        self.0.manages(target)
    }

    /// Asks, before a request with `once` is done, whether it was done before: then the answer is what it was then.
    ///
    /// passed: the request that was let in.
    /// body: its body; one that is longer than `LARGEST_ONCE` is refused, and may be cut at the first byte beyond it.
    ///
    /// Gives a `Response` to send in place of doing it, a `Lease` whose end is to be told, or None for a request that may be
    /// done as often as it comes.
    fn once(&self, py: Python<'_>, passed: &Passed, body: &[u8]) -> PyResult<Py<PyAny>> {
        match wait(py, self.0.once(&passed.passed, body))? {
            Turn::Run(None) => Ok(py.None()),
            Turn::Run(Some(lease)) => Lease::new(lease).into_py_any(py),
            Turn::Answered(response) => Response(response).into_py_any(py),
        }
    }

    /// Ends a lease with the answer that the host gives, which is kept for a repeat.
    ///
    /// headers: its header lines; type, encoding, language, tag and location are kept of them.
    /// body: its body; one that is longer than 64 KiB is not kept, and may be cut at the first byte beyond it. Nor is one with
    /// which the answers of its caller would take more than 64 MiB.
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

    /// Ends a lease without an answer: the request broke off, and may be done anew.
    fn release(&self, py: Python<'_>, lease: &Lease) -> PyResult<()> {
        let lease = lease.take()?;
        wait_or_raise(py, self.0.release(lease))
    }

    /// Says which address a request has and why it is refused, with the nearest fix; nothing is counted for it.
    ///
    /// needs: what the route needs; left out, the rule that its path has.
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

    /// The management endpoints as an OpenAPI 3.1 document, which `GET /openapi.json` also answers.
    fn openapi<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        record::to_dict(py, &self.0.openapi())
    }
}

/// What a route needs of who enters it.
///
/// scopes: scopes of a key, all of them, as `"deals:read,deals:write"` or a list.
/// operation: the class of the operation, for limits that count only one.
/// cost: how much of each limit it takes, 1 when left out.
/// environment: the only one whose keys may enter.
/// access: `"key"` (when left out), `"session"`, `"either"`, `"public"`, or `"rule"` for the rule of the path.
/// idempotent: whether what is sent again under one `Idempotency-Key` is done once; `"required"` refuses what has none.
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

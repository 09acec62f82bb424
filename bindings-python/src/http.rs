//! The HTTP contract: a request's parts in, one core call, a response or a pass out.

use std::sync::{Mutex, OnceLock, PoisonError};

use keywright::http::{Config, Head, Message, Outcome, Principal, Session, Turn};
use keywright::input::{Casing, Fields, Value};
use keywright::wait::{Boxed, Ready, block_on, now_or_later};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::engine::{self, Keywright};
use crate::error::checked;
use crate::input::{fields, value_of};
use crate::recall;
use crate::record::{self, Key};
use crate::wait::wait;

type Given<'a, 'py> = &'a Bound<'py, PyDict>;

/// Checked options of an adapter, from which [`Http`] is made once the engine is open.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct HttpConfig {
    http: Config,
    engine: keywright::Config,
}

#[pymethods]
impl HttpConfig {
    #[new]
    #[pyo3(signature = (engine, **options))]
    fn new(engine: &engine::Config, options: Option<Given<'_, '_>>, py: Python<'_>) -> PyResult<Self> {
        let config = checked(py, Config::read(fields(options)?))?;
        checked(py, config.check(&engine.0))?;
        Ok(Self { http: config, engine: engine.0.clone() })
    }

    fn open(&self, py: Python<'_>, engine: &Keywright) -> PyResult<Http> {
        checked(py, engine.0.http(self.http.clone())).map(Http)
    }

    /// As that of `Http`, before the engine is open.
    fn check(&self, py: Python<'_>, needs: &Needs) -> PyResult<()> {
        checked(py, self.http.check_needs(&self.engine, &needs.0))
    }

    fn manages(&self, target: &[u8]) -> bool {
        self.http.manages(target)
    }

    /// The answer while the engine cannot be opened.
    fn unavailable(
        &self,
        method: &str,
        target: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        py: Python<'_>,
    ) -> PyResult<Py<PyAny>> {
        let lines = Lines::read(headers)?;
        lines.with(method, &asked(target)?, None, |head| shown(py, Outcome::Refused(self.http.unavailable(head))))
    }
}

/// The target of a request to an application that is mounted somewhere, or whose paths are rewritten in front of it.
///
/// target: path and query of which the router gets the path, still percent-encoded as they came.
/// whole: the whole target, where the router may look at either: the rules of both have to be met.
/// mount: the path at which a header of the request says that the application is mounted.
/// rewritten: whether the router gets another path than the one that the client asked for.
#[pyclass(frozen, module = "keywright.http")]
pub(crate) struct Target {
    target: Vec<u8>,
    whole: Option<Vec<u8>>,
    mount: Option<String>,
    rewritten: bool,
}

#[pymethods]
impl Target {
    #[new]
    #[pyo3(signature = (target, *, whole=None, mount=None, rewritten=false))]
    fn new(target: Vec<u8>, whole: Option<Vec<u8>>, mount: Option<String>, rewritten: bool) -> Self {
        Self { target, whole, mount, rewritten }
    }

    /// Path and query of which the router gets the path.
    #[getter]
    fn target(&self) -> &[u8] {
        &self.target
    }
}

/// A target, in the form that most requests have, or with where it was moved.
enum Asked<'a> {
    Plain(&'a [u8]),
    Moved(&'a Target),
}

fn asked<'a>(target: &'a Bound<'_, PyAny>) -> PyResult<Asked<'a>> {
    match target.cast::<Target>() {
        Ok(moved) => Ok(Asked::Moved(moved.get())),
        Err(_) => Ok(Asked::Plain(target.extract()?)),
    }
}

/// An engine that speaks HTTP.
///
/// `Keywright.http` makes one; its options are those of every adapter.
#[pyclass(frozen, dict, weakref, module = "keywright.http")]
pub(crate) struct Http(pub(crate) keywright::http::Http);

impl Http {
    pub(crate) fn of(kw: &keywright::Keywright, py: Python<'_>, options: Option<Given<'_, '_>>) -> PyResult<Self> {
        let config = checked(py, Config::read(fields(options)?))?;
        checked(py, kw.http(config)).map(Self)
    }

    fn begun(
        &self,
        method: &str,
        target: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        peer: Option<&str>,
        needs: Option<&Needs>,
        earlier: Option<&Passed>,
    ) -> PyResult<Ready<Outcome>> {
        let lines = Lines::read(headers)?;
        let earlier = earlier.map(|it| it.passed.earlier());
        Ok(lines.with(method, &asked(target)?, peer, |head| {
            self.0.begin(&head.earlier(earlier.as_ref()), needs.map(|it| &it.0))
        }))
    }

    fn managed(
        &self,
        message: Message,
        session: Option<&Bound<'_, PyAny>>,
        py: Python<'_>,
    ) -> PyResult<Ready<Outcome>> {
        let session = session.filter(|it| !it.is_none()).map(|it| said(it, py)).transpose()?;
        let http = self.0.clone();
        Ok(now_or_later(async move { Outcome::Refused(http.manage(message, session).await) }))
    }
}

/// What a host's own function says of a request.
fn said(session: &Bound<'_, PyAny>, py: Python<'_>) -> PyResult<Session> {
    match value_of(session)? {
        Value::Map(entries) => checked(py, Session::read(Fields::new(Casing::Snake, entries))),
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
        waited(py, self.begun(method, target, headers, peer, needs, earlier)?)
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
        later(py, self.begun(method, target, headers, peer, needs, earlier)?)
    }

    /// Refuses needs of a route that nobody could meet, before any request comes.
    fn check(&self, py: Python<'_>, needs: &Needs) -> PyResult<()> {
        checked(py, self.0.check(&needs.0))
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
        let message = Lines::read(headers)?.message(method, target, peer, body);
        waited(py, self.managed(message, session, py)?)
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
        let message = Lines::read(headers)?.message(method, target, peer, body);
        later(py, self.managed(message, session, py)?)
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
            Turn::Run(Some(lease)) => Lease(Mutex::new(Some(lease))).into_py_any(py),
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
        let lines = Lines::read(headers)?.0;
        let lines: Vec<(&[u8], &[u8])> =
            lines.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        checked(py, wait(py, self.0.finish(lease, status, lines, body))?)
    }

    /// Ends a lease without an answer: the request broke off, and may be done anew.
    fn release(&self, py: Python<'_>, lease: &Lease) -> PyResult<()> {
        let lease = lease.take()?;
        checked(py, wait(py, self.0.release(lease))?)
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
        let lines = Lines::read(headers)?;
        let told =
            lines.with(method, &asked(target)?, peer, |head| block_on(self.0.explain(head, needs.map(|it| &it.0))));
        record::to_dict(py, &told)
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
pub(crate) struct Needs(keywright::http::Needs);

#[pymethods]
impl Needs {
    #[new]
    #[pyo3(
        signature = (**given),
        text_signature = "(*, scopes=None, operation=None, cost=None, environment=None, access=None, idempotent=None)"
    )]
    fn new(py: Python<'_>, given: Option<Given<'_, '_>>) -> PyResult<Self> {
        checked(py, keywright::http::Needs::read(fields(given)?)).map(Self)
    }
}

/// A request that may go on.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct Passed {
    passed: keywright::http::Passed,
    key: OnceLock<Py<Key>>,
}

#[pymethods]
impl Passed {
    /// Who makes it: `"key"`, `"session"`, or `"anyone"` where the route is public.
    #[getter]
    fn principal(&self) -> &'static str {
        match &self.passed.principal {
            Principal::Anyone => "anyone",
            Principal::Key(_) => "key",
            Principal::Session(_) => "session",
        }
    }

    /// The key, where one was presented.
    #[getter]
    fn key(&self, py: Python<'_>) -> PyResult<Option<Py<Key>>> {
        let Principal::Key(allowed) = &self.passed.principal else { return Ok(None) };
        if self.key.get().is_none() {
            // Another thread may have been first: then its object stays.
            let _ = self.key.set(recall::key(py, allowed)?.unbind());
        }
        Ok(self.key.get().map(|it| it.clone_ref(py)))
    }

    /// The org of the key or session.
    #[getter]
    fn org(&self) -> Option<&str> {
        match &self.passed.principal {
            Principal::Anyone => None,
            Principal::Key(key) => Some(&key.org),
            Principal::Session(session) => Some(session.org()),
        }
    }

    /// Who the session is of, where it names somebody.
    #[getter]
    fn actor(&self) -> Option<&str> {
        match &self.passed.principal {
            Principal::Session(session) => session.actor_name(),
            Principal::Anyone | Principal::Key(_) => None,
        }
    }

    /// On whose behalf it is made, where `agent_header` names a header and it came.
    #[getter]
    fn agent(&self) -> Option<&str> {
        self.passed.agent.as_deref()
    }

    /// Whether it is to be done once, for which it goes through `Http.once` with its body.
    #[getter]
    fn once(&self) -> bool {
        self.passed.is_once()
    }

    /// The id of the exchange, for logs.
    #[getter]
    fn request_id(&self) -> &str {
        &self.passed.request_id
    }

    /// What to add to every response to it, as pairs of bytes: `vary` to what is there, the others where they are not.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        pairs(py, self.passed.headers())
    }

    /// Those of `headers` that a response with these header lines still gets.
    fn lacking<'py>(&self, lines: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let names = lines.try_iter()?.map(|line| part(&line?, 0)).collect::<PyResult<Vec<_>>>()?;
        let has = |ours: &str| names.iter().any(|it| is_named(it, ours));
        pairs(lines.py(), self.passed.lacking(has))
    }

    fn __repr__(&self) -> String {
        format!("<Passed {} {}>", self.principal(), self.org().unwrap_or("-"))
    }
}

/// A whole response, to be sent as it is.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct Response(keywright::http::Response);

#[pymethods]
impl Response {
    /// The status.
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    /// Its headers, as pairs of bytes with names in lower case; `content-length` is left to the server.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        pairs(py, self.0.headers.iter().map(|(name, value)| (*name, value.as_ref())))
    }

    /// Its body.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    fn __repr__(&self) -> String {
        format!("<Response {}>", self.0.status)
    }
}

/// The right to do a request, which nobody else has until `Http.finish` or `Http.release`, or for 60 seconds.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct Lease(Mutex<Option<keywright::http::Lease>>);

impl Lease {
    fn take(&self) -> PyResult<keywright::http::Lease> {
        let lease = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        lease.ok_or_else(|| PyRuntimeError::new_err("this lease was ended already"))
    }
}

/// An answer that waits for a thread of the core.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct Answer(Mutex<Option<Boxed<Outcome>>>);

#[pymethods]
impl Answer {
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let future = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match future {
            Some(future) => {
                let outcome = wait(py, future)?;
                shown(py, outcome)
            }
            None => Err(PyRuntimeError::new_err("this answer was waited for already")),
        }
    }
}

fn waited(py: Python<'_>, ready: Ready<Outcome>) -> PyResult<Py<PyAny>> {
    let outcome = match ready {
        Ready::Now(outcome) => outcome,
        Ready::Later(future) => wait(py, future)?,
    };
    shown(py, outcome)
}

fn later(py: Python<'_>, ready: Ready<Outcome>) -> PyResult<Py<PyAny>> {
    match ready {
        Ready::Now(outcome) => shown(py, outcome),
        Ready::Later(future) => Answer(Mutex::new(Some(future))).into_py_any(py),
    }
}

/// The id of a request with these header lines, for answers that nobody judged.
#[pyfunction]
pub(crate) fn _request_id(headers: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(Lines::read(headers)?.with("GET", &Asked::Plain(b""), None, |head| head.request_id().into_owned()))
}

fn shown(py: Python<'_>, outcome: Outcome) -> PyResult<Py<PyAny>> {
    match outcome {
        Outcome::Passed(passed) => Passed { passed: *passed, key: OnceLock::new() }.into_py_any(py),
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

/// Header lines of a request, as Python holds them.
struct Lines<'py>(Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>);

impl<'py> Lines<'py> {
    fn read(headers: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut lines = Vec::with_capacity(16);
        for line in headers.try_iter()? {
            let line = line?;
            lines.push((bytes(part(&line, 0)?)?, bytes(part(&line, 1)?)?));
        }
        Ok(Self(lines))
    }

    fn with<T>(&self, method: &str, asked: &Asked<'_>, peer: Option<&str>, call: impl FnOnce(&Head<'_>) -> T) -> T {
        let lines: Vec<(&[u8], &[u8])> =
            self.0.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let head = match asked {
            Asked::Plain(target) => Head::new(method, *target),
            Asked::Moved(it) => Head::new(method, &it.target)
                .whole(it.whole.as_deref())
                .mount(it.mount.as_deref())
                .rewritten(it.rewritten),
        };
        call(&head.headers(&lines).peer(peer))
    }

    fn message(&self, method: &str, target: &[u8], peer: Option<String>, body: &[u8]) -> Message {
        let message = Message::new(method, target).peer(peer.as_deref()).body(body);
        self.0.iter().fold(message, |it, (name, value)| it.header(name.as_bytes(), value.as_bytes()))
    }
}

/// The name of a header line, or its value.
fn part<'py>(line: &Bound<'py, PyAny>, index: usize) -> PyResult<Bound<'py, PyAny>> {
    match line.cast::<PyTuple>() {
        Ok(pair) => pair.get_item(index),
        Err(_) => line.get_item(index),
    }
}

fn is_named(given: &Bound<'_, PyAny>, name: &str) -> bool {
    let given = match given.cast::<PyBytes>() {
        Ok(bytes) => Some(bytes.as_bytes()),
        Err(_) => given.cast::<PyString>().ok().and_then(|it| it.to_str().ok()).map(str::as_bytes),
    };
    given.is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
}

/// Bytes as they are; text, as some frameworks have headers, in the encoding that they come in (Latin-1).
fn bytes(given: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyBytes>> {
    match given.cast_into::<PyBytes>() {
        Ok(bytes) => Ok(bytes),
        Err(other) => {
            let text = other.into_inner().cast_into::<PyString>()?;
            Ok(text.call_method1("encode", ("latin-1",))?.cast_into()?)
        }
    }
}

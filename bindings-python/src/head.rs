//! The head of a request as Python servers represent it.

use keywright::http::{Head, Message};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

/// The target of a request to an application that is mounted under a path, or behind a rewrite of paths.
///
/// target: path and query, percent-encoded as the client sent them, with the path that the router gets.
/// whole: the whole target, where the router may use either path: the request must meet the rules of both.
/// mount: the path at which a header of the request mounts the application.
/// rewritten: whether the router gets another path than the client sent.
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

    /// Path and query, with the path that the router gets.
    #[getter]
    fn target(&self) -> &[u8] {
        &self.target
    }
}

/// The target of a request: its bytes alone, as for most requests, or a [`Target`].
pub(crate) enum RequestTarget<'a> {
    Plain(&'a [u8]),
    Mounted(&'a Target),
}

impl<'a> RequestTarget<'a> {
    pub(crate) fn read(target: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        match target.cast::<Target>() {
            Ok(target) => Ok(Self::Mounted(target.get())),
            Err(_) => Ok(Self::Plain(target.extract()?)),
        }
    }
}

/// The header lines of a request.
pub(crate) struct HeaderLines<'py>(Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>);

impl<'py> HeaderLines<'py> {
    pub(crate) fn read(headers: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut lines = Vec::with_capacity(16);
        for line in headers.try_iter()? {
            let line = line?;
            lines.push((bytes(part(&line, 0)?)?, bytes(part(&line, 1)?)?));
        }
        Ok(Self(lines))
    }

    pub(crate) fn as_bytes(&self) -> Vec<(&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }

    /// Calls `use_head` with the head of a request that has these lines.
    pub(crate) fn with_head<T>(
        &self,
        method: &str,
        target: &RequestTarget<'_>,
        peer: Option<&str>,
        use_head: impl FnOnce(&Head<'_>) -> T,
    ) -> T {
        let lines = self.as_bytes();
        let head = match target {
            RequestTarget::Plain(target) => Head::new(method, *target),
            RequestTarget::Mounted(target) => Head::new(method, &target.target)
                .whole(target.whole.as_deref())
                .mount(target.mount.as_deref())
                .rewritten(target.rewritten),
        };
        use_head(&head.headers(&lines).peer(peer))
    }

    pub(crate) fn message(&self, method: &str, target: &[u8], peer: Option<String>, body: &[u8]) -> Message {
        let message = Message::new(method, target).peer(peer.as_deref()).body(body);
        self.0.iter().fold(message, |message, (name, value)| message.header(name.as_bytes(), value.as_bytes()))
    }
}

/// Returns the name of a header line, or its value.
pub(crate) fn part<'py>(line: &Bound<'py, PyAny>, index: usize) -> PyResult<Bound<'py, PyAny>> {
    match line.cast::<PyTuple>() {
        Ok(pair) => pair.get_item(index),
        Err(_) => line.get_item(index),
    }
}

pub(crate) fn is_named(header: &Bound<'_, PyAny>, name: &str) -> bool {
    let header = match header.cast::<PyBytes>() {
        Ok(bytes) => Some(bytes.as_bytes()),
        Err(_) => header.cast::<PyString>().ok().and_then(|text| text.to_str().ok()).map(str::as_bytes),
    };
    header.is_some_and(|header| header.eq_ignore_ascii_case(name.as_bytes()))
}

/// Returns bytes as they are. Some frameworks hold headers as text, which is encoded in Latin-1, the encoding of HTTP.
fn bytes(part: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyBytes>> {
    match part.cast_into::<PyBytes>() {
        Ok(bytes) => Ok(bytes),
        Err(other) => {
            let text = other.into_inner().cast_into::<PyString>()?;
            Ok(text.call_method1("encode", ("latin-1",))?.cast_into()?)
        }
    }
}

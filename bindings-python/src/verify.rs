//! Verifications: answered on the caller's thread where the answer is at hand, which keeps the interpreter, since
//! taking it back from a busy thread costs more than the answer; else waited for without it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use keywright::input::{Casing, Fields};
use keywright::wait::{Boxed, Ready, block_on, now_or_later};
use keywright::{Decision as Outcome, Error, Request};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};

use crate::error::checked;
use crate::input::{text, value_of};
use crate::recall::{self, Name};
use crate::wait::{wait, wait_for_end};

/// Who verifies.
#[derive(Clone)]
pub(crate) enum Judge {
    Engine(keywright::Keywright),
    Org(keywright::Org),
    /// Nobody, since the store cannot be opened: every text is `unavailable`, and misuse still raises.
    Unopened(Error),
}

impl Judge {
    fn try_judge(&self, text: Option<&[u8]>, request: &Request) -> Option<Outcome> {
        match self {
            Self::Engine(kw) => kw.try_verify(text, request),
            Self::Org(org) => org.try_verify(text, request),
            Self::Unopened(trouble) => Some(Outcome::unavailable(trouble)),
        }
    }

    async fn judge(&self, text: Option<&[u8]>, request: &Request) -> Outcome {
        match self {
            Self::Engine(kw) => kw.verify(text, request).await,
            Self::Org(org) => org.verify(text, request).await,
            Self::Unopened(trouble) => Outcome::unavailable(trouble),
        }
    }
}

/// What verifies: the base of an engine, and of the handle of an org.
#[pyclass(frozen, subclass, module = "keywright")]
pub(crate) struct Verifier(pub(crate) Judge);

impl Drop for Verifier {
    fn drop(&mut self) {
        // The last handle of an engine writes down what was counted, for which it may wait for another program.
        if let Judge::Engine(kw) = &self.0
            && kw.is_last()
        {
            // `None` while the interpreter ends, before which all was written down.
            let kw = kw.clone();
            let _ = Python::try_attach(|py| wait_for_end(py, move || block_on(kw.close())));
        }
    }
}

type Given<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

// Each keyword is named, so that Python hands them over without a dict.
#[pymethods]
#[expect(clippy::too_many_arguments, reason = "what a request says of itself")]
impl Verifier {
    /// Judges the text of a key. A bad key, and trouble in the store, is a decision and no exception.
    ///
    /// text: the key as it came, text or bytes; `None` is no credential, code `missing`.
    /// scopes: what the request needs, all of it, as `"deals:read,deals:write"` or a list.
    /// method: its HTTP method, in capitals. Left out, a key with a level other than full is denied `method_not_allowed`.
    /// ip: the client's address. Left out, a key with networks, of its own or of its org, is denied `ip_not_allowed`.
    /// environment: the only one accepted for this request, out of those of the engine.
    /// operation: its class, for limits that count only one; one that a limit of the engine names.
    /// cost: how much of each limit it takes, 1 when left out.
    /// agent: the logical identity on whose behalf the key is used, 1 to 128 of A-Z, a-z, 0-9, _ . : and -.
    ///
    /// Raises `InvalidRequest` or `ValidationFailed` for arguments without meaning, and `Closed` after `close`.
    #[pyo3(signature = (text, *, scopes=None, method=None, ip=None, environment=None, operation=None, cost=None, agent=None))]
    fn verify<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        scopes: Given<'_, 'py>,
        method: Given<'_, 'py>,
        ip: Given<'_, 'py>,
        environment: Given<'_, 'py>,
        operation: Given<'_, 'py>,
        cost: Given<'_, 'py>,
        agent: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Form::Verify.ask(&self.0, &Call { text, scopes, method, rest: [ip, environment, operation, cost, agent] })
    }

    /// As `verify`, with the same arguments, but gives the key, or raises `Denied`.
    #[pyo3(signature = (text, *, scopes=None, method=None, ip=None, environment=None, operation=None, cost=None, agent=None))]
    fn authenticate<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        scopes: Given<'_, 'py>,
        method: Given<'_, 'py>,
        ip: Given<'_, 'py>,
        environment: Given<'_, 'py>,
        operation: Given<'_, 'py>,
        cost: Given<'_, 'py>,
        agent: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Form::Authenticate.ask(&self.0, &Call { text, scopes, method, rest: [ip, environment, operation, cost, agent] })
    }

    /// As `verify`, but gives a `Later` in place of waiting. Arguments by place spare the reading of their names.
    fn _begin_verify<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        scopes: Given<'_, 'py>,
        method: Given<'_, 'py>,
        ip: Given<'_, 'py>,
        environment: Given<'_, 'py>,
        operation: Given<'_, 'py>,
        cost: Given<'_, 'py>,
        agent: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Form::Verify.begin(&self.0, &Call { text, scopes, method, rest: [ip, environment, operation, cost, agent] })
    }

    fn _begin_authenticate<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        scopes: Given<'_, 'py>,
        method: Given<'_, 'py>,
        ip: Given<'_, 'py>,
        environment: Given<'_, 'py>,
        operation: Given<'_, 'py>,
        cost: Given<'_, 'py>,
        agent: Given<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Form::Authenticate
            .begin(&self.0, &Call { text, scopes, method, rest: [ip, environment, operation, cost, agent] })
    }
}

/// In which form an outcome is asked for.
#[derive(Clone, Copy)]
enum Form {
    /// A decision.
    Verify,
    /// The key, or `Denied`.
    Authenticate,
}

/// The arguments of a verification.
struct Call<'a, 'py> {
    text: &'a Bound<'py, PyAny>,
    scopes: Given<'a, 'py>,
    method: Given<'a, 'py>,
    /// In the order of [`REST`].
    rest: [Given<'a, 'py>; 5],
}

const REST: [&str; 5] = ["ip", "environment", "operation", "cost", "agent"];

impl Form {
    fn shown(self, py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
        let decision = recall::decision(py, outcome)?;
        match self {
            Self::Verify => Ok(decision.into_any()),
            Self::Authenticate => Ok(decision.get().key_or_denied(&decision)?.into_any()),
        }
    }

    fn ask<'py>(self, judge: &Judge, call: &Call<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = call.text.py();
        let outcome = match call.asked(judge)? {
            Ready::Now(outcome) => outcome,
            Ready::Later(future) => wait(py, future)?,
        };
        self.shown(py, outcome)
    }

    /// As [`ask`](Self::ask), but gives a [`Later`] in place of waiting.
    fn begin<'py>(self, judge: &Judge, call: &Call<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = call.text.py();
        match call.asked(judge)? {
            Ready::Now(outcome) => self.shown(py, outcome),
            Ready::Later(future) => {
                Ok(Bound::new(py, Later { form: self, future: Mutex::new(Some(future)) })?.into_any())
            }
        }
    }
}

impl Call<'_, '_> {
    fn asked(&self, judge: &Judge) -> PyResult<Ready<Outcome>> {
        let text = presented(self.text)?;
        let name = Name::of(self.scopes, self.method, &self.rest);
        let tried =
            |request: &Arc<Request>| judge.try_judge(text.as_deref(), request).ok_or_else(|| Arc::clone(request));
        let known = name.and_then(|it| recall::request(it, tried));
        let request = match known {
            Some(Ok(outcome)) => return Ok(Ready::Now(outcome)),
            Some(Err(request)) => request,
            None => {
                let request = Arc::new(self.read()?);
                if let Some(name) = name {
                    recall::keep(name, self.scopes, &request);
                }
                match tried(&request) {
                    Ok(outcome) => return Ok(Ready::Now(outcome)),
                    Err(request) => request,
                }
            }
        };
        let (judge, text) = (judge.clone(), text.map(Cow::into_owned));
        Ok(now_or_later(async move { judge.judge(text.as_deref(), &request).await }))
    }

    fn read(&self) -> PyResult<Request> {
        let first = [("scopes", self.scopes), ("method", self.method)];
        let given = first.into_iter().chain(REST.into_iter().zip(self.rest));
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let fields = given.map(|(name, value)| Ok((name, value_of(value)?))).collect::<PyResult<_>>()?;
        checked(self.text.py(), Request::read(Fields::new(Casing::Snake, fields)))
    }
}

/// What a caller presents, as bytes; `None` is no credential. Lone surrogates become a byte that no key has.
fn presented<'a>(given: &'a Bound<'_, PyAny>) -> PyResult<Option<Cow<'a, [u8]>>> {
    if let Ok(text) = given.cast::<PyString>() {
        Ok(Some(text.to_str().map_or(Cow::Borrowed(&[0xFF]), |it| it.as_bytes().into())))
    } else if given.is_none() {
        Ok(None)
    } else if let Ok(bytes) = given.cast::<PyBytes>() {
        Ok(Some(bytes.as_bytes().into()))
    } else if let Ok(bytes) = given.cast::<PyByteArray>() {
        Ok(Some(bytes.to_vec().into()))
    } else {
        text("api_key", given).map(|it| Some(it.into_bytes().into()))
    }
}

/// A verification that waits for a thread of the core.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct Later {
    form: Form,
    future: Mutex<Option<Boxed<Outcome>>>,
}

#[pymethods]
impl Later {
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        match future {
            Some(future) => self.form.shown(py, wait(py, future)?),
            None => Err(PyRuntimeError::new_err("this verification was waited for already")),
        }
    }
}

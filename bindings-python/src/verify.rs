//! Verifications: answered on the caller's thread where the answer is at hand, which keeps the interpreter, since
//! taking it back from a busy thread costs more than the answer; else waited for without it.

use std::sync::{Mutex, PoisonError};

use keywright::wait::{Boxed, Ready, block_on, now_or_later};
use keywright::{Decision as Outcome, Request};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};

use crate::decision::Decision;
use crate::error::checked;
use crate::input::{fields, text};

/// Who verifies: the engine, or the handle of an org.
pub(crate) trait Judge: Clone + Send + Sync + 'static {
    fn judge(&self, text: Option<&[u8]>, request: &Request) -> impl Future<Output = Outcome> + Send;
}

impl Judge for keywright::Keywright {
    fn judge(&self, text: Option<&[u8]>, request: &Request) -> impl Future<Output = Outcome> + Send {
        self.verify(text, request)
    }
}

impl Judge for keywright::Org {
    fn judge(&self, text: Option<&[u8]>, request: &Request) -> impl Future<Output = Outcome> + Send {
        self.verify(text, request)
    }
}

/// In which form an outcome is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// A decision.
    Verify,
    /// The key, or `Denied`.
    Authenticate,
}

impl Form {
    fn shown<'py>(self, py: Python<'py>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Verify => Ok(Bound::new(py, Decision::of(py, outcome)?)?.into_any()),
            Self::Authenticate => Ok(Decision::key_or_denied(py, outcome)?.into_bound(py).into_any()),
        }
    }

    pub(crate) fn ask<'py>(
        self,
        judge: &impl Judge,
        text: &Bound<'py, PyAny>,
        request: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = text.py();
        let outcome = match asked(judge, text, request)? {
            Ready::Now(outcome) => outcome,
            Ready::Later(future) => py.detach(|| block_on(future)),
        };
        self.shown(py, outcome)
    }

    /// As [`ask`](Self::ask), but gives a [`Later`] in place of waiting.
    pub(crate) fn begin<'py>(
        self,
        judge: &impl Judge,
        text: &Bound<'py, PyAny>,
        request: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match asked(judge, text, request)? {
            Ready::Now(outcome) => self.shown(text.py(), outcome),
            Ready::Later(future) => {
                Ok(Bound::new(text.py(), Later { form: self, future: Mutex::new(Some(future)) })?.into_any())
            }
        }
    }
}

fn asked(judge: &impl Judge, text: &Bound<'_, PyAny>, request: Option<&Bound<'_, PyDict>>) -> PyResult<Ready<Outcome>> {
    let text = presented(text)?;
    let request = match request {
        Some(given) => checked(given.py(), Request::read(fields(Some(given))?))?,
        None => Request::new(),
    };
    let judge = judge.clone();
    Ok(now_or_later(async move { judge.judge(text.as_deref(), &request).await }))
}

/// What a caller presents, as bytes; `None` is no credential. Lone surrogates become a byte that no key has.
fn presented(given: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    if given.is_none() {
        Ok(None)
    } else if let Ok(text) = given.cast::<PyString>() {
        Ok(Some(text.to_str().map_or(vec![0xFF], |it| it.as_bytes().to_vec())))
    } else if let Ok(bytes) = given.cast::<PyBytes>() {
        Ok(Some(bytes.as_bytes().to_vec()))
    } else if let Ok(bytes) = given.cast::<PyByteArray>() {
        Ok(Some(bytes.to_vec()))
    } else {
        text("api_key", given).map(|it| Some(it.into_bytes()))
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
            Some(future) => self.form.shown(py, py.detach(|| block_on(future))),
            None => Err(PyRuntimeError::new_err("this verification was waited for already")),
        }
    }
}

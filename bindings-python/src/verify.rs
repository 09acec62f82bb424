//! Verifications: answered on the caller's thread where the answer is at hand, which keeps the interpreter, since
//! taking it back from a busy thread costs more than the answer; else waited for without it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use keywright::input::{Casing, Fields};
use keywright::wait::{Boxed, Ready, block_on, now_or_later};
use keywright::{Decision as Outcome, Request};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};

use crate::decision::Decision;
use crate::error::checked;
use crate::input::{entries, text, value_of};

/// Who verifies: the engine, or the handle of an org.
pub(crate) trait Judge: Clone + Send + Sync + 'static {
    fn try_judge(&self, text: Option<&[u8]>, request: &Request) -> Option<Outcome>;
    fn judge(&self, text: Option<&[u8]>, request: &Request) -> impl Future<Output = Outcome> + Send;
}

impl Judge for keywright::Keywright {
    fn try_judge(&self, text: Option<&[u8]>, request: &Request) -> Option<Outcome> {
        self.try_verify(text, request)
    }

    fn judge(&self, text: Option<&[u8]>, request: &Request) -> impl Future<Output = Outcome> + Send {
        self.verify(text, request)
    }
}

impl Judge for keywright::Org {
    fn try_judge(&self, text: Option<&[u8]>, request: &Request) -> Option<Outcome> {
        self.try_verify(text, request)
    }

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

/// The arguments of a verification. Those that nearly every call has come by themselves, which spares a dict.
pub(crate) struct Call<'a, 'py> {
    pub(crate) text: &'a Bound<'py, PyAny>,
    pub(crate) scopes: Option<&'a Bound<'py, PyAny>>,
    pub(crate) method: Option<&'a Bound<'py, PyAny>>,
    pub(crate) rest: Option<&'a Bound<'py, PyDict>>,
}

impl Form {
    fn shown<'py>(self, py: Python<'py>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Verify => Ok(Bound::new(py, Decision::of(py, outcome)?)?.into_any()),
            Self::Authenticate => Ok(Decision::key_or_denied(py, outcome)?.into_bound(py).into_any()),
        }
    }

    pub(crate) fn ask<'py>(self, judge: &impl Judge, call: &Call<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = call.text.py();
        let outcome = match call.asked(judge)? {
            Ready::Now(outcome) => outcome,
            Ready::Later(future) => py.detach(|| block_on(future)),
        };
        self.shown(py, outcome)
    }

    /// As [`ask`](Self::ask), but gives a [`Later`] in place of waiting.
    pub(crate) fn begin<'py>(self, judge: &impl Judge, call: &Call<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
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
    fn asked(&self, judge: &impl Judge) -> PyResult<Ready<Outcome>> {
        let text = presented(self.text)?;
        let request = self.request()?;
        if let Some(outcome) = judge.try_judge(text.as_deref(), &request) {
            return Ok(Ready::Now(outcome));
        }
        let (judge, text) = (judge.clone(), text.map(Cow::into_owned));
        Ok(now_or_later(async move { judge.judge(text.as_deref(), &request).await }))
    }

    fn request(&self) -> PyResult<Arc<Request>> {
        let Some(name) = Interned::name(self) else { return self.read().map(Arc::new) };
        if let Some(known) = Interned::find(name) {
            return Ok(known);
        }
        let request = Arc::new(self.read()?);
        Interned::keep(name, self.scopes, &request);
        Ok(request)
    }

    fn read(&self) -> PyResult<Request> {
        let mut fields = entries(self.rest)?;
        for (name, given) in [("scopes", self.scopes), ("method", self.method)] {
            if let Some(given) = given {
                fields.push((name.to_owned(), value_of(given)?));
            }
        }
        checked(self.text.py(), Request::read(Fields::new(Casing::Snake, fields)))
    }
}

/// A request that was read from one immutable text, and is used again while that very object is given again.
struct Interned {
    name: Name,
    /// Held, so that no other object can get its address.
    _scopes: Option<Py<PyAny>>,
    request: Arc<Request>,
}

/// The address of the text of scopes, 0 for none, and a method by its place in [`METHODS`].
type Name = (usize, usize);

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// How many requests are kept; two that meet in a place take it from each other.
const PLACES: usize = 256;

static INTERNED: RwLock<[Option<Interned>; PLACES]> = RwLock::new([const { None }; PLACES]);

impl Interned {
    fn name(call: &Call<'_, '_>) -> Option<Name> {
        if call.rest.is_some() {
            return None;
        }
        let scopes = match call.scopes {
            None => 0,
            // A subclass could say something else each time it is asked.
            Some(scopes) => scopes.cast_exact::<PyString>().ok()?.as_ptr() as usize,
        };
        let method = match call.method {
            None => METHODS.len(),
            Some(method) => {
                let method = method.cast_exact::<PyString>().ok()?.to_str().ok()?;
                METHODS.iter().position(|it| *it == method)?
            }
        };
        Some((scopes, method))
    }

    fn place(name: Name) -> usize {
        // Objects lie 16 bytes apart at least.
        (name.0 >> 4 ^ name.0 >> 12 ^ name.1) % PLACES
    }

    fn find(name: Name) -> Option<Arc<Request>> {
        let interned = INTERNED.read().unwrap_or_else(PoisonError::into_inner);
        let found = interned.get(Self::place(name))?.as_ref().filter(|it| it.name == name)?;
        Some(Arc::clone(&found.request))
    }

    fn keep(name: Name, scopes: Option<&Bound<'_, PyAny>>, request: &Arc<Request>) {
        let kept = Self { name, _scopes: scopes.map(|it| it.clone().unbind()), request: Arc::clone(request) };
        let former = {
            let mut interned = INTERNED.write().unwrap_or_else(PoisonError::into_inner);
            interned.get_mut(Self::place(name)).and_then(|it| it.replace(kept))
        };
        // Outside of the lock, since the end of an object may run code of Python's.
        drop(former);
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
            Some(future) => self.form.shown(py, py.detach(|| block_on(future))),
            None => Err(PyRuntimeError::new_err("this verification was waited for already")),
        }
    }
}

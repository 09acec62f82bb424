//! Verification. When memory holds the answer, it comes from the caller's thread with the interpreter held: giving the
//! interpreter away and taking it back from a busy thread costs more than the answer. Every other call waits without it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use keywright::ffi::{
    Boxed, Casing, Fields, FromFields, Ready, VERIFY_OPTIONS, block_on, is_last, now_or_later, same_names,
};
use keywright::{Decision as Outcome, Error, Request};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};

use crate::cache::Cache;
use crate::decision::Decision;
use crate::error::or_raise;
use crate::input::{text, value_of};
use crate::wait::{wait, wait_for_shutdown};

/// The engine or org behind a [`Verifier`].
#[derive(Clone)]
pub(crate) enum Backend {
    Engine(keywright::Keywright),
    Org(keywright::Org),
    /// The store cannot be opened: every decision is `unavailable`. A request without meaning still raises.
    Unopened(Error),
}

impl Backend {
    fn try_verify(&self, text: Option<&[u8]>, request: &Request) -> Option<Outcome> {
        match self {
            Self::Engine(kw) => kw.try_verify(text, request),
            Self::Org(org) => org.try_verify(text, request),
            Self::Unopened(error) => Some(Outcome::unavailable(error)),
        }
    }

    async fn verify(&self, text: Option<&[u8]>, request: &Request) -> Outcome {
        match self {
            Self::Engine(kw) => kw.verify(text, request).await,
            Self::Org(org) => org.verify(text, request).await,
            Self::Unopened(error) => Outcome::unavailable(error),
        }
    }
}

/// Base class of everything that verifies: an engine, and the handle of an org.
#[pyclass(frozen, subclass, module = "keywright")]
pub(crate) struct Verifier(pub(crate) Backend);

impl Drop for Verifier {
    fn drop(&mut self) {
        // The last handle of an engine flushes the counters, and may wait for another program while it does.
        if let Backend::Engine(kw) = &self.0
            && is_last(kw)
        {
            // `None` while the interpreter shuts down; the counters were flushed before.
            let kw = kw.clone();
            let _ = Python::try_attach(|py| wait_for_shutdown(py, move || block_on(kw.close())));
        }
    }
}

type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// Defines the methods of [`Verifier`] from the one list of options that a verification takes.
// Each option is a parameter of its own, so that Python passes it without a dict.
macro_rules! verifier_methods {
    ($($option:ident),*) => {
        /// The names of the options, in the order of [`Verification::options`].
        const OPTIONS: [&str; VERIFY_OPTIONS.len()] = [$(stringify!($option)),*];

        const _: () = assert!(same_names(&OPTIONS, &VERIFY_OPTIONS), "the options are those of the core");

        #[pymethods]
        #[expect(clippy::too_many_arguments, reason = "the options of a verification")]
        impl Verifier {
            /// Verifies the text of a key. A bad key, and trouble in the store, is a decision and no exception.
            ///
            /// text: the key as the client sent it, text or bytes; `None` means no credential, code `missing`.
            /// scopes: the scopes that the request needs, all of them, as `"deals:read,deals:write"` or a list.
            /// method: the HTTP method, in capitals. Without it, a key with a level other than full is denied
            ///     `method_not_allowed`.
            /// ip: the client's address. Without it, a key with networks, of its own or of its org, is denied
            ///     `ip_not_allowed`.
            /// environment: the only environment that this request accepts, one of the engine's.
            /// operation: the class of the request, for limits that count only one class; one that a limit of the
            ///     engine names.
            /// cost: how much of each limit the request takes, 1 when left out.
            /// agent: the logical identity on whose behalf the key is used, 1 to 128 of A-Z, a-z, 0-9, _ . : and -.
            ///
            /// Raises `InvalidRequest` or `ValidationFailed` for arguments without meaning, and `Closed` after `close`.
            #[pyo3(signature = (text, *, $($option = None),*))]
            fn verify<'py>(
                &self,
                text: &Bound<'py, PyAny>,
                $($option: Argument<'_, 'py>),*
            ) -> PyResult<Bound<'py, PyAny>> {
                Output::Decision.verify(&self.0, &Verification { text, options: [$($option),*] })
            }

            /// Verifies like `verify`, with the same arguments, and returns the key. Raises `Denied` for a denied key.
            #[pyo3(signature = (text, *, $($option = None),*))]
            fn authenticate<'py>(
                &self,
                text: &Bound<'py, PyAny>,
                $($option: Argument<'_, 'py>),*
            ) -> PyResult<Bound<'py, PyAny>> {
                Output::Key.verify(&self.0, &Verification { text, options: [$($option),*] })
            }

            /// Verifies like `verify`, but returns a `PendingVerification` instead of waiting. Positional arguments save
            /// the lookup of their names.
            fn _begin_verify<'py>(
                &self,
                text: &Bound<'py, PyAny>,
                $($option: Argument<'_, 'py>),*
            ) -> PyResult<Bound<'py, PyAny>> {
                Output::Decision.begin(&self.0, &Verification { text, options: [$($option),*] })
            }

            /// Verifies like `authenticate`, but returns a `PendingVerification` instead of waiting.
            fn _begin_authenticate<'py>(
                &self,
                text: &Bound<'py, PyAny>,
                $($option: Argument<'_, 'py>),*
            ) -> PyResult<Bound<'py, PyAny>> {
                Output::Key.begin(&self.0, &Verification { text, options: [$($option),*] })
            }
        }
    };
}

// `RequestKey` expects scopes and method first.
verifier_methods!(scopes, method, ip, environment, operation, cost, agent);

/// The arguments of a verification.
struct Verification<'a, 'py> {
    text: &'a Bound<'py, PyAny>,
    options: [Argument<'a, 'py>; OPTIONS.len()],
}

/// The kind of result that the caller asked for.
#[derive(Clone, Copy)]
enum Output {
    Decision,
    /// The key, or a raised `Denied`.
    Key,
}

impl Output {
    fn of(self, py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
        let decision = Decision::of(py, outcome)?;
        match self {
            Self::Decision => Ok(decision.into_any()),
            Self::Key => Ok(Decision::key_or_denied(&decision)?.into_any()),
        }
    }

    fn verify<'py>(self, backend: &Backend, call: &Verification<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = call.text.py();
        let outcome = match call.start(backend)? {
            Ready::Now(outcome) => outcome,
            Ready::Later(future) => wait(py, future)?,
        };
        self.of(py, outcome)
    }

    /// Verifies like [`verify`](Self::verify), but returns a [`PendingVerification`] instead of waiting.
    fn begin<'py>(self, backend: &Backend, call: &Verification<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = call.text.py();
        match call.start(backend)? {
            Ready::Now(outcome) => self.of(py, outcome),
            Ready::Later(future) => {
                let pending = PendingVerification { output: self, future: Mutex::new(Some(future)) };
                Ok(Bound::new(py, pending)?.into_any())
            }
        }
    }
}

impl Verification<'_, '_> {
    fn start(&self, backend: &Backend) -> PyResult<Ready<Outcome>> {
        let text = presented(self.text)?;
        let key = RequestKey::of(&self.options);
        let tried =
            |request: &Arc<Request>| backend.try_verify(text.as_deref(), request).ok_or_else(|| Arc::clone(request));
        let cached =
            key.and_then(|key| REQUESTS.with_borrow(|cache| cache.get(key.slot(), &key).map(|it| tried(&it.0))));
        let request = match cached {
            Some(Ok(outcome)) => return Ok(Ready::Now(outcome)),
            Some(Err(request)) => request,
            None => {
                let request = Arc::new(self.request()?);
                if let Some(key) = key {
                    let scopes = self.options.first().copied().flatten().map(|scopes| scopes.clone().unbind());
                    Cache::insert(&REQUESTS, key.slot(), key, (Arc::clone(&request), scopes));
                }
                match tried(&request) {
                    Ok(outcome) => return Ok(Ready::Now(outcome)),
                    Err(request) => request,
                }
            }
        };
        let (backend, text) = (backend.clone(), text.map(Cow::into_owned));
        Ok(now_or_later(async move { backend.verify(text.as_deref(), &request).await }))
    }

    fn request(&self) -> PyResult<Request> {
        let given = OPTIONS.into_iter().zip(self.options);
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let fields = given.map(|(name, value)| Ok((name, value_of(value)?))).collect::<PyResult<_>>()?;
        or_raise(self.text.py(), Request::read(Fields::new(Casing::Snake, fields)))
    }
}

/// Identifies a request that has no other options than scopes and method: the address of the text of the scopes, 0 for
/// none, and the index of the method in [`METHODS`].
#[derive(Clone, Copy, PartialEq)]
struct RequestKey(usize, usize);

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl RequestKey {
    fn of(options: &[Argument<'_, '_>; OPTIONS.len()]) -> Option<Self> {
        let [scopes, method, rest @ ..] = options;
        if rest.iter().any(Option::is_some) {
            return None;
        }
        let scopes = match scopes {
            None => 0,
            // Exactly `str`: the text of a subclass may change from call to call.
            Some(scopes) => scopes.cast_exact::<PyString>().ok()?.as_ptr() as usize,
        };
        let method = match method {
            None => METHODS.len(),
            Some(method) => {
                let method = method.cast_exact::<PyString>().ok()?.to_str().ok()?;
                METHODS.iter().position(|known| *known == method)?
            }
        };
        Some(Self(scopes, method))
    }

    fn slot(self) -> usize {
        // Objects are at least 16 bytes apart.
        self.0 >> 4 ^ self.0 >> 12 ^ self.1
    }
}

/// A request and the text of its scopes. Holding the text keeps its address from being used again.
type CachedRequest = (Arc<Request>, Option<Py<PyAny>>);

thread_local! {
    static REQUESTS: RefCell<Cache<RequestKey, CachedRequest>> = const { RefCell::new(Cache::EMPTY) };
}

/// Returns the credential as bytes, `None` for no credential. Text with lone surrogates becomes a byte that no key has.
fn presented<'a>(credential: &'a Bound<'_, PyAny>) -> PyResult<Option<Cow<'a, [u8]>>> {
    if let Ok(text) = credential.cast::<PyString>() {
        Ok(Some(text.to_str().map_or(Cow::Borrowed(&[0xFF]), |text| text.as_bytes().into())))
    } else if credential.is_none() {
        Ok(None)
    } else if let Ok(bytes) = credential.cast::<PyBytes>() {
        Ok(Some(bytes.as_bytes().into()))
    } else if let Ok(bytes) = credential.cast::<PyByteArray>() {
        Ok(Some(bytes.to_vec().into()))
    } else {
        text("api_key", credential).map(|text| Some(text.into_bytes().into()))
    }
}

/// A verification that waits for a thread of the core.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct PendingVerification {
    output: Output,
    future: Mutex<Option<Boxed<Outcome>>>,
}

#[pymethods]
impl PendingVerification {
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        match future {
            Some(future) => self.output.of(py, wait(py, future)?),
            None => Err(PyRuntimeError::new_err("this verification was waited for already")),
        }
    }
}

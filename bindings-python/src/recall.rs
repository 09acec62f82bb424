//! What was made for the same question before: requests by the very text that they were read from, keys by their
//! reading, and so the decisions that say nothing but their key. Each thread has its own, so that nothing is locked.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::LocalKey;

use keywright::{Allowed, Decision as Outcome, Request};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::decision::Decision;
use crate::record::Key;

type Given<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

/// The address of the text of scopes, 0 for none, and a method by its place in [`METHODS`].
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Name(usize, usize);

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

impl Name {
    /// The name of a request that says nothing else and cannot change.
    pub(crate) fn of(scopes: Given<'_, '_>, method: Given<'_, '_>, rest: &[Given<'_, '_>]) -> Option<Self> {
        if rest.iter().any(Option::is_some) {
            return None;
        }
        let scopes = match scopes {
            None => 0,
            // A subclass could say something else each time it is asked.
            Some(scopes) => scopes.cast_exact::<PyString>().ok()?.as_ptr() as usize,
        };
        let method = match method {
            None => METHODS.len(),
            Some(method) => {
                let method = method.cast_exact::<PyString>().ok()?.to_str().ok()?;
                METHODS.iter().position(|it| *it == method)?
            }
        };
        Some(Self(scopes, method))
    }

    fn place(self) -> usize {
        // Objects lie 16 bytes apart at least.
        self.0 >> 4 ^ self.0 >> 12 ^ self.1
    }
}

/// How many are kept of each; two that meet in a place take it from each other.
const PLACES: usize = 256;

struct Kept<K, V>(Vec<Option<(K, V)>>);

impl<K: PartialEq, V> Kept<K, V> {
    const NONE: Self = Self(Vec::new());

    fn find(&self, place: usize, name: &K) -> Option<&V> {
        self.0.get(place % PLACES)?.as_ref().filter(|it| it.0 == *name).map(|it| &it.1)
    }

    fn keep(here: &'static LocalKey<RefCell<Self>>, place: usize, name: K, value: V) {
        let former = here.with_borrow_mut(|kept| {
            kept.0.resize_with(PLACES, || None);
            kept.0.get_mut(place % PLACES).and_then(|it| it.replace((name, value)))
        });
        // Only now, since the end of an object may run code of Python's.
        drop(former);
    }
}

/// A request, and the text it was read from: held, so that no other object can get its address.
type Read = (Arc<Request>, Option<Py<PyAny>>);

thread_local! {
    static REQUESTS: RefCell<Kept<Name, Read>> = const { RefCell::new(Kept::NONE) };
    static KEYS: RefCell<Kept<u64, Py<Key>>> = const { RefCell::new(Kept::NONE) };
    static DECISIONS: RefCell<Kept<u64, Py<Decision>>> = const { RefCell::new(Kept::NONE) };
}

/// Calls `with` with the request of that name, where it is known.
pub(crate) fn request<T>(name: Name, with: impl FnOnce(&Arc<Request>) -> T) -> Option<T> {
    REQUESTS.with_borrow(|kept| kept.find(name.place(), &name).map(|it| with(&it.0)))
}

pub(crate) fn keep(name: Name, scopes: Given<'_, '_>, request: &Arc<Request>) {
    let scopes = scopes.map(|it| it.clone().unbind());
    Kept::keep(&REQUESTS, name.place(), name, (Arc::clone(request), scopes));
}

/// The decision of an outcome; what is the mistake of the host is raised.
pub(crate) fn decision(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, Decision>> {
    let Some(reading) = outcome.plain() else { return Bound::new(py, Decision::of(py, outcome)?) };
    by_reading(py, &DECISIONS, reading, || Bound::new(py, Decision::of(py, outcome)?))
}

/// The key of who was let in.
pub(crate) fn key<'py>(py: Python<'py>, allowed: &Allowed) -> PyResult<Bound<'py, Key>> {
    by_reading(py, &KEYS, allowed.reading(), || Bound::new(py, Key::from(allowed.key().clone())))
}

fn by_reading<'py, T>(
    py: Python<'py>,
    here: &'static LocalKey<RefCell<Kept<u64, Py<T>>>>,
    reading: u64,
    make: impl FnOnce() -> PyResult<Bound<'py, T>>,
) -> PyResult<Bound<'py, T>> {
    // Readings are numbered in turn, two apart.
    let place = (reading >> 1) as usize;
    if let Some(known) = here.with_borrow(|kept| kept.find(place, &reading).map(|it| it.clone_ref(py))) {
        return Ok(known.into_bound(py));
    }
    let made = make()?;
    Kept::keep(here, place, reading, made.clone().unbind());
    Ok(made)
}

//! Per-thread caches for objects made by an earlier call. A thread owns its cache, so no lock is needed.

use std::cell::RefCell;
use std::thread::LocalKey;

use pyo3::prelude::*;

/// Slots in one cache. Two entries that map to the same slot evict each other.
const SLOTS: usize = 256;

/// A direct-mapped cache of fixed size.
pub(crate) struct Cache<K, V>(Vec<Option<(K, V)>>);

impl<K: PartialEq, V> Cache<K, V> {
    pub(crate) const EMPTY: Self = Self(Vec::new());

    pub(crate) fn get(&self, slot: usize, key: &K) -> Option<&V> {
        self.0.get(slot % SLOTS)?.as_ref().filter(|entry| entry.0 == *key).map(|entry| &entry.1)
    }

    pub(crate) fn insert(cache: &'static LocalKey<RefCell<Self>>, slot: usize, key: K, value: V) {
        let evicted = cache.with_borrow_mut(|cache| {
            cache.0.resize_with(SLOTS, || None);
            cache.0.get_mut(slot % SLOTS).and_then(|entry| entry.replace((key, value)))
        });
        // Dropped outside the borrow: the finalizer of an object may run Python code that uses this cache.
        drop(evicted);
    }
}

/// Objects made from one revision of a key, by the number of the revision.
pub(crate) type ByRevision<T> = RefCell<Cache<u64, Py<T>>>;

/// Returns the cached object of a revision, or makes and caches it.
pub(crate) fn by_revision<'py, T>(
    py: Python<'py>,
    cache: &'static LocalKey<ByRevision<T>>,
    revision: u64,
    make: impl FnOnce() -> PyResult<Bound<'py, T>>,
) -> PyResult<Bound<'py, T>> {
    // Revisions are numbered in steps of two.
    let slot = (revision >> 1) as usize;
    if let Some(known) = cache.with_borrow(|cache| cache.get(slot, &revision).map(|object| object.clone_ref(py))) {
        return Ok(known.into_bound(py));
    }
    let made = make()?;
    Cache::insert(cache, slot, revision, made.clone().unbind());
    Ok(made)
}

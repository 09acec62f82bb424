//! Pages of a list, and the iteration over all of them.

use std::sync::{Arc, Mutex, PoisonError};

use keywright::ffi::{Casing, Fields, Value};
use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyGenericAlias, PyList, PyType};

use crate::input::{Keywords, entries};
use crate::record::{comparison, hash, repr, unknown_field};

const FIELDS: &[&str] = &["data", "has_more", "next_cursor"];

/// A page of the core, with its items as Python objects.
pub(crate) struct Items {
    data: Vec<Py<PyAny>>,
    has_more: bool,
    next_cursor: Option<String>,
}

impl Items {
    pub(crate) fn of<T, R>(py: Python<'_>, page: keywright::Page<T>) -> PyResult<Self>
    where
        R: From<T> + for<'py> IntoPyObject<'py, Error = PyErr>,
    {
        let data = page.data.into_iter().map(|item| Ok(R::from(item).into_pyobject(py)?.into_any().unbind()));
        Ok(Self { data: data.collect::<PyResult<_>>()?, has_more: page.has_more, next_cursor: page.next_cursor })
    }
}

type Fetch = dyn Fn(Python<'_>, Vec<(String, Value)>) -> PyResult<Items> + Send + Sync;

/// One page of a list. Iteration covers this page and all that follow.
#[pyclass(frozen, mapping, weakref, module = "keywright")]
pub(crate) struct Page {
    items: Items,
    /// The arguments of the call. With another cursor they fetch the next page.
    arguments: Vec<(String, Value)>,
    fetch: Arc<Fetch>,
}

impl Page {
    pub(crate) fn first(
        py: Python<'_>,
        keywords: Option<Keywords<'_, '_>>,
        fetch: impl Fn(Python<'_>, Fields) -> PyResult<Items> + Send + Sync + 'static,
    ) -> PyResult<Self> {
        let fetch = move |py: Python<'_>, arguments| fetch(py, Fields::new(Casing::Snake, arguments));
        Self::fetched(py, entries(keywords)?, Arc::new(fetch))
    }

    fn fetched(py: Python<'_>, arguments: Vec<(String, Value)>, fetch: Arc<Fetch>) -> PyResult<Self> {
        let items = fetch(py, arguments.clone())?;
        Ok(Self { items, arguments, fetch })
    }
}

#[pymethods]
impl Page {
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.items.data.iter().map(|item| item.bind(py)))
    }

    #[getter]
    fn has_more(&self) -> bool {
        self.items.has_more
    }

    #[getter]
    fn next_cursor(&self) -> Option<&str> {
        self.items.next_cursor.as_deref()
    }

    /// Returns a page that a server has sent. `turn` fetches the parts of the page at a cursor.
    #[staticmethod]
    fn _received(data: Vec<Py<PyAny>>, has_more: bool, next_cursor: Option<String>, turn: Py<PyAny>) -> Self {
        let fetch = move |py: Python<'_>, arguments: Vec<(String, Value)>| {
            let cursor = arguments.into_iter().find_map(|(_, value)| match value {
                Value::Text(cursor) => Some(cursor),
                _ => None,
            });
            let (data, has_more, next_cursor) = turn.call1(py, (cursor,))?.extract(py)?;
            Ok(Items { data, has_more, next_cursor })
        };
        Self { items: Items { data, has_more, next_cursor }, arguments: Vec::new(), fetch: Arc::new(fetch) }
    }

    /// Returns the next page, or `None` for the last one.
    fn _next(&self, py: Python<'_>) -> PyResult<Option<Self>> {
        let Some(cursor) = self.items.next_cursor.as_ref().filter(|_| self.items.has_more) else {
            return Ok(None);
        };
        let mut arguments: Vec<_> = self.arguments.iter().filter(|(name, _)| name != "cursor").cloned().collect();
        arguments.push(("cursor".into(), Value::Text(cursor.clone())));
        Self::fetched(py, arguments, Arc::clone(&self.fetch)).map(Some)
    }

    /// Returns the field names, so that `dict(page)` equals `to_dict()`.
    fn keys(&self) -> &'static [&'static str] {
        FIELDS
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.to_dict(py)?.get_item(name)?.ok_or_else(|| unknown_field(name))
    }

    #[classmethod]
    fn __get_pydantic_core_schema__<'py>(
        cls: &Bound<'py, PyType>,
        source: &Bound<'py, PyAny>,
        handler: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cls.py().import("keywright.schema")?.call_method1("page", (cls, source, handler))
    }

    /// Returns plain data for JSON, with times as RFC 3339 text.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let plain = self.items.data.iter().map(|item| item.bind(py).call_method0("to_dict"));
        let out = PyDict::new(py);
        out.set_item("data", plain.collect::<PyResult<Vec<_>>>()?)?;
        out.set_item("has_more", self.items.has_more)?;
        out.set_item("next_cursor", &self.items.next_cursor)?;
        Ok(out)
    }

    fn __iter__(slf: Py<Self>) -> PageIterator {
        PageIterator(Mutex::new((slf, 0)))
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let equal = match other.cast::<Self>() {
            Ok(other) => {
                let (one, other) = (slf.get(), other.get());
                Some(one.next_cursor() == other.next_cursor() && one.data(py)?.eq(other.data(py)?)?)
            }
            Err(_) => None,
        };
        comparison(py, equal)
    }

    fn __hash__(&self) -> u64 {
        hash(&self.items.next_cursor)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        repr(slf, FIELDS)
    }

    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyGenericAlias>> {
        PyGenericAlias::new(cls.py(), cls, item)
    }
}

/// Iterates over a page and all pages that follow.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct PageIterator(Mutex<(Py<Page>, usize)>);

impl PageIterator {
    /// Returns the next item of the current page, or the page when it has no more items.
    fn next_in_page(&self, py: Python<'_>) -> Result<Py<PyAny>, Py<Page>> {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match at.0.get().items.data.get(at.1).map(|item| item.clone_ref(py)) {
            Some(item) => {
                at.1 += 1;
                Ok(item)
            }
            None => Err(at.0.clone_ref(py)),
        }
    }
}

#[pymethods]
impl PageIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            let done = match self.next_in_page(py) {
                Ok(item) => return Ok(Some(item)),
                Err(done) => done,
            };
            // The lock is not held here, so other threads can iterate while this one waits.
            let Some(next) = done.get()._next(py)? else {
                return Ok(None);
            };
            let next = Py::new(py, next)?;
            let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if at.0.is(&done) {
                *at = (next, 0);
            }
        }
    }
}

//! Pages of a list, and the walk over all of them.

use std::sync::{Arc, Mutex, PoisonError};

use keywright::input::{Casing, Fields, Value};
use pyo3::BoundObject;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyGenericAlias, PyList, PyType};

use crate::input::entries;
use crate::record::{compared, hashed, repr, unknown};

const FIELDS: &[&str] = &["data", "has_more", "next_cursor"];

/// What the core answered, its items made Python objects.
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
        let data = page.data.into_iter().map(|it| Ok(R::from(it).into_pyobject(py)?.into_any().unbind()));
        Ok(Self { data: data.collect::<PyResult<_>>()?, has_more: page.has_more, next_cursor: page.next_cursor })
    }
}

type Ask = dyn Fn(Python<'_>, Fields) -> PyResult<Items> + Send + Sync;

/// One page of a list. Iterating it walks this page and all that follow.
#[pyclass(frozen, mapping, weakref, module = "keywright")]
pub(crate) struct Page {
    items: Items,
    /// The arguments of the call: with another cursor they ask for the next page.
    given: Vec<(String, Value)>,
    ask: Arc<Ask>,
}

impl Page {
    pub(crate) fn first(
        py: Python<'_>,
        given: Option<&Bound<'_, PyDict>>,
        ask: impl Fn(Python<'_>, Fields) -> PyResult<Items> + Send + Sync + 'static,
    ) -> PyResult<Self> {
        Self::asked(py, entries(given)?, Arc::new(ask))
    }

    fn asked(py: Python<'_>, given: Vec<(String, Value)>, ask: Arc<Ask>) -> PyResult<Self> {
        let items = ask(py, Fields::new(Casing::Snake, given.clone()))?;
        Ok(Self { items, given, ask })
    }
}

#[pymethods]
impl Page {
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.items.data.iter().map(|it| it.bind(py)))
    }

    #[getter]
    fn has_more(&self) -> bool {
        self.items.has_more
    }

    #[getter]
    fn next_cursor(&self) -> Option<&str> {
        self.items.next_cursor.as_deref()
    }

    /// The page after this one, if there is one.
    fn _next(&self, py: Python<'_>) -> PyResult<Option<Self>> {
        let Some(cursor) = self.items.next_cursor.as_ref().filter(|_| self.items.has_more) else {
            return Ok(None);
        };
        let mut given: Vec<_> = self.given.iter().filter(|it| it.0 != "cursor").cloned().collect();
        given.push(("cursor".into(), Value::Text(cursor.clone())));
        Self::asked(py, given, Arc::clone(&self.ask)).map(Some)
    }

    /// The names of its fields: with them `dict(page)` is as `to_dict()`.
    fn keys(&self) -> &'static [&'static str] {
        FIELDS
    }

    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.to_dict(py)?.get_item(name)?.ok_or_else(|| unknown(name))
    }

    #[classmethod]
    fn __get_pydantic_core_schema__<'py>(
        cls: &Bound<'py, PyType>,
        source: &Bound<'py, PyAny>,
        handler: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cls.py().import("keywright.schema")?.call_method1("page", (cls, source, handler))
    }

    /// Plain data for JSON; times as RFC 3339 text.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let plain = self.items.data.iter().map(|it| it.bind(py).call_method0("to_dict"));
        let out = PyDict::new(py);
        out.set_item("data", plain.collect::<PyResult<Vec<_>>>()?)?;
        out.set_item("has_more", self.items.has_more)?;
        out.set_item("next_cursor", &self.items.next_cursor)?;
        Ok(out)
    }

    fn __iter__(slf: Py<Self>) -> Walk {
        Walk(Mutex::new((slf, 0)))
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
        compared(py, equal)
    }

    fn __hash__(&self) -> u64 {
        hashed(&self.items.next_cursor)
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

/// The walk over a page and all that follow it.
#[pyclass(frozen, name = "PageIterator", module = "keywright")]
pub(crate) struct Walk(Mutex<(Py<Page>, usize)>);

impl Walk {
    /// The item whose turn it is, or the page that has no more.
    fn step(&self, py: Python<'_>) -> Result<Py<PyAny>, Py<Page>> {
        let mut at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match at.0.get().items.data.get(at.1).map(|it| it.clone_ref(py)) {
            Some(item) => {
                at.1 += 1;
                Ok(item)
            }
            None => Err(at.0.clone_ref(py)),
        }
    }
}

#[pymethods]
impl Walk {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            let done = match self.step(py) {
                Ok(item) => return Ok(Some(item)),
                Err(done) => done,
            };
            // The lock is not held here: other threads may walk on while this one waits.
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

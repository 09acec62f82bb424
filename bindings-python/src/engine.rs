//! `Keywright` itself, and the checked options from which `AsyncKeywright` opens one.

use keywright::input::{Casing, Fields};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{checked, waited};
use crate::input::{self, entries, value_of};
use crate::keys::Keys;
use crate::org::{Audit, Org, Orgs};
use crate::record::Parsed;
use crate::testing::ManualClock;
use crate::verify::Form;

type Given<'a, 'py> = &'a Bound<'py, PyDict>;

/// Checked options, from which `AsyncKeywright` opens.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct Config(keywright::Config);

impl Config {
    fn read(url: &Bound<'_, PyAny>, given: Option<Given<'_, '_>>) -> PyResult<Self> {
        let py = url.py();
        let clock = given.map(|it| it.get_item("clock")).transpose()?.flatten();
        let clock = clock.as_ref().and_then(|it| it.cast::<ManualClock>().ok());
        let mut entries = entries(given)?;
        entries.retain(|it| clock.is_none() || it.0 != "clock");
        let config = checked(py, keywright::Config::read(value_of(url)?, Fields::new(Casing::Snake, entries)))?;
        Ok(Self(match clock {
            Some(clock) => config.clock(clock.get().0.clone()),
            None => config,
        }))
    }

    fn opened(&self, py: Python<'_>) -> PyResult<Keywright> {
        waited(py, self.0.clone().build()).map(Keywright)
    }
}

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (url, **options))]
    fn new(url: &Bound<'_, PyAny>, options: Option<Given<'_, '_>>) -> PyResult<Self> {
        Self::read(url, options)
    }

    fn open(&self, py: Python<'_>) -> PyResult<Keywright> {
        self.opened(py)
    }

    fn texts(&self, py: Python<'_>) -> PyResult<Texts> {
        checked(py, self.0.texts()).map(Texts)
    }

    /// The id of an org, or the complaint about it.
    #[staticmethod]
    fn read_org(id: &Bound<'_, PyAny>) -> PyResult<String> {
        checked(id.py(), keywright::Keywright::read_org(value_of(id)?))
    }
}

/// What is known of key texts alone, without a database.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct Texts(keywright::Texts);

#[pymethods]
impl Texts {
    /// What the text of a key says about itself. Nothing is proved by it.
    fn parse(&self, text: &Bound<'_, PyAny>) -> PyResult<Option<Parsed>> {
        Ok(self.0.parse(&input::text("text", text)?).map(Parsed::from))
    }

    /// The regular expression of these keys, for secret scanners.
    fn key_pattern(&self) -> String {
        self.0.key_pattern()
    }

    /// The text with the secret of every key in it masked.
    fn redact(&self, text: &Bound<'_, PyAny>) -> PyResult<String> {
        Ok(self.0.redact(&input::text("text", text)?))
    }
}

/// The engine: issues, verifies and revokes keys in one database. Thread-safe, and safe across `os.fork`.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct Keywright(pub(crate) keywright::Keywright);

#[pymethods]
impl Keywright {
    #[new]
    #[pyo3(
        signature = (url, **options),
        text_signature = "(url, *, brand=None, environments=None, environment=None, key_format=None, accept_formats=None, scopes=None, pepper=None, retired_peppers=None, hash=None, retired_hashes=None, id_style=None, read_only=False, busy_timeout=None, clock=None)"
    )]
    fn new(url: &Bound<'_, PyAny>, options: Option<Given<'_, '_>>) -> PyResult<Self> {
        Config::read(url, options)?.opened(url.py())
    }

    /// The keys of the org `default`.
    #[getter]
    fn keys(&self) -> Keys {
        Keys(self.0.keys())
    }

    /// The orgs themselves.
    #[getter]
    fn orgs(&self) -> Orgs {
        Orgs(self.0.orgs())
    }

    /// The audit chain, as the org `default` sees it.
    #[getter]
    fn audit(&self) -> Audit {
        Audit(self.0.audit())
    }

    /// A handle that sees, makes and verifies only this org's keys.
    fn org(&self, id: &Bound<'_, PyAny>) -> PyResult<Org> {
        checked(id.py(), self.0.org(&Config::read_org(id)?)).map(Org)
    }

    /// The only handle across orgs.
    fn every_org(&self) -> Org {
        Org(self.0.every_org())
    }

    /// Judges the text of a key. Never raises for a bad one.
    #[pyo3(
        signature = (text, **request),
        text_signature = "($self, text, *, scopes=None, method=None, ip=None, environment=None)"
    )]
    fn verify<'py>(&self, text: &Bound<'py, PyAny>, request: Option<Given<'_, 'py>>) -> PyResult<Bound<'py, PyAny>> {
        Form::Verify.ask(&self.0, text, request)
    }

    /// As `verify`, but gives the key, or raises `Denied`.
    #[pyo3(
        signature = (text, **request),
        text_signature = "($self, text, *, scopes=None, method=None, ip=None, environment=None)"
    )]
    fn authenticate<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        request: Option<Given<'_, 'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Form::Authenticate.ask(&self.0, text, request)
    }

    #[pyo3(signature = (text, **request))]
    fn _begin_verify<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        request: Option<Given<'_, 'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Form::Verify.begin(&self.0, text, request)
    }

    #[pyo3(signature = (text, **request))]
    fn _begin_authenticate<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        request: Option<Given<'_, 'py>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        Form::Authenticate.begin(&self.0, text, request)
    }

    /// What the text of a key says about itself. Nothing is proved by it.
    fn parse(&self, text: &Bound<'_, PyAny>) -> PyResult<Option<Parsed>> {
        Texts(self.0.texts()).parse(text)
    }

    /// The regular expression of this engine's keys, for secret scanners.
    fn key_pattern(&self) -> String {
        self.0.key_pattern()
    }

    /// The text with the secret of every key in it masked.
    fn redact(&self, text: &Bound<'_, PyAny>) -> PyResult<String> {
        Texts(self.0.texts()).redact(text)
    }

    /// Closes the database. A second call does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| keywright::wait::block_on(self.0.close()));
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        self.close(py);
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Keywright holds an open database; make one where it is used"))
    }
}

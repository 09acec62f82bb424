//! The options of an adapter, before its engine is open.

use keywright::ffi::FromFields;
use keywright::http::{Config, Outcome};
use pyo3::prelude::*;

use crate::engine::{self, Keywright};
use crate::error::or_raise;
use crate::head::{HeaderLines, RequestTarget};
use crate::http::{Http, Needs};
use crate::input::{Keywords, arguments};
use crate::response::to_python;

/// The checked options of an adapter. It makes the [`Http`] once the engine is open.
#[pyclass(frozen, weakref, module = "keywright.http")]
pub(crate) struct HttpConfig {
    http: Config,
    engine: keywright::Config,
}

#[pymethods]
impl HttpConfig {
    #[new]
    #[pyo3(signature = (engine, **options))]
    fn new(engine: &engine::Config, options: Option<Keywords<'_, '_>>, py: Python<'_>) -> PyResult<Self> {
        let config = arguments(py, options, Config::read)?;
        or_raise(py, config.check(&engine.0))?;
        Ok(Self { http: config, engine: engine.0.clone() })
    }

    fn open(&self, py: Python<'_>, engine: &Keywright) -> PyResult<Http> {
        or_raise(py, engine.0.http(self.http.clone())).map(Http)
    }

    /// Checks like `Http.check`, before the engine is open.
    fn check(&self, py: Python<'_>, needs: &Needs) -> PyResult<()> {
        or_raise(py, self.http.check_needs(&self.engine, &needs.0))
    }

    fn manages(&self, target: &[u8]) -> bool {
        self.http.manages(target)
    }

    /// Returns the response for the time in which the engine cannot be opened.
    fn unavailable(
        &self,
        method: &str,
        target: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        py: Python<'_>,
    ) -> PyResult<Py<PyAny>> {
        let target = RequestTarget::read(target)?;
        HeaderLines::read(headers)?
            .with_head(method, &target, None, |head| to_python(py, Outcome::Refused(self.http.unavailable(head))))
    }
}

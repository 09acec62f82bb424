//! Operations on the text of keys that need no database.

use pyo3::prelude::*;

use crate::error::or_raise;
use crate::input;
use crate::records::Parsed;

/// Operations on the text of keys that need no database.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct KeyFormats(pub(crate) keywright::KeyFormats);

#[pymethods]
impl KeyFormats {
    /// Parses the text of a key. This proves nothing about the key.
    pub(crate) fn parse(&self, text: &Bound<'_, PyAny>) -> PyResult<Option<Parsed>> {
        Ok(self.0.parse(&input::text("text", text)?).map(Parsed::from))
    }

    /// Returns the regular expression of these keys, for secret scanners.
    ///
    /// syntax: `"perl"`, which Python reads too (when left out), or `"ere"`, which `grep -E` reads.
    #[pyo3(signature = (syntax = None))]
    pub(crate) fn key_pattern(&self, syntax: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
        let Some(given) = syntax else { return Ok(self.0.key_pattern()) };
        let syntax = or_raise(given.py(), input::text("syntax", given)?.parse())?;
        Ok(self.0.key_pattern_in(syntax))
    }

    /// Masks the secret of every key in a text.
    pub(crate) fn redact(&self, text: &Bound<'_, PyAny>) -> PyResult<String> {
        Ok(self.0.redact(&input::text("text", text)?))
    }
}

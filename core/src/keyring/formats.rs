use std::io::Write;
use std::sync::Arc;

use super::RedactingWriter;
use super::redacting_writer::Mask;
use crate::key::{Formats, PatternSyntax};
use crate::record::Parsed;

/// The key formats of an engine: they parse, find and mask the texts of keys without the database.
///
/// ```
/// let formats = keywright::Keywright::builder("sqlite:keys.db").brand("liq").key_formats()?;
/// assert_eq!(formats.key_pattern(), "liq_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}");
/// assert_eq!(formats.parse("liq_live_x"), None);
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KeyFormats(pub(super) Arc<Formats>);

impl KeyFormats {
    /// Parses a text in the format of a key. It works offline and proves nothing; `None` for any other text.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Parsed> {
        self.0.parse(text)
    }

    /// A regular expression that finds the keys of all accepted formats, for secret scanners.
    #[must_use]
    pub fn key_pattern(&self) -> String {
        self.key_pattern_in(PatternSyntax::default())
    }

    /// The regular expression in another syntax.
    ///
    /// ```
    /// let formats = keywright::Keywright::builder("sqlite:keys.db").brand("liq").key_formats()?;
    /// let pattern = formats.key_pattern_in(keywright::PatternSyntax::Ere);
    /// assert_eq!(pattern, "liq_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}");
    /// # Ok::<(), keywright::Error>(())
    /// ```
    #[must_use]
    pub fn key_pattern_in(&self, syntax: PatternSyntax) -> String {
        self.0.pattern(syntax)
    }

    /// Masks the secret part of every key in a text.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.0.redact(text)
    }

    /// A writer that masks keys as [`redact`](Self::redact) does, for loggers.
    pub fn redacting<W: Write>(&self, to: W) -> RedactingWriter<W> {
        RedactingWriter::new(Mask::Configured(Arc::clone(&self.0)), to)
    }
}

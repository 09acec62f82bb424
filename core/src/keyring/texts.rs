use std::io::Write;
use std::sync::Arc;

use super::Redacting;
use crate::key::{Formats, PatternSyntax};
use crate::record::Parsed;

/// What an engine knows of key texts alone: it needs no database.
///
/// ```
/// let texts = keywright::Keywright::builder("sqlite:keys.db").brand("liq").texts()?;
/// assert_eq!(texts.key_pattern(), "liq_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}");
/// assert_eq!(texts.parse("liq_live_x"), None);
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Texts(pub(super) Arc<Formats>);

impl Texts {
    /// What a text says of itself, if it has the shape of a key: offline, and no proof of anything.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<Parsed> {
        self.0.parse(text)
    }

    /// A regular expression for secret scanners that finds the texts of all accepted formats.
    #[must_use]
    pub fn key_pattern(&self) -> String {
        self.key_pattern_in(PatternSyntax::default())
    }

    /// The same in another syntax.
    ///
    /// ```
    /// let texts = keywright::Keywright::builder("sqlite:keys.db").brand("liq").texts()?;
    /// let pattern = texts.key_pattern_in(keywright::PatternSyntax::Ere);
    /// assert_eq!(pattern, "liq_(live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}");
    /// # Ok::<(), keywright::Error>(())
    /// ```
    #[must_use]
    pub fn key_pattern_in(&self, syntax: PatternSyntax) -> String {
        self.0.pattern(syntax)
    }

    /// The text with the secret part of every key in it masked.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.0.redact(text)
    }

    /// A writer for loggers that masks as [`redact`](Self::redact) does.
    pub fn redacting<W: Write>(&self, to: W) -> Redacting<W> {
        Redacting::new(self.clone(), to)
    }
}

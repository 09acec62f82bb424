//! The text of a key: making, reading and recognising it. A well-formed text proves nothing.

mod base62;
mod escape;
mod foreign;
mod foreign_redact;
mod format;
mod pattern;
mod redact;

pub use format::LONGEST as LONGEST_TEXT;
pub use pattern::PatternSyntax;

pub(crate) use foreign::{ForeignFormat, ForeignText, digest_lookup};
pub(crate) use foreign_redact::{belongs_to_imported, mask_foreign};
pub(crate) use format::{Format, GeneratedKey, KeyParts};

use crate::error::Error;
use crate::record::Parsed;

/// The formats of an engine. The current one makes new keys; all of them are read.
#[derive(Debug, Clone)]
pub(crate) struct Formats {
    current: Format,
    accepted: Vec<Format>,
    environments: Vec<String>,
    starts: Vec<TextStart>,
}

/// The fixed start of the texts of one format and environment, and their length.
#[derive(Debug, Clone)]
struct TextStart {
    text: String,
    length: usize,
    /// The index of the format: 0 is the current one.
    format: usize,
    environment: String,
}

/// A text that has one of the known starts: the index of the start, and the rest. The two determine the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatchedText<'a> {
    pub(crate) start: usize,
    pub(crate) rest: &'a [u8],
}

impl Formats {
    /// Refuses weak formats, and two formats that could read the same text.
    pub(crate) fn new(
        brand: Option<&str>,
        key_format: Option<&str>,
        accept_formats: &[String],
        environments: Vec<String>,
    ) -> Result<Self, Error> {
        let template = key_format.unwrap_or(format::DEFAULT);
        let current = Format::parse("key_format", template, brand)?;
        let mut accepted: Vec<Format> = Vec::new();
        for template in accept_formats {
            let format = Format::parse("accept_formats", template, brand)?;
            if accepted.iter().chain([&current]).any(|it| it.overlaps(&format, &environments)) {
                return Err(Error::validation_failed(
                    "accept_formats",
                    "holds a format that reads the same texts as another one",
                    "change a literal or a length, or list each format once",
                ));
            }
            accepted.push(format);
        }
        Ok(Self::of(current, accepted, environments))
    }

    fn of(current: Format, accepted: Vec<Format>, environments: Vec<String>) -> Self {
        let starts = |index: usize, format: &Format| -> Vec<TextStart> {
            let texts = format.starts(&environments).into_iter().zip(&environments);
            let start = |(text, environment): (String, &String)| TextStart {
                length: format.length(text.len()),
                text,
                format: index,
                environment: environment.clone(),
            };
            texts.map(start).collect()
        };
        let formats = std::iter::once(&current).chain(&accepted).enumerate();
        let starts = formats.flat_map(|(index, format)| starts(index, format)).collect();
        Self { current, accepted, environments, starts }
    }

    /// The number of different starts that a text may have.
    pub(crate) fn start_count(&self) -> usize {
        self.starts.len()
    }

    /// Matches length and start alone, as a first filter. `None` means that the text is not a key of this engine.
    pub(crate) fn match_start<'a>(&self, text: &'a [u8]) -> Option<MatchedText<'a>> {
        self.matching(text).next().map(|(start, _, rest)| MatchedText { start, rest })
    }

    /// The starts that match a text, and the rest of the text after each.
    fn matching<'a, 'b>(&'b self, text: &'a [u8]) -> impl Iterator<Item = (usize, &'b TextStart, &'a [u8])> {
        let of_length = self.starts.iter().enumerate().filter(|(_, start)| start.length == text.len());
        of_length.filter_map(|(index, start)| Some((index, start, text.strip_prefix(start.text.as_bytes())?)))
    }

    /// The format of new keys.
    pub(crate) fn current(&self) -> &Format {
        &self.current
    }

    fn all(&self) -> impl Iterator<Item = &Format> {
        std::iter::once(&self.current).chain(&self.accepted)
    }

    /// Reads a whole text: length, alphabet, literals, environment and checksum. It needs no I/O and no allocation.
    pub(crate) fn read<'a>(&'a self, text: &'a [u8]) -> Option<(&'a Format, KeyParts<'a>)> {
        self.matching(text).find_map(|(_, start, _)| {
            let format = start.format.checked_sub(1).map_or(Some(&self.current), |it| self.accepted.get(it))?;
            Some((format, format.read(text, start.text.len(), &start.environment)?))
        })
    }

    pub(crate) fn parse(&self, text: &str) -> Option<Parsed> {
        let (format, parts) = self.read(text.as_bytes())?;
        let standard = self.environments.first().map_or("", String::as_str);
        let environment = if format.has_environment() { parts.environment } else { standard };
        Some(Parsed {
            environment: environment.to_owned(),
            prefix: parts.prefix.to_owned(),
            lookup: parts.lookup.to_owned(),
        })
    }

    pub(crate) fn pattern(&self, syntax: PatternSyntax) -> String {
        let patterns: Vec<String> = self.all().map(|it| it.pattern(&self.environments, syntax)).collect();
        if self.accepted.is_empty() { patterns.concat() } else { syntax.any_of(&patterns) }
    }

    /// Masks the secret part of everything in `text` that starts like one of these formats.
    pub(crate) fn redact(&self, text: &str) -> String {
        redact::mask(text, self.all(), &self.environments)
    }

    /// Whether `text` contains anything that [`redact`](Self::redact) would mask.
    pub(crate) fn exposed(&self, text: &str) -> bool {
        // Most texts contain no start of a key, and need no copy.
        let may_contain = self.starts.iter().any(|start| text.contains(&start.text)) || text.contains(['%', '\\']);
        may_contain && self.redact(text) != text
    }

    /// Refuses a field that contains a whole key, which lists and logs would show for ever.
    pub(crate) fn refuse_api_key(&self, field: &str, text: Option<&str>) -> Result<(), Error> {
        if text.is_some_and(|it| self.exposed(it)) {
            return Err(exposed_api_key(field));
        }
        Ok(())
    }
}

/// The error for a text that would show a secret for ever.
pub(crate) fn exposed_api_key(field: &str) -> Error {
    Error::validation_failed(field, "holds the secret part of an API key", "remove it, and revoke that key")
}

//! The text of a key: how it is made, read and recognised. Nothing here is proof of anything.

mod base62;
mod escape;
mod format;
mod pattern;
mod redact;

pub use format::LONGEST as LONGEST_TEXT;
pub use pattern::PatternSyntax;

pub(crate) use format::{Format, Shape};

use crate::error::Error;
use crate::record::{ApiKey, Parsed};

/// The formats an engine knows: the first makes new keys, all are read.
#[derive(Debug, Clone)]
pub(crate) struct Formats {
    current: Format,
    accepted: Vec<Format>,
    environments: Vec<String>,
    heads: Vec<Head>,
}

/// What texts of one format and environment begin with, and how long they are.
#[derive(Debug, Clone)]
struct Head {
    text: String,
    length: usize,
    /// Its place among all formats.
    format: usize,
    environment: String,
}

/// A text without its beginning, which is that of the format and environment in this place of all there are. The two
/// say as much as the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail<'a> {
    pub(crate) head: usize,
    pub(crate) rest: &'a [u8],
}

/// A key text just made.
pub(crate) struct Fresh {
    pub(crate) api_key: ApiKey,
    pub(crate) prefix: String,
    pub(crate) lookup: String,
    pub(crate) secret: zeroize::Zeroizing<String>,
}

impl Formats {
    /// Refuses weak formats, and two that could read one text.
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
        let head = |format: usize, it: &Format| -> Vec<Head> {
            let texts = it.heads(&environments).into_iter().zip(&environments);
            let head = |(text, environment): (String, &String)| Head {
                length: it.length(text.len()),
                text,
                format,
                environment: environment.clone(),
            };
            texts.map(head).collect()
        };
        let heads = std::iter::once(&current).chain(&accepted).enumerate().flat_map(|(at, it)| head(at, it)).collect();
        Self { current, accepted, environments, heads }
    }

    /// How many different beginnings a text may have.
    pub(crate) fn heads(&self) -> usize {
        self.heads.len()
    }

    /// Looks at length and beginning alone: what is refused here is no key of ours, what is not may be one.
    pub(crate) fn tail<'a>(&self, text: &'a [u8]) -> Option<Tail<'a>> {
        self.begun(text).next().map(|(head, _, rest)| Tail { head, rest })
    }

    /// The heads that may be those of a text, and what stands after each.
    fn begun<'a, 'b>(&'b self, text: &'a [u8]) -> impl Iterator<Item = (usize, &'b Head, &'a [u8])> {
        let of_length = self.heads.iter().enumerate().filter(|(_, it)| it.length == text.len());
        of_length.filter_map(|(at, it)| Some((at, it, text.strip_prefix(it.text.as_bytes())?)))
    }

    /// The format of new keys.
    pub(crate) fn current(&self) -> &Format {
        &self.current
    }

    fn all(&self) -> impl Iterator<Item = &Format> {
        std::iter::once(&self.current).chain(&self.accepted)
    }

    /// Reads a text whole: length, alphabet, literals, environment and checksum. Costs no I/O and no allocation.
    pub(crate) fn read<'a>(&'a self, text: &'a [u8]) -> Option<(&'a Format, Shape<'a>)> {
        self.begun(text).find_map(|(_, head, _)| {
            let format = head.format.checked_sub(1).map_or(Some(&self.current), |it| self.accepted.get(it))?;
            Some((format, format.read(text, head.text.len(), &head.environment)?))
        })
    }

    pub(crate) fn parse(&self, text: &str) -> Option<Parsed> {
        let (format, shape) = self.read(text.as_bytes())?;
        let standard = self.environments.first().map_or("", String::as_str);
        let environment = if format.has_environment() { shape.environment } else { standard };
        Some(Parsed {
            environment: environment.to_owned(),
            prefix: shape.prefix.to_owned(),
            lookup: shape.lookup.to_owned(),
        })
    }

    pub(crate) fn pattern(&self, syntax: PatternSyntax) -> String {
        let patterns: Vec<String> = self.all().map(|it| it.pattern(&self.environments, syntax)).collect();
        if self.accepted.is_empty() { patterns.concat() } else { syntax.any_of(&patterns) }
    }

    /// Masks the secret part of everything in `text` that begins like one of these formats.
    pub(crate) fn redact(&self, text: &str) -> String {
        redact::mask(text, self.all(), &self.environments)
    }

    /// Whether `text` holds something that [`redact`](Self::redact) would mask.
    pub(crate) fn exposed(&self, text: &str) -> bool {
        // Most texts begin like no key, and are not worth a copy.
        let may_hold = self.heads.iter().any(|it| text.contains(&it.text)) || text.contains(['%', '\\']);
        may_hold && self.redact(text) != text
    }

    /// Refuses a whole key where something else belongs: it would stand in lists and logs for ever.
    pub(crate) fn harmless(&self, field: &str, text: Option<&str>) -> Result<(), Error> {
        if text.is_some_and(|it| self.exposed(it)) {
            return Err(Error::validation_failed(
                field,
                "holds the secret part of an API key",
                "remove it, and revoke that key",
            ));
        }
        Ok(())
    }
}

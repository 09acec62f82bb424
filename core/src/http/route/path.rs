//! Paths of rules and requests.

use std::borrow::Cow;
use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::error::Error;

/// The kind of a match between a path and a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathMatch {
    /// Every router matches the path.
    Exact,
    /// Only routers that ignore letter case, percent-encoding or a slash at the end match the path.
    Respelt,
    /// Nothing follows the prefix of a `{*rest}`, which only some routers match.
    Empty,
}

/// The path of a rule, with its parameters.
#[derive(Debug, Clone)]
pub(super) struct PathPattern {
    segments: Vec<PatternSegment>,
    /// Whether the path ends with a slash.
    closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternSegment {
    Literal(String),
    Any,
    Rest,
}

impl PatternSegment {
    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Any => 1,
            Self::Rest => 2,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => is_same_word(one, other),
            _ => self == other,
        }
    }
}

impl PathPattern {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        const FIX: &str = "write paths like /v1/deals, /v1/deals/{id} or /v1/files/{*rest}";
        let wrong = |reason: &str| Error::validation_failed("routes", reason, FIX);
        let Some(inside) = text.strip_prefix('/') else {
            return Err(wrong("holds a path that does not begin with /"));
        };
        let closed = inside.ends_with('/');
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        let mut segments = Vec::new();
        for part in inside.split('/').filter(|_| !inside.is_empty()) {
            if segments.last() == Some(&PatternSegment::Rest) {
                return Err(wrong("holds a path that goes on after {*…}"));
            }
            if part.starts_with([':', '<']) {
                return Err(wrong("holds a parameter in the manner of another router"));
            }
            segments.push(segment(part).ok_or_else(|| wrong("holds a path with a segment that cannot be read"))?);
        }
        Ok(Self { segments, closed })
    }

    /// Whether two patterns match the same paths.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(one, other)| one.is_same(other))
    }

    /// Orders patterns. The more specific comes first: the one that names a segment where the other has a parameter.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.segments.iter().map(PatternSegment::rank).cmp(other.segments.iter().map(PatternSegment::rank))
    }

    /// Whether some path matches both patterns.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(PatternSegment::Rest), _) | (_, Some(PatternSegment::Rest)) => return true,
                (Some(PatternSegment::Literal(one)), Some(PatternSegment::Literal(other)))
                    if !is_same_word(one, other) =>
                {
                    return false;
                }
                (None, _) | (_, None) => return false,
                _ => {}
            }
        }
    }

    /// Whether this pattern matches every path that the other matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(PatternSegment::Rest), _) => return true,
                (Some(PatternSegment::Any), Some(PatternSegment::Any | PatternSegment::Literal(_))) => {}
                (Some(PatternSegment::Literal(one)), Some(PatternSegment::Literal(other)))
                    if is_same_word(one, other) => {}
                _ => return false,
            }
        }
    }

    /// Whether any router matches the path, and whether every router does.
    pub(super) fn matches(&self, path: &RequestPath<'_>) -> Option<PathMatch> {
        let mut is_exact = true;
        let mut parts = path.segments.iter();
        for segment in &self.segments {
            let part = parts.next();
            match (segment, part) {
                // A borrowed part has no percent-encoding.
                (PatternSegment::Literal(text), Some(Cow::Borrowed(part))) if text == part => {}
                (PatternSegment::Literal(text), Some(part)) if is_same_word(text, part) => is_exact = false,
                (PatternSegment::Any, Some(_)) => {}
                (PatternSegment::Rest, None) => return Some(PathMatch::Empty),
                (PatternSegment::Rest, Some(_)) => {
                    return Some(if is_exact { PathMatch::Exact } else { PathMatch::Respelt });
                }
                (PatternSegment::Literal(_) | PatternSegment::Any, _) => return None,
            }
        }
        is_exact &= path.closed == self.closed;
        let found = if is_exact { PathMatch::Exact } else { PathMatch::Respelt };
        parts.next().is_none().then_some(found)
    }
}

/// Whether two words are equal for a router that ignores case. Regular expressions fold four letters beyond ASCII to ASCII
/// letters.
fn is_same_word(rule: &str, part: &str) -> bool {
    if part.is_ascii() {
        return rule.eq_ignore_ascii_case(part);
    }
    let fold = |letter: char| match letter {
        '\u{130}' | '\u{131}' => 'i',
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    rule.chars().map(fold).eq(part.chars().map(fold))
}

fn segment(text: &str) -> Option<PatternSegment> {
    if let Some(inside) = text.strip_prefix('{') {
        let inside = inside.strip_suffix('}')?;
        let (segment, name) = match inside.strip_prefix('*') {
            Some(name) => (PatternSegment::Rest, name),
            None => (PatternSegment::Any, inside),
        };
        let is_named = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        return is_named.then_some(segment);
    }
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&it);
    (!text.is_empty() && text != "." && text != ".." && text.bytes().all(plain))
        .then(|| PatternSegment::Literal(text.to_owned()))
}

/// The path of a request that every router reads in the same way.
pub(super) struct RequestPath<'a> {
    segments: SmallVec<[Cow<'a, str>; 8]>,
    closed: bool,
}

impl<'a> RequestPath<'a> {
    /// Parses a path. `None` if routers differ in how they read it: empty segments, `.` and `..`, parameters after `;`, encoded
    /// separators, a fragment, or characters that RFC 3986 does not allow.
    pub(super) fn parse(path: &'a [u8]) -> Option<Self> {
        let allowed = |it: u8| it.is_ascii_graphic() && it != b'#';
        let path = std::str::from_utf8(path).ok().filter(|it| it.bytes().all(allowed))?;
        let inside = path.strip_prefix('/')?;
        let closed = inside.ends_with('/');
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        let mut segments = SmallVec::new();
        if inside.is_empty() {
            return (!closed).then_some(Self { segments, closed });
        }
        for part in inside.split('/') {
            let part = percent_decode(part)?;
            let has_separator = part.contains(|letter: char| letter.is_control() || matches!(letter, '/' | '\\' | ';'));
            if part.is_empty() || part == "." || part == ".." || has_separator {
                return None;
            }
            segments.push(part);
        }
        Some(Self { segments, closed })
    }
}

/// Decodes percent-encoding (RFC 3986, section 2.1). `None` if it is malformed, or not UTF-8.
pub(in crate::http) fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    // The decoder leaves a malformed escape as it is.
    let is_escape =
        |after: &str| matches!(after.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let is_wellformed = text.split('%').skip(1).all(is_escape);
    is_wellformed.then(|| percent_encoding::percent_decode_str(text).decode_utf8().ok())?
}

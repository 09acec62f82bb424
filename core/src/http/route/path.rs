use std::borrow::Cow;
use std::cmp::Ordering;

use smallvec::SmallVec;

use crate::error::Error;

/// How a path matches a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// Every router matches it.
    Exact,
    /// Routers that tell letter case, percent-encoding or a slash at the end apart do not match it.
    Respelt,
    /// Nothing follows the prefix of a `{*rest}`: some routers match it.
    Empty,
}

/// The path of a rule.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// Whether it ends with a slash.
    closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
    Rest,
}

impl Segment {
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

impl Pattern {
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        const FIX: &str = "write paths like /v1/deals, /v1/deals/{id} or /v1/files/{*rest}";
        let wrong = |reason: &str| Error::validation_failed("routes", reason, FIX);
        let Some(inside) = text.strip_prefix('/') else {
            return Err(wrong("holds a path that does not begin with /"));
        };
        let closed = inside.ends_with('/');
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        let mut segments = Vec::new();
        for part in inside.split('/').filter(|_| !inside.is_empty()) {
            if segments.last() == Some(&Segment::Rest) {
                return Err(wrong("holds a path that goes on after {*…}"));
            }
            if part.starts_with([':', '<']) {
                return Err(wrong("holds a parameter in the manner of another router"));
            }
            segments.push(segment(part).ok_or_else(|| wrong("holds a path with a segment that cannot be read"))?);
        }
        Ok(Self { segments, closed })
    }

    /// Whether both match the same paths.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(|(one, other)| one.is_same(other))
    }

    /// The more particular comes first: the one that names a segment where the other has a place for any.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.segments.iter().map(Segment::rank).cmp(other.segments.iter().map(Segment::rank))
    }

    /// Whether some path may match both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(Segment::Rest), _) | (_, Some(Segment::Rest)) => return true,
                (Some(Segment::Literal(one)), Some(Segment::Literal(other))) if !is_same_word(one, other) => {
                    return false;
                }
                (None, _) | (_, None) => return false,
                _ => {}
            }
        }
    }

    /// Whether it matches every path that the other matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(Segment::Rest), _) => return true,
                (Some(Segment::Any), Some(Segment::Any | Segment::Literal(_))) => {}
                (Some(Segment::Literal(one)), Some(Segment::Literal(other))) if is_same_word(one, other) => {}
                _ => return false,
            }
        }
    }

    /// Whether a router may match it, and whether every router does.
    pub(super) fn matches(&self, path: &Path<'_>) -> Option<Match> {
        let mut is_exact = true;
        let mut parts = path.segments.iter();
        for segment in &self.segments {
            let part = parts.next();
            match (segment, part) {
                // A borrowed part had nothing percent-encoded.
                (Segment::Literal(text), Some(Cow::Borrowed(part))) if text == part => {}
                (Segment::Literal(text), Some(part)) if is_same_word(text, part) => is_exact = false,
                (Segment::Any, Some(_)) => {}
                (Segment::Rest, None) => return Some(Match::Empty),
                (Segment::Rest, Some(_)) => return Some(if is_exact { Match::Exact } else { Match::Respelt }),
                (Segment::Literal(_) | Segment::Any, _) => return None,
            }
        }
        is_exact &= path.closed == self.closed;
        let found = if is_exact { Match::Exact } else { Match::Respelt };
        parts.next().is_none().then_some(found)
    }
}

/// Whether a router that ignores case takes two words for the same. The ASCII word of a rule has four letters beyond ASCII that
/// regular expressions fold to it.
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

fn segment(text: &str) -> Option<Segment> {
    if let Some(inside) = text.strip_prefix('{') {
        let inside = inside.strip_suffix('}')?;
        let (kind, name) = match inside.strip_prefix('*') {
            Some(name) => (Segment::Rest, name),
            None => (Segment::Any, inside),
        };
        let named = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        return named.then_some(kind);
    }
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&it);
    (!text.is_empty() && text != "." && text != ".." && text.bytes().all(plain))
        .then(|| Segment::Literal(text.to_owned()))
}

/// The path of a request, which every router reads in the same way.
pub(super) struct Path<'a> {
    segments: SmallVec<[Cow<'a, str>; 8]>,
    closed: bool,
}

impl<'a> Path<'a> {
    /// `None` for what some would read in another way than others: empty segments, `.` and `..`, parameters after `;`,
    /// encoded separators, a fragment, what RFC 3986 does not allow.
    pub(super) fn read(path: &'a [u8]) -> Option<Self> {
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
            let part = decoded(part)?;
            let separated = part.contains(|it: char| it.is_control() || matches!(it, '/' | '\\' | ';'));
            if part.is_empty() || part == "." || part == ".." || separated {
                return None;
            }
            segments.push(part);
        }
        Some(Self { segments, closed })
    }
}

/// Undoes percent-encoding (RFC 3986, section 2.1). `None` for what is none, and for what is no UTF-8.
pub(in crate::http) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    let digit = |it: Option<u8>| char::from(it?).to_digit(16).and_then(|it| u8::try_from(it).ok());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            plain => plain,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

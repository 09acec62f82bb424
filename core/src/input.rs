//! Named values as a caller in any language gives them, and their reading: types, unknown names, exact meaning.
//!
//! Bindings (and the wire) turn what they are given into [`Value`]s; what is refused, and with which words, is decided here once.

use chrono::{DateTime, Utc};

use crate::clock::{self, Millis};
use crate::error::Error;

/// A value of a caller, before anything is known about it.
///
/// ```
/// let error = keywright::KeyId::read(keywright::input::Value::Bool(true)).unwrap_err();
/// assert_eq!(error.code(), "invalid_request");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// None, null.
    Null,
    /// A boolean; never read as an integer.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number that is not whole, or not finite.
    Float(f64),
    /// Text.
    Text(String),
    /// Text that is no valid Unicode, as with lone surrogates.
    BrokenText,
    /// Bytes.
    Bytes(Vec<u8>),
    /// A point in time.
    Time(DateTime<Utc>),
    /// A time without an offset, or one that is no time.
    NaiveTime,
    /// A span, in milliseconds.
    Duration(i64),
    /// A sequence.
    List(Vec<Value>),
    /// Named values, in the order given.
    Map(Vec<(String, Value)>),
    /// A value that stands for another one: a set for a list, a `BigInt` for an integer. Arguments take it as that one.
    /// Data that is kept as it was given, such as metadata, refuses it, because it would come back as something else.
    Converted {
        /// The name of its type.
        kind: String,
        /// The value that it stands for.
        value: Box<Value>,
    },
    /// A place at which the caller's structure was deeper than a binding follows.
    TooDeep,
    /// Anything else, by the name of its type.
    Other(String),
}

impl Value {
    /// What kind of value it is, for error texts; never its content.
    fn kind(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(_) => "a boolean".into(),
            Self::Integer(_) => "an integer".into(),
            Self::Float(it) if it.is_nan() => "not a number".into(),
            Self::Float(it) if it.is_infinite() => "infinite".into(),
            Self::Float(_) => "a fraction".into(),
            Self::Text(_) => "text".into(),
            Self::BrokenText => "text that is no valid Unicode".into(),
            Self::Bytes(_) => "bytes".into(),
            Self::Time(_) => "a time".into(),
            Self::NaiveTime => "a time without an offset from UTC".into(),
            Self::Duration(_) => "a duration".into(),
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a mapping".into(),
            Self::TooDeep => "nested too deeply".into(),
            Self::Other(kind) | Self::Converted { kind, .. } => format!("of type {kind}"),
        }
    }

    /// The value that an argument takes this one as.
    pub(crate) fn into_argument(self) -> Self {
        match self {
            Self::Converted { value, .. } => *value,
            other => other,
        }
    }

    pub(crate) fn refused(&self, field: &str, wanted: &str) -> Error {
        match self {
            Self::BrokenText => Error::validation_failed(
                field,
                "holds text that is no valid Unicode",
                "remove lone surrogates and broken bytes",
            ),
            Self::NaiveTime => {
                Error::validation_failed(field, "is a time without an offset from UTC", "give an aware, valid time")
            }
            Self::TooDeep => Error::validation_failed(field, "is nested too deeply", "flatten it"),
            _ => Error::invalid_request(
                field,
                format!("must be {wanted}, and is {}", self.kind()),
                format!("give {wanted}"),
            ),
        }
    }

    /// The text of it.
    ///
    /// # Errors
    /// `invalid_request` for anything else, `validation_failed` for text that is no valid Unicode.
    pub fn into_text(self, field: &str) -> Result<String, Error> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.refused(field, "text")),
        }
    }

    pub(crate) fn into_bool(self, field: &str) -> Result<bool, Error> {
        match self {
            Self::Bool(it) => Ok(it),
            other => Err(other.refused(field, "true or false")),
        }
    }

    /// An integer in `low..=high`.
    pub(crate) fn into_integer(self, field: &str, low: i64, high: i64) -> Result<i64, Error> {
        match self {
            Self::Integer(it) => i64::try_from(it).ok().filter(|it| (low..=high).contains(it)).ok_or_else(|| {
                Error::validation_failed(field, "is out of range", format!("give an integer from {low} to {high}"))
            }),
            Self::Float(_) => Err(Error::validation_failed(
                field,
                format!("must be a whole number, and is {}", self.kind()),
                format!("give an integer from {low} to {high}"),
            )),
            other => Err(other.refused(field, &format!("an integer from {low} to {high}"))),
        }
    }

    pub(crate) fn into_time(self, field: &str) -> Result<Millis, Error> {
        match self {
            Self::Time(it) => Ok(it.timestamp_millis()),
            Self::Text(_) => {
                Err(Error::invalid_request(field, "must be a time, and is text", "give the language's own time type"))
            }
            other => Err(other.refused(field, "a time")),
        }
    }

    pub(crate) fn into_list(self, field: &str) -> Result<Vec<Value>, Error> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(other.refused(field, "a list")),
        }
    }

    pub(crate) fn into_texts(self, field: &str) -> Result<Vec<String>, Error> {
        self.into_list(field)?.into_iter().map(|it| it.into_text(field)).collect()
    }

    pub(crate) fn into_map(self, field: &str) -> Result<Vec<(String, Value)>, Error> {
        match self {
            Self::Map(entries) => Ok(entries),
            other => Err(other.refused(field, "a mapping")),
        }
    }

    /// Plain JSON, where the value has an exact form in it.
    pub(crate) fn into_json(self, field: &str) -> Result<serde_json::Value, Error> {
        /// The largest whole number that every JSON reader keeps exact (RFC 8259, section 6).
        const EXACT: i128 = (1 << 53) - 1;
        match self {
            Self::Null => Ok(serde_json::Value::Null),
            Self::Bool(it) => Ok(it.into()),
            Self::Integer(it) if (-EXACT..=EXACT).contains(&it) => {
                Ok(i64::try_from(it).map(Into::into).unwrap_or_default())
            }
            Self::Integer(_) => Err(Error::validation_failed(
                field,
                "holds an integer beyond 2^53 - 1, which not every JSON reader keeps exact",
                "give it as text",
            )),
            Self::Float(it) => serde_json::Number::from_f64(it).map(Into::into).ok_or_else(|| {
                Error::validation_failed(field, "holds a number that is not finite", "leave it out, or give it as text")
            }),
            Self::Text(it) => Ok(it.into()),
            Self::List(items) => items.into_iter().map(|it| it.into_json(field)).collect(),
            Self::Map(entries) => {
                let entries = entries.into_iter().map(|(name, it)| Ok((name, it.into_json(field)?)));
                entries.collect::<Result<serde_json::Map<_, _>, Error>>().map(Into::into)
            }
            Self::Converted { ref value, .. } => {
                let fix = if matches!(**value, Self::List(_)) { "give a list" } else { "give a number, or text" };
                Err(Error::invalid_request(
                    field,
                    format!("holds a value {}, which JSON has no form for", self.kind()),
                    fix,
                ))
            }
            other => Err(other.refused(field, "plain JSON data")),
        }
    }
}

/// How the names of fields are spelt where the caller writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Casing {
    /// `expires_in_days`
    #[default]
    Snake,
    /// `expiresInDays`
    Camel,
}

impl Casing {
    pub(crate) fn spell(self, name: &str) -> String {
        match self {
            Self::Snake => name.to_owned(),
            Self::Camel => {
                let mut words = name.split('_');
                let mut out = words.next().unwrap_or_default().to_owned();
                for word in words {
                    let mut letters = word.chars();
                    out.extend(letters.next().map(|it| it.to_ascii_uppercase()));
                    out.push_str(letters.as_str());
                }
                out
            }
        }
    }
}

/// The named arguments of one call.
///
/// ```
/// use keywright::input::{Casing, Fields, Value};
/// let fields = Fields::new(Casing::Snake, vec![("nmae".into(), Value::Text("CI".into()))]);
/// let error = keywright::NewKey::read(fields).unwrap_err();
/// assert_eq!(error.to_string(), "nmae: is no option of this call; did you mean name?");
/// ```
#[derive(Debug, Default)]
pub struct Fields {
    casing: Casing,
    entries: Vec<(String, Value)>,
}

impl Fields {
    /// The arguments as given; leave out what the caller left out.
    #[must_use]
    pub fn new(casing: Casing, entries: Vec<(String, Value)>) -> Self {
        Self { casing, entries }
    }

    pub(crate) fn casing(&self) -> Casing {
        self.casing
    }

    /// Refuses names that are not among `known`, with the nearest that is.
    pub(crate) fn only(self, known: &[&str]) -> Result<Self, Error> {
        let spelt: Vec<String> = known.iter().map(|it| self.casing.spell(it)).collect();
        for (index, (name, _)) in self.entries.iter().enumerate() {
            if !spelt.contains(name) {
                return Err(unknown(name, &spelt));
            }
            if self.entries.iter().take(index).any(|(other, _)| other == name) {
                return Err(Error::invalid_request(name, "is given twice", "give it once"));
            }
        }
        Ok(self)
    }

    /// Takes a field out, `None` when it was omitted.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let spelt = self.casing.spell(name);
        let index = self.entries.iter().position(|(it, _)| *it == spelt)?;
        Some(self.entries.swap_remove(index).1.into_argument())
    }

    /// As [`take`](Self::take), with null meaning omitted as well.
    pub(crate) fn given(&mut self, name: &str) -> Option<Value> {
        self.take(name).filter(|it| *it != Value::Null)
    }

    /// Treats a field that is null as omitted.
    pub(crate) fn omit_null(&mut self, name: &str) {
        let spelt = self.casing.spell(name);
        self.entries.retain(|(name, value)| *name != spelt || *value != Value::Null);
    }

    /// The text of a field, `None` when omitted or null.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.given(name).map(|it| it.into_text(name)).transpose()
    }
}

fn unknown(name: &str, known: &[String]) -> Error {
    // What is too long for a name could be a key that was put in its place.
    let is_name = name.len() <= 32 && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-');
    let shown = if is_name { name } else { "(option)" };
    let near = nearest(shown, known.iter().map(String::as_str));
    let fix = match near {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "this call takes no options".to_owned(),
        None => format!("known are {}", known.join(", ")),
    };
    Error::invalid_request(shown, "is no option of this call", fix)
}

/// The candidate nearest to `name`, when it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let best = candidates.map(|it| (distance(name, it), it)).min_by_key(|it| it.0)?;
    (best.0 <= 1 + name.chars().count() / 4).then_some(best.1)
}

/// How to mend an unknown name: the candidate that was meant, or else what to do.
pub(crate) fn meant<'a>(name: &str, candidates: impl Iterator<Item = &'a str>, otherwise: impl Into<String>) -> String {
    nearest(name, candidates).map_or_else(|| otherwise.into(), |it| format!("did you mean {it}?"))
}

/// The choice that a word names; `reason` says what another word is none of.
pub(crate) fn chosen<T: Copy>(field: &str, word: &str, reason: &str, choices: &[(&str, T)]) -> Result<T, Error> {
    choices.iter().find(|it| it.0 == word).map(|it| it.1).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|it| it.0).collect();
        let all = match words.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            _ => words.join(""),
        };
        Error::validation_failed(field, reason, meant(word, words.into_iter(), format!("use {all}")))
    })
}

/// Edit distance (Levenshtein) without regard to case and underscores.
fn distance(left: &str, right: &str) -> usize {
    let fold =
        |text: &str| -> Vec<char> { text.chars().filter(|it| *it != '_').map(|it| it.to_ascii_lowercase()).collect() };
    let (left, right) = (fold(left), fold(right));
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.iter().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(&right) {
            let here = (diagonal + usize::from(a != b)).min(*cell + 1).min(before + 1);
            diagonal = *cell;
            *cell = here;
            before = here;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Refuses text that no name, reason or actor may be: empty, longer than `most` characters, with control characters.
pub(crate) fn plain(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::validation_failed(field, "is empty", format!("give 1 to {most} characters")));
    }
    if text.chars().count() > most {
        return Err(Error::validation_failed(field, format!("is longer than {most} characters"), "shorten it"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::validation_failed(
            field,
            "holds a control character",
            "remove line breaks, tabs, NUL and escapes",
        ));
    }
    Ok(())
}

/// Refuses text of several lines that is longer than `most` characters, or has control characters other than line breaks.
pub(crate) fn prose(field: &str, text: &str, most: usize) -> Result<(), Error> {
    if text.chars().count() > most {
        return Err(Error::validation_failed(field, format!("is longer than {most} characters"), "shorten it"));
    }
    let mut lines = text.split("\r\n").flat_map(|line| line.split('\n'));
    if lines.any(|line| line.chars().any(char::is_control)) {
        let fix = "remove tabs, NUL and escapes; a line ends with LF or CRLF";
        return Err(Error::validation_failed(field, "holds a control character", fix));
    }
    Ok(())
}

/// Refuses what is no id that a host chooses, of an org or an agent.
pub(crate) fn identifier(field: &str, id: &str, reason: &str) -> Result<(), Error> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b':' | b'-');
    if (1..=128).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::validation_failed(field, reason, "use 1 to 128 of A-Z, a-z, 0-9, _ . : and -"))
}

/// Reads `24h`, `0`, or a duration: milliseconds in `0..=most`.
pub(crate) fn span(field: &str, value: Value, most: Millis) -> Result<Millis, Error> {
    let longest = if most < clock::DAY {
        format!("{} minutes", most / (60 * clock::SECOND))
    } else {
        format!("{} days", most / clock::DAY)
    };
    let fix = || format!("give a whole number with s, m, h or d, like \"30s\" or \"24h\", from 0 to {longest}");
    let millis = match value {
        Value::Integer(0) => 0,
        Value::Integer(_) | Value::Float(_) => {
            return Err(Error::validation_failed(field, "is a number without a unit", fix()));
        }
        Value::Duration(millis) => millis,
        Value::Text(text) if text == "0" => 0,
        Value::Text(text) => {
            let mut digits = text.chars();
            let unit = match digits.next_back() {
                Some('s') => clock::SECOND,
                Some('m') => 60 * clock::SECOND,
                Some('h') => 3_600 * clock::SECOND,
                Some('d') => clock::DAY,
                _ => return Err(Error::validation_failed(field, "is no duration with a unit", fix())),
            };
            let digits = digits.as_str();
            if digits.is_empty() || digits.len() > 12 || !digits.bytes().all(|it| it.is_ascii_digit()) {
                return Err(Error::validation_failed(field, "is no duration with a unit", fix()));
            }
            digits.parse::<i64>().ok().and_then(|it| it.checked_mul(unit)).unwrap_or(i64::MAX)
        }
        other => return Err(other.refused(field, "a duration")),
    };
    if (0..=most).contains(&millis) {
        Ok(millis)
    } else {
        Err(Error::validation_failed(field, "is out of range", fix()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_and_suggested_in_the_callers_casing() {
        let fields = Fields::new(Casing::Camel, vec![("key_format".into(), Value::Null)]);
        let error = fields.only(&["key_format", "brand"]).unwrap_err();
        assert_eq!(error.to_string(), "key_format: is no option of this call; did you mean keyFormat?");
    }

    #[test]
    fn far_names_are_not_suggested() {
        assert_eq!(nearest("zzzz", ["name", "scopes"].into_iter()), None);
        assert_eq!(nearest("scope", ["name", "scopes"].into_iter()), Some("scopes"));
    }

    #[test]
    fn spans() {
        let read = |text: &str| span("grace", Value::Text(text.into()), 365 * clock::DAY);
        assert_eq!(read("24h"), Ok(clock::DAY));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("90s"), Ok(90_000));
        for bad in ["", "h", "-1h", "1.5h", "24", "1w", "999999999999d", "366d", "24H", " 1h", "１h"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_boolean_is_no_integer() {
        assert_eq!(Value::Bool(true).into_integer("limit", 1, 10).unwrap_err().code(), "invalid_request");
        assert_eq!(Value::Float(f64::NAN).into_integer("limit", 1, 10).unwrap_err().code(), "validation_failed");
    }
}

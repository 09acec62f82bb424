//! Escaped characters, as URLs (`%5F`), JSON (`\u005f`), source code (`\x5f`, `\u{5f}`, `\U0000005f`) and Markdown or
//! patterns (`\_`) write them.

use std::borrow::Cow;

/// How often a text may be escaped over: a URL in a URL, JSON in JSON.
const ROUNDS: usize = 3;

/// A text whose escaped characters stand plain, as far as keys can hold them.
pub(super) struct Resolved<'a> {
    pub(super) text: Cow<'a, str>,
    /// For each byte of the text, where it begins in the source, and the end of the source. Empty where nothing is escaped.
    places: Vec<usize>,
}

impl<'a> Resolved<'a> {
    pub(super) fn of(source: &'a str) -> Self {
        let mut resolved = Self { text: source.into(), places: Vec::new() };
        for _ in 0..ROUNDS {
            match resolved.once_more() {
                Some(next) => resolved = next,
                None => break,
            }
        }
        resolved
    }

    /// Where a byte of the text begins in the source.
    pub(super) fn source(&self, at: usize) -> usize {
        if self.places.is_empty() { at } else { self.places.get(at).copied().unwrap_or_default() }
    }

    /// `None` where nothing is escaped.
    fn once_more(&self) -> Option<Self> {
        let (mut text, mut places) = (String::new(), Vec::new());
        let mut done = 0;
        let mut at = self.text.find(['%', '\\'])?;
        let copy = |from: usize, to: usize, text: &mut String, places: &mut Vec<usize>| {
            text.push_str(self.text.get(from..to).unwrap_or_default());
            places.extend((from..to).map(|it| self.source(it)));
        };
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let next = match escaped(rest) {
                Some((character, length)) => {
                    copy(done, at, &mut text, &mut places);
                    text.push(character);
                    places.push(self.source(at));
                    done = at + length;
                    done
                }
                // A run of backslashes is looked at once.
                None => at + slashes(rest).max(1),
            };
            match self.text.get(next..).and_then(|it| it.find(['%', '\\'])) {
                Some(more) => at = next + more,
                None => break,
            }
        }
        if done == 0 {
            return None;
        }
        copy(done, self.text.len(), &mut text, &mut places);
        places.push(self.source(self.text.len()));
        Some(Self { text: text.into(), places })
    }
}

fn slashes(text: &str) -> usize {
    text.bytes().take_while(|it| *it == b'\\').count()
}

/// The character that an escape at the beginning of a text stands for, and the length of the escape. Only what a key may
/// hold is resolved, and what may begin an escape in turn.
fn escaped(text: &str) -> Option<(char, usize)> {
    let slashes = slashes(text);
    let after = text.get(slashes..)?;
    let (digits, length) = match after.as_bytes() {
        [b'%', ..] if slashes == 0 => (after.get(1..3)?, 3),
        [b'x', ..] if slashes > 0 => (after.get(1..3)?, slashes + 3),
        [b'u', b'{', ..] if slashes > 0 => {
            let (digits, _) = after.get(2..)?.split_once('}')?;
            (digits, slashes + digits.len() + 3)
        }
        [b'u', ..] if slashes > 0 => (after.get(1..5)?, slashes + 5),
        [b'U', ..] if slashes > 0 => (after.get(1..9)?, slashes + 9),
        [plain @ (b'_' | b'-'), ..] if slashes > 0 => return Some((char::from(*plain), slashes + 1)),
        _ => return None,
    };
    if digits.len() > 8 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    let counts = character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '%' | '\\');
    counts.then_some((character, length))
}

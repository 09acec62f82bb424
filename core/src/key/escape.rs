//! Escaped characters, as URLs (`%5F`), JSON (`\u005f`), source code (`\x5f`, `\u{5f}`, `\U0000005f`) and Markdown or
//! patterns (`\_`) write them.

use std::borrow::Cow;

/// The depth of escapes that are resolved: a URL in a URL, JSON in JSON.
const ROUNDS: usize = 3;

/// A text without the escapes of characters that a key can contain.
pub(super) struct Unescaped<'a> {
    pub(super) text: Cow<'a, str>,
    /// The offset of each byte in the source, and the length of the source. Empty if nothing is escaped.
    offsets: Vec<usize>,
}

impl<'a> Unescaped<'a> {
    pub(super) fn of(source: &'a str) -> Self {
        let mut unescaped = Self { text: source.into(), offsets: Vec::new() };
        for _ in 0..ROUNDS {
            match unescaped.once_more() {
                Some(next) => unescaped = next,
                None => break,
            }
        }
        unescaped
    }

    /// The offset in the source of a byte of the text.
    pub(super) fn source(&self, at: usize) -> usize {
        if self.offsets.is_empty() { at } else { self.offsets.get(at).copied().unwrap_or_default() }
    }

    /// Resolves one level of escapes. `None` if nothing is escaped.
    fn once_more(&self) -> Option<Self> {
        let (mut text, mut offsets) = (String::new(), Vec::new());
        let mut done = 0;
        let mut at = self.text.find(['%', '\\'])?;
        let copy = |from: usize, to: usize, text: &mut String, offsets: &mut Vec<usize>| {
            text.push_str(self.text.get(from..to).unwrap_or_default());
            offsets.extend((from..to).map(|it| self.source(it)));
        };
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let next = match escaped(rest) {
                Some((character, length)) => {
                    copy(done, at, &mut text, &mut offsets);
                    text.push(character);
                    offsets.push(self.source(at));
                    done = at + length;
                    done
                }
                // Skips a run of backslashes as a whole, so that the time stays linear.
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
        copy(done, self.text.len(), &mut text, &mut offsets);
        offsets.push(self.source(self.text.len()));
        Some(Self { text: text.into(), offsets })
    }
}

fn slashes(text: &str) -> usize {
    text.bytes().take_while(|it| *it == b'\\').count()
}

/// The character of an escape at the beginning of a text, and the length of the escape. It resolves only characters that a
/// key can contain, and characters that can begin another escape.
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
    let is_relevant = character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '%' | '\\');
    is_relevant.then_some((character, length))
}

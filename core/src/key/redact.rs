use std::ops::Range;

use super::escape::Unescaped;
use super::format::Format;

pub(super) const MASK: &str = "[redacted]";

/// The fixed start of the texts of one format and environment, with its next position in the text.
struct StartSearch<'a> {
    start: String,
    format: &'a Format,
    /// The next position of the start that is not yet read; `None` if there is none.
    next: Option<usize>,
}

/// Masks everything that follows a start and a whole lookup, even if it is shorter than a secret: a truncated key is a leak
/// too. Escaped characters count as the characters that they stand for.
pub(super) fn mask<'a>(text: &str, formats: impl Iterator<Item = &'a Format>, environments: &[String]) -> String {
    let unescaped = Unescaped::of(text);
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for secret in secrets(&unescaped.text, formats, environments) {
        let (from, to) = (unescaped.source(secret.start), unescaped.source(secret.end));
        out.push_str(text.get(done..from).unwrap_or_default());
        out.push_str(MASK);
        done = to;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// The ranges of secrets in a text. If several starts match, the longest public part wins, so that no lookup is taken for a
/// secret.
fn secrets<'a>(text: &str, formats: impl Iterator<Item = &'a Format>, environments: &[String]) -> Vec<Range<usize>> {
    let search = |format: &'a Format| {
        let starts = format.starts(environments).into_iter();
        starts.map(move |start| StartSearch { next: text.find(&start), start, format })
    };
    let mut searches: Vec<StartSearch<'_>> = formats.flat_map(search).collect();
    let (mut found, mut done) = (Vec::new(), 0);
    while let Some(at) = searches.iter().filter_map(|it| it.next).min() {
        let rest = text.get(at..).unwrap_or_default();
        let matching = searches.iter().filter(|search| search.next == Some(at));
        let kept = matching.filter_map(|search| search.public_length(rest)).max().unwrap_or(0);
        let after = rest.get(kept..).unwrap_or_default();
        let secret = if kept > 0 {
            run(after, usize::MAX, |it| matches!(it, '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' | '-'))
        } else {
            0
        };
        if secret > 0 {
            found.push(at + kept..at + kept + secret);
        }
        done = (at + kept + secret).max(done);
        let from = done.max(at + 1);
        for search in searches.iter_mut().filter(|search| search.next.is_some_and(|next| next < from)) {
            search.next = text.get(from..).and_then(|rest| rest.find(&search.start)).map(|at| from + at);
        }
    }
    found
}

impl StartSearch<'_> {
    /// The length of start, lookup and separator, if `text` begins with them.
    fn public_length(&self, text: &str) -> Option<usize> {
        let after = text.strip_prefix(self.start.as_str())?;
        let lookup = run(after, self.format.lookup_length(), |it| it.is_ascii_alphanumeric());
        let separator = self.format.separator();
        let is_separated = after.get(lookup..)?.starts_with(separator);
        let separator = if is_separated { separator.len() } else { 0 };
        (lookup == self.format.lookup_length()).then(|| self.start.len() + lookup + separator)
    }
}

fn run(text: &str, most: usize, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|it| !belongs(it)).unwrap_or(text.len()).min(most)
}

#[cfg(test)]
mod tests {
    use crate::key::Formats;
    use proptest::prelude::*;

    fn formats() -> Formats {
        Formats::new(Some("liq"), None, &["lw_{lookup}{secret}{checksum}".into()], vec!["live".into(), "test".into()])
            .unwrap()
    }

    #[test]
    fn whole_and_cut_keys_are_masked_and_prefixes_stay() {
        let formats = formats();
        let key = formats.current().issue("live").unwrap();
        let text = key.api_key.reveal();
        let prefix = &key.prefix;
        for shown in [text, &text[..text.len() - 1], &text[..prefix.len() + 3], &format!("{text}x")] {
            let line = format!("Authorization: Bearer {shown}, {prefix} \u{1F511} and {shown}!");
            assert_eq!(
                formats.redact(&line),
                format!("Authorization: Bearer {prefix}_[redacted], {prefix} \u{1F511} and {prefix}_[redacted]!")
            );
        }
    }

    #[test]
    fn a_prefix_that_begins_like_another_start_stays_whole() {
        let environments = || vec!["live".to_owned(), "live2".to_owned()];
        let near = Formats::new(Some("liq"), Some("liq_{env}{lookup}{secret}{checksum}"), &[], environments()).unwrap();
        let accepted = ["liq_{lookup:10}_{secret:32}{checksum}".to_owned()];
        let long =
            Formats::new(None, Some("liq_{lookup:16}_{secret:32}{checksum}"), &accepted, environments()).unwrap();
        for formats in [near, long] {
            for environment in environments() {
                let key = formats.current().issue(&environment).unwrap();
                assert!(!formats.exposed(&key.prefix) && !formats.redact(key.api_key.reveal()).contains(&*key.secret));
            }
        }
    }

    #[test]
    fn escaped_keys_are_masked_whichever_character_is_escaped() {
        let formats = formats();
        let key = formats.current().issue("live").unwrap();
        let text = key.api_key.reveal();
        let escapes: [fn(char) -> String; 8] = [
            |it| format!("%{:02X}", it as u32),
            |it| format!("%{:02x}", it as u32),
            |it| format!("%25{:02x}", it as u32),
            |it| format!("\\u{:04x}", it as u32),
            |it| format!("\\\\u{:04X}", it as u32),
            |it| format!("\\u{{{:x}}}", it as u32),
            |it| format!("\\x{:02x}", it as u32),
            |it| format!("\\u0025{:02x}", it as u32),
        ];
        for escape in escapes {
            let one = |place: usize| -> String {
                text.char_indices().map(|(at, it)| if at == place { escape(it) } else { it.to_string() }).collect()
            };
            let whole: String = text.chars().map(escape).collect();
            for shown in (0..text.len()).map(one).chain([whole]) {
                let masked = formats.redact(&format!("key=\u{1F511}{shown}&next=%zz\\u12 100%"));
                assert!(masked.ends_with("[redacted]&next=%zz\\u12 100%"), "{shown} became {masked}");
                assert!(formats.exposed(&shown) && !formats.exposed(&masked), "{shown}");
            }
        }
        let prefix = format!("{}%5F and {}", key.prefix, "\\".repeat(9));
        assert_eq!(formats.redact(&prefix), prefix);
    }

    proptest! {
        #[test]
        fn redacting_is_idempotent(text in "(liq_live_|liq%5flive%5F|liq\\\\u005flive_|lw_|[A-Za-z0-9_%u\\\\\\[\\] é-]{0,30}){0,6}") {
            let once = formats().redact(&text);
            prop_assert_eq!(formats().redact(&once), once);
        }
    }
}

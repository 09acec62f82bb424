use std::ops::Range;

use super::foreign::ForeignFormat;
use super::redact::MASK;

/// Masks the secrets of texts that another product has issued. Formats whose texts look like others are left alone: those without a
/// fixed start and without fixed lengths.
pub(crate) fn mask_foreign(text: String, formats: &[ForeignFormat]) -> String {
    let mut found: Vec<Range<usize>> = formats.iter().flat_map(|format| secrets(&text, format)).collect();
    if found.is_empty() {
        return text;
    }
    found.sort_by_key(|range| (range.start, range.end));
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for range in found {
        // A secret that begins inside of another one is masked with it.
        if range.start >= done {
            out.push_str(text.get(done..range.start).unwrap_or_default());
            out.push_str(MASK);
        }
        done = done.max(range.end);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

fn secrets(text: &str, format: &ForeignFormat) -> Vec<Range<usize>> {
    let start = format.start();
    if start.len() >= 2 {
        let (mut found, mut end, mut masked) = (Vec::new(), 0, 0);
        for (at, _) in text.match_indices(start) {
            // The end of a word is looked for once, however often the start stands in it: others choose these texts.
            if at >= end {
                end = at + word(text.get(at..).unwrap_or_default()).len();
            }
            if at >= masked
                && let Some(range) = text.get(at..end).and_then(|word| secret(word, at, format, false))
            {
                masked = range.end;
                found.push(range);
            }
        }
        return found;
    }
    if !format.has_fixed_length() {
        return Vec::new();
    }
    let words = text.char_indices().filter(|(at, it)| {
        belongs_to_imported(*it) && !text.get(..*at).is_some_and(|it| it.ends_with(belongs_to_imported))
    });
    words.filter_map(|(at, _)| secret(word(text.get(at..)?), at, format, true)).collect()
}

/// The characters of keys at the beginning of a text.
fn word(text: &str) -> &str {
    text.get(..text.find(|it| !belongs_to_imported(it)).unwrap_or(text.len())).unwrap_or_default()
}

/// The place of the secret in a word that stands at `at`, even if it is cut; of a `whole` text only.
fn secret(word: &str, at: usize, format: &ForeignFormat, whole: bool) -> Option<Range<usize>> {
    let public = format.public_length(word).filter(|public| *public < word.len())?;
    (!whole || format.fits(word.as_bytes())).then(|| at + public..at + word.len())
}

/// The characters of keys. Others, such as quotes, stand around them.
pub(crate) fn belongs_to_imported(it: char) -> bool {
    it.is_ascii_alphanumeric() || "_-.|~+/=:".contains(it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_other_products_are_masked_and_lookups_stay() {
        let formats: Vec<ForeignFormat> =
            ["lw_{lookup}_{secret}", "{lookup:8}.{secret:32}", "acme_{text}", "{lookup}|{secret}"]
                .iter()
                .map(|it| ForeignFormat::parse("format", it).unwrap())
                .collect();
        for (text, masked) in [
            ("key=\"lw_abc12_xxxxxxxxxxxxxxxx\"!", "key=\"lw_abc12_[redacted]\"!"),
            ("lw_abc12_xx and lw_abc12", "lw_abc12_[redacted] and lw_abc12"),
            ("AbCdEfGh.0123456789abcdefghijklmnopqrstuv", "AbCdEfGh.[redacted]"),
            ("at example.com, AbCdEfGh.0123", "at example.com, AbCdEfGh.0123"),
            ("Bearer acme_0123456789abcdef", "Bearer acme_[redacted]"),
            ("4711|12345678", "4711|12345678"),
            ("\u{1F511}lw_a_bcdefghi\u{1F511}", "\u{1F511}lw_a_[redacted]\u{1F511}"),
        ] {
            let once = mask_foreign(text.to_owned(), &formats);
            assert_eq!(once, masked);
            assert_eq!(mask_foreign(once.clone(), &formats), once);
        }
        let (one, many) = ("lw_ab_cd", "lw_".repeat(2_000) + "ab_cd");
        assert_eq!(mask_foreign(format!("{one} {one}"), &formats), "lw_ab_[redacted] lw_ab_[redacted]");
        // The first start in a word takes the rest of it as its secret.
        assert_eq!(mask_foreign(many, &formats), "lw_lw_[redacted]");
    }
}

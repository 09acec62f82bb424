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
        let places = text.match_indices(start).map(|(at, _)| at);
        return places.filter_map(|at| secret(text, at, format, false)).collect();
    }
    if !format.has_fixed_length() {
        return Vec::new();
    }
    let words =
        text.char_indices().filter(|(at, it)| belongs(*it) && !text.get(..*at).is_some_and(|it| it.ends_with(belongs)));
    words.filter_map(|(at, _)| secret(text, at, format, true)).collect()
}

/// The secret of the text that begins here, even if it is cut; of a `whole` text only.
fn secret(text: &str, at: usize, format: &ForeignFormat, whole: bool) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let word = rest.get(..rest.find(|it| !belongs(it)).unwrap_or(rest.len()))?;
    let public = format.public_length(word).filter(|public| *public < word.len())?;
    (!whole || format.fits(word.as_bytes())).then(|| at + public..at + word.len())
}

/// The characters of keys. Others, such as quotes, stand around them.
fn belongs(it: char) -> bool {
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
    }
}

//! The texts of keys that another product has issued: their templates, and how a text finds its row. The database keeps the
//! templates of the keys that it has, so that every engine on it reads their texts.

use std::fmt;
use std::ops::RangeInclusive;

use base64ct::{Base64UrlUnpadded, Encoding};

use super::LONGEST_TEXT;
use crate::error::Error;
use crate::hash::DigestAlgorithm;

/// The start of a lookup and of a stored template that were imported. No lookup or template of our own keys starts like this.
const MARK: char = '~';

/// The bytes of a digest that find a row.
const DIGEST: usize = 32;

/// The bounds of a lookup and of a secret, where a template names none.
const LOOKUP: RangeInclusive<usize> = 1..=64;
const SECRET: RangeInclusive<usize> = 8..=160;
const TEXT: RangeInclusive<usize> = 16..=LONGEST_TEXT;

/// A template for texts of another product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignFormat {
    /// With all lengths.
    template: String,
    /// The fixed start of every text.
    start: String,
    parts: ForeignParts,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ForeignParts {
    /// A lookup and a secret. A lookup without a fixed length ends where the separator first occurs.
    Pair { lookup: Lengths, separator: String, secret: Lengths },
    /// A text without a lookup. Its digest finds the row. The lengths are those of what follows the start.
    Whole { rest: Lengths, digest: DigestAlgorithm },
}

type Lengths = RangeInclusive<usize>;

/// The parts of a text that fits a template.
pub(crate) struct ForeignText<'a> {
    /// The lookup as the store keeps it.
    pub(crate) lookup: String,
    pub(crate) secret: &'a str,
}

impl ForeignFormat {
    /// Reads a template such as `{lookup:8}.{secret:32}` or `acme_{text}`.
    pub(crate) fn parse(field: &str, template: &str) -> Result<Self, Error> {
        let refused = |reason: &str, fix: &str| Err(Error::validation_failed(field, reason, fix));
        if template.len() > 128 || !template.bytes().all(|it| it.is_ascii_graphic()) {
            let reason = "is longer than 128 characters, or has others than printable ASCII";
            return refused(reason, "write it like {lookup:8}.{secret:32}");
        }
        let fields = TemplateFields::split(template).filter(|it| it.is_plain());
        let Some(TemplateFields { start, first, separator, second }) = fields else {
            let fix = "write it like {lookup:8}.{secret:32} or acme_{text}";
            return refused("has neither {lookup} and {secret} in this order at its end, nor {text} alone", fix);
        };
        let parts = match (first, second) {
            (("lookup", lookup), Some(("secret", secret))) => {
                let parts =
                    lengths(field, lookup, LOOKUP).and_then(|lookup| Ok((lookup, lengths(field, secret, SECRET)?)));
                let (lookup, secret) = parts?;
                if separator.is_empty() && lookup.start() != lookup.end() {
                    let fix = "give {lookup} a fixed length, or put a separator after it";
                    return refused("has no separator after a lookup of varying length", fix);
                }
                ForeignParts::Pair { lookup, separator: separator.to_owned(), secret }
            }
            (("text", text), None) => {
                let usual = *TEXT.start()..=TEXT.end().saturating_sub(start.len());
                ForeignParts::Whole { rest: lengths(field, text, usual)?, digest: DigestAlgorithm::Sha256 }
            }
            _ => return refused("has other fields than {lookup} and {secret}, or {text}", "name these alone"),
        };
        // A stored template has all lengths, so that no default of a later release reads its texts in another way.
        let template = match &parts {
            ForeignParts::Pair { lookup, separator, secret } => {
                format!("{start}{{lookup:{}}}{separator}{{secret:{}}}", written(lookup), written(secret))
            }
            ForeignParts::Whole { rest, .. } => format!("{start}{{text:{}}}", written(rest)),
        };
        let format = Self { template, start: start.to_owned(), parts };
        if format.longest() > LONGEST_TEXT {
            return refused("makes texts of more than 256 characters", "give smaller lengths, like {secret:40-60}");
        }
        Ok(format)
    }

    /// Reads a template as the database keeps it. `None` for one that no release wrote.
    pub(crate) fn stored(text: &str) -> Option<Self> {
        let text = text.strip_prefix(MARK)?;
        let (digest, template) = match text.split_once(' ') {
            None => (None, text),
            Some(("sha256", template)) => (Some(DigestAlgorithm::Sha256), template),
            Some(("sha512", template)) => (Some(DigestAlgorithm::Sha512), template),
            Some(_) => return None,
        };
        let format = Self::parse("format", template).ok()?;
        match digest {
            Some(digest) => format.with_digest(digest),
            None => (!format.is_whole()).then_some(format),
        }
    }

    /// The same template, for texts that are found by another digest. `None` for a template with a lookup.
    pub(crate) fn with_digest(mut self, algorithm: DigestAlgorithm) -> Option<Self> {
        let ForeignParts::Whole { digest, .. } = &mut self.parts else { return None };
        *digest = algorithm;
        Some(self)
    }

    /// Whether the whole text is the secret, and its digest the lookup.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.parts, ForeignParts::Whole { .. })
    }

    /// Whether some engine could have imported a key with this text. It looks at no template.
    pub(crate) fn is_plausible(text: &[u8]) -> bool {
        (*SECRET.start()..=LONGEST_TEXT).contains(&text.len()) && text.iter().all(u8::is_ascii_graphic)
    }

    /// Whether the text has the shape of the template. It needs no allocation.
    pub(crate) fn fits(&self, text: &[u8]) -> bool {
        self.split(text).is_some()
    }

    /// Reads a text; `None` for one of another shape.
    pub(crate) fn read<'a>(&self, text: &'a [u8]) -> Option<ForeignText<'a>> {
        let (lookup, secret) = self.split(text)?;
        let lookup = match &self.parts {
            ForeignParts::Pair { .. } => self.lookup_of(lookup),
            ForeignParts::Whole { digest, .. } => digest_lookup(&digest.digest([text, b""]))?,
        };
        Some(ForeignText { lookup, secret })
    }

    /// The lookup and the secret of a text.
    fn split<'a>(&self, text: &'a [u8]) -> Option<(&'a str, &'a str)> {
        if !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let text = str::from_utf8(text).ok()?;
        let rest = text.strip_prefix(self.start.as_str())?;
        let (lookup, separator, secret) = match &self.parts {
            ForeignParts::Whole { rest: lengths, .. } => return lengths.contains(&rest.len()).then_some(("", text)),
            ForeignParts::Pair { lookup, separator, secret } => (lookup, separator, secret),
        };
        let (found, after) = if lookup.start() == lookup.end() {
            let (found, after) = rest.split_at_checked(*lookup.start())?;
            (found, after.strip_prefix(separator.as_str())?)
        } else {
            rest.split_once(separator.as_str())?
        };
        (lookup.contains(&found.len()) && secret.contains(&after.len())).then_some((found, after))
    }

    /// The lookup of a row, as the store keeps it. Lookups of two products may be the same: the template keeps them apart.
    pub(crate) fn lookup_of(&self, lookup: &str) -> String {
        let digest = DigestAlgorithm::Sha256.digest([self.template.as_bytes(), b""]);
        let tag: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{MARK}{tag}:{lookup}")
    }

    /// Checks a lookup that a row names, and returns it as the store keeps it, with the public start of the key's text.
    pub(crate) fn row(&self, field: &str, lookup: &str) -> Result<(String, String), Error> {
        let ForeignParts::Pair { lookup: lengths, separator, .. } = &self.parts else {
            let fix = "leave it out";
            return Err(Error::invalid_request(field, "is given for texts that are found by their digest", fix));
        };
        let is_separated = lengths.start() == lengths.end() || !lookup.contains(separator.as_str());
        if !lengths.contains(&lookup.len()) || !lookup.bytes().all(|it| it.is_ascii_graphic()) || !is_separated {
            let reason = "does not fit the format";
            return Err(Error::validation_failed(field, reason, "give the part of the text that {lookup} stands for"));
        }
        Ok((self.lookup_of(lookup), format!("{}{lookup}", self.start)))
    }

    /// Whether all texts have one length.
    pub(super) fn has_fixed_length(&self) -> bool {
        let is_fixed = |lengths: &Lengths| lengths.start() == lengths.end();
        matches!(&self.parts, ForeignParts::Pair { lookup, secret, .. } if is_fixed(lookup) && is_fixed(secret))
    }

    /// The length of what precedes the secret, if `word` begins with that.
    pub(super) fn public_length(&self, word: &str) -> Option<usize> {
        let rest = word.strip_prefix(self.start.as_str())?;
        let ForeignParts::Pair { lookup, separator, .. } = &self.parts else { return Some(self.start.len()) };
        let found = if lookup.start() == lookup.end() {
            let (found, after) = rest.split_at_checked(*lookup.start())?;
            after.starts_with(separator.as_str()).then_some(found)
        } else {
            let near = rest.get(..lookup.end() + separator.len()).unwrap_or(rest);
            near.split_once(separator.as_str()).map(|(found, _)| found)
        };
        let found = found.filter(|found| lookup.contains(&found.len()))?;
        Some(self.start.len() + found.len() + separator.len())
    }

    /// The fixed start of the texts.
    pub(crate) fn start(&self) -> &str {
        &self.start
    }

    fn longest(&self) -> usize {
        match &self.parts {
            ForeignParts::Pair { lookup, separator, secret } => {
                self.start.len() + lookup.end() + separator.len() + secret.end()
            }
            ForeignParts::Whole { rest, .. } => self.start.len() + rest.end(),
        }
    }
}

/// The stored lookup of a digest.
pub(crate) fn digest_lookup(digest: &[u8]) -> Option<String> {
    let first = digest.get(..DIGEST)?;
    Some(format!("{MARK}{}", Base64UrlUnpadded::encode_string(first)))
}

/// The template as the database keeps it.
impl fmt::Display for ForeignFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = match &self.parts {
            ForeignParts::Pair { .. } => "",
            ForeignParts::Whole { digest: DigestAlgorithm::Sha256, .. } => "sha256 ",
            ForeignParts::Whole { digest: DigestAlgorithm::Sha512, .. } => "sha512 ",
        };
        write!(out, "{MARK}{digest}{}", self.template)
    }
}

/// A template, split at its fields.
struct TemplateFields<'a> {
    start: &'a str,
    first: (&'a str, &'a str),
    separator: &'a str,
    second: Option<(&'a str, &'a str)>,
}

impl<'a> TemplateFields<'a> {
    fn split(template: &'a str) -> Option<Self> {
        let (start, rest) = template.split_once('{')?;
        let (first, rest) = rest.split_once('}')?;
        let first = first.split_once(':').unwrap_or((first, ""));
        if rest.is_empty() {
            return Some(Self { start, first, separator: "", second: None });
        }
        let (separator, rest) = rest.split_once('{')?;
        let second = rest.strip_suffix('}')?;
        Some(Self { start, first, separator, second: Some(second.split_once(':').unwrap_or((second, ""))) })
    }

    /// Whether no brace is left over.
    fn is_plain(&self) -> bool {
        let second = self.second.map_or("", |(_, lengths)| lengths);
        [self.start, self.first.1, self.separator, second].iter().all(|it| !it.contains(['{', '}']))
    }
}

/// Writes lengths as [`lengths`] reads them.
fn written(lengths: &Lengths) -> String {
    let (low, high) = (lengths.start(), lengths.end());
    if low == high { low.to_string() } else { format!("{low}-{high}") }
}

/// Reads `8` or `20-40`. What stands for no length takes the usual ones.
fn lengths(field: &str, text: &str, usual: Lengths) -> Result<Lengths, Error> {
    if text.is_empty() {
        return Ok(usual);
    }
    let number = |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|it| it.is_ascii_digit()));
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let bounds = number(low).zip(number(high)).filter(|(low, high)| low <= high);
    let bounds = bounds.filter(|(low, high)| usual.start() <= low && high <= usual.end());
    let (low, high) = bounds.ok_or_else(|| {
        let fix = format!("give a number or a range within {}-{}", usual.start(), usual.end());
        Error::validation_failed(field, "has a field with a length that is out of range", fix)
    })?;
    Ok(low..=high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format(template: &str) -> ForeignFormat {
        ForeignFormat::parse("format", template).unwrap()
    }

    #[test]
    fn texts_of_other_products_are_split() {
        let split = |template: &str, text: &str| {
            format(template).split(text.as_bytes()).map(|(lookup, secret)| (lookup.to_owned(), secret.to_owned()))
        };
        let some = |lookup: &str, secret: &str| Some((lookup.to_owned(), secret.to_owned()));
        assert_eq!(split("{lookup:4}.{secret:8}", "abcd.12345678"), some("abcd", "12345678"));
        assert_eq!(split("{lookup:4}.{secret:8}", "ab.d.12345678"), some("ab.d", "12345678"));
        assert_eq!(split("{lookup:1-20}|{secret:8-9}", "7|1234567|"), some("7", "1234567|"));
        assert_eq!(split("lw_{lookup}_{secret}", "lw_abc12_a_secret_"), some("abc12", "a_secret_"));
        assert_eq!(split("{lookup:2}{secret:8}", "ab12345678"), some("ab", "12345678"));
        assert_eq!(split("a_{text:16}", "a_0123456789abcdef"), some("", "a_0123456789abcdef"));
        for (template, text) in [
            ("{lookup:4}.{secret:8}", "abcd.1234567"),
            ("{lookup:4}.{secret:8}", "abcd-12345678"),
            ("{lookup:4}.{secret:8}", "abcd.1234567 "),
            ("{lookup:1-20}|{secret:8}", "|12345678"),
            ("lw_{lookup}_{secret}", "lx_abc12_12345678"),
            ("a_{text:16}", "b_0123456789abcdef"),
            ("a_{text:16}", "a_0123456789abcde"),
            ("{lookup:4}.{secret:8}", "abcd.1234567\u{e9}"),
        ] {
            assert_eq!(split(template, text), None, "{template} {text}");
        }
    }

    #[test]
    fn ambiguous_and_endless_templates_are_refused() {
        for bad in [
            "",
            "abc",
            "{secret}",
            "{lookup}",
            "{secret}.{lookup}",
            "{lookup}{secret}",
            "{lookup:8}.{secret:7}",
            "{lookup:0}.{secret}",
            "{lookup}.{secret}x",
            "{text}x",
            "{text:15}",
            "{text:257}",
            "{lookup:8}.{secret:9-8}",
            "{lookup:+8}.{secret}",
            "{x:{lookup}.{secret}",
            "{lookup} {secret}",
            "{lookup:8}.{secret:32}\n",
            "{lookup}.{text}",
            "{text}.{secret}",
            "{lookup:8}.{secret:32}}",
            "{{text}",
            "{env}_{text}",
            "0123456789012345678901234567890123456789012345678901234567890123456789{lookup}.{secret}",
        ] {
            assert!(ForeignFormat::parse("format", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stored_template_has_all_lengths() {
        assert_eq!(format("lw_{lookup}_{secret}").to_string(), "~lw_{lookup:1-64}_{secret:8-160}");
        assert_eq!(format("acme_{text}").to_string(), "~sha256 acme_{text:16-251}");
    }

    #[test]
    fn lookups_of_two_templates_and_of_digests_differ() {
        let (one, other) = (format("{lookup:8}.{secret:32}"), format("{lookup:8}-{secret:32}"));
        assert_ne!(one.lookup_of("abcdefgh"), other.lookup_of("abcdefgh"));
        let text = b"0123456789abcdef";
        let whole = format("{text}");
        let other = whole.clone().with_digest(DigestAlgorithm::Sha512).unwrap();
        assert_ne!(whole.read(text).unwrap().lookup, other.read(text).unwrap().lookup);
    }

    proptest! {
        #[test]
        fn stored_templates_are_read_back(start in "[!-z|~]{0,20}", separator in "[!-z|~]{1,3}", low in 1_usize..20, more in 0_usize..20) {
            let pair = format(&format!("{start}{{lookup:{low}-{}}}{separator}{{secret:{}}}", low + more, low + 8));
            prop_assert_eq!(ForeignFormat::stored(&pair.to_string()), Some(pair));
            let whole = format(&format!("{start}{{text:{}}}", low + 16)).with_digest(DigestAlgorithm::Sha512).unwrap();
            prop_assert_eq!(ForeignFormat::stored(&whole.to_string()), Some(whole));
        }

        #[test]
        fn any_text_is_read_or_refused(template in "\\PC{0,40}", text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = ForeignFormat::stored(&template);
            if let Ok(read) = ForeignFormat::parse("format", &template) {
                let _ = read.read(&text);
            }
            for template in ["{lookup}|{secret}", "{lookup:3}{secret:8-20}", "{text}"] {
                prop_assert_eq!(format(template).read(&text).is_some(), format(template).fits(&text));
            }
        }

        #[test]
        fn a_text_of_a_row_finds_it(lookup in "[0-9A-Za-z]{1,20}", secret in "[!-~]{8,40}") {
            let format = format("lw_{lookup}_{secret}");
            let (stored, prefix) = format.row("lookup", &lookup).unwrap();
            let text = format!("{prefix}_{secret}");
            let read = format.read(text.as_bytes()).unwrap();
            prop_assert_eq!((read.lookup, read.secret), (stored, secret.as_str()));
        }
    }
}

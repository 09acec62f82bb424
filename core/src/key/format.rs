use super::base62;
use super::pattern::PatternSyntax;
use crate::error::Error;
use crate::input::nearest;
use crate::record::ApiKey;

pub(crate) const DEFAULT: &str = "{brand}_{env}_{lookup:12}_{secret:32}{checksum:6}";

/// The length of the longest key, in bytes.
pub const LONGEST: usize = 256;

/// Digits of a CRC-32 in base62: 62^6 > 2^32.
const CHECKSUM: usize = 6;

/// A template with its brand. All fields but the environment have fixed lengths, so that a text has only one reading although
/// literals and environments may contain any letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    parts: Vec<Part>,
    fixed: usize,
    template: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Environment,
    Lookup(usize),
    Secret(usize),
    /// CRC-32 (IEEE 802.3) of everything before it, in base62.
    Checksum,
}

/// The parts of a key's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyParts<'a> {
    pub(crate) environment: &'a str,
    pub(crate) prefix: &'a str,
    pub(crate) lookup: &'a str,
    pub(crate) secret: &'a str,
}

/// The text of a new key, and its parts.
pub(crate) struct GeneratedKey {
    pub(crate) api_key: ApiKey,
    pub(crate) prefix: String,
    pub(crate) lookup: String,
    pub(crate) secret: zeroize::Zeroizing<String>,
}

impl Format {
    pub(crate) fn parse(field: &str, template: &str, brand: Option<&str>) -> Result<Self, Error> {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let (literal, after) = rest.split_once('{').unwrap_or((rest, ""));
            push_literal(field, &mut parts, literal)?;
            if literal.len() == rest.len() {
                break;
            }
            let Some((inside, after)) = after.split_once('}') else {
                return Err(Error::validation_failed(field, "has a { without a }", "close the field"));
            };
            match placeholder(field, inside)? {
                Placeholder::Brand => {
                    let brand = brand.ok_or_else(|| {
                        Error::invalid_request(
                            "brand",
                            "is missing",
                            "give the short name that begins your keys, like \"acme\"",
                        )
                    })?;
                    push_literal(field, &mut parts, brand)?;
                }
                Placeholder::Part(part) => parts.push(part),
            }
            rest = after;
        }
        let fixed = parts.iter().map(Part::length).sum();
        let format = Self { fixed, template: parts.iter().map(Part::template).collect(), parts };
        format.check(field)?;
        Ok(format)
    }

    fn check(&self, field: &str) -> Result<(), Error> {
        let fields: Vec<&Part> = self.parts.iter().filter(|it| !matches!(it, Part::Literal(_))).collect();
        let ordered = matches!(
            fields.as_slice(),
            [Part::Lookup(_), Part::Secret(_), Part::Checksum]
                | [Part::Environment, Part::Lookup(_), Part::Secret(_), Part::Checksum]
        );
        if !ordered || !matches!(self.parts.last(), Some(Part::Checksum)) {
            return Err(Error::validation_failed(
                field,
                "does not have {lookup}, {secret} and {checksum} once each, in this order, with the checksum last",
                format!("write it like {DEFAULT}"),
            ));
        }
        if !matches!(self.parts.first(), Some(Part::Literal(it)) if it.len() >= 2) {
            return Err(Error::validation_failed(
                field,
                "does not begin with two fixed characters, so that nothing could recognise it in a log",
                "begin it with your brand",
            ));
        }
        if self.fixed > LONGEST - 32 {
            return Err(Error::validation_failed(field, "makes texts too long for a header", "shorten its literals"));
        }
        Ok(())
    }

    pub(crate) fn has_environment(&self) -> bool {
        self.parts.contains(&Part::Environment)
    }

    /// The template with the brand and all lengths. A stored row carries it, so that the row says how to read its text.
    pub(crate) fn template(&self) -> &str {
        &self.template
    }

    /// Makes a new text, with new randomness.
    pub(crate) fn issue(&self, environment: &str) -> Result<GeneratedKey, Error> {
        let mut text = String::with_capacity(LONGEST);
        let (mut prefix, mut lookup, mut secret) = (String::new(), String::new(), zeroize::Zeroizing::default());
        for part in &self.parts {
            match part {
                Part::Literal(it) => text.push_str(it),
                Part::Environment => text.push_str(environment),
                Part::Lookup(length) => {
                    lookup = base62::random(*length)?.to_string();
                    text.push_str(&lookup);
                    prefix.clone_from(&text);
                }
                Part::Secret(length) => {
                    secret = base62::random(*length)?;
                    text.push_str(&secret);
                }
                Part::Checksum => {
                    let digits: [u8; CHECKSUM] = base62::padded(crc32fast::hash(text.as_bytes()).into());
                    text.extend(digits.map(char::from));
                }
            }
        }
        Ok(GeneratedKey { api_key: ApiKey::new(text), prefix, lookup, secret })
    }

    /// Splits a text that begins with one of the format's starts, by the known lengths, and checks literals, alphabet and
    /// checksum.
    pub(crate) fn read<'a>(&self, text: &'a [u8], start: usize, environment: &'a str) -> Option<KeyParts<'a>> {
        // The checksum comes first, because it refuses nearly every wrong text.
        let (before, checksum) = text.split_last_chunk::<CHECKSUM>()?;
        if base62::number(checksum) != Some(crc32fast::hash(before).into()) {
            return None;
        }
        let (mut prefix, mut lookup, mut secret) = (&[][..], &[][..], &[][..]);
        let mut at = start;
        for part in self.parts.iter().skip_while(|part| !matches!(part, Part::Lookup(_))) {
            let here = text.get(at..)?.get(..part.length())?;
            at += here.len();
            let fits = match part {
                Part::Literal(literal) => here == literal.as_bytes(),
                Part::Environment => false,
                Part::Lookup(_) => {
                    (prefix, lookup) = (text.get(..at)?, here);
                    base62::is_base62(here)
                }
                Part::Secret(_) => {
                    secret = here;
                    base62::is_base62(here)
                }
                Part::Checksum => true,
            };
            if !fits {
                return None;
            }
        }
        let [prefix, lookup, secret] = [prefix, lookup, secret].map(|part| str::from_utf8(part).ok());
        Some(KeyParts { environment, prefix: prefix?, lookup: lookup?, secret: secret? })
    }

    /// A regular expression for its texts. It uses the simplest syntax, so that every scanner can read it.
    pub(crate) fn pattern(&self, environments: &[String], syntax: PatternSyntax) -> String {
        let mut out = String::new();
        let mut run = 0;
        for part in &self.parts {
            match part {
                Part::Lookup(_) | Part::Secret(_) | Part::Checksum => {
                    run += part.length();
                    continue;
                }
                _ => flush(&mut out, &mut run),
            }
            match part {
                Part::Literal(it) => out.push_str(it),
                _ => match environments {
                    [only] => out.push_str(only),
                    several => out.push_str(&syntax.any_of(several)),
                },
            }
        }
        flush(&mut out, &mut run);
        out
    }

    /// The length of a text whose start has this length.
    pub(crate) fn length(&self, start: usize) -> usize {
        self.parts.iter().skip_while(|it| !matches!(it, Part::Lookup(_))).map(Part::length).sum::<usize>() + start
    }

    /// The fixed start of its texts, up to the lookup, for each environment.
    pub(crate) fn starts(&self, environments: &[String]) -> Vec<String> {
        let start = |environment: &str| -> String {
            let before = self.parts.iter().take_while(|it| !matches!(it, Part::Lookup(_)));
            before.map(|it| if let Part::Literal(text) = it { text } else { environment }).collect()
        };
        if self.has_environment() { environments.iter().map(|it| start(it)).collect() } else { vec![start("")] }
    }

    pub(crate) fn lookup_length(&self) -> usize {
        self.parts.iter().find_map(|it| if let Part::Lookup(length) = it { Some(*length) } else { None }).unwrap_or(0)
    }

    /// The literal between lookup and secret.
    pub(crate) fn separator(&self) -> &str {
        let mut after = self.parts.iter().skip_while(|it| !matches!(it, Part::Lookup(_))).skip(1);
        if let Some(Part::Literal(text)) = after.next() { text } else { "" }
    }

    /// Whether some text has both formats.
    pub(crate) fn overlaps(&self, other: &Self, environments: &[String]) -> bool {
        let mine = self.masks(environments);
        let theirs = other.masks(environments);
        mine.iter().any(|a| theirs.iter().any(|b| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| meets(*a, *b))))
    }

    /// For each environment the byte at each position, `None` for any base62 digit.
    fn masks(&self, environments: &[String]) -> Vec<Vec<Option<u8>>> {
        let mask = |environment: &str| -> Vec<Option<u8>> {
            let spread = |part: &Part| match part {
                Part::Literal(it) => it.bytes().map(Some).collect(),
                Part::Environment => environment.bytes().map(Some).collect(),
                _ => vec![None; part.length()],
            };
            self.parts.iter().flat_map(spread).collect()
        };
        if self.has_environment() { environments.iter().map(|it| mask(it)).collect() } else { vec![mask("")] }
    }
}

fn meets(a: Option<u8>, b: Option<u8>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        (Some(it), None) | (None, Some(it)) => it.is_ascii_alphanumeric(),
        (None, None) => true,
    }
}

impl Part {
    fn template(&self) -> String {
        match self {
            Self::Literal(it) => it.clone(),
            Self::Environment => "{env}".to_owned(),
            Self::Lookup(length) => format!("{{lookup:{length}}}"),
            Self::Secret(length) => format!("{{secret:{length}}}"),
            Self::Checksum => format!("{{checksum:{CHECKSUM}}}"),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Literal(it) => it.len(),
            Self::Environment => 0,
            Self::Lookup(length) | Self::Secret(length) => *length,
            Self::Checksum => CHECKSUM,
        }
    }
}

fn flush(out: &mut String, run: &mut usize) {
    if *run > 0 {
        out.push_str(&format!("[0-9A-Za-z]{{{run}}}"));
        *run = 0;
    }
}

fn push_literal(field: &str, parts: &mut Vec<Part>, text: &str) -> Result<(), Error> {
    if !text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-') {
        return Err(Error::validation_failed(
            field,
            "has a literal that is not made of letters, digits, _ and -",
            format!("write it like {DEFAULT}"),
        ));
    }
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Literal(it)) => it.push_str(text),
        _ => parts.push(Part::Literal(text.to_owned())),
    }
    Ok(())
}

enum Placeholder {
    Brand,
    Part(Part),
}

fn placeholder(field: &str, inside: &str) -> Result<Placeholder, Error> {
    let (name, length) = match inside.split_once(':') {
        None => (inside, None),
        Some((name, digits)) => {
            let length = digits.parse::<usize>().ok().filter(|_| digits.bytes().all(|it| it.is_ascii_digit()));
            let length = length.ok_or_else(|| {
                Error::validation_failed(
                    field,
                    "has a field with a length that is no number",
                    "write it like {secret:32}",
                )
            })?;
            (name, Some(length))
        }
    };
    let bounded = |low: usize, standard: usize, high: usize| match length.unwrap_or(standard) {
        it if (low..=high).contains(&it) => Ok(it),
        it if it < low => Err(Error::validation_failed(
            field,
            format!("has a {name} of {it} characters, which is too weak"),
            format!("use {low} to {high}"),
        )),
        it => Err(Error::validation_failed(
            field,
            format!("has a {name} of {it} characters"),
            format!("use {low} to {high}"),
        )),
    };
    match name {
        "brand" if length.is_none() => Ok(Placeholder::Brand),
        "env" if length.is_none() => Ok(Placeholder::Part(Part::Environment)),
        // Fewer than 10 digits would meet by chance within some thousand keys.
        "lookup" => Ok(Placeholder::Part(Part::Lookup(bounded(10, 12, 32)?))),
        // 22 digits hold 130 bits.
        "secret" => Ok(Placeholder::Part(Part::Secret(bounded(22, 32, 64)?))),
        "checksum" => bounded(CHECKSUM, CHECKSUM, CHECKSUM).map(|_| Placeholder::Part(Part::Checksum)),
        _ => {
            let near = nearest(name, ["brand", "env", "lookup", "secret", "checksum"].into_iter());
            let fix = near.map_or("use brand, env, lookup, secret and checksum".to_owned(), |it| {
                format!("did you mean {{{it}}}?")
            });
            Err(Error::validation_failed(field, "has an unknown field", fix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Formats;
    use proptest::prelude::*;

    fn environments() -> Vec<String> {
        vec!["live".into(), "test".into(), "live2".into()]
    }

    fn format(template: &str) -> Format {
        Format::parse("key_format", template, Some("liq")).unwrap()
    }

    #[test]
    fn an_issued_text_is_read_back_and_every_single_change_of_it_is_refused() {
        for template in [
            DEFAULT,
            "liq_{env}_{lookup}{secret}{checksum}",
            "leadhql_pk_{lookup}{secret}{checksum}",
            "lw_{lookup}_{secret}{checksum}",
        ] {
            let format = format(template);
            let fresh = format.issue("live").unwrap();
            let text = fresh.api_key.reveal();
            let formats = Formats::of(format, vec![], environments());
            let shape = formats.read(text.as_bytes()).unwrap().1;
            assert_eq!((shape.lookup, shape.secret, shape.prefix), (&*fresh.lookup, &**fresh.secret, &*fresh.prefix));
            for at in 0..text.len() {
                for with in "0aZ_-é９".chars().filter(|it| !text[at..].starts_with(*it)) {
                    let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
                    assert_eq!(formats.read(changed.as_bytes()), None, "{changed}");
                }
            }
        }
    }

    #[test]
    fn weak_and_ambiguous_templates_are_refused() {
        for bad in [
            "",
            "liq",
            "{lookup}{secret}{checksum}",
            "liq_{secret}{lookup}{checksum}",
            "liq_{lookup}{secret}",
            "liq_{lookup:9}{secret}{checksum}",
            "liq_{lookup}{secret:21}{checksum}",
            "liq_{lookup}{secret}{checksum:5}",
            "liq_{lookup}{secret}{checksum}x",
            "liq_{env}{env}{lookup}{secret}{checksum}",
            "liq_{lookup}{secret}{checksum",
            "liq {lookup}{secret}{checksum}",
            "liq_{lookup:x}{secret}{checksum}",
            "liq_{lookup:+12}{secret}{checksum}",
            "liq_{env:4}_{lookup}{secret}{checksum}",
            "liq_{lookup}{secret}{secret}{checksum}",
            "liq_{look}{secret}{checksum}",
            "l{lookup}{secret}{checksum}",
        ] {
            assert!(Format::parse("key_format", bad, Some("liq")).is_err(), "{bad}");
        }
        assert_eq!(Format::parse("key_format", DEFAULT, None).unwrap_err().field(), Some("brand"));
    }

    #[test]
    fn overlap_is_decided_place_by_place() {
        let all = environments();
        let one = format("liq_{lookup:12}{secret:32}{checksum}");
        assert!(one.overlaps(&format("liq_{lookup:13}{secret:31}{checksum}"), &all));
        assert!(!one.overlaps(&format("liq_{lookup:12}{secret:33}{checksum}"), &all));
        assert!(!one.overlaps(&format("lw_{lookup:13}{secret:32}{checksum}"), &all));
        assert!(one.overlaps(&format("liq_{env}{lookup:10}{secret:30}{checksum}"), &all));
    }

    proptest! {
        #[test]
        fn reading_any_text_ends(text in "\\PC{0,80}") {
            let _ = Formats::of(format(DEFAULT), vec![], environments()).read(text.as_bytes());
        }

        #[test]
        fn any_template_that_is_taken_issues_texts_it_reads(lookup in 10_usize..=32, secret in 22_usize..=64, literal in "[a-z0-9_-]{2,12}", joint in "[A-Za-z0-9_-]{0,4}") {
            let format = format(&format!("{literal}{{env}}{joint}{{lookup:{lookup}}}{joint}{{secret:{secret}}}{{checksum}}"));
            let fresh = format.issue("test").unwrap();
            prop_assert_eq!(&Format::parse("x", format.template(), None).unwrap(), &format);
            let formats = Formats::of(format, vec![], environments());
            let shape = formats.read(fresh.api_key.reveal().as_bytes()).unwrap().1;
            prop_assert_eq!((shape.environment, shape.lookup), ("test", &*fresh.lookup));
        }
    }
}

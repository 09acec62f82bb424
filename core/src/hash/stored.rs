//! The text of a stored verifier.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use base64ct::{Base64Unpadded, Encoding};

use super::argon2id;
use super::foreign::{ForeignVerifier, IMPORTED};

/// The length of the part of a stored verifier that names scheme and pepper: `$hmac-sha256$v=1,p=0123456789abcdef`.
pub(crate) const TAG: usize = 35;

const HMAC: &str = "$hmac-sha256$v=1,p=";

/// A verifier as the database stores it. Its text starts with the scheme and has everything that a check needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoredVerifier {
    HmacSha256 {
        pepper: String,
        mac: [u8; 32],
    },
    Argon2id(Box<PasswordHash>),
    /// As another product stored it.
    Foreign(Box<ForeignVerifier>),
}

impl StoredVerifier {
    /// `None` for a text that no release wrote, and for parameters above the caps.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix(HMAC) {
            let (pepper, mac) = rest.split_once('$')?;
            let mut bytes = [0; 32];
            let whole = Base64Unpadded::decode(mac, &mut bytes).ok()?.len() == bytes.len();
            let named = pepper.len() == 16 && pepper.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            return (whole && named).then(|| Self::HmacSha256 { pepper: pepper.to_owned(), mac: bytes });
        }
        if let Some(rest) = text.strip_prefix(IMPORTED) {
            return ForeignVerifier::parse(rest).map(|it| Self::Foreign(Box::new(it)));
        }
        if !text.starts_with("$argon2id$") {
            return None;
        }
        let phc = PasswordHash::new(text).ok()?;
        argon2id::within_caps(&phc)?;
        Some(Self::Argon2id(Box::new(phc)))
    }

    /// The pepper's id in the tag of a stored text.
    pub(crate) fn pepper_of(tag: &str) -> Option<&str> {
        tag.strip_prefix(HMAC).and_then(|it| it.get(..16))
    }
}

impl fmt::Display for StoredVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HmacSha256 { pepper, mac } => write!(out, "{HMAC}{pepper}${}", Base64Unpadded::encode_string(mac)),
            Self::Argon2id(phc) => phc.fmt(out),
            Self::Foreign(verifier) => verifier.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "$hmac-sha256$v=1,p=0123456789abcdef$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn texts_are_read_and_written_alike() {
        assert_eq!(StoredVerifier::parse(GOOD).unwrap().to_string(), GOOD);
        assert_eq!(StoredVerifier::pepper_of(&GOOD[..TAG]), Some("0123456789abcdef"));
        let argon = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        assert_eq!(StoredVerifier::parse(argon).unwrap().to_string(), argon);
    }

    #[test]
    fn damaged_and_costly_texts_are_refused() {
        for bad in [
            "",
            "$",
            "plain",
            "$sha256$x",
            &GOOD[..GOOD.len() - 1],
            "$hmac-sha256$v=2,p=0123456789abcdef$AAEC",
            "$argon2id$v=19$m=262145,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "$argon2id$v=19$m=19456,t=17,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "$argon2id$v=19$m=19456,t=2,p=5$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA",
        ] {
            assert_eq!(StoredVerifier::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,90}", cut in 0_usize..80) {
            let _ = StoredVerifier::parse(&text);
            let _ = StoredVerifier::parse(&format!("{}{text}", &GOOD[..cut.min(GOOD.len())]));
        }
    }
}

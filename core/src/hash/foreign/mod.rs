//! Verifiers of keys that another product has issued, as that product stored them.

mod argon2;
mod base64;
mod bcrypt;
mod digest;
mod pbkdf2;
mod scrypt;

use std::fmt;

use self::argon2::Argon2Verifier;
use self::bcrypt::BcryptVerifier;
pub(crate) use self::digest::DigestAlgorithm;
use self::digest::SaltedDigest;
use self::pbkdf2::Pbkdf2Verifier;
use self::scrypt::ScryptVerifier;
use super::secret::{BoundSecret, SecretCheck};
use crate::error::Error;

/// The start of a stored verifier that was imported. No verifier of our own schemes starts like this.
pub(crate) const IMPORTED: &str = "$import$";

/// The longest verifier that is accepted, in bytes.
const LONGEST: usize = 512;

/// The part of a key's text that the other product has hashed.
///
/// ```
/// let format = keywright::ImportFormat::template("{lookup:8}.{secret:32}", keywright::Hashed::Text)?;
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashed {
    /// The whole text.
    Text,
    /// The secret alone.
    Secret,
}

/// A verifier of another product. Its stored text says what was hashed, and then what the product had stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignVerifier {
    hashed: Hashed,
    scheme: ForeignScheme,
    text: Box<str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ForeignScheme {
    Digest(SaltedDigest),
    Pbkdf2(Pbkdf2Verifier),
    Bcrypt(BcryptVerifier),
    Argon2(Argon2Verifier),
    Scrypt(ScryptVerifier),
}

impl Hashed {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Secret => "secret",
        }
    }

    pub(crate) fn parse(field: &str, word: &str) -> Result<Self, Error> {
        let all = [("text", Self::Text), ("secret", Self::Secret)];
        crate::input::chosen(field, word, "is no part of a text that can be hashed", &all)
    }
}

impl ForeignVerifier {
    /// Reads what another product has stored. `None` for an unknown scheme, a damaged text, and parameters above the caps.
    pub(crate) fn read(text: &str, hashed: Hashed) -> Option<Self> {
        if text.len() > LONGEST || !text.bytes().all(|it| it.is_ascii_graphic()) {
            return None;
        }
        let scheme = match text.split_once('$')? {
            ("", rest) => match rest.split_once('$')? {
                ("2a" | "2b" | "2y", rest) => ForeignScheme::Bcrypt(BcryptVerifier::read(rest, false)?),
                ("argon2id" | "argon2i" | "argon2d", _) => ForeignScheme::Argon2(Argon2Verifier::read(text)?),
                ("scrypt", rest) => ForeignScheme::Scrypt(ScryptVerifier::read_phc(rest)?),
                (name, rest) => ForeignScheme::Pbkdf2(Pbkdf2Verifier::read_phc(name, rest)?),
            },
            ("bcrypt", rest) => ForeignScheme::Bcrypt(BcryptVerifier::read(bcrypt_body(rest)?, false)?),
            ("bcrypt_sha256", rest) => ForeignScheme::Bcrypt(BcryptVerifier::read(bcrypt_body(rest)?, true)?),
            ("argon2", rest) => ForeignScheme::Argon2(Argon2Verifier::read(&format!("${rest}"))?),
            ("scrypt", rest) => ForeignScheme::Scrypt(ScryptVerifier::read_django(rest)?),
            (name, rest) if name.starts_with("pbkdf2_") => {
                ForeignScheme::Pbkdf2(Pbkdf2Verifier::read_django(name, rest)?)
            }
            (name, rest) => ForeignScheme::Digest(SaltedDigest::read(name, rest)?),
        };
        Some(Self { hashed, scheme, text: text.into() })
    }

    /// Reads the rest of a stored text, after [`IMPORTED`].
    pub(super) fn parse(rest: &str) -> Option<Self> {
        let (hashed, text) = rest.split_once('$')?;
        let hashed = match hashed {
            "text" => Hashed::Text,
            "secret" => Hashed::Secret,
            _ => return None,
        };
        Self::read(text, hashed)
    }

    /// How many bytes of the hashed text count, if not all do.
    pub(crate) fn reads(&self) -> Option<usize> {
        match &self.scheme {
            ForeignScheme::Bcrypt(verifier) => verifier.reads(),
            _ => None,
        }
    }

    /// The algorithm and digest of a verifier without salt and cost, by which a row can be found.
    pub(crate) fn plain_digest(&self) -> Option<(DigestAlgorithm, &[u8])> {
        match &self.scheme {
            ForeignScheme::Digest(digest) => digest.unsalted(),
            _ => None,
        }
    }

    /// Whether a check takes milliseconds.
    pub(super) fn is_slow(&self) -> bool {
        !matches!(self.scheme, ForeignScheme::Digest(_))
    }

    /// The memory that a check takes, in KiB.
    pub(super) fn memory(&self) -> u32 {
        match &self.scheme {
            ForeignScheme::Digest(_) | ForeignScheme::Pbkdf2(_) => 0,
            ForeignScheme::Bcrypt(_) => bcrypt::MEMORY_KIB,
            ForeignScheme::Argon2(verifier) => verifier.memory_kib(),
            ForeignScheme::Scrypt(verifier) => verifier.memory_kib(),
        }
    }

    /// Compares a secret in constant time. It is never a match for a secret that came without its whole text.
    pub(super) fn check(&self, secret: &BoundSecret) -> SecretCheck {
        let Some(input) = self.input(secret) else { return SecretCheck::Unusable };
        let matches = match &self.scheme {
            ForeignScheme::Digest(verifier) => Some(verifier.matches(input)),
            ForeignScheme::Pbkdf2(verifier) => Some(verifier.matches(input)),
            ForeignScheme::Bcrypt(verifier) => Some(verifier.matches(input)),
            ForeignScheme::Argon2(verifier) => verifier.matches(input),
            ForeignScheme::Scrypt(verifier) => verifier.matches(input),
        };
        match matches {
            Some(true) => SecretCheck::Match,
            Some(false) => SecretCheck::Mismatch,
            None => SecretCheck::Unusable,
        }
    }

    /// Whether a match proves the whole input. bcrypt reads 72 bytes of it: a longer text that matches may end in anything, and
    /// must not become the only one that verifies.
    pub(super) fn proves_all(&self, secret: &BoundSecret) -> bool {
        let is_cut = |input: &[u8]| matches!(&self.scheme, ForeignScheme::Bcrypt(it) if it.cuts(input));
        self.input(secret).is_some_and(|input| !is_cut(input))
    }

    fn input<'a>(&self, secret: &'a BoundSecret) -> Option<&'a [u8]> {
        let text = secret.text.as_ref()?;
        Some(match self.hashed {
            Hashed::Text => text.as_bytes(),
            Hashed::Secret => secret.secret.as_bytes(),
        })
    }
}

impl fmt::Display for ForeignVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{IMPORTED}{}${}", self.hashed.as_str(), self.text)
    }
}

/// Django writes its own name before that of bcrypt.
fn bcrypt_body(rest: &str) -> Option<&str> {
    ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| rest.strip_prefix(version))
}

/// A decimal number without sign, leading zeros or spaces, as every product writes it.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|it| it.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;

    fn bound(text: &str, secret: &str) -> BoundSecret {
        BoundSecret {
            environment: "live".into(),
            key_id: "k1".into(),
            lookup: "~l".into(),
            secret: Zeroizing::new(secret.into()),
            text: Some(Zeroizing::new(text.into())),
        }
    }

    fn check(stored: &str, secret: &str) -> SecretCheck {
        let verifier = ForeignVerifier::read(stored, Hashed::Secret).unwrap();
        assert_eq!(
            ForeignVerifier::parse(verifier.to_string().strip_prefix(IMPORTED).unwrap()),
            Some(verifier.clone())
        );
        verifier.check(&bound(&format!("x.{secret}"), secret))
    }

    /// Secrets and what the named products or texts store for them.
    const KNOWN: [(&str, &str); 12] = [
        // FIPS 180-4, "abc"
        ("abc", "sha256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("abc", "sha256$ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
        ("abc", "sha256$ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        (
            "abc",
            "sha512$$ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        // The same digest, in two parts
        ("bc", "sha256$a$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("ab", "sha256+after$c$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("ab", "sha256+after+hex$63$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("bc", "sha256+base64$YQ==$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        // RFC 7914, section 11
        (
            "passwd",
            "$pbkdf2-sha256$1$c2FsdA$VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd.8xfHG4RbHjC9UJESBB06GXgw",
        ),
        // RFC 7914, section 12: N = 1024, r = 8, p = 16
        (
            "password",
            "scrypt$1024$NaCl$8$16$/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA==",
        ),
        // The tests of John the Ripper and of crypt_blowfish
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U*", "bcrypt$$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    ];

    #[test]
    fn known_verifiers_prove_their_secrets_and_no_others() {
        for (secret, stored) in KNOWN {
            assert_eq!(check(stored, secret), SecretCheck::Match, "{stored}");
            assert_eq!(check(stored, &format!("{secret}x")), SecretCheck::Mismatch, "{stored}");
        }
    }

    #[test]
    fn every_variant_of_argon2_is_known() {
        // The reference implementation, for the secret `password` and the salt `somesalt`.
        for (start, hash) in [
            ("argon2i$v=19$m=1024,t=2,p=1", "ymbJeh3BeMJl6rOnmK0xH+xCRSexWA1w"),
            ("argon2i$v=19$m=1024,t=2,p=2", "iz9eLaRU+HF8UNzCWy24TrOs48X/0A2o"),
            ("argon2i$v=19$m=1024,t=2,p=4", "IfJTGtApJYIwIqqEhkeJ3e3zS3gMy8Ft"),
            ("argon2id$v=19$m=1024,t=2,p=4", "MfdjzcytEeXZM5ijm4z8Gut8QmpjPY4o"),
            ("argon2d$v=19$m=1024,t=2,p=1", "X4zDVAytF0Zy7jzUmNopKUmi0N2ERJW0"),
            ("argon2d$v=19$m=1024,t=2,p=4", "akbs/c++2h0DqmG5leWuw7pc5Dj15e3e"),
        ] {
            assert_eq!(check(&format!("${start}$c29tZXNhbHQ${hash}"), "password"), SecretCheck::Match, "{start}");
        }
    }

    #[test]
    fn the_whole_text_or_the_secret_is_hashed() {
        let stored = KNOWN[0].1;
        let text = ForeignVerifier::read(stored, Hashed::Text).unwrap();
        assert_eq!(text.check(&bound("abc", "bc")), SecretCheck::Match);
        assert_eq!(text.check(&bound("xabc", "abc")), SecretCheck::Mismatch);
        assert_eq!(text.check(&BoundSecret { text: None, ..bound("", "abc") }), SecretCheck::Unusable);
    }

    #[test]
    fn damaged_and_costly_verifiers_are_refused() {
        for bad in [
            "",
            "$",
            "abc",
            "md5$$900150983cd24fb0d6963f7d28e17f72",
            "sha256$ba78",
            "sha256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
            "sha256 $ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha256+before$a$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha256$a$b$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2a$17$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
            "pbkdf2_sha256$4000001$salt$kVnQ6z0R5bVqA1rZ0Jd0n0nQ0n0nQ0n0nQ0n0nQ0n0k=",
            "pbkdf2_sha256$0$salt$kVnQ6z0R5bVqA1rZ0Jd0n0nQ0n0nQ0n0nQ0n0nQ0n0k=",
            "pbkdf2_sha256$-1$salt$kVnQ6z0R5bVqA1rZ0Jd0n0nQ0n0nQ0n0nQ0n0nQ0n0k=",
            "pbkdf2_md5$1$salt$kVnQ6z0R5bVqA1rZ0Jd0n0nQ0n0nQ0n0nQ0n0nQ0n0k=",
            "scrypt$1024$NaCl$8$2048$/bq+HJ00cgB4VucZDQHp/nxq18vII4gw53N2Y0s3MWI=",
            "scrypt$1023$NaCl$8$1$/bq+HJ00cgB4VucZDQHp/nxq18vII4gw53N2Y0s3MWI=",
            "$scrypt$ln=63,r=8,p=1$TmFDbA$/bq+HJ00cgB4VucZDQHp/nxq18vII4gw53N2Y0s3MWI",
            "$argon2id$v=19$m=262145,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "$argon2id$v=19$m=19456,t=17,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "$argon2id$v=18$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        ] {
            assert_eq!(ForeignVerifier::read(bad, Hashed::Secret), None, "{bad}");
        }
        assert!(ForeignVerifier::read(&format!("sha256${}", "a".repeat(600)), Hashed::Secret).is_none());
    }

    #[test]
    fn bcrypt_reads_72_bytes() {
        // The test of crypt_blowfish for the first bytes of a long secret.
        let stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
        let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored";
        let verifier = ForeignVerifier::read(stored, Hashed::Secret).unwrap();
        for (secret, all) in [(long, false), (&long[..73], false), (&long[..72], true)] {
            let secret = bound(&format!("x_{secret}"), secret);
            assert_eq!((verifier.check(&secret), verifier.proves_all(&secret)), (SecretCheck::Match, all));
        }
        assert_eq!(verifier.check(&bound("x", &long[..71])), SecretCheck::Mismatch);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,120}", at in 0_usize..KNOWN.len(), cut in 0_usize..150) {
            let _ = ForeignVerifier::read(&text, Hashed::Text);
            let known = KNOWN[at].1;
            let _ = ForeignVerifier::read(&format!("{}{text}", &known[..cut.min(known.len())]), Hashed::Secret);
            let _ = ForeignVerifier::parse(&text);
        }

        #[test]
        fn what_is_read_is_stored_as_it_came(at in 0_usize..KNOWN.len(), place in 0_usize..150, other in "[ -~]") {
            let known = KNOWN[at].1;
            let mut text = known.to_owned();
            if place < text.len() {
                text.replace_range(place..=place, &other);
            }
            if let Some(read) = ForeignVerifier::read(&text, Hashed::Text) {
                prop_assert_eq!(read.to_string(), format!("$import$text${text}"));
            }
        }
    }
}

//! Texts of our format, and their verifiers.

use keywright::ffi::Value;

/// Texts of our format, random enough for a benchmark and the same in each run.
pub struct Texts(u64);

/// A text in its parts.
pub struct Text {
    pub lookup: String,
    pub secret: String,
}

impl Texts {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> Text {
        Text { lookup: self.letters(12), secret: self.letters(32) }
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(ALPHABET[(self.next() % 62) as usize])).collect()
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Text {
    pub fn prefix(&self) -> String {
        format!("bench_live_{}", self.lookup)
    }

    pub fn whole(&self) -> String {
        let mut text = format!("{}_{}", self.prefix(), self.secret);
        let mut sum = crc32fast::hash(text.as_bytes());
        let mut checksum = [b'0'; 6];
        for place in checksum.iter_mut().rev() {
            *place = ALPHABET[(sum % 62) as usize];
            sum /= 62;
        }
        text.extend(checksum.map(char::from));
        text
    }
}

/// Returns the verifier that the engine stores for this secret.
pub fn verifier(key_id: &str, text: &Text, pepper: &str) -> String {
    let field = |name: &str, value: &str| (name.to_owned(), Value::Text(value.to_owned()));
    let input = Value::Map(vec![
        field("scheme", "hmac-sha256"),
        field("pepper", pepper),
        field("environment", "live"),
        field("key_id", key_id),
        field("lookup", &text.lookup),
        field("secret", &text.secret),
    ]);
    let Ok(Value::Map(answer)) = keywright::testing::hash_case("stored", input) else { panic!("no verifier") };
    match &answer[0].1 {
        Value::Text(stored) => stored.clone(),
        other => panic!("the verifier is {other:?}"),
    }
}

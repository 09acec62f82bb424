//! The encodings of salts and hashes.

use base64ct::{Base64Unpadded, Encoding};

/// Decodes base64 in any of its common spellings: with or without padding, with `-` and `_` as in URLs, or with the `.` of
/// passlib.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let usual: String = text
        .trim_end_matches('=')
        .chars()
        .map(|it| match it {
            '-' | '.' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    Base64Unpadded::decode_vec(&usual).ok()
}

pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

pub(super) fn hex_digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decodes a hash of a known length in hex or base64, which differ in length.
pub(super) fn hash(text: &str, length: usize) -> Option<Vec<u8>> {
    let bytes = if text.len() == 2 * length { hex(text) } else { base64(text) }?;
    (bytes.len() == length).then_some(bytes)
}

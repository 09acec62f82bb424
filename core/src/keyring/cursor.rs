//! Opaque cursors for the next page of a list. A cursor is authenticated and serves only the list that wrote it.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::error::Error;
use crate::hash::{frame, hmac_sha256};
use crate::store::PageCursor;

/// The length of the authentication tag in bytes.
const TAG: usize = 16;

/// Writes a cursor for the rows after `place`. `list` describes the list: its kind, tenant and filters.
pub(super) fn write(key: &[u8], list: &str, place: &PageCursor) -> String {
    let mut bytes = place.at.to_be_bytes().to_vec();
    bytes.extend(place.id.as_bytes());
    let tag = tag(key, list, &bytes);
    bytes.extend(tag);
    Base64UrlUnpadded::encode_string(&bytes)
}

/// Reads a cursor, and refuses one that this database did not write for this list.
pub(super) fn read(key: &[u8], list: &str, cursor: &str) -> Result<PageCursor, Error> {
    let place = || {
        let bytes = Base64UrlUnpadded::decode_vec(cursor.get(..cursor.len().min(512))?).ok()?;
        let (place, found) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        if !constant_time_eq::constant_time_eq(&tag(key, list, place), found) {
            return None;
        }
        let (at, id) = place.split_first_chunk()?;
        Some(PageCursor { at: i64::from_be_bytes(*at), id: String::from_utf8(id.to_vec()).ok()? })
    };
    place().ok_or_else(|| {
        Error::validation_failed(
            "cursor",
            "does not belong to this list",
            "give the next_cursor of the page before, with the same filters and org",
        )
    })
}

fn tag(key: &[u8], list: &str, place: &[u8]) -> [u8; TAG] {
    let parts = [list.as_bytes(), place].into_iter();
    let message: Vec<u8> = parts.flat_map(|part| frame(part).into_iter().chain(part.iter().copied())).collect();
    let long = hmac_sha256(key, &message);
    let mut out = [0; TAG];
    out.iter_mut().zip(long).for_each(|(to, from)| *to = from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_serves_its_list_alone() {
        let place = PageCursor { at: 1_700_000_000_000, id: "k1".into() };
        let cursor = write(&[1; 32], "keys of acme", &place);
        assert_eq!(read(&[1; 32], "keys of acme", &cursor), Ok(place));
        assert!(read(&[1; 32], "keys of other", &cursor).is_err());
        assert!(read(&[2; 32], "keys of acme", &cursor).is_err());
        assert!(read(&[1; 32], "keys of acme", "").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_refused(text in "\\PC{0,200}") {
            prop_assert!(read(&[1; 32], "keys", &text).is_err());
        }
    }
}

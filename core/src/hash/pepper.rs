//! Peppers.

use hmac::Mac;

use super::secret::{BoundSecret, HmacSha256, first, hmac_sha256, keyed};
use super::stored::StoredVerifier;
use crate::error::Error;

const MIN_LENGTH: usize = 32;

/// A secret of the host that keys the verifiers. The host keeps it outside the database.
pub(crate) struct Pepper {
    id: String,
    keyed: HmacSha256,
}

impl Pepper {
    pub(crate) fn new(field: &str, bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() < MIN_LENGTH {
            return Err(Error::validation_failed(
                field,
                format!("is shorter than {MIN_LENGTH} bytes"),
                "make one with: openssl rand -base64 32",
            ));
        }
        let id: [u8; 8] = first(hmac_sha256(bytes, b"id/v1"));
        Ok(Self { id: hex(&id), keyed: keyed(bytes) })
    }

    /// 16 hexadecimal digits that name the pepper and reveal nothing about it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn mac(&self, secret: &BoundSecret) -> [u8; 32] {
        secret.mac(&self.keyed, "keywright/verify/v1")
    }

    pub(super) fn sign(&self, secret: &BoundSecret) -> StoredVerifier {
        StoredVerifier::HmacSha256 { pepper: self.id.clone(), mac: self.mac(secret) }
    }

    /// Derives another key. Nobody can compute the pepper from it.
    pub(super) fn derive(&self, label: &str) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

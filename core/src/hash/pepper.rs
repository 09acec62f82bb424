use hmac::Mac;

use super::{Claim, HmacSha256, Stored, first, hmac_sha256, keyed};
use crate::error::Error;

const SHORTEST: usize = 32;

/// A secret of the host, kept outside the database, under which verifiers are made.
pub(crate) struct Pepper {
    id: String,
    keyed: HmacSha256,
}

impl Pepper {
    pub(crate) fn new(field: &str, bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() < SHORTEST {
            return Err(Error::validation_failed(
                field,
                format!("is shorter than {SHORTEST} bytes"),
                "make one with: openssl rand -base64 32",
            ));
        }
        let id: [u8; 8] = first(hmac_sha256(bytes, b"id/v1"));
        Ok(Self { id: hex(&id), keyed: keyed(bytes) })
    }

    /// 16 hexadecimal digits that name the pepper and tell nothing of it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn mac(&self, claim: &Claim) -> [u8; 32] {
        claim.mac(&self.keyed, "keywright/verify/v1")
    }

    pub(super) fn sign(&self, claim: &Claim) -> Stored {
        Stored::HmacSha256 { pepper: self.id.clone(), mac: self.mac(claim) }
    }

    /// Another key, from which the pepper cannot be found.
    pub(super) fn derive(&self, label: &str) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

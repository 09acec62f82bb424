//! The audit chain: each entry contains a hash over the entry before it and its own fields.

use hmac::Mac;
use sha2::{Digest, Sha256};

use crate::clock::Millis;
use crate::hash::{HmacSha256, frame, keyed};

/// The hash before the first entry.
pub(crate) const GENESIS_HASH: AuditHash = [0; 32];

pub(crate) type AuditHash = [u8; 32];

/// An entry before it is appended to the chain.
#[derive(Debug, Clone)]
pub(crate) struct AuditDraft {
    pub(crate) at: Millis,
    pub(crate) org: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: &'static str,
    pub(crate) target: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) details: serde_json::Map<String, serde_json::Value>,
}

impl AuditDraft {
    /// Whether the change is allowed in a disabled org. Only changes that reduce what a key may do are listed, so that a new
    /// action is refused until somebody decides about it.
    pub(crate) fn is_allowed_when_disabled(&self) -> bool {
        matches!(self.action, "key.revoke" | "key.disable" | "key.end_grace" | "key.grace_ended" | "key.purge")
    }
}

/// The fields of an entry, as they are stored and hashed.
pub(crate) struct AuditFields<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Millis,
    pub(crate) org: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) action: &'a str,
    pub(crate) target: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) details: &'a str,
}

/// SHA-256 over the hash before and the length-framed fields. With a pepper it is an HMAC under `key`, so that nobody who
/// can only write to the database can change one entry and leave the others. A head that was kept elsewhere reveals that
/// somebody computed the whole chain again.
pub(crate) fn entry_hash(before: &AuditHash, entry: &AuditFields<'_>, key: Option<&[u8; 32]>) -> AuditHash {
    let mut hash = key.map_or_else(|| ChainHasher::Plain(Sha256::new()), |key| ChainHasher::Keyed(keyed(key)));
    hash.part(b"keywright/audit/v1");
    hash.part(before);
    hash.part(&entry.seq.to_be_bytes());
    hash.part(&entry.at.to_be_bytes());
    for field in [entry.org, entry.actor, Some(entry.action), entry.target, entry.reason, Some(entry.details)] {
        hash.part(if field.is_some() { b"1" } else { b"0" });
        hash.part(field.unwrap_or_default().as_bytes());
    }
    hash.end()
}

enum ChainHasher {
    Plain(Sha256),
    Keyed(HmacSha256),
}

impl ChainHasher {
    fn part(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(hash) => {
                Digest::update(hash, frame(bytes));
                Digest::update(hash, bytes);
            }
            Self::Keyed(mac) => {
                Mac::update(mac, &frame(bytes));
                Mac::update(mac, bytes);
            }
        }
    }

    fn end(self) -> AuditHash {
        match self {
            Self::Plain(hash) => hash.finalize().into(),
            Self::Keyed(mac) => mac.finalize().into_bytes().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_counts_and_none_is_not_empty() {
        let base = || AuditFields {
            seq: 1,
            at: 2,
            org: Some("a"),
            actor: None,
            action: "key.create",
            target: Some("b"),
            reason: None,
            details: "{}",
        };
        let first = entry_hash(&GENESIS_HASH, &base(), None);
        let others = [
            entry_hash(&[1; 32], &base(), None),
            entry_hash(&GENESIS_HASH, &base(), Some(&[0; 32])),
            entry_hash(&GENESIS_HASH, &AuditFields { seq: 2, ..base() }, None),
            entry_hash(&GENESIS_HASH, &AuditFields { at: 3, ..base() }, None),
            entry_hash(&GENESIS_HASH, &AuditFields { org: None, ..base() }, None),
            entry_hash(&GENESIS_HASH, &AuditFields { actor: Some(""), ..base() }, None),
            entry_hash(&GENESIS_HASH, &AuditFields { target: Some("bk"), ..base() }, None),
            entry_hash(&GENESIS_HASH, &AuditFields { details: "{ }", ..base() }, None),
        ];
        assert!(others.iter().all(|it| *it != first));
    }
}

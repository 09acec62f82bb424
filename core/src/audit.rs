//! The audit chain: how an entry is sealed to the one before it.

use std::sync::Arc;

use hmac::Mac;
use sha2::{Digest, Sha256};

use crate::clock::Millis;
use crate::hash::{HmacSha256, frame, keyed};
use crate::rights::Mandate;

/// What stands before the first entry.
pub(crate) const START: Seal = [0; 32];

pub(crate) type Seal = [u8; 32];

/// What was done, before it has its place in the chain.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) at: Millis,
    pub(crate) org: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) action: &'static str,
    pub(crate) target: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) details: serde_json::Map<String, serde_json::Value>,
    /// On what it stands, where a key does it.
    pub(crate) mandate: Option<Arc<Mandate>>,
}

impl Draft {
    /// Whether a disabled org allows the change. Only changes that take power from a key are listed here, so that a new
    /// action is refused until somebody decides about it.
    pub(crate) fn is_allowed_when_disabled(&self) -> bool {
        matches!(self.action, "key.revoke" | "key.disable" | "key.end_grace" | "key.grace_ended" | "key.purge")
    }
}

/// An entry's fields as they are stored and hashed.
pub(crate) struct Fields<'a> {
    pub(crate) seq: u64,
    pub(crate) at: Millis,
    pub(crate) org: Option<&'a str>,
    pub(crate) actor: Option<&'a str>,
    pub(crate) action: &'a str,
    pub(crate) target: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) details: &'a str,
}

/// SHA-256 over the former seal and the length-framed fields; HMAC under `key` when there is a pepper, so that nobody
/// who can only write to the database can change one entry and leave the others. Who makes the whole chain anew is
/// found out by a head that was kept elsewhere.
pub(crate) fn seal(before: &Seal, entry: &Fields<'_>, key: Option<&[u8; 32]>) -> Seal {
    let mut hash = key.map_or_else(|| Hash::Plain(Sha256::new()), |it| Hash::Keyed(keyed(it)));
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

enum Hash {
    Plain(Sha256),
    Keyed(HmacSha256),
}

impl Hash {
    fn part(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(it) => {
                Digest::update(it, frame(bytes));
                Digest::update(it, bytes);
            }
            Self::Keyed(it) => {
                Mac::update(it, &frame(bytes));
                Mac::update(it, bytes);
            }
        }
    }

    fn end(self) -> Seal {
        match self {
            Self::Plain(it) => it.finalize().into(),
            Self::Keyed(it) => it.finalize().into_bytes().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_counts_and_none_is_not_empty() {
        let base = || Fields {
            seq: 1,
            at: 2,
            org: Some("a"),
            actor: None,
            action: "key.create",
            target: Some("b"),
            reason: None,
            details: "{}",
        };
        let first = seal(&START, &base(), None);
        let others = [
            seal(&[1; 32], &base(), None),
            seal(&START, &base(), Some(&[0; 32])),
            seal(&START, &Fields { seq: 2, ..base() }, None),
            seal(&START, &Fields { at: 3, ..base() }, None),
            seal(&START, &Fields { org: None, ..base() }, None),
            seal(&START, &Fields { actor: Some(""), ..base() }, None),
            seal(&START, &Fields { target: Some("bk"), ..base() }, None),
            seal(&START, &Fields { details: "{ }", ..base() }, None),
        ];
        assert!(others.iter().all(|it| *it != first));
    }
}

//! A limit with the parameters that enforce it.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use super::gcra::GcraParams;
use crate::record::Limit;

/// A limit with the parameters that enforce it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LimitRule {
    pub(crate) limit: Limit,
    pub(crate) params: GcraParams,
}

impl LimitRule {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { params: GcraParams::of(&limit), limit }
    }

    /// The identity of the owner's budget, the same in all processes and languages: a hash under a secret of the database.
    pub(super) fn identity(&self, owner: &[&str], hash_key: &[u8; 16]) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(hash_key);
        let limit = &self.limit;
        let texts = [limit.per.as_str(), &limit.name, limit.operation.as_deref().unwrap_or_default()];
        for text in texts.iter().chain(owner) {
            hasher.write(&(text.len() as u64).to_le_bytes());
            hasher.write(text.as_bytes());
        }
        hasher.write(&limit.rate.to_le_bytes());
        hasher.write(&limit.burst.to_le_bytes());
        hasher.finish128().as_bytes()
    }

    /// Whether the limit counts requests of this class.
    pub(crate) fn applies_to(&self, operation: Option<&str>) -> bool {
        self.limit.operation.is_none() || self.limit.operation.as_deref() == operation
    }
}

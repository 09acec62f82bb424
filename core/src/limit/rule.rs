//! A limit with the parameters that enforce it.

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

    /// Whether the limit counts requests of this class.
    pub(crate) fn applies_to(&self, operation: Option<&str>) -> bool {
        self.limit.operation.is_none() || self.limit.operation.as_deref() == operation
    }
}

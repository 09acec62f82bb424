//! Rate limits and quotas: reading them, configuring them, and counting requests against them.

mod any;
mod charge;
mod config;
#[cfg(test)]
mod contract;
mod gcra;
pub(crate) mod lease;
mod machine;
mod named;
mod process;
pub(crate) mod quota;
pub(crate) mod read;
#[cfg(feature = "redis")]
mod redis;
mod rule;

pub(crate) use any::{AnyLimiter, HeldOutcome, KeyLimit, LimiterSettings};
pub(crate) use charge::{AmountDue, Charge, ChargeOutcome, ChargedLimit, ChargedQuota, QuotaOutcome};
pub(crate) use config::{LimitRules, Limits, RuleSet};
#[cfg(feature = "testing")]
pub(crate) use gcra::GcraParams;
pub(crate) use machine::MachineSettings;
#[cfg(feature = "redis")]
pub(crate) use redis::{RedisBudgets, RedisSettings};
pub(crate) use rule::LimitRule;

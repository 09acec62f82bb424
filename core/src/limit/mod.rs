//! Rate limits: reading them, configuring them, and counting requests against them.

mod any;
mod charge;
mod config;
#[cfg(test)]
mod contract;
mod gcra;
pub(crate) mod lease;
mod machine;
mod process;
pub(crate) mod read;
#[cfg(feature = "redis")]
mod redis;
mod rule;

pub(crate) use any::{AnyLimiter, KeyLimit, LimiterSettings};
pub(crate) use charge::{Charge, ChargeOutcome, ChargedLimit};
pub(crate) use config::{LimitRules, Limits};
#[cfg(feature = "testing")]
pub(crate) use gcra::GcraParams;
pub(crate) use machine::MachineSettings;
#[cfg(feature = "redis")]
pub(crate) use redis::{RedisBudgets, RedisSettings};
pub(crate) use rule::LimitRule;

//! Rate limits: reading them, configuring them, and counting requests against them.

mod charge;
mod config;
mod gcra;
mod process;
pub(crate) mod read;
mod rule;

pub(crate) use charge::{Charge, ChargeOutcome, ChargedLimit, KeyLimit, Limiter};
pub(crate) use config::{LimitRules, Limits, MAX_PROCESSES};
pub(crate) use rule::LimitRule;

/// The limiter of an engine.
pub(crate) type AnyLimiter = process::ProcessLimiter;

/// A limit of a key with a budget of the engine's limiter.
pub(crate) type AnyKeyLimit = KeyLimit<<AnyLimiter as Limiter>::Budget>;

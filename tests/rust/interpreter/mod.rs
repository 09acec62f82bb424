//! The interpreter of `tests/vectors`: it reads the cases, runs them through the public API and compares.

pub mod call;
pub mod case;
pub mod engine;
pub mod expect;
#[cfg(unix)]
pub mod remote;
pub mod value;

//! For tests of the engine and of what is built on it: a clock moved by hand, the raw hash functions that vectors
//! speak of, rows planted as an older release left them, and the suite that any store must pass.

mod contract;
mod hashes;
mod plant;

pub use crate::clock::ManualClock;
pub use contract::contract;
pub use hashes::hash_case;
pub use plant::plant;

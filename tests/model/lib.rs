//! A model of the freshness protocol on PostgreSQL: processes with caches, one database, and the messages between them. A
//! model checker searches every order of events at small sizes. The protocol is the engine's own, from
//! `core/src/store/postgres/freshness.rs`; the model plays the database, the network, the clock and the cache.

mod database;
mod flaw;
mod leases;
mod process;
#[cfg(test)]
mod search;
mod step;
mod system;

pub use self::flaw::Flaw;
pub use self::leases::{LeaseFlaw, LeaseModel};
pub use self::system::{FreshnessModel, Sizes};

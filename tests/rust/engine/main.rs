//! The engine through its public API: records, the store below them, what memory answers, meters, events and audit.
//!
//! One program, since each test program links all of SQLite.

mod audit;
mod concurrency;
mod events;
mod freshness;
mod hot;
mod imports;
mod kill;
mod layering;
mod limiters;
mod limits;
mod meter;
mod secrecy;
mod slow;
mod store;
mod vectors;
mod webhooks;

//! Keywright for Node. Each call converts its arguments, makes one call of the core, and returns one result. The API for
//! applications is in `lib/`; all rules about keys live in the core.

pub mod cached;
mod call;
pub mod cli;
pub mod clock;
mod decision;
pub mod engine;
mod event;
mod head;
pub mod http;
mod key_row;
mod later;
mod lazy_engine;
pub mod result;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

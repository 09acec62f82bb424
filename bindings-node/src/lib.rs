//! Keywright for Node: JavaScript's values in, one call of the core, one answer out. The surface that people use is in
//! `lib/`; no rule is on either side.

pub mod answer;
mod call;
mod engine;
mod event;
pub mod export;
mod head;
pub mod http;
pub mod recall;
mod row;
pub mod testing;
mod value;
mod verdict;

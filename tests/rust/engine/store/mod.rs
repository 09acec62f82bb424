//! SQLite under real faults, as a program that embeds the engine meets them: whatever happens to the file, the error
//! says what it was, nothing is half done, and nothing is allowed that should not be.

mod contract;
mod faults;
mod files;
mod opening;
mod rights;
mod rows;
mod schema;
mod triggers;

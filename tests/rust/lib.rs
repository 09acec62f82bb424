//! The parts that the tests in Rust share: the interpreter of `tests/vectors`, and a folder with a database for one test.

pub mod interpreter;
pub mod site;

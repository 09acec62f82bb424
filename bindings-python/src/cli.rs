//! The program `keywright`.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the program with its arguments, of which the first is its name, and returns its exit code.
#[pyfunction]
pub(crate) fn _run_cli(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| keywright::cli::run(arguments))
}

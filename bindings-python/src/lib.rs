//! Keywright for Python. Each call converts its arguments, makes one call of the core, and converts the result. All rules
//! about keys live in the core.

mod cache;
mod cli;
mod clock;
mod decision;
mod engine;
mod error;
mod event;
mod field;
mod fork;
mod handle;
mod head;
mod http;
mod http_config;
mod input;
mod key_formats;
mod keys;
mod new_key;
mod org;
mod page;
mod pickle;
mod record;
mod records;
mod response;
mod schema;
#[cfg(feature = "testing")]
mod testing;
mod time;
mod verify;
mod wait;

#[pyo3::pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::cli::_run_cli;
    #[pymodule_export]
    use super::clock::ManualClock;
    #[pymodule_export]
    use super::decision::{_wire_codes, Decision};
    #[pymodule_export]
    use super::engine::{_flush_open, Config, Keywright, Unopened};
    #[pymodule_export]
    use super::head::Target;
    #[pymodule_export]
    use super::http::{_request_id, Http, Needs};
    #[pymodule_export]
    use super::http_config::HttpConfig;
    #[pymodule_export]
    use super::key_formats::KeyFormats;
    #[pymodule_export]
    use super::keys::Keys;
    #[pymodule_export]
    use super::new_key::NewKey;
    #[pymodule_export]
    use super::org::{Audit, Org, Orgs};
    #[pymodule_export]
    use super::page::Page;
    #[pymodule_export]
    use super::pickle::{_issued, _unpickle};
    #[pymodule_export]
    use super::records::{
        AgentUsage, AuditCheck, AuditEntry, AuditHead, Event, ImportReport, ImportedKey, Key, Limit, LimitState,
        OrgRecord, Parsed, Quota, QuotaState, Secret,
    };
    #[pymodule_export]
    use super::response::{AuthContext, Lease, PendingResponse, Response};
    #[pymodule_export]
    use super::verify::{PendingVerification, Verifier};
    #[pymodule_export]
    use super::wait::_call_unless_left;
    use std::sync::OnceLock;

    use pyo3::exceptions::PyImportError;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // The classes belong to the interpreter that loaded them. Python before 3.12 would share them with another one.
        static HOME: OnceLock<usize> = OnceLock::new();
        let here = module.py().import("sys")?.as_ptr() as usize;
        if *HOME.get_or_init(|| here) != here {
            return Err(PyImportError::new_err("keywright is loaded by another interpreter of this process"));
        }
        if !super::fork::is_watched() {
            return Err(PyImportError::new_err(
                "this process cannot register the handlers that keep Keywright safe across a fork",
            ));
        }
        #[cfg(feature = "testing")]
        super::testing::add_hooks(module)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

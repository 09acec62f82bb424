//! Keywright for Python: convert in, one core call, convert out. No rule about keys lives here.

mod decision;
mod engine;
mod error;
mod event;
mod field;
mod fork;
mod handle;
mod http;
mod input;
mod keys;
mod new_key;
mod org;
mod page;
mod recall;
mod record;
mod schema;
mod testing;
mod thaw;
mod time;
mod verify;
mod wait;

#[pyo3::pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::decision::Decision;
    #[pymodule_export]
    use super::engine::{_flush_open, Config, Keywright, Texts, Unopened};
    #[pymodule_export]
    use super::http::{_request_id, Answer, Http, HttpConfig, Lease, Needs, Passed, Response, Target};
    #[pymodule_export]
    use super::keys::Keys;
    #[pymodule_export]
    use super::new_key::NewKey;
    #[pymodule_export]
    use super::org::{Audit, Org, Orgs};
    #[pymodule_export]
    use super::page::Page;
    #[pymodule_export]
    use super::record::{
        AgentUsage, AuditCheck, AuditEntry, AuditHead, Event, Key, Limit, LimitState, OrgRecord, Parsed, Secret,
    };
    #[pymodule_export]
    use super::testing::{ManualClock, hash_case, plant};
    #[pymodule_export]
    use super::thaw::_thaw;
    #[pymodule_export]
    use super::verify::{Later, Verifier};
    #[pymodule_export]
    use super::wait::_call_unless_left;
    use std::sync::OnceLock;

    use pyo3::exceptions::PyImportError;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // The classes belong to the interpreter that made them. Python before 3.12 would hand them to another one.
        static HOME: OnceLock<usize> = OnceLock::new();
        let here = module.py().import("sys")?.as_ptr() as usize;
        if *HOME.get_or_init(|| here) != here {
            return Err(PyImportError::new_err("keywright is loaded by another interpreter of this process"));
        }
        if !super::fork::watched() {
            return Err(PyImportError::new_err("this process cannot register what keeps Keywright safe across a fork"));
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

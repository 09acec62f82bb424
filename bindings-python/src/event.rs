//! Delivery of events and reports to Python. A thread of the core attaches to the interpreter for each of them.

use keywright::EventKind;
use pyo3::prelude::*;

use crate::error::or_raise;
use crate::records::Event;

/// Reads the option `on_event`. A coroutine function is refused, since nothing would await its coroutine.
pub(crate) fn listener(given: &Bound<'_, PyAny>) -> PyResult<impl Fn(&keywright::Event) + Send + Sync + use<>> {
    let py = given.py();
    let is_async = py.import("inspect")?.call_method1("iscoroutinefunction", (given,))?.is_truthy()?;
    if is_async || !given.is_callable() {
        or_raise(py, Err(keywright::ffi::no_listener(is_async)))?;
    }
    let listener = given.clone().unbind();
    // An interpreter that shuts down receives no events.
    Ok(move |event: &keywright::Event| {
        let _ = Python::try_attach(|py| {
            let called = listener.call1(py, (Event::from(event.clone()),));
            called.map_or_else(|error| error.write_unraisable(py, Some(listener.bind(py))), drop);
        });
    })
}

/// Logs a report about the database with the logger `keywright`.
pub(crate) fn log(kind: EventKind, line: &str) {
    let level = if kind == EventKind::StoreFailed { "error" } else { "warning" };
    // An interpreter that shuts down logs nothing.
    let _ = Python::try_attach(|py| {
        let logger = py.import("logging").and_then(|logging| logging.call_method1("getLogger", ("keywright",)));
        let logged = logger.and_then(|logger| logger.call_method1(level, ("%s", line)));
        logged.map_or_else(|error| error.write_unraisable(py, None), drop);
    });
}

//! Events and reports as Python hears them: on a thread of the core, which takes the interpreter for each.

use keywright::EventKind;
use pyo3::prelude::*;

use crate::error::checked;
use crate::record::Event;

/// The `on_event` of a set-up. A coroutine function is refused: nobody would await what it gives.
pub(crate) fn listener(given: &Bound<'_, PyAny>) -> PyResult<impl Fn(&keywright::Event) + Send + Sync + use<>> {
    let py = given.py();
    let is_async = py.import("inspect")?.call_method1("iscoroutinefunction", (given,))?.is_truthy()?;
    if is_async || !given.is_callable() {
        checked(py, Err(keywright::Config::no_listener(is_async)))?;
    }
    let listener = given.clone().unbind();
    // Nothing is told to an interpreter that is ending.
    Ok(move |event: &keywright::Event| {
        let _ = Python::try_attach(|py| {
            let told = listener.call1(py, (Event::from(event.clone()),));
            told.map_or_else(|error| error.write_unraisable(py, Some(listener.bind(py))), drop);
        });
    })
}

/// Writes a report of the database to the logger `keywright`.
pub(crate) fn log(kind: EventKind, line: &str) {
    let level = if kind == EventKind::StoreFailed { "error" } else { "warning" };
    // Nothing is logged by an interpreter that is ending.
    let _ = Python::try_attach(|py| {
        let logger = py.import("logging").and_then(|it| it.call_method1("getLogger", ("keywright",)));
        let logged = logger.and_then(|it| it.call_method1(level, ("%s", line)));
        logged.map_or_else(|error| error.write_unraisable(py, None), drop);
    });
}

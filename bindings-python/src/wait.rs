//! Waiting without the interpreter, and not past a signal: Ctrl-C raises `KeyboardInterrupt` while the core waits for a lock,
//! a disk or a hash. The threads of the core finish a change that has begun.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use keywright::wait::{block_for, block_on, is_locked_out};
use keywright::{Error, UnavailableCause};
use pyo3::prelude::*;

use crate::error::raised;

/// How long a signal waits for its handler at most.
const SLICE: Duration = Duration::from_millis(50);

/// Whether a wait was interrupted. After that the end of an engine does not wait for a lock.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Says whether the caller has left the call that this thread makes.
    static IS_LEFT: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
}

/// Waits for a future, and drops it when a signal interrupts the wait.
pub(crate) fn wait<T: Send>(py: Python<'_>, future: impl Future<Output = T> + Send) -> PyResult<T> {
    let mut future = pin!(future);
    loop {
        if let Some(done) = py.detach(|| block_for(future.as_mut(), SLICE)) {
            return Ok(done);
        }
        go_on_waiting(py).inspect_err(|_| INTERRUPTED.store(true, Ordering::Relaxed))?;
    }
}

/// Raises what interrupts a wait: a signal on the main thread, and on another a lock that the caller does not wait for.
fn go_on_waiting(py: Python<'_>) -> PyResult<()> {
    py.check_signals()?;
    let is_left = IS_LEFT.with_borrow(|is_left| is_left.as_ref().map(|call| call.clone_ref(py)));
    if is_locked_out()
        && let Some(is_left) = is_left
        && is_left.call0(py)?.is_truthy(py)?
    {
        let reason = "the caller left while another program held a lock of the database".to_owned();
        let fix = "read whether the change has happened before you repeat it".to_owned();
        return Err(raised(py, &Error::Unavailable { cause: UnavailableCause::Locked, reason, fix }));
    }
    Ok(())
}

pub(crate) fn was_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// As [`wait`], for a future that must not end half done: after an interrupt a thread finishes it.
pub(crate) fn wait_through<T: Send + 'static>(
    py: Python<'_>,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<T> {
    let mut future = Box::pin(future);
    let done = wait(py, future.as_mut());
    if done.is_err() {
        finish_on_thread(future);
    }
    done
}

/// Waits for the end of an engine. After an interrupt it does not wait for a lock: a thread finishes the end.
pub(crate) fn wait_for_end(py: Python<'_>, end: impl FnOnce() + Send + 'static) {
    py.detach(|| {
        if !was_interrupted() {
            return end();
        }
        let (say, ended) = channel();
        let ending = move || {
            end();
            let _ = say.send(());
        };
        // Where no thread can start, the process ends it.
        if thread::Builder::new().name("keywright-end".into()).spawn(ending).is_ok() {
            while ended.recv_timeout(SLICE) == Err(RecvTimeoutError::Timeout) && !is_locked_out() {}
        }
    });
}

fn finish_on_thread<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) {
    // Where no thread can start, the future ends here.
    let _ = thread::Builder::new().name("keywright-rest".into()).spawn(move || drop(block_on(future)));
}

/// Calls `call`. Its waits for a lock of another program end once `is_left` says so.
#[pyfunction]
pub(crate) fn _call_unless_left<'py>(call: &Bound<'py, PyAny>, is_left: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
    IS_LEFT.set(Some(is_left));
    let done = call.call0();
    IS_LEFT.set(None);
    done
}

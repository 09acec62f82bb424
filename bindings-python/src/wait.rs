//! Waits for the core with the interpreter released. A signal ends the wait: Ctrl-C raises `KeyboardInterrupt` while the
//! core waits for a lock, a disk or a hash. The threads of the core finish a change that has begun.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use keywright::ffi::{block_for, block_on, is_locked_out};
use keywright::{Error, UnavailableCause};
use pyo3::prelude::*;

use crate::error::{exception, or_raise};

/// The longest delay between a signal and its handler.
const SLICE: Duration = Duration::from_millis(50);

/// Set once a wait was interrupted. Closing an engine then no longer waits for a lock.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// A callable that tells whether the caller has given up the call on this thread.
    static IS_LEFT: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
}

/// Waits for a future, and drops it when a signal interrupts the wait.
pub(crate) fn wait<T: Send>(py: Python<'_>, future: impl Future<Output = T> + Send) -> PyResult<T> {
    let mut future = pin!(future);
    loop {
        if let Some(done) = py.detach(|| block_for(future.as_mut(), SLICE)) {
            return Ok(done);
        }
        check_interrupt(py).inspect_err(|_| INTERRUPTED.store(true, Ordering::Relaxed))?;
    }
}

/// Raises when the wait must end: on the main thread for a signal, on any other for a lock that the caller no longer
/// waits for.
fn check_interrupt(py: Python<'_>) -> PyResult<()> {
    py.check_signals()?;
    let is_left = IS_LEFT.with_borrow(|is_left| is_left.as_ref().map(|callable| callable.clone_ref(py)));
    if is_locked_out()
        && let Some(is_left) = is_left
        && is_left.call0(py)?.is_truthy(py)?
    {
        let reason = "the caller left while another program held a lock of the database".to_owned();
        let fix = "read whether the change has happened before you repeat it".to_owned();
        return Err(exception(py, &Error::Unavailable { cause: UnavailableCause::Locked, reason, fix }));
    }
    Ok(())
}

/// Waits for a call of the core, and raises its error; see [`wait`].
pub(crate) fn wait_or_raise<T: Send>(
    py: Python<'_>,
    call: impl Future<Output = Result<T, Error>> + Send,
) -> PyResult<T> {
    or_raise(py, wait(py, call)?)
}

pub(crate) fn was_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Waits like [`wait`] for a future that must run to its end. After an interrupt a thread finishes it.
pub(crate) fn wait_and_finish<T: Send + 'static>(
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

/// Waits while an engine shuts down. After an interrupt it does not wait for a lock: a thread finishes the shutdown.
pub(crate) fn wait_for_shutdown(py: Python<'_>, shut_down: impl FnOnce() + Send + 'static) {
    py.detach(|| {
        if !was_interrupted() {
            return shut_down();
        }
        let (done, is_done) = channel();
        let run = move || {
            shut_down();
            let _ = done.send(());
        };
        // When no thread can start, the end of the process does it.
        if thread::Builder::new().name("keywright-end".into()).spawn(run).is_ok() {
            while is_done.recv_timeout(SLICE) == Err(RecvTimeoutError::Timeout) && !is_locked_out() {}
        }
    });
}

fn finish_on_thread<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) {
    // When no thread can start, the future is dropped here.
    let _ = thread::Builder::new().name("keywright-rest".into()).spawn(move || drop(block_on(future)));
}

/// Runs `call`. Its waits for a lock of another program end as soon as `is_left()` is true.
#[pyfunction]
pub(crate) fn _call_unless_left<'py>(call: &Bound<'py, PyAny>, is_left: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
    IS_LEFT.set(Some(is_left));
    let done = call.call0();
    IS_LEFT.set(None);
    done
}

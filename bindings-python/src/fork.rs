//! Reports every fork of this process to the core, however Python or a library forks.

#![allow(unsafe_code)] // One call of the C library, which has no safe form.

use std::sync::OnceLock;

/// Registers the handlers once per process, even when several interpreters load this module: a second run of a handler
/// would wait for the first one for ever.
pub(crate) fn is_watched() -> bool {
    static WATCHED: OnceLock<bool> = OnceLock::new();
    *WATCHED.get_or_init(register)
}

#[cfg(unix)]
fn register() -> bool {
    use std::ffi::c_int;

    unsafe extern "C" {
        fn pthread_atfork(
            prepare: Option<extern "C" fn()>,
            parent: Option<extern "C" fn()>,
            child: Option<extern "C" fn()>,
        ) -> c_int;
    }

    extern "C" fn prepare() {
        keywright::ffi::fork::prepare();
    }
    extern "C" fn parent() {
        keywright::ffi::fork::parent();
    }
    extern "C" fn child() {
        keywright::ffi::fork::child();
    }

    // SAFETY: the declaration is POSIX's (pthread_atfork, XSH), with a nullable function pointer for each handler.
    // The three functions live as long as the process, since Python never unloads an extension module. They take no
    // argument, keep no Python object, and ask for no lock of Python's, so the order of locks is one: the forking
    // thread may hold the interpreter and then takes the core's gate; nothing that holds the gate asks for the
    // interpreter. A panic inside ends the process at the `extern "C"` border and cannot unwind into the C library.
    let failed = unsafe { pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    failed == 0
}

#[cfg(not(unix))]
fn register() -> bool {
    true
}

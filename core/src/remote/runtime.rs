//! The tokio runtime on which connections of this process live. It starts with the first connection. Callers await their
//! answers on their own threads, so they need no runtime.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, UnavailableCause};
use crate::fork::PerProcess;

const THREADS: usize = 2;

/// Never dropped: in a forked child the threads of the runtime are missing, and dropping it would wait for them.
static RUNTIME: OnceLock<PerProcess<Option<Runtime>>> = OnceLock::new();

/// The runtime of this process. A forked child builds its own.
pub(crate) fn handle() -> Result<Handle, Error> {
    let runtime = RUNTIME.get_or_init(|| PerProcess::new(build())).get(build);
    runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(|| {
        Error::unavailable(
            UnavailableCause::Io,
            "no thread for the connections could be started",
            "allow this process more threads",
        )
    })
}

fn build() -> Option<Runtime> {
    Builder::new_multi_thread().worker_threads(THREADS).thread_name("keywright-network").enable_all().build().ok()
}

/// Awaits a future for a limited time on any thread. `None` if the time is over first.
pub(crate) async fn limited<T>(runtime: &Handle, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let limited = {
        // The timer belongs to the runtime; the thread that awaits it may have none.
        let _entered = runtime.enter();
        tokio::time::timeout(limit, future)
    };
    limited.await.ok()
}

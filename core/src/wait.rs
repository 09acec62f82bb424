//! Futures for callers without a runtime: the core's futures need none.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// A future that owns what it needs.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The outcome of [`now_or_later`].
pub enum Ready<T> {
    /// The future was ready at once.
    Now(T),
    /// The future waits for another thread. Await it, or pass it to [`block_on`].
    Later(Boxed<T>),
}

impl<T> Ready<T> {
    /// The outcome, once it is there.
    pub(crate) async fn outcome(self) -> T {
        match self {
            Self::Now(value) => value,
            Self::Later(future) => future.await,
        }
    }
}

/// Runs a future to its end on this thread, which sleeps while it waits.
///
/// ```
/// assert_eq!(pollster::block_on(async { 7 }), 7);
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    // Most futures are ready at once, and need nothing that wakes this thread.
    match poll_once(future.as_mut()) {
        Poll::Ready(value) => value,
        Poll::Pending => pollster::block_on(future),
    }
}

/// As [`block_on`], with a time limit. `None` if the future is not ready by then.
///
/// ```
/// use std::pin::pin;
/// use std::time::Duration;
/// use keywright::ffi::block_for;
/// assert_eq!(block_for(pin!(async { 7 }), Duration::ZERO), Some(7));
/// assert_eq!(block_for(pin!(std::future::pending::<()>()), Duration::from_millis(1)), None);
/// ```
pub fn block_for<F: Future>(mut future: Pin<&mut F>, patience: Duration) -> Option<F::Output> {
    let until = Instant::now() + patience;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Some(value);
        }
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The number of threads that wait for a lock of another program.
static LOCKED_OUT: AtomicUsize = AtomicUsize::new(0);

/// Whether a change, or the opening of an engine, waits for a lock of another program. A host that is about to exit need not
/// wait for it.
#[must_use]
pub fn is_locked_out() -> bool {
    LOCKED_OUT.load(Ordering::Relaxed) > 0
}

/// A guard that counts one thread as waiting for a lock of another program.
pub(crate) struct LockedOut(());

impl LockedOut {
    pub(crate) fn new() -> Self {
        LOCKED_OUT.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for LockedOut {
    fn drop(&mut self) {
        LOCKED_OUT.fetch_sub(1, Ordering::Relaxed);
    }
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs two futures at the same time. The first one is polled first.
pub(crate) async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    let mut outputs = (None, None);
    std::future::poll_fn(move |context| {
        if outputs.0.is_none() {
            outputs.0 = ready(first.as_mut().poll(context));
        }
        if outputs.1.is_none() {
            outputs.1 = ready(second.as_mut().poll(context));
        }
        match std::mem::take(&mut outputs) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            waiting => {
                outputs = waiting;
                Poll::Pending
            }
        }
    })
    .await
}

/// Runs futures at the same time, and returns their outputs in the same order. A future is polled in its turn.
pub(crate) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().filter(|(_, output)| output.is_none()) {
            *output = ready(future.as_mut().poll(context));
        }
        if futures.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The output of a future that is ready at once.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    ready(poll_once(std::pin::pin!(future)))
}

/// Polls a future once. With SQLite and `hmac-sha256` a verification is always `Now`, unless it buys requests of a quota.
///
/// ```
/// use keywright::ffi::{Ready, now_or_later};
/// assert!(matches!(now_or_later(async { 7 }), Ready::Now(7)));
/// ```
pub fn now_or_later<T>(future: impl Future<Output = T> + Send + 'static) -> Ready<T> {
    let mut future: Boxed<T> = Box::pin(future);
    match poll_once(future.as_mut()) {
        Poll::Ready(value) => Ready::Now(value),
        Poll::Pending => Ready::Later(future),
    }
}

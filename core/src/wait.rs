//! Futures for callers without a runtime: the core's futures need none.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A future that owns what it needs.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What [`now_or_later`] found.
pub enum Ready<T> {
    /// The answer was at hand; no thread was hopped.
    Now(T),
    /// The future waits for another thread: await it, or [`block_on`] it.
    Later(Boxed<T>),
}

/// Runs a future to its end on this thread, which sleeps while it waits.
///
/// ```
/// assert_eq!(keywright::wait::block_on(async { 7 }), 7);
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    // Most answers are at hand, and need nothing to wake this thread.
    match poll_once(future.as_mut()) {
        Poll::Ready(value) => value,
        Poll::Pending => pollster::block_on(future),
    }
}

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future gives that has nothing to wait for.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match poll_once(std::pin::pin!(future)) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Polls a future once. With SQLite and `hmac-sha256` a verification is always `Now`.
///
/// ```
/// use keywright::wait::{Ready, now_or_later};
/// assert!(matches!(now_or_later(async { 7 }), Ready::Now(7)));
/// ```
pub fn now_or_later<T>(future: impl Future<Output = T> + Send + 'static) -> Ready<T> {
    let mut future: Boxed<T> = Box::pin(future);
    match poll_once(future.as_mut()) {
        Poll::Ready(value) => Ready::Now(value),
        Poll::Pending => Ready::Later(future),
    }
}

//! Futures that use a runtime without running on its threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that runs on the thread that awaits it, whose connections and timers live on a runtime. A task of the runtime would
/// take two changes of threads for each request.
pub(crate) struct WithRuntime<F> {
    runtime: Handle,
    /// Always there until the drop.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> WithRuntime<F> {
    pub(crate) fn new(runtime: Handle, future: F) -> Self {
        Self { runtime, future: Some(Box::pin(future)) }
    }
}

impl<F: Future> Future for WithRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { runtime, future } = &mut *self;
        let _entered = runtime.enter();
        future.as_mut().map_or(Poll::Pending, |future| future.as_mut().poll(context))
    }
}

impl<F> Drop for WithRuntime<F> {
    /// Drops the future within the runtime: a connection that goes back to its pool may begin a task.
    fn drop(&mut self) {
        let _entered = self.runtime.enter();
        self.future = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::remote::runtime::handle;

    /// Tells whether it is dropped within a runtime.
    struct Witness(mpsc::Sender<bool>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.send(Handle::try_current().is_ok());
        }
    }

    #[test]
    fn a_future_has_the_runtime_while_it_runs_and_when_it_is_left() {
        let (told, dropped) = mpsc::channel();
        let witness = Witness(told.clone());
        let work = async move {
            let _witness = witness;
            tokio::spawn(async { 7 }).await
        };
        assert_eq!(pollster::block_on(WithRuntime::new(handle().unwrap(), work)).unwrap(), 7);
        assert!(dropped.recv().unwrap());

        let witness = Witness(told);
        let left = WithRuntime::new(handle().unwrap(), async move {
            let _witness = witness;
            std::future::pending::<()>().await;
        });
        drop(left);
        assert!(dropped.recv().unwrap());
        assert!(Handle::try_current().is_err());
    }
}

//! Threads of our own for work that must not hold the caller's: the one writer of a store, and slow hashes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, UnavailableCause};
use crate::fork::{self, Process, Relation, lock};

type Job = Box<dyn FnOnce() + Send>;

/// At most `threads` threads, started when first needed, working through one bounded queue in order.
/// A job runs to its end also when its caller has gone.
pub(crate) struct Workers {
    name: &'static str,
    threads: usize,
    bound: usize,
    /// By how much its threads stand back behind others.
    nice: i32,
    /// Locked only behind the fork gate, so that a child finds it at rest.
    shift: Mutex<Shift>,
}

/// The threads and queue of one process.
struct Shift {
    process: Process,
    closed: bool,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: usize,
    idle: usize,
    closed: bool,
    /// Who waits for all work to be done.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Workers {
    pub(crate) fn new(name: &'static str, threads: usize, bound: usize) -> Self {
        let shift = Shift { process: Process::current(), closed: false, shared: Arc::default() };
        Self { name, threads, bound, nice: 0, shift: Mutex::new(shift) }
    }

    /// Has its threads stand back, by so many steps of `nice`, behind those that answer at once: work that keeps a core
    /// busy for long would make each of them wait for its turn.
    pub(crate) fn behind(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }

    /// Queues `work` and gives its result; `unavailable` when the queue is full.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.push(Box::new(move || {
            // A caller that has gone is no error: the work itself counts.
            let _ = reply.send(work());
        }))?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Queues `work` that nobody waits for; `false` when there is no room for it.
    pub(crate) fn offer(&self, work: impl FnOnce() + Send + 'static) -> bool {
        self.push(Box::new(work)).is_ok()
    }

    fn push(&self, job: Job) -> Result<(), Error> {
        // Work that nobody will do is dropped last, since its caller's answer may want the locks below.
        let mut orphans = VecDeque::new();
        let _gate = fork::gate();
        let mut shift = lock(&self.shift);
        if shift.closed {
            return Err(Error::Closed);
        }
        match shift.process.check()? {
            Relation::Same => {}
            Relation::Child => {
                // The threads, and whoever waited for the queued answers, stayed in the parent.
                std::mem::forget(std::mem::take(&mut shift.shared));
                shift.process = Process::current();
            }
        }
        let mut state = lock(&shift.shared.state);
        if state.queue.len() >= self.bound {
            return Err(Error::unavailable(UnavailableCause::Busy, "too much work is queued", "try again in a moment"));
        }
        state.queue.push_back(job);
        if state.idle >= state.queue.len() {
            shift.shared.wake.notify_one();
        } else if state.running < self.threads {
            let (shared, nice) = (Arc::clone(&shift.shared), self.nice);
            let work = move || {
                stand_back(nice);
                shared.work();
            };
            match std::thread::Builder::new().name(self.name.to_owned()).spawn(work) {
                Ok(_) => state.running += 1,
                Err(_) if state.running > 0 => {}
                Err(_) => {
                    std::mem::swap(&mut orphans, &mut state.queue);
                    return Err(stopped());
                }
            }
        }
        Ok(())
    }

    /// Refuses new work, and returns when all that was taken is done.
    pub(crate) async fn finish(&self) {
        self.close();
        let done = {
            let _gate = fork::gate();
            let shift = lock(&self.shift);
            if !matches!(shift.process.check(), Ok(Relation::Same)) {
                return;
            }
            let mut state = lock(&shift.shared.state);
            if state.running == 0 {
                return;
            }
            let (reply, done) = oneshot::channel();
            state.waiting.push(reply);
            done
        };
        let _ = done.await;
    }

    /// Refuses new work; what is queued is still done.
    fn close(&self) {
        let _gate = fork::gate();
        let mut shift = lock(&self.shift);
        shift.closed = true;
        if matches!(shift.process.check(), Ok(Relation::Same)) {
            lock(&shift.shared.state).closed = true;
            shift.shared.wake.notify_all();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(job) = self.next() {
            // A job that panics loses its reply, which its caller is told, and no other job.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            if state.closed {
                state.running -= 1;
                if state.running == 0 {
                    for waiting in state.waiting.drain(..) {
                        let _ = waiting.send(());
                    }
                }
                return None;
            }
            state.idle += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

/// On Linux the priority is that of the calling thread; elsewhere it would be the whole process's.
fn stand_back(nice: i32) {
    #[cfg(target_os = "linux")]
    if nice > 0 {
        // It is a courtesy: where it is refused, the work is done all the same.
        let _ = rustix::process::nice(nice);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

fn stopped() -> Error {
    Error::unavailable(UnavailableCause::Io, "the work was not done: its thread stopped", "try again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::block_on;

    #[test]
    fn jobs_of_one_thread_keep_their_order_and_close_finishes_them() {
        let workers = Workers::new("test", 1, 100);
        let seen = Arc::new(Mutex::new(Vec::new()));
        for n in 0..50 {
            let seen = Arc::clone(&seen);
            assert!(workers.offer(move || lock(&seen).push(n)));
        }
        block_on(workers.finish());
        assert_eq!(*lock(&seen), (0..50).collect::<Vec<_>>());
        assert_eq!(block_on(workers.run(|| Ok(()))), Err(Error::Closed));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn threads_stand_back_alone() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let workers = Workers::new("test", 1, 100).behind(3);
        assert_eq!(block_on(workers.run(move || Ok(priority()))), Ok((before + 3).min(19)));
        assert_eq!(priority(), before);
    }

    #[test]
    fn a_full_queue_is_unavailable_and_a_gone_caller_stops_no_job() {
        let workers = Workers::new("test", 1, 1);
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (began, begin) = std::sync::mpsc::channel::<()>();
        assert!(workers.offer(move || {
            began.send(()).unwrap();
            held.recv().unwrap();
        }));
        begin.recv().unwrap();
        let (done, finished) = std::sync::mpsc::channel::<()>();
        let waiting = workers.run(move || {
            done.send(()).unwrap();
            Ok(())
        });
        assert!(matches!(crate::wait::now_or_later(async { 1 }), crate::wait::Ready::Now(1)));
        let mut waiting = Box::pin(waiting);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let refused = block_on(workers.run(|| Ok(())));
        assert_eq!(refused.unwrap_err().unavailable_cause(), Some(UnavailableCause::Busy));
        drop(waiting);
        hold.send(()).unwrap();
        finished.recv().unwrap();
    }
}

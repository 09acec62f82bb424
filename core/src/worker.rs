//! Worker threads for work that must not block the caller's thread: the writer of a store, and slow hashes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, UnavailableCause};
use crate::fork::{self, Process, Relation, lock};
use crate::sys;

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A pool of at most `threads` threads, which start when first needed and work through one bounded queue in order. A job
/// runs to its end even if its caller has gone.
pub(crate) struct Workers<J = Job> {
    name: &'static str,
    threads: usize,
    bound: usize,
    /// How far the priority of the threads is lowered, in steps of `nice`.
    nice: i32,
    /// How many of the waiting jobs a thread takes at a time.
    batch: usize,
    run: Arc<dyn Fn(Vec<J>) + Send + Sync>,
    /// Locked only behind the fork gate, so that a forked child finds it unlocked.
    current: Mutex<ProcessWorkers<J>>,
}

/// The threads and queue of one process.
struct ProcessWorkers<J> {
    process: Process,
    closed: bool,
    queue: Arc<JobQueue<J>>,
}

struct JobQueue<J> {
    jobs: Mutex<Jobs<J>>,
    wake: Condvar,
}

struct Jobs<J> {
    waiting: VecDeque<J>,
    running: usize,
    idle: usize,
    closed: bool,
    /// The callers of `finish`.
    finishers: Vec<oneshot::Sender<()>>,
}

impl<J> Default for JobQueue<J> {
    fn default() -> Self {
        let jobs = Jobs { waiting: VecDeque::new(), running: 0, idle: 0, closed: false, finishers: Vec::new() };
        Self { jobs: Mutex::new(jobs), wake: Condvar::new() }
    }
}

impl Workers {
    pub(crate) fn new(name: &'static str, threads: usize, bound: usize) -> Self {
        Self::start(name, threads, bound, 1, |jobs| jobs.into_iter().for_each(|job| job()))
    }

    /// Lowers the priority of the threads by this many steps of `nice`. Work that keeps a core busy for long would otherwise
    /// delay the threads that answer at once.
    pub(crate) fn with_niceness(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }

    /// Queues `work` and returns its result; `unavailable` if the queue is full.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.push(Box::new(move || {
            // If the caller has gone, the work was still done.
            let _ = reply.send(work());
        }))?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Queues `work` that nobody waits for; `false` if the queue is full.
    pub(crate) fn offer(&self, work: impl FnOnce() + Send + 'static) -> bool {
        self.push(Box::new(work)).is_ok()
    }
}

impl<J: Send + 'static> Workers<J> {
    /// One thread, which runs up to `batch` of the waiting jobs together.
    pub(crate) fn batches(
        name: &'static str,
        bound: usize,
        batch: usize,
        run: impl Fn(Vec<J>) + Send + Sync + 'static,
    ) -> Self {
        Self::start(name, 1, bound, batch, run)
    }

    fn start(
        name: &'static str,
        threads: usize,
        bound: usize,
        batch: usize,
        run: impl Fn(Vec<J>) + Send + Sync + 'static,
    ) -> Self {
        let current = ProcessWorkers { process: Process::current(), closed: false, queue: Arc::default() };
        Self { name, threads, bound, nice: 0, batch, run: Arc::new(run), current: Mutex::new(current) }
    }

    /// Queues a job; `unavailable` if the queue is full.
    pub(crate) fn push(&self, job: J) -> Result<(), Error> {
        // Jobs that will not run are dropped last: waking their callers may need the locks below.
        let mut undone = VecDeque::new();
        let _gate = fork::gate();
        let mut current = lock(&self.current);
        if current.closed {
            return Err(Error::Closed);
        }
        match current.process.check()? {
            Relation::Same => {}
            Relation::Child => {
                // The threads, and the callers of the queued jobs, stayed in the parent.
                std::mem::forget(std::mem::take(&mut current.queue));
                current.process = Process::current();
            }
        }
        let mut jobs = lock(&current.queue.jobs);
        if jobs.waiting.len() >= self.bound {
            return Err(Error::unavailable(UnavailableCause::Busy, "too much work is queued", "try again in a moment"));
        }
        jobs.waiting.push_back(job);
        if jobs.idle >= jobs.waiting.len() {
            // The thread takes this lock as soon as it wakes. While it is held here, the thread would sleep once more.
            drop(jobs);
            current.queue.wake.notify_one();
        } else if jobs.running < self.threads {
            let (queue, run, batch, nice) = (Arc::clone(&current.queue), Arc::clone(&self.run), self.batch, self.nice);
            let work = move || {
                sys::lower_priority(nice);
                queue.work(batch, &*run);
            };
            match std::thread::Builder::new().name(self.name.to_owned()).spawn(work) {
                Ok(_) => jobs.running += 1,
                Err(_) if jobs.running > 0 => {}
                Err(_) => {
                    std::mem::swap(&mut undone, &mut jobs.waiting);
                    return Err(stopped());
                }
            }
        }
        Ok(())
    }

    /// Refuses new work, and returns once all queued jobs are done.
    pub(crate) async fn finish(&self) {
        self.close();
        let done = {
            let _gate = fork::gate();
            let current = lock(&self.current);
            if !matches!(current.process.check(), Ok(Relation::Same)) {
                return;
            }
            let mut jobs = lock(&current.queue.jobs);
            if jobs.running == 0 {
                return;
            }
            let (reply, done) = oneshot::channel();
            jobs.finishers.push(reply);
            done
        };
        let _ = done.await;
    }
}

impl<J> Workers<J> {
    /// Refuses new work. Queued jobs still run.
    fn close(&self) {
        let _gate = fork::gate();
        let mut current = lock(&self.current);
        current.closed = true;
        if matches!(current.process.check(), Ok(Relation::Same)) {
            lock(&current.queue.jobs).closed = true;
            current.queue.wake.notify_all();
        }
    }
}

impl<J> Drop for Workers<J> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<J> JobQueue<J> {
    fn work(&self, batch: usize, run: &dyn Fn(Vec<J>)) {
        while let Some(jobs) = self.next(batch) {
            // If a job panics, its caller gets an error, and the other jobs still run.
            let _ = catch_unwind(AssertUnwindSafe(|| run(jobs)));
        }
    }

    fn next(&self, batch: usize) -> Option<Vec<J>> {
        let mut jobs = lock(&self.jobs);
        loop {
            if !jobs.waiting.is_empty() {
                let count = batch.min(jobs.waiting.len());
                return Some(jobs.waiting.drain(..count).collect());
            }
            if jobs.closed {
                jobs.running -= 1;
                if jobs.running == 0 {
                    for finisher in jobs.finishers.drain(..) {
                        let _ = finisher.send(());
                    }
                }
                return None;
            }
            jobs.idle += 1;
            jobs = self.wake.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            jobs.idle -= 1;
        }
    }
}

/// The error for a job that did not run to its end.
pub(crate) fn stopped() -> Error {
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
    #[cfg(all(target_os = "linux", not(keywright_portable)))]
    fn only_the_worker_threads_have_a_lower_priority() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let workers = Workers::new("test", 1, 100).with_niceness(3);
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

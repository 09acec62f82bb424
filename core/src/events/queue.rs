//! The queue of one engine's events in one process.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use super::event::{Event, EventKind};
use crate::clock::{Clock, DAY, Millis};
use crate::fork::lock;

/// How many events may wait for the listener. Further ones are dropped and counted.
const MAX_QUEUED: usize = 1_024;
/// How long queued events may still be delivered once the engine is closed.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the thread checks whether another day has begun.
const DAY_CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// A queued event, or the counts from which the dispatcher builds one.
#[derive(Debug)]
pub(crate) enum QueuedEvent {
    Event(Box<Event>),
    /// The use of a secret, as a flush found it.
    Used {
        kind: EventKind,
        key_id: String,
        lookup: String,
        count: u64,
    },
    /// Sends a signal once everything queued before it was delivered.
    Marker(mpsc::Sender<()>),
}

/// The queue between the threads that report events and the one that delivers them.
pub(super) struct EventQueue {
    clock: Clock,
    /// Whether the database can store which day was checked.
    checks_days: bool,
    state: Mutex<QueueState>,
    wake: Condvar,
    stopped: Condvar,
}

#[derive(Default)]
struct QueueState {
    queued: VecDeque<QueuedEvent>,
    lost: u64,
    closed: Option<Instant>,
    stopped: bool,
}

/// The next task of the dispatcher.
pub(super) enum Task {
    Deliver(QueuedEvent),
    CheckDay(Millis),
    Stop,
}

impl EventQueue {
    pub(super) fn new(clock: Clock, checks_days: bool) -> Self {
        let (state, wake, stopped) = (Mutex::default(), Condvar::new(), Condvar::new());
        Self { clock, checks_days, state, wake, stopped }
    }

    /// Queues an event. It never waits for the listener.
    pub(super) fn push(&self, event: QueuedEvent) {
        let mut state = lock(&self.state);
        if state.closed.is_some() {
            return;
        }
        if state.queued.len() < MAX_QUEUED {
            state.queued.push_back(event);
        } else {
            state.lost += 1;
        }
        self.wake.notify_one();
    }

    /// Queues a marker, also if the queue is full, and returns its receiver. `None` once the queue is closed.
    pub(super) fn push_marker(&self) -> Option<mpsc::Receiver<()>> {
        let mut state = lock(&self.state);
        if state.closed.is_some() {
            return None;
        }
        let (reached, receiver) = mpsc::channel();
        state.queued.push_back(QueuedEvent::Marker(reached));
        self.wake.notify_one();
        Some(receiver)
    }

    /// Wakes the dispatcher to check the day.
    pub(super) fn wake(&self) {
        // The dispatcher holds this lock from its reading of the clock until it waits, and would miss a signal in between.
        let _state = lock(&self.state);
        self.wake.notify_one();
    }

    /// Refuses further events. Those in the queue are still delivered.
    pub(super) fn close(&self) {
        lock(&self.state).closed.get_or_insert_with(Instant::now);
        self.wake.notify_one();
    }

    /// The dispatcher has stopped.
    pub(super) fn set_stopped(&self) {
        lock(&self.state).stopped = true;
        self.stopped.notify_all();
    }

    /// Waits until the dispatcher has stopped, for a bounded time.
    pub(super) fn wait_until_stopped(&self) {
        drop(self.stopped.wait_timeout_while(lock(&self.state), CLOSE_TIMEOUT, |state| !state.stopped));
    }

    /// Takes the number of events that were dropped since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        std::mem::take(&mut lock(&self.state).lost)
    }

    /// Waits for the next task, or until another day than `checked` has begun.
    pub(super) fn next(&self, checked: i64) -> Task {
        let mut state = lock(&self.state);
        loop {
            if let Some(task) = Self::take(&mut state) {
                return task;
            }
            let now = self.clock.now();
            if self.checks_days && day(now) != checked {
                return Task::CheckDay(now);
            }
            state = self.wake.wait_timeout(state, DAY_CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next queued task, without waiting.
    pub(super) fn try_next(&self) -> Option<Task> {
        Self::take(&mut lock(&self.state))
    }

    fn take(state: &mut MutexGuard<'_, QueueState>) -> Option<Task> {
        if state.closed.is_some_and(|closed| closed.elapsed() > CLOSE_TIMEOUT) {
            return Some(Task::Stop);
        }
        let event = state.queued.pop_front();
        event.map(Task::Deliver).or_else(|| state.closed.is_some().then_some(Task::Stop))
    }
}

/// The number of a day since 1970-01-01 in UTC.
pub(super) fn day(now: Millis) -> i64 {
    now.div_euclid(DAY)
}

//! The thread that delivers the events of one engine to its listener.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, ThreadId};

use tokio::sync::oneshot;

use super::event::{Event, EventKind, Subscription};
use super::queue::{CLOSE_TIMEOUT, EventQueue, QueuedEvent, Task, day};
use super::reminders::Reminders;
use crate::clock::{Clock, Millis, time};
use crate::decision::Code;
use crate::fork::Process;
use crate::store::{AnyStore, Store, Tenant};
use crate::wait::block_on;

/// How many keys the dispatcher remembers as reported today.
const MAX_REPORTED: usize = 10_000;

/// The events of one engine in one process, and the thread that delivers them.
pub(crate) struct Events {
    process: Process,
    thread: Option<ThreadId>,
    queue: Arc<EventQueue>,
}

impl Events {
    /// Starts the thread. `writes` says whether the database may be written, as the daily check of the keys needs.
    pub(crate) fn new(subscription: Subscription, clock: Clock, store: Arc<AnyStore>, writes: bool) -> Self {
        let queue = Arc::new(EventQueue::new(clock.clone(), writes));
        let dispatcher = Dispatcher { subscription, clock, store, queue: Arc::clone(&queue), reported: HashMap::new() };
        // Without a thread all events are lost, and nothing else is affected.
        let thread = thread::Builder::new().name("keywright-events".into()).spawn(move || dispatcher.run());
        Self { process: Process::current(), thread: thread.ok().map(|handle| handle.thread().id()), queue }
    }

    /// Queues an event. It never waits for the listener.
    pub(crate) fn offer(&self, event: QueuedEvent) {
        self.queue.push(event);
    }

    /// Lets the thread check the day, after counts were flushed.
    pub(crate) fn tick(&self) {
        self.queue.wake();
    }

    /// Waits until the events that are queued now are delivered, for a bounded time.
    pub(crate) async fn flush(&self) {
        let Some(marker) = self.queue.push_marker() else { return };
        self.wait(move |_| {
            let _ = marker.recv_timeout(CLOSE_TIMEOUT);
        })
        .await;
    }

    /// Refuses further events, and waits until the queued ones are delivered, for a bounded time.
    pub(crate) async fn finish(&self) {
        self.queue.close();
        self.wait(EventQueue::wait_until_stopped).await;
    }

    /// Waits for the dispatcher on another thread.
    async fn wait(&self, wait: impl FnOnce(&EventQueue) + Send + 'static) {
        // A listener that calls this would wait for itself.
        if self.thread.is_none_or(|id| id == thread::current().id()) {
            return;
        }
        let (reply, done) = oneshot::channel();
        let queue = Arc::clone(&self.queue);
        let run = move || {
            wait(&queue);
            let _ = reply.send(());
        };
        if thread::Builder::new().name("keywright-events-end".into()).spawn(run).is_ok() {
            let _ = done.await;
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // A forked child holds a copy of its parent's: the thread stayed in the parent, and a lock may be held for ever.
        if self.process == Process::current() {
            self.queue.close();
        }
    }
}

/// Delivers events to the listener, on its own thread.
struct Dispatcher {
    subscription: Subscription,
    clock: Clock,
    store: Arc<AnyStore>,
    queue: Arc<EventQueue>,
    /// The day on which a kind of use was last reported of a key. Each is reported once a day.
    reported: HashMap<(EventKind, String), i64>,
}

impl Dispatcher {
    fn run(mut self) {
        let mut checked = i64::MIN;
        loop {
            match self.queue.next(checked) {
                Task::Deliver(event) => self.deliver(event),
                Task::CheckDay(now) => {
                    checked = day(now);
                    let (subscription, store) = (self.subscription.clone(), Arc::clone(&self.store));
                    let reminders = Reminders { subscription: &subscription, store: &store, now };
                    // A day that cannot be checked now is left to another process, or to the next day.
                    let _ = block_on(reminders.send(|event| self.deliver_between(event)));
                }
                Task::Stop => break,
            }
        }
        self.queue.set_stopped();
    }

    /// Delivers the events that were queued meanwhile, and then this one. `false` once the queue is closed.
    fn deliver_between(&mut self, event: Event) -> bool {
        while let Some(task) = self.queue.try_next() {
            match task {
                Task::Deliver(queued) => self.deliver(queued),
                Task::CheckDay(_) | Task::Stop => return false,
            }
        }
        self.notify(event);
        true
    }

    fn deliver(&mut self, queued: QueuedEvent) {
        match queued {
            QueuedEvent::Event(event) => self.notify(*event),
            QueuedEvent::Marker(reached) => {
                // The caller of `flush` may have gone.
                let _ = reached.send(());
            }
            QueuedEvent::Used { kind, key_id, lookup, count } => {
                let now = self.clock.now();
                if self.is_first_today(kind, &key_id, now)
                    && let Some(event) = block_on(self.use_of(kind, &key_id, &lookup, now))
                {
                    self.notify(Event { count, ..event });
                }
            }
        }
    }

    fn is_first_today(&mut self, kind: EventKind, key_id: &str, now: Millis) -> bool {
        let today = day(now);
        if self.reported.len() >= MAX_REPORTED {
            self.reported.retain(|_, day| *day == today);
        }
        if self.reported.len() >= MAX_REPORTED {
            self.reported.clear();
        }
        self.reported.insert((kind, key_id.to_owned()), today) != Some(today)
    }

    /// The event for the use of a secret; `None` if its key cannot be read.
    async fn use_of(&self, kind: EventKind, key_id: &str, lookup: &str, now: Millis) -> Option<Event> {
        let view = self.store.get(&Tenant::Every, key_id, now).await.ok()??;
        let secret = view.secrets.iter().find(|secret| secret.lifetime.lookup == lookup).cloned();
        let key = view.into_record(self.store.info().integer_ids, now);
        let event = Event::of(kind, &key, time(now));
        let code = (kind == EventKind::RefusedAfterRevocation).then_some(Code::Revoked);
        let prefix = secret.map(|secret| secret.prefix).or(event.prefix);
        Some(Event { code, prefix, ..event })
    }

    fn notify(&self, event: Event) {
        let event = Event { lost: self.queue.take_lost(), ..event };
        // A listener that panics harms nobody else.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.subscription.listener)(&event)));
    }
}

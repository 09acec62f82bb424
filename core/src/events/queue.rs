use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Ear, Event, EventKind, daily};
use crate::clock::{Clock, DAY, Millis, time};
use crate::decision::Code;
use crate::fork::{Process, lock};
use crate::store::{AnyStore, Store, Tenant};
use crate::wait::block_on;

/// Events that wait for the listener; past this many they are dropped, and counted.
const WAITING: usize = 1_024;
/// How long what is queued may still be handed out once the engine is closed.
const BOUND: Duration = Duration::from_secs(5);
/// How often the thread looks whether another day has begun.
const TICK: Duration = Duration::from_secs(60);
/// How many keys are remembered as told of today.
const REMEMBERED: usize = 10_000;

/// What is queued: an event, or what a flush has noticed, of which the thread makes one.
#[derive(Debug)]
pub(crate) enum Notice {
    Told(Box<Event>),
    Used {
        kind: EventKind,
        key_id: String,
        lookup: String,
        count: u64,
    },
    /// Sends a signal once everything queued before it was handed out.
    Reached(mpsc::Sender<()>),
}

/// The events of one process and engine, and the thread that hands them out.
pub(crate) struct Events {
    process: Process,
    thread: Option<ThreadId>,
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) ear: Ear,
    pub(super) clock: Clock,
    pub(super) store: Arc<AnyStore>,
    /// Whether the database may be asked to remember which day was checked.
    writes: bool,
    queue: Mutex<Queue>,
    wake: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    lost: u64,
    closed: Option<Instant>,
    ended: bool,
}

/// What the thread does next.
enum Turn {
    Notice(Notice),
    Day(Millis),
    End,
}

impl Events {
    pub(crate) fn new(ear: Ear, clock: Clock, store: Arc<AnyStore>, writes: bool) -> Self {
        let (queue, wake, ended) = (Mutex::default(), Condvar::new(), Condvar::new());
        let shared = Arc::new(Shared { ear, clock, store, writes, queue, wake, ended });
        let run = Arc::clone(&shared);
        // Without a thread everything is lost, and nothing else is concerned.
        let thread = thread::Builder::new().name("keywright-events".into()).spawn(move || Hand::of(&run).run());
        Self { process: Process::current(), thread: thread.ok().map(|it| it.thread().id()), shared }
    }

    /// Queues what happened. It never waits for the listener.
    pub(crate) fn offer(&self, notice: Notice) {
        let mut queue = lock(&self.shared.queue);
        if queue.closed.is_some() {
            return;
        }
        if queue.notices.len() < WAITING {
            queue.notices.push_back(notice);
        } else {
            queue.lost += 1;
        }
        self.shared.wake.notify_one();
    }

    /// Has the thread look at the day, after counts were written down.
    pub(crate) fn tick(&self) {
        // The thread holds this lock from its look at the clock until it waits, and would not hear of it in between.
        let _queue = lock(&self.shared.queue);
        self.shared.wake.notify_one();
    }

    /// Waits until what is queued by now is handed out, or too slow to be.
    pub(crate) async fn flush(&self) {
        let (reached, heard) = mpsc::channel();
        {
            let mut queue = lock(&self.shared.queue);
            if queue.closed.is_some() {
                return;
            }
            queue.notices.push_back(Notice::Reached(reached));
            self.shared.wake.notify_one();
        }
        self.waited(move |_| {
            let _ = heard.recv_timeout(BOUND);
        })
        .await;
    }

    /// Takes no more, and waits until what is queued is handed out, or too slow to be.
    pub(crate) async fn finish(&self) {
        self.close();
        self.waited(|shared| {
            let until = shared.ended.wait_timeout_while(lock(&shared.queue), BOUND, |it| !it.ended);
            drop(until);
        })
        .await;
    }

    /// Runs on a thread what waits for the one that hands out.
    async fn waited(&self, wait: impl FnOnce(&Shared) + Send + 'static) {
        // A listener that asks for this would wait for itself.
        if self.thread.is_none_or(|it| it == thread::current().id()) {
            return;
        }
        let (reply, done) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let run = move || {
            wait(&shared);
            let _ = reply.send(());
        };
        if thread::Builder::new().name("keywright-events-end".into()).spawn(run).is_ok() {
            let _ = done.await;
        }
    }

    fn close(&self) {
        lock(&self.shared.queue).closed.get_or_insert_with(Instant::now);
        self.shared.wake.notify_one();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // A child has its parent's by copy only: the thread stayed behind, the lock may be held by nobody.
        if self.process == Process::current() {
            self.close();
        }
    }
}

impl Shared {
    /// Waits for something to do, until another day than `checked` has begun.
    fn next(&self, checked: i64) -> Turn {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(turn) = self.queued(&mut queue) {
                return turn;
            }
            let now = self.clock.now();
            if self.writes && day(now) != checked {
                return Turn::Day(now);
            }
            queue = self.wake.wait_timeout(queue, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn queued(&self, queue: &mut MutexGuard<'_, Queue>) -> Option<Turn> {
        if queue.closed.is_some_and(|it| it.elapsed() > BOUND) {
            return Some(Turn::End);
        }
        let next = queue.notices.pop_front();
        next.map(Turn::Notice).or_else(|| queue.closed.is_some().then_some(Turn::End))
    }
}

pub(super) fn day(now: Millis) -> i64 {
    now.div_euclid(DAY)
}

/// What the thread holds while it hands events out.
pub(super) struct Hand<'a> {
    shared: &'a Shared,
    /// Of what was noticed today: what is told of a key is told once a day.
    told: HashMap<(EventKind, String), i64>,
}

impl<'a> Hand<'a> {
    fn of(shared: &'a Shared) -> Self {
        Self { shared, told: HashMap::new() }
    }

    fn run(mut self) {
        let mut checked = i64::MIN;
        loop {
            match self.shared.next(checked) {
                Turn::Notice(notice) => self.hand_out(notice),
                Turn::Day(now) => {
                    checked = day(now);
                    // A day that cannot be looked at now is tried again at the next, or by another process.
                    let _ = block_on(daily::look(self.shared, now, &mut self));
                }
                Turn::End => break,
            }
        }
        lock(&self.shared.queue).ended = true;
        self.shared.ended.notify_all();
    }

    /// Hands out what has come meanwhile; `false` once all is over.
    pub(super) fn go_on(&mut self) -> bool {
        loop {
            let turn = self.shared.queued(&mut lock(&self.shared.queue));
            match turn {
                Some(Turn::Notice(notice)) => self.hand_out(notice),
                Some(_) => return false,
                None => return true,
            }
        }
    }

    fn hand_out(&mut self, notice: Notice) {
        match notice {
            Notice::Told(event) => self.tell(*event),
            Notice::Reached(waiting) => {
                // Nobody may be left to hear it.
                let _ = waiting.send(());
            }
            Notice::Used { kind, key_id, lookup, count } => {
                let now = self.shared.clock.now();
                if self.is_new(kind, &key_id, now)
                    && let Some(event) = block_on(self.event(kind, &key_id, &lookup, now))
                {
                    self.tell(Event { count, ..event });
                }
            }
        }
    }

    fn is_new(&mut self, kind: EventKind, key_id: &str, now: Millis) -> bool {
        let today = day(now);
        if self.told.len() >= REMEMBERED {
            self.told.retain(|_, it| *it == today);
        }
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert((kind, key_id.to_owned()), today) != Some(today)
    }

    async fn event(&self, kind: EventKind, key_id: &str, lookup: &str, now: Millis) -> Option<Event> {
        let store = &self.shared.store;
        let view = store.get(&Tenant::Every, key_id, now).await.ok()??;
        let used = view.secrets.iter().find(|it| it.term.lookup == lookup).cloned();
        let key = view.into_record(store.info().integer_ids, now);
        let event = Event::of(kind, &key, time(now));
        let code = (kind == EventKind::RefusedAfterRevocation).then_some(Code::Revoked);
        let prefix = used.map(|it| it.prefix).or(event.prefix);
        Some(Event { code, prefix, ..event })
    }

    pub(super) fn tell(&self, event: Event) {
        let lost = std::mem::take(&mut lock(&self.shared.queue).lost);
        let event = Event { lost, ..event };
        // What a listener breaks is its own.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.shared.ear.listener)(&event)));
    }
}

//! Fork safety. SQLite records its locks in process memory, which a child inherits without holding the locks. So no
//! connection may stay open across a fork: [`prepare`] waits for running work and closes every connection, and parent and
//! child open new ones when they need them. The Python package registers the three functions with `pthread_atfork`. A child
//! whose fork bypassed them is recognised by its process id, and the engine refuses to work there.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use crate::error::{Error, UnavailableCause};

/// An owner of connections, which must not stay open across a fork.
pub(crate) trait Forkable: Send + Sync {
    /// Closes the connections. It is called while no work runs.
    fn release(&self);
}

static GATE: RwLock<()> = RwLock::new(());
/// The number of forks between the first process and this one.
static EPOCH: AtomicU64 = AtomicU64::new(0);
static HOLDERS: Mutex<Vec<Weak<dyn Forkable>>> = Mutex::new(Vec::new());

thread_local! {
    static FORKING: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Lets no fork happen while the guard lives. Work holds it while it uses a connection, a queue or a lock that a child must
/// find idle. A thread never holds two.
pub(crate) fn gate() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock, even if a thread panicked while it held it: all values behind these locks change in single steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn register(holder: Weak<dyn Forkable>) {
    let mut holders = lock(&HOLDERS);
    holders.retain(|it| it.strong_count() > 0);
    holders.push(holder);
}

/// The epoch of this process. A forked child has a later one.
pub(crate) fn epoch() -> u64 {
    EPOCH.load(Ordering::Acquire)
}

/// The process that owns a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    id: u32,
    epoch: u64,
}

/// The relation of the running process to a [`Process`].
pub(crate) enum Relation {
    /// It is that process.
    Same,
    /// It is a child, forked through [`prepare`]: the threads stayed in the parent, and the connections were closed.
    Child,
}

impl Process {
    pub(crate) fn current() -> Self {
        Self { id: std::process::id(), epoch: epoch() }
    }

    /// Fails in a child whose fork bypassed [`prepare`].
    pub(crate) fn check(self) -> Result<Relation, Error> {
        let now = Self::current();
        if now.epoch != self.epoch {
            Ok(Relation::Child)
        } else if now.id == self.id {
            Ok(Relation::Same)
        } else {
            Err(Error::unavailable(
                UnavailableCause::Access,
                "this process was forked while Keywright was open, without its fork handlers",
                "open Keywright in the child",
            ))
        }
    }
}

/// A value that each process has its own of. A forked child builds a new one and never touches its parent's, which another
/// thread may have been changing at the time of the fork. Reading it costs one comparison.
pub(crate) struct PerProcess<T> {
    epoch: u64,
    value: T,
    child: OnceLock<Box<PerProcess<T>>>,
}

impl<T> PerProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { epoch: epoch(), value, child: OnceLock::new() }
    }

    /// The value of this process; `None` in a forked child that has not built its own.
    #[cfg(feature = "postgres")]
    pub(crate) fn built(&self) -> Option<&T> {
        let epoch = epoch();
        let mut holder = self;
        while holder.epoch != epoch {
            holder = holder.child.get()?;
        }
        Some(&holder.value)
    }

    /// The value of this process. In a forked child, `build` builds it. The caller does not hold the gate.
    pub(crate) fn get(&self, build: impl Fn() -> T) -> &T {
        let epoch = epoch();
        let mut holder = self;
        while holder.epoch != epoch {
            holder = holder.child.get_or_init(|| {
                // A fork in between would leave this half done in the child.
                let _gate = gate();
                Box::new(Self::new(build()))
            });
        }
        &holder.value
    }
}

/// The handler before a fork, on the forking thread.
pub fn prepare() {
    let guard = GATE.write().unwrap_or_else(PoisonError::into_inner);
    let holders: Vec<_> = lock(&HOLDERS).clone();
    for holder in holders.iter().filter_map(Weak::upgrade) {
        holder.release();
    }
    FORKING.with_borrow_mut(|held| *held = Some(guard));
}

/// The handler after a fork, in the parent.
pub fn parent() {
    FORKING.with_borrow_mut(Option::take);
}

/// The handler after a fork, in the child.
pub fn child() {
    EPOCH.fetch_add(1, Ordering::AcqRel);
    FORKING.with_borrow_mut(Option::take);
}

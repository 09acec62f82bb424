//! Fork safety. SQLite keeps its locks in process memory that a child inherits without holding them, so nothing
//! open may cross a fork: [`prepare`] closes every connection and waits for running work, and parent and child
//! open again when they next need to. A host that forks registers the three functions with `pthread_atfork`; the
//! Python package does. A fork that bypassed them is noticed by the process id, and refused.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use crate::error::{Error, UnavailableCause};

/// Something that holds what must not cross a fork.
pub(crate) trait Forkable: Send + Sync {
    /// Lets go of connections. Called while no work runs.
    fn release(&self);
}

static GATE: RwLock<()> = RwLock::new(());
/// Grows by one in each forked child.
static EPOCH: AtomicU64 = AtomicU64::new(0);
static HOLDERS: Mutex<Vec<Weak<dyn Forkable>>> = Mutex::new(Vec::new());

thread_local! {
    static HELD: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// Held while work touches a connection, a queue or a lock that a fork must find at rest. Never nested.
pub(crate) fn gate() -> RwLockReadGuard<'static, ()> {
    GATE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a lock that a panic may have left behind: what it guards is changed in single steps.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn register(holder: Weak<dyn Forkable>) {
    let mut holders = lock(&HOLDERS);
    holders.retain(|it| it.strong_count() > 0);
    holders.push(holder);
}

/// Differs in each forked child.
pub(crate) fn epoch() -> u64 {
    EPOCH.load(Ordering::Acquire)
}

/// The process that something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    id: u32,
    epoch: u64,
}

/// How the running process stands to a [`Process`].
pub(crate) enum Relation {
    /// It is that process.
    Same,
    /// It is a child, forked through [`prepare`]: threads stayed behind, connections were closed.
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
                "open Keywright in the child, or register fork::{prepare, parent, child} with pthread_atfork",
            ))
        }
    }
}

/// A value of which each process has its own: a forked child makes one anew, and never touches its parent's, which
/// another thread may have been changing at the moment of the fork. To get it costs a comparison.
pub(crate) struct PerProcess<T> {
    epoch: u64,
    value: T,
    child: OnceLock<Box<PerProcess<T>>>,
}

impl<T> PerProcess<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { epoch: epoch(), value, child: OnceLock::new() }
    }

    /// The value of this process, which `make` makes in a child. Called without the gate.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &T {
        let epoch = epoch();
        let mut it = self;
        while it.epoch != epoch {
            it = it.child.get_or_init(|| {
                // A grandchild must not find this half done.
                let _gate = gate();
                Box::new(Self::new(make()))
            });
        }
        &it.value
    }
}

/// Before a fork, on the forking thread.
pub fn prepare() {
    let guard = GATE.write().unwrap_or_else(PoisonError::into_inner);
    let holders: Vec<_> = lock(&HOLDERS).clone();
    for holder in holders.iter().filter_map(Weak::upgrade) {
        holder.release();
    }
    HELD.with_borrow_mut(|held| *held = Some(guard));
}

/// After a fork, in the parent.
pub fn parent() {
    HELD.with_borrow_mut(Option::take);
}

/// After a fork, in the child.
pub fn child() {
    EPOCH.fetch_add(1, Ordering::AcqRel);
    HELD.with_borrow_mut(Option::take);
}

//! A watch over the files of one folder: it writes down what SQLite sends to the disk, and says which calls fail.

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use rusqlite::ffi;

use super::vfs;

/// The calls that can fail. Those that let go of something do not: no file system refuses to take a lock back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Open,
    Delete,
    Access,
    Read,
    Write,
    Truncate,
    Sync,
    FileSize,
    Lock,
    ShmMap,
    ShmLock,
}

impl Call {
    pub const ALL: [Self; 11] = [
        Self::Open,
        Self::Delete,
        Self::Access,
        Self::Read,
        Self::Write,
        Self::Truncate,
        Self::Sync,
        Self::FileSize,
        Self::Lock,
        Self::ShmMap,
        Self::ShmLock,
    ];

    /// The error of SQLite's own VFS when the operating system refuses the call.
    pub fn failure(self) -> c_int {
        match self {
            Self::Open => ffi::SQLITE_CANTOPEN,
            Self::Delete => ffi::SQLITE_IOERR_DELETE,
            Self::Access => ffi::SQLITE_IOERR_ACCESS,
            Self::Read => ffi::SQLITE_IOERR_READ,
            Self::Write => ffi::SQLITE_IOERR_WRITE,
            Self::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
            Self::Sync => ffi::SQLITE_IOERR_FSYNC,
            Self::FileSize => ffi::SQLITE_IOERR_FSTAT,
            Self::Lock => ffi::SQLITE_IOERR_LOCK,
            Self::ShmMap => ffi::SQLITE_IOERR_SHMMAP,
            Self::ShmLock => ffi::SQLITE_IOERR_SHMLOCK,
        }
    }
}

/// Which calls fail, from the `nth` of them on.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// `None` counts every call.
    pub call: Option<Call>,
    pub nth: usize,
    /// Whether the calls after it fail as well.
    pub lasts: bool,
    /// The answer; `None` for the usual one.
    pub code: Option<c_int>,
}

/// The calls on the files of a folder, in order. Files go by their names in it.
#[derive(Debug)]
pub enum Event {
    Opened(String),
    Written(String, usize, Vec<u8>),
    Truncated(String, usize),
    Synced(String),
    /// A sync failed.
    NotSynced(String),
    Deleted(String),
    FolderSynced,
}

pub struct Watch {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: Option<Vec<Event>>,
    fault: Option<Fault>,
    counted: usize,
    hit: bool,
}

static WATCHES: Mutex<Vec<Weak<Watch>>> = Mutex::new(Vec::new());

impl Watch {
    /// Watches a folder before anything in it is opened.
    pub fn on(folder: &Path) -> Arc<Self> {
        vfs::register();
        let watch = Arc::new(Self { folder: folder.canonicalize().unwrap(), state: Mutex::default() });
        let mut watches = WATCHES.lock().unwrap();
        watches.retain(|it| it.strong_count() > 0);
        watches.push(Arc::downgrade(&watch));
        watch
    }

    pub fn recording(folder: &Path) -> Arc<Self> {
        let watch = Self::on(folder);
        watch.state.lock().unwrap().events = Some(Vec::new());
        watch
    }

    /// How many events there were so far.
    pub fn moment(&self) -> usize {
        self.state.lock().unwrap().events.as_ref().unwrap().len()
    }

    /// Ends the recording.
    pub fn events(&self) -> Vec<Event> {
        self.state.lock().unwrap().events.take().unwrap()
    }

    pub fn breaks(&self, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        (state.fault, state.counted, state.hit) = (Some(fault), 0, false);
    }

    /// Whether a call has failed.
    pub fn hit(&self) -> bool {
        self.state.lock().unwrap().hit
    }

    /// Whether a call may fail from now on.
    pub fn threatens(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.fault.is_some_and(|it| it.lasts || !state.hit)
    }

    /// From now on nothing fails.
    pub fn mends(&self) {
        self.state.lock().unwrap().fault = None;
    }

    pub fn is_recording(&self) -> bool {
        self.state.lock().unwrap().events.is_some()
    }

    pub fn note(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = &mut self.state.lock().unwrap().events {
            events.push(event());
        }
    }

    pub fn fails(&self, call: Call) -> Option<c_int> {
        let mut state = self.state.lock().unwrap();
        let fault = state.fault.filter(|it| it.call.is_none_or(|it| it == call))?;
        state.counted += 1;
        let fails = if fault.lasts { state.counted >= fault.nth } else { state.counted == fault.nth };
        state.hit |= fails;
        fails.then(|| fault.code.unwrap_or(call.failure()))
    }
}

/// A file of a watched folder.
pub struct Watched {
    pub watch: Arc<Watch>,
    pub name: String,
}

/// The watch over a file, if there is one.
pub fn watched(file: &Path) -> Option<Watched> {
    let (folder, name) = (file.parent()?, file.file_name()?.to_str()?.to_owned());
    let watches = WATCHES.lock().unwrap();
    let watch = watches.iter().filter_map(Weak::upgrade).find(|it| it.folder == folder)?;
    Some(Watched { watch, name })
}

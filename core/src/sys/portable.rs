//! Any system, by the standard library alone. The guide says what is missing here.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
#[cfg(feature = "cli")]
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use rusqlite::Connection;

/// The WAL index, which no portable code can read: each verification asks SQLite for changes.
pub(crate) enum WalIndex {}

impl WalIndex {
    pub(crate) fn new() -> Option<Self> {
        None
    }

    pub(crate) fn show(&self, _connection: Connection) -> Result<(), Connection> {
        match *self {}
    }

    pub(crate) fn hide(&self) -> Option<Connection> {
        match *self {}
    }

    pub(crate) fn commit_stamp(&self) -> Option<NonZeroU64> {
        match *self {}
    }
}

/// When the file was created, where the file system keeps that.
pub(super) type Identity = Option<SystemTime>;

/// Nothing: the time of the last write has to suffice.
pub(super) type ChangeTime = ();

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn coarse_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Microseconds of a clock that never goes back, since an arbitrary origin.
pub(crate) fn monotonic_micros() -> u64 {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(ORIGIN.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The same clock. On Windows it also runs while the machine sleeps.
#[cfg(any(test, feature = "postgres", feature = "provider"))]
pub(crate) fn boot_micros() -> u64 {
    monotonic_micros()
}

/// Nothing: limits are not shared here.
pub(crate) fn boot_id() -> Option<String> {
    None
}

/// Threads keep their priority.
pub(crate) fn lower_priority(_nice: i32) {}

pub(super) fn identity(file: &Metadata) -> Identity {
    file.created().ok()
}

pub(super) fn change_time(_file: &Metadata) -> ChangeTime {}

/// Hard links are not seen.
pub(crate) fn has_second_name(_file: &Metadata) -> bool {
    false
}

/// The rights to a file are those of its folder.
pub(crate) fn is_private(_file: &Metadata) -> bool {
    true
}

/// The rights to a file are those of its folder.
pub(crate) fn make_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Listens at a Unix socket, where a system has them. The rights to it are those of its folder.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn listen_privately(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    std::os::unix::net::UnixListener::bind(path)
}

/// Whether a file is a Unix socket.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn is_socket(found: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&found.file_type())
}

/// No: there is no portable way to tell whether this process should ignore that its terminal closes.
#[cfg(all(unix, feature = "cli"))]
pub(crate) fn may_hear_hangup() -> bool {
    false
}

/// Creates an empty file. It fails if the file exists.
pub(crate) fn create_private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path).map(drop)
}

/// Opens a file for reading and writing, and creates an empty one if there is none.
pub(crate) fn open_private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// The rights to a file are those of its folder.
pub(crate) fn copy_rights(_from: &Metadata, _to: &File) -> io::Result<()> {
    Ok(())
}

/// The rights to a file are those of its folder.
pub(crate) fn is_as_private(_file: &Metadata, _other: &Metadata) -> bool {
    true
}

/// The file system writes names to the disk by itself.
#[cfg(feature = "cli")]
pub(crate) fn sync_folder(_file: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates a folder, and those above it.
pub(crate) fn create_private_folders(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

/// Writes to standard output. After an error `bytes` is the rest, which was not written.
#[cfg(feature = "cli")]
pub(crate) fn write_output(bytes: &mut &[u8]) -> io::Result<()> {
    let mut to = io::stdout().lock();
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    to.flush()
}

/// There is no portable way to ask.
#[cfg(feature = "cli")]
pub(crate) fn is_output_closed() -> bool {
    false
}

/// There is no portable way to hide what is typed.
#[cfg(feature = "cli")]
pub(crate) fn without_echo<T>(_read: impl FnOnce() -> T) -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The absolute path, without links. Windows adds a prefix to it that other programs do not read; a path with a drive works
/// without.
pub(crate) fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    let whole = path.canonicalize()?;
    let plain = whole.to_str().and_then(|text| text.strip_prefix(r"\\?\"));
    Ok(match plain.filter(|text| text.as_bytes().get(1) == Some(&b':')) {
        Some(plain) => PathBuf::from(plain),
        None => whole,
    })
}

/// Network file systems are not recognised.
pub(crate) fn remote_file_system(_folder: &Path) -> Option<&'static str> {
    None
}

/// Mounts of single files are not recognised.
pub(crate) fn is_mounted(_file: &Path) -> bool {
    false
}

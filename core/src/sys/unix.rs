//! Linux, macOS and other Unix systems.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
#[cfg(feature = "cli")]
use std::os::unix::fs::FileTypeExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
#[cfg(feature = "cli")]
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
#[cfg(feature = "cli")]
use rustix::io::{Errno, FdFlags};
#[cfg(feature = "cli")]
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
#[cfg(feature = "cli")]
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use rustix::time::{ClockId, clock_gettime};

pub(crate) use super::wal_index::WalIndex;

/// The mode of a file that its owner alone may read and write.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;

/// The connections that may wait for a listener, as the standard library has it.
#[cfg(feature = "cli")]
const MOST_UNACCEPTED: i32 = 128;

/// The device and the inode.
pub(super) type Identity = (u64, u64);

/// When the inode last changed: seconds and nanoseconds.
pub(super) type ChangeTime = (i64, i64);

/// Milliseconds since 1970-01-01T00:00:00Z, by a clock that advances with the ticks of the kernel and is cheap to read.
pub(crate) fn coarse_millis() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    let clock = ClockId::RealtimeCoarse;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let clock = ClockId::Realtime;
    let now = clock_gettime(clock);
    now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)
}

/// Microseconds of a clock that never goes back, since an arbitrary origin.
pub(crate) fn monotonic_micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs().saturating_mul(1_000_000).saturating_add(now.tv_nsec.unsigned_abs() / 1_000)
}

/// Microseconds of a clock that nobody sets and that also runs while the machine sleeps, since an arbitrary origin.
#[cfg(any(test, feature = "postgres", feature = "provider"))]
pub(crate) fn boot_micros() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    // On macOS this clock runs while the machine sleeps.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let now = clock_gettime(clock);
    now.tv_sec.unsigned_abs().saturating_mul(1_000_000).saturating_add(now.tv_nsec.unsigned_abs() / 1_000)
}

/// The identity of the last start of the machine, with which the monotonic clock has begun. Only Linux tells it in a file.
pub(crate) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Lowers the priority of the calling thread by this many steps of `nice`. Only Linux has a priority for each thread;
/// elsewhere it is that of the whole process, which stays as it is.
pub(crate) fn lower_priority(nice: i32) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if nice > 0 {
        // If the system refuses, the work is done all the same.
        let _ = rustix::process::nice(nice);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = nice;
}

pub(super) fn identity(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}

pub(super) fn change_time(file: &Metadata) -> ChangeTime {
    (file.ctime(), file.ctime_nsec())
}

/// Whether the file has a second name, a hard link.
pub(crate) fn has_second_name(file: &Metadata) -> bool {
    file.nlink() > 1
}

/// Whether only the owner has any right to the file.
pub(crate) fn is_private(file: &Metadata) -> bool {
    file.mode() & 0o077 == 0
}

/// Takes the rights to a file from all but its owner.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(PRIVATE_FILE))
}

/// Creates an empty file that its owner alone may use. It fails if the file exists.
pub(crate) fn create_private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE).open(path).map(drop)
}

/// Opens a file for reading and writing, and creates an empty one that its owner alone may use if there is none. It follows
/// no link.
pub(crate) fn open_private_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new().read(true).write(true).create(true).mode(PRIVATE_FILE).custom_flags(flags).open(path)
}

/// Gives a file the owner and the rights of another one, as far as this user may.
pub(crate) fn copy_rights(from: &Metadata, to: &File) -> io::Result<()> {
    let found = to.metadata()?;
    if (found.uid(), found.gid()) != (from.uid(), from.gid()) {
        fchown(to, Some(from.uid()), Some(from.gid()))?;
    }
    to.set_permissions(Permissions::from_mode(from.mode() & 0o777))
}

/// Whether nobody has a right to the file who has none to `other`, and its owner is a user of `other`.
pub(crate) fn is_as_private(file: &Metadata, other: &Metadata) -> bool {
    let is_of_group = file.gid() == other.gid() && other.mode() & 0o060 == 0o060;
    (file.uid() == other.uid() || is_of_group) && file.mode() & !other.mode() & 0o777 == 0
}

/// Writes the names in the folder of a file to the disk.
#[cfg(feature = "cli")]
pub(crate) fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Listens at a Unix socket that its owner alone may use. Nobody can connect before the rights are set.
#[cfg(feature = "cli")]
pub(crate) fn listen_privately(path: &Path) -> io::Result<UnixListener> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    make_private(path)?;
    rustix::net::listen(&socket, MOST_UNACCEPTED)?;
    Ok(socket.into())
}

/// Whether a file is a Unix socket.
#[cfg(feature = "cli")]
pub(crate) fn is_socket(found: &Metadata) -> bool {
    found.file_type().is_socket()
}

/// Whether this process may stop when its terminal closes. `nohup` lets a process ignore SIGHUP, and a handler would undo that.
/// Only Linux tells it without unsafe code; elsewhere the system's default stays.
#[cfg(feature = "cli")]
pub(crate) fn may_hear_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The bit of the signal 1 is the lowest one.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 0)
}

/// Creates a folder, and those above it, that their owner alone may use.
pub(crate) fn create_private_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path)
}

/// Writes to standard output without its lock, for which everybody else would wait while nobody reads a pipe. After an error
/// `bytes` is the rest, which was not written.
#[cfg(feature = "cli")]
pub(crate) fn write_output(bytes: &mut &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(io::stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether standard output is closed. In place of a closed one the standard library opens the null device for reading and writing.
#[cfg(feature = "cli")]
pub(crate) fn is_output_closed() -> bool {
    let output = io::stdout();
    match rustix::fs::fcntl_getfl(&output) {
        Err(error) => error == Errno::BADF,
        Ok(flags) => flags.contains(OFlags::RDWR) && is_null_device(&output),
    }
}

#[cfg(feature = "cli")]
fn is_null_device(file: &io::Stdout) -> bool {
    let (file, null) = (rustix::fs::fstat(file), rustix::fs::stat("/dev/null"));
    file.is_ok_and(|file| null.is_ok_and(|null| (file.st_dev, file.st_ino) == (null.st_dev, null.st_ino)))
}

/// Runs `read` while the terminal at standard input shows nothing, hands on each byte as it is typed, and lets no key send a
/// signal, so that the terminal is set back in every case.
#[cfg(feature = "cli")]
pub(crate) fn without_echo<T>(read: impl FnOnce() -> T) -> io::Result<T> {
    let terminal = io::stdin();
    let before = tcgetattr(&terminal)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let read = read();
    tcsetattr(&terminal, OptionalActions::Flush, &before)?;
    Ok(read)
}

/// The absolute path, without links.
pub(crate) fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// The name of the file system of a folder, if it is not local. SQLite's WAL needs locks and memory that processes share,
/// which only a local file system has.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn remote_file_system(folder: &Path) -> Option<&'static str> {
    remote_name(rustix::fs::statfs(folder).ok()?.f_type as u64)
}

/// Describes the file system of a folder, if it is not local.
#[cfg(target_vendor = "apple")]
pub(crate) fn remote_file_system(folder: &Path) -> Option<&'static str> {
    /// `MNT_LOCAL` of sys/mount.h.
    const LOCAL: u32 = 0x1000;
    (rustix::fs::statfs(folder).ok()?.f_flags & LOCAL == 0).then_some("a network file system")
}

/// Network file systems are not recognised.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(crate) fn remote_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// Whether a file is a mount of its own, as containers make them. Only Linux has the list that is read here.
pub(crate) fn is_mounted(file: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_at_file = |line: &str| line.split(' ').nth(4).is_some_and(|at| unescape(at) == file.to_string_lossy());
    mounts.lines().any(is_at_file)
}

/// The name of a file system that is not local, by its magic number (`linux/magic.h` and the file systems' own headers).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn remote_name(magic: u64) -> Option<&'static str> {
    match magic & 0xFFFF_FFFF {
        0x6969 => Some("a network file system (NFS)"),
        0xFF53_4D42 | 0xFE53_4D42 | 0x517B => Some("a network file system (SMB)"),
        0x6573_5546 => Some("a FUSE file system"),
        0x0102_1997 => Some("a 9p file system"),
        0x00C3_6400 => Some("a network file system (Ceph)"),
        0x5346_414F => Some("a network file system (AFS)"),
        0x4750_4653 | 0x0BD0_0BD0 => Some("a cluster file system"),
        _ => None,
    }
}

/// Decodes the octal escapes of mountinfo (proc(5)): space, tab, line feed and backslash.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn remote_file_systems_are_known_by_number() {
        assert!(remote_name(0x6969).is_some() && remote_name(0x6573_5546).is_some());
        assert!(remote_name(0xEF53).is_none() && remote_name(0x0102_1994).is_none());
        assert!(remote_name(0xFFFF_FFFF_FF53_4D42).is_some());
    }

    #[test]
    fn new_files_and_folders_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, path) = (folder.path().join("new"), folder.path().join("new/keys.db"));
        create_private_folders(&inner).unwrap();
        create_private_file(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(inner.metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(!is_private(&path.metadata().unwrap()));
        make_private(&path).unwrap();
        assert!(is_private(&path.metadata().unwrap()));
        std::fs::hard_link(&path, folder.path().join("second")).unwrap();
        assert!(has_second_name(&path.metadata().unwrap()));
    }
}

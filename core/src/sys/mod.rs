//! All that depends on the operating system. `unix` and `portable` have the same functions. `portable` needs the standard
//! library alone: it serves Windows, and on any system the tests, which set `--cfg keywright_portable`.

#[cfg(any(not(unix), keywright_portable))]
mod portable;
#[cfg(all(unix, not(keywright_portable)))]
mod unix;
#[cfg(all(unix, not(keywright_portable)))]
mod wal_index;

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

#[cfg(any(not(unix), keywright_portable))]
use self::portable as system;
#[cfg(all(unix, not(keywright_portable)))]
use self::unix as system;

#[cfg(any(feature = "postgres", feature = "provider"))]
pub(crate) use self::system::boot_micros;
#[cfg(feature = "cli")]
pub(crate) use self::system::{is_output_closed, sync_folder, without_echo, write_output};
#[cfg(all(unix, feature = "cli"))]
pub(crate) use self::system::{is_socket, listen_privately, may_hear_hangup};
// The WAL index, the clocks, the threads, and the files. A function that one of the two lacks does not compile here.
pub(crate) use self::system::{WalIndex, coarse_millis, has_second_name, is_private, lower_priority, monotonic_micros};
pub(crate) use self::system::{
    boot_id, canonicalize, copy_rights, create_private_file, create_private_folders, is_as_private, is_mounted,
    make_private, open_private_file, remote_file_system,
};

/// The reason of an error about a file, in the words of users: the standard library says "entity not found".
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file or folder".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::AlreadyExists => "there is a file already".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        ErrorKind::NotADirectory => "a part of the path is no folder".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::ReadOnlyFilesystem => "the disk is read-only".into(),
        ErrorKind::FileTooLarge => "the file is too large".into(),
        ErrorKind::AddrInUse => "the address is in use".into(),
        kind => kind.to_string(),
    }
}

/// The identity of a file, which a file that replaces it does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileIdentity(system::Identity);

impl FileIdentity {
    /// `None` if there is no such file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|file| Self::of_file(&file))
    }

    pub(crate) fn of_file(file: &Metadata) -> Self {
        Self(system::identity(file))
    }
}

/// A version of a file, by its identity, size and times. A later version that is written within one tick of the clock with
/// which the file system stamps files may be equal to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileVersion {
    identity: FileIdentity,
    size: u64,
    modified: SystemTime,
    changed: system::ChangeTime,
}

impl FileVersion {
    /// `None` if the file system keeps no times.
    pub(crate) fn of(file: &Metadata) -> Option<Self> {
        Some(Self {
            identity: FileIdentity(system::identity(file)),
            size: file.len(),
            modified: file.modified().ok()?,
            changed: system::change_time(file),
        })
    }

    /// When the content was last written.
    pub(crate) fn modified(&self) -> SystemTime {
        self.modified
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_run_with_the_clock_of_the_standard_library() {
        let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let before = wall();
        let found = u128::from(coarse_millis().unsigned_abs());
        assert!(found + 1_000 >= before && found <= wall(), "{found} is not about {before}");
        let first = monotonic_micros();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(monotonic_micros() >= first + 2_000);
        let first = system::boot_micros();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(system::boot_micros() >= first + 2_000);
    }

    #[test]
    fn a_file_that_is_replaced_or_written_is_another_or_has_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert_eq!(FileIdentity::of(&path), None);
        create_private_file(&path).unwrap();
        assert!(create_private_file(&path).is_err());
        assert!(is_private(&path.metadata().unwrap()));
        let read = || (FileIdentity::of(&path), FileVersion::of(&path.metadata().unwrap()));
        let first = read();
        assert_eq!(read(), first);
        std::fs::write(&path, "longer").unwrap();
        let written = read();
        assert!(written.0 == first.0 && written.1 != first.1);
        let other = folder.path().join("other");
        // File systems stamp files in steps.
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::fs::write(&other, "longer").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(read().0 != first.0);
    }
}

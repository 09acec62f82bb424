//! The files of a database: their names, their creation, and the places that they may be in.

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, UnavailableCause};

/// Parses `sqlite:path`.
pub(crate) fn parse_url(url: &str) -> Result<PathBuf, Error> {
    const FIX: &str = "write sqlite:keys.db for a file in the working folder, or sqlite:/var/lib/app/keys.db";
    let Some(path) = url.strip_prefix("sqlite:") else {
        return Err(Error::validation_failed("url", "names no store that this release has", FIX));
    };
    if path.starts_with("//") {
        return Err(Error::validation_failed(
            "url",
            "has slashes after sqlite: that other tools read in different ways",
            FIX,
        ));
    }
    if path == ":memory:" {
        return Err(Error::validation_failed(
            "url",
            "asks for a database in memory, which no two connections could share",
            "use a file in a temporary folder",
        ));
    }
    if path.starts_with('~') {
        return Err(Error::validation_failed(
            "url",
            "begins with ~, which no shell expands here",
            "write the whole path",
        ));
    }
    if path.is_empty() || path.ends_with('/') || path.contains(['?', '#']) || path.chars().any(char::is_control) {
        return Err(Error::validation_failed("url", "has no plain file name", FIX));
    }
    Ok(PathBuf::from(path))
}

/// Returns the absolute path of the file. Creates the file (mode 0600) and its folders (0700) if they are new.
pub(super) fn prepare(path: &Path, read_only: bool) -> Result<PathBuf, Error> {
    let file =
        path.file_name().ok_or_else(|| Error::validation_failed("url", "names no file", "write sqlite:keys.db"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !read_only && !folder.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| io_error(&error, "the folder of the database cannot be made"))?;
    }
    let folder =
        folder.canonicalize().map_err(|error| io_error(&error, "the folder of the database cannot be opened"))?;
    let whole = folder.join(file);
    match whole.symlink_metadata() {
        Ok(meta) if meta.is_symlink() => {
            return Err(Error::unavailable(
                UnavailableCause::Location,
                "the database file is a link",
                "name the file itself",
            ));
        }
        Ok(meta) if !meta.is_file() => {
            let what = if meta.is_dir() { "a folder" } else { "no plain file" };
            let fix = "name a file, as in sqlite:/var/lib/app/keys.db";
            return Err(Error::unavailable(UnavailableCause::Access, format!("the path names {what}"), fix));
        }
        // SQLite would look for another write-ahead log under the other name.
        Ok(meta) if meta.nlink() > 1 => {
            return Err(Error::unavailable(
                UnavailableCause::Location,
                "the database file has a second name",
                "remove the hard link",
            ));
        }
        // SQLite takes a file of one byte for an empty one, and would start a new database over a truncated one.
        Ok(meta) if meta.len() == 1 => {
            return Err(Error::unavailable(
                UnavailableCause::Foreign,
                "the file is no SQLite database",
                "name another file",
            ));
        }
        // A file that somebody created beforehand becomes private before its first byte is written.
        Ok(meta) if meta.len() == 0 && meta.mode() & 0o077 != 0 && !read_only => {
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&whole, private)
                .map_err(|error| io_error(&error, "the file cannot be made private"))?;
        }
        Ok(_) => {}
        Err(_) if read_only => {
            return Err(Error::unavailable(
                UnavailableCause::Access,
                "the database does not exist and read_only makes none",
                "open it once without read_only",
            ));
        }
        // This opens only a file that does not exist yet: closing one that SQLite has open would drop its locks.
        Err(_) => match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error(&error, "the database file cannot be made")),
        },
    }
    check_file_system(&folder, &whole)?;
    Ok(whole)
}

/// The paths of a database, of its write-ahead log, and of the index of the log.
pub(super) struct DatabaseFiles {
    pub(super) database: PathBuf,
    log: PathBuf,
    index: PathBuf,
}

/// The files behind these paths, by device and inode; `None` for one that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileIdentities([Option<(u64, u64)>; 3]);

/// The version of a database file that no program has open, by its size and times.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileVersion {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl DatabaseFiles {
    pub(super) fn of(database: PathBuf) -> Self {
        let beside = |end| {
            let mut name = database.clone().into_os_string();
            name.push(end);
            name.into()
        };
        Self { log: beside("-wal"), index: beside("-shm"), database }
    }

    /// The version of the database file, if the file is complete. It is not while a program has it open, which keeps an
    /// index, nor beside a log that was left behind, which holds changes.
    pub(super) fn version(&self) -> Option<FileVersion> {
        let no_log = std::fs::metadata(&self.log).map_or(true, |log| log.len() == 0);
        let file = std::fs::metadata(&self.database).ok().filter(|_| no_log && !self.index.exists())?;
        Some(FileVersion {
            file: (file.dev(), file.ino()),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }

    /// Whether there is a log that holds changes, but no index of it.
    pub(super) fn lacks_index(&self) -> bool {
        std::fs::metadata(&self.log).is_ok_and(|log| log.len() > 0) && !self.index.exists()
    }

    /// The URI with which SQLite takes no locks and looks for no log.
    pub(super) fn immutable_uri(&self) -> String {
        let mut uri = String::from("file:");
        for byte in self.database.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*byte)),
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri + "?immutable=1"
    }

    pub(super) fn identities(&self) -> FileIdentities {
        FileIdentities(
            [&self.database, &self.log, &self.index]
                .map(|path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))),
        )
    }
}

fn io_error(error: &std::io::Error, reason: &str) -> Error {
    let (trouble, fix) = match error.kind() {
        ErrorKind::StorageFull => (UnavailableCause::Full, "free space, and try again"),
        ErrorKind::ReadOnlyFilesystem => (
            UnavailableCause::ReadOnly,
            "name a place that can be written, or open a database that is there with read_only",
        ),
        ErrorKind::PermissionDenied => (UnavailableCause::Access, "allow this user to read and write the folder"),
        ErrorKind::NotADirectory => (UnavailableCause::Access, "name a path whose folders are folders"),
        ErrorKind::NotFound => (UnavailableCause::Access, "make the folder, or name one that is there"),
        _ => (UnavailableCause::Access, "look at the path and at who may write there"),
    };
    Error::unavailable(trouble, format!("{reason} ({})", error.kind()), fix)
}

/// Refuses a file system that is not local: SQLite's WAL needs locks and memory that processes share.
fn check_file_system(folder: &Path, file: &Path) -> Result<(), Error> {
    const FIX: &str = "put it on a local disk of the one machine whose programs use it";
    let refused =
        |what: &str| Err(Error::unavailable(UnavailableCause::Location, format!("the database is on {what}"), FIX));
    if let Ok(stat) = rustix::fs::statfs(folder)
        && let Some(name) = remote_file_system(stat.f_type)
    {
        return refused(name);
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = |line: &str| line.split(' ').nth(4).is_some_and(|at| unescape(at) == file.to_string_lossy());
    if mounts.lines().any(mounted) {
        return Err(Error::unavailable(
            UnavailableCause::Location,
            "the database is a file mounted on its own, so that its -wal and -shm files would be elsewhere",
            "mount the folder that holds it",
        ));
    }
    Ok(())
}

/// The name of a file system that is not local, by its magic number (`linux/magic.h` and the file systems' own headers).
fn remote_file_system(magic: i64) -> Option<&'static str> {
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
    fn urls() {
        assert_eq!(parse_url("sqlite:keys.db").unwrap(), Path::new("keys.db"));
        assert_eq!(parse_url("sqlite:/a/b.db").unwrap(), Path::new("/a/b.db"));
        for bad in [
            "",
            "keys.db",
            "sqlite:",
            "sqlite://keys.db",
            "sqlite:///keys.db",
            "sqlite::memory:",
            "sqlite:a/",
            "sqlite:a?mode=ro",
            "postgres://x",
            "sqlite:a\0b",
        ] {
            assert_eq!(parse_url(bad).unwrap_err().field(), Some("url"), "{bad}");
        }
    }

    #[test]
    fn remote_file_systems_are_known_by_number() {
        assert!(remote_file_system(0x6969).is_some() && remote_file_system(0x6573_5546).is_some());
        assert!(remote_file_system(0xEF53).is_none() && remote_file_system(0x0102_1994).is_none());
    }

    #[test]
    fn links_are_not_followed_and_new_places_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let made = prepare(&folder.path().join("new/keys.db"), false).unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&made, &link).unwrap();
        assert_eq!(prepare(&link, false).unwrap_err().unavailable_cause(), Some(UnavailableCause::Location));
        assert_eq!(
            prepare(&folder.path().join("none.db"), true).unwrap_err().unavailable_cause(),
            Some(UnavailableCause::Access)
        );
    }
}

//! Where a database may live, and the making of its file.

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, UnavailableCause};

/// Reads `sqlite:path`.
pub(crate) fn path_of(url: &str) -> Result<PathBuf, Error> {
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

/// The absolute path of the file, made with its folders when new: 0600 and 0700.
pub(super) fn prepare(path: &Path, read_only: bool) -> Result<PathBuf, Error> {
    let file =
        path.file_name().ok_or_else(|| Error::validation_failed("url", "names no file", "write sqlite:keys.db"))?;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !read_only && !folder.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| access(&error, "the folder of the database cannot be made"))?;
    }
    let folder =
        folder.canonicalize().map_err(|error| access(&error, "the folder of the database cannot be opened"))?;
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
        // Under another name SQLite would look for another write-ahead log.
        Ok(meta) if meta.nlink() > 1 => {
            return Err(Error::unavailable(
                UnavailableCause::Location,
                "the database file has a second name",
                "remove the hard link",
            ));
        }
        // SQLite takes a single byte for nothing, and would begin a database anew over what was cut short.
        Ok(meta) if meta.len() == 1 => {
            return Err(Error::unavailable(
                UnavailableCause::Foreign,
                "the file is no SQLite database",
                "name another file",
            ));
        }
        // A file that someone made beforehand is ours alone from its first byte on.
        Ok(meta) if meta.len() == 0 && meta.mode() & 0o077 != 0 && !read_only => {
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&whole, private)
                .map_err(|error| access(&error, "the file cannot be made private"))?;
        }
        Ok(_) => {}
        Err(_) if read_only => {
            return Err(Error::unavailable(
                UnavailableCause::Access,
                "the database does not exist and read_only makes none",
                "open it once without read_only",
            ));
        }
        // Only a file that is not there is opened here: closing one that SQLite has open would drop its locks.
        Err(_) => match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(access(&error, "the database file cannot be made")),
        },
    }
    suits(&folder, &whole)?;
    Ok(whole)
}

/// The names of a database, of its log, and of the log's index.
pub(super) struct Files {
    pub(super) database: PathBuf,
    log: PathBuf,
    index: PathBuf,
}

/// Which files those names lead to, by device and number; `None` for one that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity([Option<(u64, u64)>; 3]);

/// A database that no program has open, known by its size and times.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Files {
    pub(super) fn of(database: PathBuf) -> Self {
        let beside = |end| {
            let mut name = database.clone().into_os_string();
            name.push(end);
            name.into()
        };
        Self { log: beside("-wal"), index: beside("-shm"), database }
    }

    /// The database as it lies there, if all that was written is in it: a program that has it open keeps an index, and a
    /// log that was left behind holds changes.
    pub(super) fn rest(&self) -> Option<Rest> {
        let is_empty = std::fs::metadata(&self.log).map_or(true, |it| it.len() == 0);
        let it = std::fs::metadata(&self.database).ok().filter(|_| is_empty && !self.index.exists())?;
        Some(Rest {
            file: (it.dev(), it.ino()),
            size: it.len(),
            modified: (it.mtime(), it.mtime_nsec()),
            changed: (it.ctime(), it.ctime_nsec()),
        })
    }

    /// Whether there is a log that holds changes, and no index of it.
    pub(super) fn lacks_index(&self) -> bool {
        std::fs::metadata(&self.log).is_ok_and(|it| it.len() > 0) && !self.index.exists()
    }

    /// The database as a URI that has SQLite take no locks and look for no log.
    pub(super) fn immutable(&self) -> String {
        let mut uri = String::from("file:");
        for byte in self.database.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*byte)),
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri + "?immutable=1"
    }

    pub(super) fn identity(&self) -> Identity {
        Identity(
            [&self.database, &self.log, &self.index]
                .map(|it| std::fs::metadata(it).ok().map(|it| (it.dev(), it.ino()))),
        )
    }
}

fn access(error: &std::io::Error, reason: &str) -> Error {
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

/// SQLite's WAL needs memory shared between processes, and locks that hold: a local file system has both.
fn suits(folder: &Path, file: &Path) -> Result<(), Error> {
    const FIX: &str = "put it on a local disk of the one machine whose programs use it";
    let refused =
        |what: &str| Err(Error::unavailable(UnavailableCause::Location, format!("the database is on {what}"), FIX));
    if let Ok(stat) = rustix::fs::statfs(folder)
        && let Some(name) = remote(stat.f_type)
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

/// File systems by their magic numbers (Linux `linux/magic.h` and the file systems' own headers).
fn remote(magic: i64) -> Option<&'static str> {
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

/// Octal escapes of mountinfo (proc(5)): space, tab, line feed and backslash.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!(path_of("sqlite:keys.db").unwrap(), Path::new("keys.db"));
        assert_eq!(path_of("sqlite:/a/b.db").unwrap(), Path::new("/a/b.db"));
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
            assert_eq!(path_of(bad).unwrap_err().field(), Some("url"), "{bad}");
        }
    }

    #[test]
    fn remote_file_systems_are_known_by_number() {
        assert!(remote(0x6969).is_some() && remote(0x6573_5546).is_some());
        assert!(remote(0xEF53).is_none() && remote(0x0102_1994).is_none());
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

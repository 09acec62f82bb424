//! The files of a database: their names, their creation, and the places that they may be in.

use std::io::ErrorKind;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use crate::error::{Error, UnavailableCause};
use crate::sys::{self, FileIdentity, FileVersion};

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

/// Returns the absolute path of the file. Creates the file and its folders if they are new, for their owner alone where the
/// system knows owners.
pub(super) fn prepare(path: &Path, read_only: bool) -> Result<PathBuf, Error> {
    let file =
        path.file_name().ok_or_else(|| Error::validation_failed("url", "names no file", "write sqlite:keys.db"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !read_only && !folder.exists() {
        sys::create_private_folders(folder)
            .map_err(|error| io_error(&error, "the folder of the database cannot be made"))?;
    }
    let folder =
        sys::canonicalize(folder).map_err(|error| io_error(&error, "the folder of the database cannot be opened"))?;
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
        Ok(meta) if sys::has_second_name(&meta) => {
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
        Ok(meta) if meta.len() == 0 && !sys::is_private(&meta) && !read_only => {
            sys::make_private(&whole).map_err(|error| io_error(&error, "the file cannot be made private"))?;
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
        Err(_) => match sys::create_private_file(&whole) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error(&error, "the database file cannot be made")),
        },
    }
    if let Some(name) = sys::remote_file_system(&folder) {
        return Err(Error::unavailable(
            UnavailableCause::Location,
            format!("the database is on {name}"),
            "put it on a local disk of the one machine whose programs use it",
        ));
    }
    if sys::is_mounted(&whole) {
        return Err(Error::unavailable(
            UnavailableCause::Location,
            "the database is a file mounted on its own, so that its -wal and -shm files would be elsewhere",
            "mount the folder that holds it",
        ));
    }
    Ok(whole)
}

/// The paths of a database, of its write-ahead log, and of the index of the log.
pub(super) struct DatabaseFiles {
    pub(super) database: PathBuf,
    log: PathBuf,
    index: PathBuf,
}

/// The files behind these paths; `None` for one that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileIdentities([Option<FileIdentity>; 3]);

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
        FileVersion::of(&file)
    }

    /// Whether there is a log that holds changes, but no index of it.
    pub(super) fn lacks_index(&self) -> bool {
        std::fs::metadata(&self.log).is_ok_and(|log| log.len() > 0) && !self.index.exists()
    }

    /// The URI with which SQLite takes no locks and looks for no log.
    pub(super) fn immutable_uri(&self) -> String {
        let mut uri = String::from("file:");
        // A path that begins with a drive needs a slash before it.
        if !self.database.as_os_str().as_encoded_bytes().starts_with(b"/") {
            uri.push('/');
        }
        for byte in self.database.as_os_str().as_encoded_bytes() {
            match byte {
                separator if char::from(*separator) == MAIN_SEPARATOR => uri.push('/'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*byte)),
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri + "?immutable=1"
    }

    pub(super) fn identities(&self) -> FileIdentities {
        FileIdentities([&self.database, &self.log, &self.index].map(|path| FileIdentity::of(path)))
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
    Error::unavailable(trouble, format!("{reason} ({})", sys::reason(error)), fix)
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
    fn a_link_is_refused_and_a_missing_file_is_not_made_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let made = prepare(&folder.path().join("new/keys.db"), false).unwrap();
        assert_eq!(made.metadata().unwrap().len(), 0);
        #[cfg(unix)]
        {
            let link = folder.path().join("link.db");
            std::os::unix::fs::symlink(&made, &link).unwrap();
            assert_eq!(prepare(&link, false).unwrap_err().unavailable_cause(), Some(UnavailableCause::Location));
        }
        assert_eq!(
            prepare(&folder.path().join("none.db"), true).unwrap_err().unavailable_cause(),
            Some(UnavailableCause::Access)
        );
    }
}

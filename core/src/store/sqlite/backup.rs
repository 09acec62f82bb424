//! Backups: a database copied into a new file.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::Error;
use crate::sys;

/// Copies a database into a new file that its owner alone may use. The copy is one snapshot, whatever other programs write in the
/// meantime, and is on the disk when this returns.
///
/// The file gets its name last, so that a copy that a crash cuts short never looks like a backup: it stays as `NAME.partial`.
pub(super) fn copy_into(from: &Connection, to: &Path) -> Result<(), Error> {
    if to.symlink_metadata().is_ok() {
        return Err(refused(to, &ErrorKind::AlreadyExists.into()));
    }
    let partial = partial(to);
    let name = partial.to_str().ok_or_else(|| refused(to, &ErrorKind::InvalidFilename.into()))?;
    sys::create_private_file(&partial).map_err(|error| refused(&partial, &error))?;
    let copied = from
        .execute("VACUUM INTO ?1", [name])
        .map_err(Error::from)
        .and_then(|_| publish(&partial, to).map_err(|error| refused(to, &error)));
    // After a success this is the second name of the copy.
    let _ = std::fs::remove_file(&partial);
    copied
}

fn partial(to: &Path) -> PathBuf {
    let mut name = OsString::from(to);
    name.push(".partial");
    name.into()
}

/// Syncs a file and gives it a name that no other file has.
fn publish(partial: &Path, to: &Path) -> io::Result<()> {
    std::fs::File::open(partial)?.sync_all()?;
    match std::fs::hard_link(partial, to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
        // The file system has no hard links. An empty file of ours takes the name first, so that no other file is replaced.
        Err(_) => {
            sys::create_private_file(to)?;
            std::fs::rename(partial, to)?;
        }
        Ok(()) => {}
    }
    sys::sync_folder(to)
}

fn refused(path: &Path, error: &io::Error) -> Error {
    let fix = match error.kind() {
        ErrorKind::AlreadyExists => "name a file that is not there yet, or remove what an interrupted backup has left",
        _ => "name a file in a folder that is there and can be written",
    };
    Error::validation_failed("to", format!("cannot be written: {}: {}", path.display(), sys::reason(error)), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_gets_its_name_last_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("copy.db");
        let from = Connection::open_in_memory().unwrap();
        from.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (7)").unwrap();
        std::fs::write(partial(&to), "cut short").unwrap();
        assert!(copy_into(&from, &to).unwrap_err().to_string().contains("copy.db.partial"));
        std::fs::remove_file(partial(&to)).unwrap();
        copy_into(&from, &to).unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["copy.db"]);
        let read = Connection::open(&to).unwrap();
        assert_eq!(read.query_row("SELECT x FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        assert!(copy_into(&from, &to).is_err());
        assert!(!partial(&to).exists());
    }
}

//! The file beside a database that holds the budgets which all processes of the machine share. Keywright neither replaces it
//! nor makes it shorter than it was: a process that has it mapped would read past its end.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::cell::Cell;
use super::table::{CellPlace, CellTable, HEADER, LENGTH};
use crate::error::{Error, UnavailableCause};
use crate::fork::{self, lock};
use crate::sys::{self, FileIdentity};

const START: &str = "keywright limits, version ";
const VERSION: &str = "1, boot ";

/// The part of the header with text. The rest is zero.
const TEXT: usize = 128;

/// How long a process waits for another one that has the file locked. A lock lasts for microseconds, and for a few milliseconds
/// while the file is new.
const MAX_WAIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(1);

/// How often the file is opened again because it was removed in between.
const ATTEMPTS: usize = 8;

/// A limits file that this process has open and mapped.
pub(super) struct LimitsFile {
    table: CellTable,
    file: File,
    identity: FileIdentity,
    /// Whether the path leads to another file, or to none.
    lost: AtomicBool,
    /// Held with the lock on the file, which does not exclude other threads.
    claims: Mutex<()>,
}

impl LimitsFile {
    /// Opens the limits file of a database. Creates it, or begins it anew if it is from before the last start of the machine.
    pub(super) fn open(path: &Path, database: &Path, boot: &str) -> Result<Self, Error> {
        let _gate = fork::gate();
        for _ in 0..ATTEMPTS {
            let file = sys::open_private_file(path).map_err(|error| io_error(&error))?;
            let database = database.metadata().map_err(|error| io_error(&error))?;
            {
                let _lock = FileLock::wait(&file)?;
                check_owner(&file, &database)?;
                prepare(&file, boot)?;
            }
            let identity = FileIdentity::of_file(&file.metadata().map_err(|error| io_error(&error))?);
            let table = CellTable::map(&file).map_err(|error| io_error(&error))?;
            let opened = Self { table, file, identity, lost: AtomicBool::new(false), claims: Mutex::new(()) };
            if opened.is_intact(path) {
                return Ok(opened);
            }
        }
        Err(refused(UnavailableCause::Access, "it is removed again and again", "end the program that removes it"))
    }

    /// Whether the path still leads to this file, and nobody has shortened it.
    pub(super) fn is_intact(&self, path: &Path) -> bool {
        let Ok(found) = path.symlink_metadata() else { return false };
        FileIdentity::of_file(&found) == self.identity && found.len() >= LENGTH
    }

    #[inline]
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn mark_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn cell(&self, number: u32) -> &Cell {
        self.table.cell(number)
    }

    /// The number of the cell that belongs to a budget.
    pub(super) fn find(&self, place: &CellPlace) -> Option<u32> {
        self.table.find(place)
    }

    /// The number of the cell of a budget, which is given one if it has none.
    pub(super) fn find_or_claim(&self, place: &CellPlace, clock: impl Fn() -> u64) -> Result<u32, Error> {
        if let Some(number) = self.table.find(place) {
            return Ok(number);
        }
        // A child that was forked meanwhile would hold the lock, too.
        let _gate = fork::gate();
        let _claims = lock(&self.claims);
        let _lock = FileLock::wait(&self.file)?;
        self.table.claim(place, clock()).ok_or_else(|| {
            let fix = "lower the number of keys and agents with limits that one machine serves";
            refused(UnavailableCause::Full, "it has no room for more budgets", fix)
        })
    }
}

/// The lock on a limits file. The system ends it with the process.
struct FileLock<'a>(&'a File);

impl<'a> FileLock<'a> {
    fn wait(file: &'a File) -> Result<Self, Error> {
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(std::fs::TryLockError::Error(error)) => return Err(io_error(&error)),
                Err(std::fs::TryLockError::WouldBlock) if begin.elapsed() < MAX_WAIT => std::thread::sleep(PAUSE),
                Err(std::fs::TryLockError::WouldBlock) => {
                    let fix = "end the process that has locked it";
                    return Err(refused(UnavailableCause::Locked, "another process keeps it locked", fix));
                }
            }
        }
    }
}

impl Drop for FileLock<'_> {
    fn drop(&mut self) {
        // The end of the process ends the lock, too.
        let _ = self.0.unlock();
    }
}

/// The path of the limits file of a database.
pub(super) fn path_of(database: &Path) -> PathBuf {
    let mut name = database.to_owned().into_os_string();
    name.push("-limits");
    name.into()
}

/// Refuses a file that others than the users of the database have rights to. Gives a new file the rights of the database.
fn check_owner(file: &File, database: &Metadata) -> Result<(), Error> {
    let found = file.metadata().map_err(|error| io_error(&error))?;
    if !found.is_file() {
        return Err(refused(UnavailableCause::Foreign, "it is no plain file", "remove it"));
    }
    if found.len() == 0 {
        // Without them another user of the database cannot open the file, and is told so.
        let _ = sys::copy_rights(database, file);
        return Ok(());
    }
    if sys::has_second_name(&found) || !sys::is_as_private(&found, database) {
        let reason = "it belongs to another user than the database, or others have rights to it";
        return Err(refused(UnavailableCause::Foreign, reason, "remove it"));
    }
    Ok(())
}

/// Writes what is missing: all of a new file, the end of one that was shortened, zeros over budgets of an earlier boot.
fn prepare(file: &File, boot: &str) -> Result<(), Error> {
    let header = header(boot);
    let length = file.metadata().map_err(|error| io_error(&error))?.len();
    let found = read_header(file).map_err(|error| io_error(&error))?;
    let begin = if found == header { length } else { 0 };
    if begin == 0 {
        check_replaceable(&found, boot)?;
    }
    // The space is taken here, so that no write to memory finds the disk full.
    let write = || {
        write_zeros(file, begin)?;
        // Comes last: until then, the next process that opens the file begins anew.
        write_at(file, 0, &header)
    };
    let written = if begin < LENGTH { write() } else { Ok(()) };
    written.map_err(|error| {
        // Leaves the rest of a full disk to the database.
        let _ = file.set_len(length);
        io_error(&error)
    })
}

/// The text at the start of the file: its version, and the boot during which its budgets are valid.
fn header(boot: &str) -> [u8; TEXT] {
    let mut header = [0; TEXT];
    let text = format!("{START}{VERSION}{boot}\n");
    header.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
    header
}

/// The header of the file, with zeros for what is missing.
fn read_header(mut file: &File) -> io::Result<[u8; TEXT]> {
    let mut header = [0; TEXT];
    file.seek(SeekFrom::Start(0))?;
    let mut text = Vec::new();
    file.take(TEXT as u64).read_to_end(&mut text)?;
    header.iter_mut().zip(text).for_each(|(place, byte)| *place = byte);
    Ok(header)
}

/// Refuses to begin anew a file that is not Keywright's, or that processes of another release may use.
fn check_replaceable(header: &[u8], boot: &str) -> Result<(), Error> {
    let text = String::from_utf8_lossy(header);
    // It was not finished, or was shortened to less than a line.
    if START.starts_with(text.trim_end_matches('\0')) {
        return Ok(());
    }
    let Some(rest) = text.strip_prefix(START) else {
        return Err(refused(UnavailableCause::Foreign, "it is not a file of Keywright", "move it elsewhere"));
    };
    if !rest.starts_with(VERSION) && rest.contains(boot) {
        let fix = "end the processes of the other release, and remove it";
        return Err(refused(UnavailableCause::Newer, "another release of Keywright has made it", fix));
    }
    Ok(())
}

/// Writes zeros up to the end of the cells.
fn write_zeros(file: &File, begin: u64) -> io::Result<()> {
    let zeros = [0; HEADER];
    let mut at = begin;
    while at < LENGTH {
        let length = usize::try_from(LENGTH - at).unwrap_or(HEADER).min(HEADER);
        write_at(file, at, zeros.get(..length).unwrap_or_default())?;
        at += length as u64;
    }
    Ok(())
}

fn write_at(mut file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

fn io_error(error: &io::Error) -> Error {
    let (cause, fix) = match error.kind() {
        ErrorKind::StorageFull => (UnavailableCause::Full, "free space"),
        ErrorKind::ReadOnlyFilesystem => (UnavailableCause::ReadOnly, "set limiter to process"),
        _ => (UnavailableCause::Access, "allow this user to read and write it"),
    };
    refused(cause, &format!("it cannot be used ({})", sys::reason(error)), fix)
}

/// The error for a limits file that cannot be used.
pub(super) fn refused(cause: UnavailableCause, reason: &str, fix: &str) -> Error {
    Error::unavailable(cause, reason, format!("{fix}, and start again"))
}

// Elsewhere no limits are shared.
#[cfg(all(unix, not(keywright_portable)))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::gcra::GcraParams;
    use crate::limit::machine::cell::Owner;

    const BOOT: &str = "0b3c9c1e";

    struct Site {
        _folder: tempfile::TempDir,
        database: PathBuf,
        path: PathBuf,
    }

    impl Site {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = folder.path().join("keys.db");
            sys::create_private_file(&database).unwrap();
            Self { path: path_of(&database), database, _folder: folder }
        }

        fn open(&self, boot: &str) -> Result<LimitsFile, UnavailableCause> {
            LimitsFile::open(&self.path, &self.database, boot).map_err(|error| error.unavailable_cause().unwrap())
        }
    }

    /// Takes one request of a budget of three, and returns how many are left.
    fn spend(file: &LimitsFile) -> u64 {
        let params = GcraParams::new(1, 3);
        let place = CellPlace::of_owner(Owner::new(5, &params), 7);
        let number = file.find_or_claim(&place, || 1).unwrap();
        params.remaining(file.cell(number).take(place.owner, &params, 1, 1).unwrap().unwrap())
    }

    #[test]
    fn budgets_last_as_long_as_the_machine_runs() {
        let site = Site::new();
        let first = site.open(BOOT).unwrap();
        assert_eq!((spend(&first), first.is_intact(&site.path)), (2, true));
        assert!(site.path.ends_with("keys.db-limits") && site.path.metadata().unwrap().len() == LENGTH);
        assert_eq!(spend(&site.open(BOOT).unwrap()), 1);
        drop(first);
        assert_eq!(spend(&site.open(BOOT).unwrap()), 0);
        assert_eq!(spend(&site.open("another").unwrap()), 2);
    }

    #[test]
    fn a_file_that_was_never_finished_or_was_shortened_is_mended() {
        let site = Site::new();
        // Its process was killed before it wrote the header.
        sys::create_private_file(&site.path).unwrap();
        std::fs::write(&site.path, [0; 5_000]).unwrap();
        let file = site.open(BOOT).unwrap();
        assert_eq!(spend(&file), 2);
        for length in [LENGTH - 1, HEADER as u64 + 16, 60, 1, 0] {
            File::options().write(true).open(&site.path).unwrap().set_len(length).unwrap();
            assert!(!file.is_intact(&site.path));
            // The last byte belongs to another budget.
            let left = if length == LENGTH - 1 { 1 } else { 2 };
            assert_eq!(spend(&site.open(BOOT).unwrap()), left, "{length}");
            assert!(file.is_intact(&site.path), "the same file is whole again");
        }
    }

    #[test]
    fn a_file_that_was_removed_is_lost() {
        let site = Site::new();
        let file = site.open(BOOT).unwrap();
        std::fs::remove_file(&site.path).unwrap();
        assert!(!file.is_intact(&site.path));
        assert_eq!((spend(&file), spend(&site.open(BOOT).unwrap())), (2, 2));
        assert!(!file.is_intact(&site.path));
    }

    #[test]
    fn files_of_others_are_refused_as_they_are() {
        let site = Site::new();
        let text = |text: &str| std::fs::write(&site.path, text).unwrap();
        sys::create_private_file(&site.path).unwrap();
        text("a text of somebody");
        assert_eq!(site.open(BOOT).err(), Some(UnavailableCause::Foreign));
        assert_eq!(std::fs::read_to_string(&site.path).unwrap(), "a text of somebody");
        // Another release has made it since the last start of the machine, and may use it.
        text(&format!("{START}2, boot {BOOT}\n"));
        assert_eq!(site.open(BOOT).err(), Some(UnavailableCause::Newer));
        assert_eq!(spend(&site.open("a later boot").unwrap()), 2);
        std::fs::remove_file(&site.path).unwrap();
        std::fs::create_dir(&site.path).unwrap();
        assert!(site.open(BOOT).is_err());
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        use std::os::unix::fs::{PermissionsExt, chown, symlink};

        let site = Site::new();
        drop(site.open(BOOT).unwrap());
        let mode = |mode| std::fs::set_permissions(&site.path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o660);
        assert_eq!(site.open(BOOT).err(), Some(UnavailableCause::Foreign));
        mode(0o600);
        assert!(site.open(BOOT).is_ok());
        let other = site.database.with_file_name("other");
        std::fs::hard_link(&site.path, &other).unwrap();
        assert_eq!(site.open(BOOT).err(), Some(UnavailableCause::Foreign));
        std::fs::remove_file(&site.path).unwrap();
        symlink(&other, &site.path).unwrap();
        assert_eq!(site.open(BOOT).err(), Some(UnavailableCause::Access));
        std::fs::remove_file(&site.path).unwrap();
        drop(site.open(BOOT).unwrap());
        // Only root may give a file away.
        if chown(&site.path, Some(12_345), None).is_ok() {
            assert_eq!(site.open(BOOT).err(), Some(UnavailableCause::Foreign));
        }
        // A new file has the rights of the database.
        std::fs::remove_file(&site.path).unwrap();
        std::fs::set_permissions(&site.database, std::fs::Permissions::from_mode(0o640)).unwrap();
        drop(site.open(BOOT).unwrap());
        assert_eq!(site.path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn processes_that_open_a_new_file_at_once_use_one() {
        let site = Site::new();
        let spent = || spend(&site.open(BOOT).unwrap());
        let mut left: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(spent)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2]);
    }
}

//! A shim between SQLite and the operating system: the VFS of this whole test program. It passes every call on. Of the
//! files in a watched folder it also records the writes to the disk, and lets calls fail on request.

#![allow(unsafe_code, reason = "a VFS is a table of C functions over raw memory; nothing else in these tests needs it")]
#![deny(clippy::undocumented_unsafe_blocks)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use rusqlite::ffi;

use super::watch::{self, Call, Event, Watched};

/// The watch over a file, by the name that SQLite gives.
fn watched(name: *const c_char) -> Option<Watched> {
    if name.is_null() {
        return None;
    }
    // SAFETY: SQLite gives names that end with a zero and outlast the call.
    let name = unsafe { CStr::from_ptr(name) };
    watch::watched(Path::new(OsStr::from_bytes(name.to_bytes())))
}

/// The file object that SQLite sees. The real one follows it in memory.
#[repr(C)]
struct Shim {
    base: ffi::sqlite3_file,
    watched: Option<Box<Watched>>,
}

type File = *mut ffi::sqlite3_file;

fn real(file: File) -> File {
    file.wrapping_byte_add(size_of::<Shim>())
}

fn own<'a>(file: File) -> Option<&'a Watched> {
    // SAFETY: SQLite passes files that `open` set up and `close` has not yet ended.
    unsafe { (*file.cast::<Shim>()).watched.as_deref() }
}

fn fails(file: File, call: Call) -> Option<c_int> {
    own(file).and_then(|it| it.watch.fails(call))
}

fn note(file: File, event: impl FnOnce(String) -> Event) {
    if let Some(it) = own(file) {
        it.watch.note(|| event(it.name.clone()));
    }
}

/// The real VFS, and its function that opens a folder in order to sync it.
struct Below {
    vfs: *mut ffi::sqlite3_vfs,
    open_folder: OpenFolder,
}

type OpenFolder = unsafe extern "C" fn(*const c_char, *mut c_int) -> c_int;

// SAFETY: SQLite never ends its own VFS, and calls it from any thread itself.
unsafe impl Send for Below {}
// SAFETY: as above; nothing here is written after `register`.
unsafe impl Sync for Below {}

static BELOW: OnceLock<Below> = OnceLock::new();
static REGISTERED: OnceLock<c_int> = OnceLock::new();

/// Makes the shim the VFS of this process.
pub fn register() {
    assert_eq!(*REGISTERED.get_or_init(put_between), ffi::SQLITE_OK);
}

fn put_between() -> c_int {
    let name = c"openDirectory".as_ptr();
    // SAFETY: the VFS that SQLite finds stays, and its system calls have the types that its source gives them. The
    // shim's is leaked, and differs from it in the size of files and in three calls, which pass on to it.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
        let open_folder = (*vfs).xGetSystemCall.unwrap()(vfs, name).unwrap();
        let open_folder = std::mem::transmute::<unsafe extern "C" fn(), OpenFolder>(open_folder);
        BELOW.get_or_init(|| Below { vfs, open_folder });
        let own = std::mem::transmute::<OpenFolder, unsafe extern "C" fn()>(sync_folder);
        assert_eq!((*vfs).xSetSystemCall.unwrap()(vfs, name, Some(own)), ffi::SQLITE_OK);
        let shim = ffi::sqlite3_vfs {
            szOsFile: (*vfs).szOsFile + size_of::<Shim>() as c_int,
            zName: c"watched".as_ptr(),
            pNext: std::ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            ..*vfs
        };
        ffi::sqlite3_vfs_register(Box::into_raw(Box::new(shim)), 1)
    }
}

/// The one thing SQLite opens a folder for is to sync it, which makes every name in it as lasting as it is now.
unsafe extern "C" fn sync_folder(file: *const c_char, out: *mut c_int) -> c_int {
    if let Some(it) = watched(file) {
        it.watch.note(|| Event::FolderSynced);
    }
    // SAFETY: passes on what SQLite gave.
    unsafe { (BELOW.get().unwrap().open_folder)(file, out) }
}

/// Passes a call to the real VFS.
macro_rules! below {
    ($method:ident($($argument:expr),*)) => {{
        let vfs = BELOW.get().unwrap().vfs;
        // SAFETY: passes on what SQLite gave, to the VFS that it would have called without the shim.
        unsafe { (*vfs).$method.unwrap()(vfs, $($argument),*) }
    }};
}

/// Passes a call to the real file.
macro_rules! pass {
    ($file:ident.$method:ident($($argument:expr),*)) => {{
        let file = real($file);
        // SAFETY: passes on what SQLite gave; behind a file that `open` set up lies the real one, which is open.
        unsafe { (*(*file).pMethods).$method.unwrap()(file $(, $argument)*) }
    }};
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: File,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let watched = watched(name);
    // A file without a name is a temporary one, and there is no folder for those here.
    let no_folder = name.is_null().then_some(ffi::SQLITE_IOERR_GETTEMPPATH);
    let done = match no_folder.or_else(|| watched.as_ref().and_then(|it| it.watch.fails(Call::Open))) {
        Some(code) => code,
        None => below!(xOpen(name, real(file), flags, out)),
    };
    let opened = done == ffi::SQLITE_OK;
    if let Some(it) = watched.as_ref().filter(|_| opened) {
        it.watch.note(|| Event::Opened(it.name.clone()));
    }
    let methods: *const _ = if opened { &METHODS } else { std::ptr::null() };
    let shim =
        Shim { base: ffi::sqlite3_file { pMethods: methods }, watched: watched.filter(|_| opened).map(Box::new) };
    // SAFETY: SQLite gives memory of `szOsFile` bytes, aligned for pointers, with nothing in it to drop.
    unsafe { file.cast::<Shim>().write(shim) };
    done
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let watched = watched(name);
    if let Some(code) = watched.as_ref().and_then(|it| it.watch.fails(Call::Delete)) {
        return code;
    }
    if let Some(it) = watched {
        it.watch.note(|| Event::Deleted(it.name.clone()));
    }
    below!(xDelete(name, sync))
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    match watched(name).and_then(|it| it.watch.fails(Call::Access)) {
        Some(code) => code,
        None => below!(xAccess(name, flags, out)),
    }
}

unsafe extern "C" fn close(file: File) -> c_int {
    let done = pass!(file.xClose());
    // SAFETY: SQLite closes a file once, and uses it no more.
    drop(unsafe { (*file.cast::<Shim>()).watched.take() });
    done
}

unsafe extern "C" fn read(file: File, into: *mut c_void, size: c_int, at: i64) -> c_int {
    fails(file, Call::Read).unwrap_or_else(|| pass!(file.xRead(into, size, at)))
}

/// Of a write that fails, the first half has been done.
unsafe extern "C" fn write(file: File, from: *const c_void, size: c_int, at: i64) -> c_int {
    let fails = fails(file, Call::Write);
    let size = if fails.is_some() { size / 2 } else { size };
    note(file, |name| {
        // SAFETY: SQLite gives as many bytes as it says.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), size as usize) };
        Event::Written(name, at as usize, bytes.to_vec())
    });
    let done = pass!(file.xWrite(from, size, at));
    fails.unwrap_or(done)
}

unsafe extern "C" fn truncate(file: File, size: i64) -> c_int {
    if let Some(code) = fails(file, Call::Truncate) {
        return code;
    }
    note(file, |name| Event::Truncated(name, size as usize));
    pass!(file.xTruncate(size))
}

/// Only a recording needs what a real sync does besides: to sync the folder of a new file.
unsafe extern "C" fn sync(file: File, flags: c_int) -> c_int {
    if let Some(code) = fails(file, Call::Sync) {
        note(file, Event::NotSynced);
        return code;
    }
    let recorded = own(file).is_some_and(|it| it.watch.is_recording());
    note(file, Event::Synced);
    if recorded { pass!(file.xSync(flags)) } else { ffi::SQLITE_OK }
}

unsafe extern "C" fn file_size(file: File, out: *mut i64) -> c_int {
    fails(file, Call::FileSize).unwrap_or_else(|| pass!(file.xFileSize(out)))
}

unsafe extern "C" fn lock(file: File, level: c_int) -> c_int {
    fails(file, Call::Lock).unwrap_or_else(|| pass!(file.xLock(level)))
}

unsafe extern "C" fn unlock(file: File, level: c_int) -> c_int {
    pass!(file.xUnlock(level))
}

unsafe extern "C" fn check_reserved_lock(file: File, out: *mut c_int) -> c_int {
    pass!(file.xCheckReservedLock(out))
}

unsafe extern "C" fn file_control(file: File, code: c_int, value: *mut c_void) -> c_int {
    pass!(file.xFileControl(code, value))
}

unsafe extern "C" fn sector_size(file: File) -> c_int {
    pass!(file.xSectorSize())
}

unsafe extern "C" fn device_characteristics(file: File) -> c_int {
    pass!(file.xDeviceCharacteristics())
}

unsafe extern "C" fn shm_map(file: File, page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int {
    fails(file, Call::ShmMap).unwrap_or_else(|| pass!(file.xShmMap(page, size, extend, out)))
}

unsafe extern "C" fn shm_lock(file: File, offset: c_int, count: c_int, flags: c_int) -> c_int {
    let takes = flags & ffi::SQLITE_SHM_LOCK != 0;
    let fails = if takes { fails(file, Call::ShmLock) } else { None };
    fails.unwrap_or_else(|| pass!(file.xShmLock(offset, count, flags)))
}

unsafe extern "C" fn shm_barrier(file: File) {
    pass!(file.xShmBarrier());
}

unsafe extern "C" fn shm_unmap(file: File, delete: c_int) -> c_int {
    pass!(file.xShmUnmap(delete))
}

/// Version 2 has no `xFetch`, so that every read and write of a page comes by here.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

//! The WAL index of a SQLite database in WAL mode. Eight bytes of this shared memory differ after each commit of any process,
//! and reading them needs no system call. This is the one file of the core with unsafe code.
//!
//! The WAL index begins with a header of 48 bytes, kept twice (SQLite, "WAL-mode File Format", section 2.1, and
//! `WalIndexHdr` in wal.c): `iVersion` at offset 0, a counter of transactions `iChange` at 8, and at 40 `aCksum`, the
//! checksum over all before it. `walIndexWriteHdr` raises neither unless a transaction commits (`walFrames`, after the
//! log was synced as `synchronous` wants it) or the log begins anew (`walRestartHdr`), and it stores the second copy,
//! a barrier and the first copy, in this order, before the writer's commit returns. A reader takes its snapshot from
//! both copies being equal (`walIndexTryHdr`). So a process that sees a commit, or hears of it, finds the first copy
//! changed, and a rolled-back transaction never shows.

#![allow(unsafe_code, reason = "SQLite shows its mapping of the WAL index through its C interface only")]

use std::ffi::c_int;
use std::num::NonZeroU64;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rusqlite::{Connection, ffi};

/// `WALINDEX_MAX_VERSION`, the only layout there has been.
const VERSION: u32 = 3_007_000;

/// `WALINDEX_PGSZ`, the size of each part in which the index is mapped.
const PART: c_int = 32_768;

/// The offset of `aCksum` in the first copy of the header.
const CHECKSUM: usize = 40;

/// The first part of a WAL index. It owns the connection whose mapping it reads.
pub(super) struct WalIndex {
    part: NonNull<u8>,
    connection: Connection,
}

// SAFETY: `part` is only read, through atomics, and the connection, opened without a mutex, is never used again but to
// close it, which one thread does (`&self` gives no access to it).
unsafe impl Send for WalIndex {}
// SAFETY: as above.
unsafe impl Sync for WalIndex {}

impl WalIndex {
    /// The index that `connection` has mapped; it maps it with its first read. Returns the connection if there is none, or
    /// if its layout is unknown.
    pub(super) fn of(connection: Connection) -> Result<Self, Connection> {
        let Some(part) = mapped(&connection) else { return Err(connection) };
        let index = Self { part, connection };
        if index.version() == VERSION { Ok(index) } else { Err(index.connection) }
    }

    /// A number that differs after each commit. `None` while another process creates the header.
    pub(super) fn commit_stamp(&self) -> Option<NonZeroU64> {
        // SAFETY: `part` points to PART mapped bytes that are page-aligned, so that offset 40 is aligned for eight
        // bytes. Other processes write the memory, in words of four bytes, and an atomic load may meet that: a value
        // that is half old is neither the old nor the new one, and leads to one read more.
        let checksum = unsafe { AtomicU64::from_ptr(self.part.as_ptr().add(CHECKSUM).cast()) };
        NonZeroU64::new(checksum.load(Ordering::Acquire))
    }

    fn version(&self) -> u32 {
        // SAFETY: as in `commit_stamp`, at offset 0.
        unsafe { AtomicU32::from_ptr(self.part.as_ptr().cast()) }.load(Ordering::Acquire)
    }
}

/// SQLite's own mapping: asked of the file object, never made by opening the `-shm` file, which would drop its locks.
fn mapped(connection: &Connection) -> Option<NonNull<u8>> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    let mut part: *mut std::ffi::c_void = ptr::null_mut();
    // SAFETY: the handle is open, and SQLITE_FCNTL_FILE_POINTER writes one pointer to where the last argument points.
    let asked = unsafe {
        ffi::sqlite3_file_control(
            connection.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_FILE_POINTER,
            ptr::from_mut(&mut file).cast(),
        )
    };
    if asked != ffi::SQLITE_OK || file.is_null() {
        return None;
    }
    // SAFETY: `file` is the open database file of the connection; its methods stay while it is open. A file without
    // shared memory has version 1 of the methods, or no `xShmMap`.
    let methods = unsafe { (*file).pMethods.as_ref() }?;
    let map = methods.xShmMap.filter(|_| methods.iVersion >= 2)?;
    // SAFETY: the connection is in WAL mode and has read, so part 0 is mapped, and this call returns its address; the last
    // argument but one (0) forbids to extend the file. The memory stays until the connection, and all others of this
    // process to this file, are closed (`unixShmUnmap`).
    let found = unsafe { map(file, 0, PART, 0, ptr::from_mut(&mut part).cast()) };
    if found != ffi::SQLITE_OK && found != ffi::SQLITE_READONLY {
        return None;
    }
    NonNull::new(part.cast())
}

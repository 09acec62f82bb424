//! The WAL index of a SQLite database in WAL mode. Eight bytes of this shared memory differ after each commit of any process,
//! and reading them needs no system call and no lock. The core has unsafe code
//! only here and in `limit/machine/table.rs`.
//!
//! The WAL index begins with a header of 48 bytes, kept twice (SQLite, "WAL-mode File Format", section 2.1, and
//! `WalIndexHdr` in wal.c): `iVersion` at offset 0, a counter of transactions `iChange` at 8, and at 40 `aCksum`, the
//! checksum over all before it. `walIndexWriteHdr` raises neither unless a transaction commits (`walFrames`, after the
//! log was synced as `synchronous` wants it) or the log begins anew (`walRestartHdr`), and it stores the second copy,
//! a barrier and the first copy, in this order, before the writer's commit returns. A reader takes its snapshot from
//! both copies being equal (`walIndexTryHdr`). So a process that sees a commit, or hears of it, finds the first copy
//! changed, and a rolled-back transaction never shows.
//!
//! SQLite unmaps the index when the last connection of this process closes, which happens before each fork, while other threads
//! may be reading. On Linux they read a second mapping that stays for as long as its [`WalIndex`] lives. Other systems have no
//! call that makes one: there a reader holds a reference, and closing waits until the last reference is gone.

#![allow(unsafe_code, reason = "SQLite shows its mapping of the WAL index through its C interface only")]

use std::ffi::c_int;
use std::num::NonZeroU64;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rusqlite::{Connection, ffi};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use self::counted::WalIndex;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use self::remapped::WalIndex;

/// `WALINDEX_MAX_VERSION`, the only layout there has been.
const VERSION: u32 = 3_007_000;

/// `WALINDEX_PGSZ`, the size of each part in which the index is mapped.
const PART: c_int = 32_768;

/// The offset of `aCksum` in the first copy of the header.
const CHECKSUM: usize = 40;

/// The header of a WAL index.
#[derive(Clone, Copy)]
struct Header(NonNull<u8>);

impl Header {
    /// The header that `connection` has mapped; it maps it with its first read. SQLite's own mapping is asked of the file object:
    /// opening the `-shm` file, and closing it, would drop SQLite's locks.
    fn mapped_by(connection: &Connection) -> Option<Self> {
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
        // SAFETY: the connection is in WAL mode and has read, so part 0 is mapped, and this call returns its address; the
        // last argument but one (0) forbids to extend the file. The memory stays until the connection, and all others of this
        // process to this file, are closed (`unixShmUnmap`).
        let found = unsafe { map(file, 0, PART, 0, ptr::from_mut(&mut part).cast()) };
        if found != ffi::SQLITE_OK && found != ffi::SQLITE_READONLY {
            return None;
        }
        NonNull::new(part.cast()).map(Self)
    }

    /// Whether the layout is the known one.
    ///
    /// # Safety
    /// The header is mapped.
    unsafe fn is_known(self) -> bool {
        // SAFETY: the mapping begins a page, and the caller keeps it. Other processes write it, which an atomic load may meet.
        unsafe { AtomicU32::from_ptr(self.0.as_ptr().cast()) }.load(Ordering::Acquire) == VERSION
    }

    /// A number that differs after each commit. `None` while another process creates the header.
    ///
    /// # Safety
    /// The header is mapped.
    unsafe fn commit_stamp(self) -> Option<NonZeroU64> {
        // SAFETY: as in `is_known`; offset 40 is aligned for eight bytes. Other processes write the memory in words of four
        // bytes: a value that is half old equals neither the old nor the new one, and costs one read more.
        let checksum = unsafe { AtomicU64::from_ptr(self.0.as_ptr().add(CHECKSUM).cast()) };
        NonZeroU64::new(checksum.load(Ordering::Acquire))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod remapped {
    use std::num::NonZeroU64;
    use std::ptr::{self, NonNull};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use rusqlite::Connection;
    use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, mremap_fixed, munmap};
    use rustix::param::page_size;

    use super::Header;
    use crate::fork::lock;

    /// A page of this process that shows the begin of a WAL index while a connection has it open. It owns the connection.
    pub(crate) struct WalIndex {
        /// It is mapped for as long as this value lives.
        page: NonNull<u8>,
        /// The page, or null while it shows nothing.
        shown: AtomicPtr<u8>,
        connection: Mutex<Option<Connection>>,
    }

    // SAFETY: `page` is memory of the process, which threads read through atomics. The rest is `Send` and `Sync`.
    unsafe impl Send for WalIndex {}
    // SAFETY: as above.
    unsafe impl Sync for WalIndex {}

    impl WalIndex {
        /// An index that shows nothing yet; `None` if the system gives no page.
        pub(crate) fn new() -> Option<Self> {
            // SAFETY: the kernel maps a page of zeros where nothing is mapped.
            let page = unsafe { mmap_anonymous(ptr::null_mut(), page_size(), ProtFlags::READ, MapFlags::PRIVATE) };
            let page = NonNull::new(page.ok()?.cast())?;
            Some(Self { page, shown: AtomicPtr::default(), connection: Mutex::default() })
        }

        /// Shows the index that `connection` has mapped, and keeps the connection open. Returns the connection if it has no index,
        /// or if the layout is unknown. The index shows nothing before the call.
        pub(crate) fn show(&self, connection: Connection) -> Result<(), Connection> {
            if !Header::mapped_by(&connection).is_some_and(|header| self.map(header)) {
                return Err(connection);
            }
            *lock(&self.connection) = Some(connection);
            self.shown.store(self.page.as_ptr(), Ordering::Release);
            Ok(())
        }

        /// Maps the page of a header a second time, in place of `page`.
        fn map(&self, header: Header) -> bool {
            // SAFETY: the caller's connection keeps the header mapped. A size of 0 asks for a second mapping of the same
            // shared memory (mremap(2)), where nothing is mapped.
            let copy = unsafe { mremap(header.0.as_ptr().cast(), 0, page_size(), MremapFlags::MAYMOVE) };
            let Some(copy) = copy.ok().and_then(|copy| NonNull::new(copy.cast())) else { return false };
            // SAFETY: the copy is mapped, and moves to a page that this value owns. Whoever still reads that page meets the
            // page before or after, since the kernel exchanges them in one step.
            let is_moved = unsafe {
                Header(copy).is_known()
                    && mremap_fixed(
                        copy.as_ptr().cast(),
                        page_size(),
                        page_size(),
                        MremapFlags::MAYMOVE,
                        self.page.as_ptr().cast(),
                    )
                    .is_ok()
            };
            if !is_moved {
                // SAFETY: nothing else knows the copy.
                let _ = unsafe { munmap(copy.as_ptr().cast(), page_size()) };
            }
            is_moved
        }

        /// Shows nothing any more, and returns the connection.
        pub(crate) fn hide(&self) -> Option<Connection> {
            self.shown.store(ptr::null_mut(), Ordering::Release);
            // SAFETY: the page belongs to this value. If it cannot be exchanged, it stays, and nobody reads it.
            let _ = unsafe {
                mmap_anonymous(
                    self.page.as_ptr().cast(),
                    page_size(),
                    ProtFlags::READ,
                    MapFlags::PRIVATE | MapFlags::FIXED,
                )
            };
            lock(&self.connection).take()
        }

        /// A number that differs after each commit. `None` if nothing is shown, or while another process creates the header.
        pub(crate) fn commit_stamp(&self) -> Option<NonZeroU64> {
            let header = Header(NonNull::new(self.shown.load(Ordering::Acquire))?);
            // SAFETY: it is `page`, which stays mapped.
            unsafe { header.commit_stamp() }
        }
    }

    impl Drop for WalIndex {
        fn drop(&mut self) {
            // SAFETY: nobody reads the page any more.
            let _ = unsafe { munmap(self.page.as_ptr().cast(), page_size()) };
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod counted {
    use std::num::NonZeroU64;
    use std::sync::Arc;

    use arc_swap::ArcSwapOption;
    use rusqlite::Connection;

    use super::Header;

    /// SQLite's own mapping of a WAL index, while a connection has it open. It owns the connection.
    pub(crate) struct WalIndex(ArcSwapOption<OpenIndex>);

    struct OpenIndex {
        header: Header,
        connection: Connection,
    }

    // SAFETY: the header is only read, through atomics, and the connection, opened without a mutex, is only taken back by one
    // thread: `&self` gives no access to it.
    unsafe impl Send for OpenIndex {}
    // SAFETY: as above.
    unsafe impl Sync for OpenIndex {}

    impl WalIndex {
        /// An index that shows nothing yet.
        pub(crate) fn new() -> Option<Self> {
            Some(Self(ArcSwapOption::empty()))
        }

        /// Shows the index that `connection` has mapped, and keeps the connection open. Returns the connection if it has no index,
        /// or if the layout is unknown. The index shows nothing before the call.
        pub(crate) fn show(&self, connection: Connection) -> Result<(), Connection> {
            // SAFETY: the connection keeps the header mapped.
            let known = Header::mapped_by(&connection).filter(|header| unsafe { header.is_known() });
            let Some(header) = known else { return Err(connection) };
            self.0.store(Some(Arc::new(OpenIndex { header, connection })));
            Ok(())
        }

        /// Shows nothing any more, and returns the connection once no thread reads the index.
        pub(crate) fn hide(&self) -> Option<Connection> {
            let mut index = self.0.swap(None)?;
            loop {
                match Arc::try_unwrap(index) {
                    Ok(index) => return Some(index.connection),
                    Err(shared) => index = shared,
                }
                std::thread::yield_now();
            }
        }

        /// A number that differs after each commit. `None` if nothing is shown, or while another process creates the header.
        pub(crate) fn commit_stamp(&self) -> Option<NonZeroU64> {
            // SAFETY: the connection beside the header keeps it mapped.
            unsafe { self.0.load().as_ref()?.header.commit_stamp() }
        }
    }
}

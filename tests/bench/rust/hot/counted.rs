//! Figures that are counted and not timed: allocations, memory, system calls.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::{WINDOW, open, request, timing};

/// The system's allocator. It counts only while it is asked to, so that timed calls do not pay for it.
pub struct Counted;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static HELD: AtomicI64 = AtomicI64::new(0);

#[allow(unsafe_code, reason = "only an allocator can count allocations")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Ordering::Relaxed) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
            HELD.fetch_add(layout.size() as i64, Ordering::Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if COUNTS.load(Ordering::Relaxed) {
            HELD.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        }
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

/// The number of allocations in `act`, and how many bytes of them are still held afterwards, by the sizes asked for.
pub fn allocated(act: impl FnOnce()) -> (u64, i64) {
    let now = || (ALLOCATIONS.load(Ordering::Relaxed), HELD.load(Ordering::Relaxed));
    let before = now();
    COUNTS.store(true, Ordering::SeqCst);
    act();
    COUNTS.store(false, Ordering::SeqCst);
    let after = now();
    (after.0 - before.0, after.1 - before.1)
}

/// Writes a figure that is counted once.
pub fn count(out: &Path, name: &str, value: f64, unit: &str) {
    timing::write(out, name, unit, &[value], None, None);
}

/// The path that separates the counted calls from the others in the log.
const MARK: &str = "/the-calls-that-are-counted";

/// How many system calls the verifying thread makes in 10,000 hot verifications: another process makes them under
/// strace. `None` where there is no strace.
pub fn syscalls(file: &Path, texts: &[String]) -> Option<u64> {
    let (log, list) = (file.with_extension("strace"), file.with_extension("list"));
    fs::write(&list, texts.join("\n")).unwrap();
    let mut strace = Command::new("strace");
    strace.arg("-f").arg("-o").arg(&log).arg(std::env::current_exe().unwrap()).arg(file).arg(&list).arg("verify");
    assert!(strace.status().ok()?.success());
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let marks: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains(MARK)).collect();
    let [first, last] = marks[..] else { panic!("{} marks are in the log of strace", marks.len()) };
    let thread = lines[first].split(' ').next().unwrap();
    Some(lines[first + 1..last].iter().filter(|line| line.split(' ').next() == Some(thread)).count() as u64)
}

/// The part of the process under strace.
pub fn obey(file: &Path) {
    let texts = fs::read_to_string(file.with_extension("list")).unwrap();
    let (kw, request, texts) = (open(file), request(), texts.lines().collect::<Vec<_>>());
    let verify = |times: usize| {
        texts.iter().cycle().take(times).for_each(|text| assert!(kw.verify(*text, &request).is_allowed()));
    };
    verify(WINDOW);
    // A call that strace shows by its argument.
    let _ = fs::metadata(MARK);
    verify(10_000);
    let _ = fs::metadata(MARK);
    kw.close();
}

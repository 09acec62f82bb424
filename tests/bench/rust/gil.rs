//! The core behind two C functions, for `ctypes` to call with the GIL kept or released.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};
use std::slice;
use std::sync::OnceLock;

use keywright::Request;
use keywright::blocking::Keywright;

static ENGINE: OnceLock<Keywright> = OnceLock::new();

/// Opens the file, once; 0 when it cannot.
///
/// # Safety
/// Both are texts that end with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_open(url: *const c_char, pepper: *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    let (url, pepper) = unsafe { (CStr::from_ptr(url), CStr::from_ptr(pepper)) };
    let (Ok(url), Ok(pepper)) = (url.to_str(), pepper.to_str()) else { return 0 };
    if ENGINE.get().is_none()
        && let Ok(engine) = Keywright::open(keywright::Keywright::builder(url).brand("bench").pepper(pepper))
    {
        let _ = ENGINE.set(engine);
    }
    c_int::from(ENGINE.get().is_some())
}

/// Whether the text is allowed.
///
/// # Safety
/// `text` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_verify(text: *const u8, length: usize) -> c_int {
    // SAFETY: as the caller promises.
    let text = unsafe { slice::from_raw_parts(text, length) };
    c_int::from(ENGINE.get().is_some_and(|it| it.verify(text, &Request::new()).is_allowed()))
}

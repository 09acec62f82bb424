//! Randomness. Every call asks the operating system, so that a forked child never repeats its parent.

use rand::TryRng;
use rand::rngs::SysRng;

use crate::error::{Error, UnavailableCause};

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    SysRng.try_fill_bytes(bytes).map_err(|_| {
        Error::unavailable(
            UnavailableCause::Io,
            "the operating system gave no randomness",
            "no key was made; look at the system's random device",
        )
    })
}

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

//! The source of the keys of session tokens: a text, or a file that is read again when it changes.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::sys::{self, FileVersion};

const LARGEST_FILE: u64 = 256 * 1024;

/// A file that changed this recently may change again without a new modification time, because file systems store times in
/// steps.
const TIME_STEP: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) enum KeySource {
    Text(String),
    File(PathBuf),
}

/// Whether a file is old enough that any later change gets a new modification time.
fn is_settled(version: &FileVersion) -> bool {
    SystemTime::now().duration_since(version.modified()).is_ok_and(|age| age >= TIME_STEP)
}

impl KeySource {
    /// A file. A relative path is made absolute now, because the working folder may change.
    pub(super) fn file(path: PathBuf) -> Self {
        Self::File(std::path::absolute(&path).unwrap_or(path))
    }

    /// Loads the text, and the version of a file if it is settled.
    pub(super) fn load(&self, field: &str) -> Result<(String, Option<FileVersion>), Error> {
        let path = match self {
            Self::Text(text) => return Ok((text.clone(), None)),
            Self::File(path) => path,
        };
        let field = format!("{field}_file");
        let unreadable = |error: std::io::Error| {
            Error::validation_failed(
                &field,
                format!("cannot be read: {}: {}", path.display(), sys::reason(&error)),
                "name a file that can be read",
            )
        };
        let file = File::open(path).map_err(unreadable)?;
        let version = file.metadata().ok().and_then(|metadata| FileVersion::of(&metadata));
        let mut text = String::new();
        file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > LARGEST_FILE {
            return Err(Error::validation_failed(&field, "is larger than 256 KiB", "name the file that holds the key"));
        }
        Ok((text, version.filter(is_settled)))
    }

    /// Whether this is a file that has changed since this version was read.
    pub(super) fn has_changed(&self, read: Option<&FileVersion>) -> bool {
        match self {
            Self::Text(_) => false,
            Self::File(path) => std::fs::metadata(path).ok().and_then(|it| FileVersion::of(&it)).as_ref() != read,
        }
    }
}

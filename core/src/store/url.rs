//! The URL of a database.

use std::fmt;
use std::path::{Path, PathBuf};

use super::sqlite::files;
use crate::error::Error;

/// A database, by its URL. It shows itself without a password.
#[derive(Debug, Clone)]
pub(crate) enum StoreUrl {
    /// The path of the file.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Parses a URL. A relative path is relative to `folder`.
    pub(crate) fn parse(url: &str, folder: &Path) -> Result<Self, Error> {
        Ok(Self::Sqlite(folder.join(files::parse_url(url)?)))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "{}", path.display()),
        }
    }
}

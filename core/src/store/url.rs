//! The URL of a database.

use std::fmt;
use std::path::{Path, PathBuf};

#[cfg(feature = "postgres")]
use super::postgres::PostgresSettings;
use super::sqlite::files;
use crate::error::Error;

/// A database, by its URL. It shows itself without a password.
#[derive(Debug, Clone)]
pub(crate) enum StoreUrl {
    /// The path of the file.
    Sqlite(PathBuf),
    /// The servers, the database and the schema in it.
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresSettings>),
}

impl StoreUrl {
    /// Parses a URL. A relative path is relative to `folder`.
    pub(crate) fn parse(url: &str, folder: &Path) -> Result<Self, Error> {
        #[cfg(feature = "postgres")]
        if PostgresSettings::is_named_by(url) {
            return Ok(Self::Postgres(Box::new(PostgresSettings::parse(url)?)));
        }
        #[cfg(not(feature = "postgres"))]
        if url.starts_with("postgresql:") || url.starts_with("postgres:") {
            let reason = "names a PostgreSQL database, which this build cannot open";
            return Err(Error::validation_failed("url", reason, "turn on the feature postgres of the crate keywright"));
        }
        Ok(Self::Sqlite(folder.join(files::parse_url(url)?)))
    }

    /// The URL without the password that it may hold.
    pub(crate) fn shown(url: &str) -> String {
        if url.starts_with("sqlite:") {
            return url.to_owned();
        }
        Self::parse(url, Path::new("")).map_or_else(|_| "<hidden>".to_owned(), |url| url.to_string())
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(settings) => write!(out, "{}", settings.place()),
        }
    }
}

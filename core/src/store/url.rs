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
        if means_postgres(url) {
            #[cfg(feature = "postgres")]
            let (reason, fix) = (
                "names a PostgreSQL database in a way that Keywright does not read",
                "write postgresql://user@host:5432/database, without a space in front and without a driver such as +asyncpg",
            );
            #[cfg(not(feature = "postgres"))]
            let (reason, fix) = (
                "names a PostgreSQL database, which this build cannot open",
                "turn on the feature postgres of the crate keywright",
            );
            return Err(Error::validation_failed("url", reason, fix));
        }
        Ok(Self::Sqlite(folder.join(files::parse_url(url)?)))
    }

    /// Whether there may be a database at this place, as far as can be told without a connection.
    pub(crate) fn may_exist(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// Whether the text of a URL has a password in it.
    #[cfg(feature = "cli")]
    pub(crate) fn has_password(url: &str) -> bool {
        matches!(Self::parse(url, Path::new("")), Ok(Self::Postgres(settings)) if settings.has_password())
    }

    /// The URL without the password that it may hold.
    pub(crate) fn shown(url: &str) -> String {
        if url.starts_with("sqlite:") {
            return url.to_owned();
        }
        Self::parse(url, Path::new("")).map_or_else(|_| "<hidden>".to_owned(), |url| url.to_string())
    }
}

/// Whether a text is for PostgreSQL, in whichever program.
fn means_postgres(url: &str) -> bool {
    let is_list = || ["host=", "dbname="].iter().any(|word| url.contains(word));
    url.trim_start().starts_with("postgre") || (!url.starts_with("sqlite:") && is_list())
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

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_another_program_is_told_from_a_path() {
        let secret = "hunter2";
        for url in [
            "postgresql+asyncpg://u:hunter2@h/d",
            "postgre://u:hunter2@h/d",
            " postgresql://u:hunter2@h/d",
            "host=h dbname=d password=hunter2:x",
        ] {
            let text = StoreUrl::parse(url, Path::new("")).unwrap_err().to_string();
            assert!(
                text.contains("write postgresql://user@host:5432/database") && !text.contains(secret),
                "{url}: {text}"
            );
        }
    }
}

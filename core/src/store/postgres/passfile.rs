//! The password of a role: from the URL, from `PGPASSWORD`, or from the password file of libpq. That has lines of
//! `host:port:database:user:password`, in which `*` stands for any value.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::settings::{HostAddress, PostgresSettings};
use crate::error::Error;
use crate::sys;

/// The password with which to log in to a server.
pub(super) fn password_for(
    settings: &PostgresSettings,
    host: &HostAddress,
) -> Result<Option<Zeroizing<String>>, Error> {
    if let Some(password) = &settings.password {
        return Ok(Some(password.clone()));
    }
    if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()) {
        return Ok(Some(Zeroizing::new(password)));
    }
    let user = settings.user_name();
    let database = settings.database.as_deref().unwrap_or(&user);
    find(settings.passfile.as_deref(), host, database, &user)
}

/// Finds the password of the first line that fits. `path` is the file that the URL names; without it the file is that of the
/// variable `PGPASSFILE` or `.pgpass` in the home folder, either of which may be missing.
fn find(
    path: Option<&Path>,
    host: &HostAddress,
    database: &str,
    user: &str,
) -> Result<Option<Zeroizing<String>>, Error> {
    let Some(file) = path.map(Path::to_owned).or_else(default_path) else { return Ok(None) };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_none() => return Ok(None),
        Err(_) => return Err(refused("cannot be read", "name a file that this user can read")),
    };
    if std::fs::metadata(&file).is_ok_and(|file| !sys::is_private(&file)) {
        return Err(refused("can be read by other users", "run chmod 0600 on it"));
    }
    let port = host.port.to_string();
    let name = if host.socket_folder().is_some() { "localhost" } else { &host.host };
    let wanted = [name, &port, database, user];
    Ok(text.lines().find_map(|line| password(line, wanted)))
}

fn default_path() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".pgpass"));
    std::env::var_os("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home)
}

/// The password of a line, if its other fields fit.
fn password(line: &str, wanted: [&str; 4]) -> Option<Zeroizing<String>> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = Vec::with_capacity(5);
    let mut field = Zeroizing::new(String::new());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => field.extend(letters.next()),
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    let fits = fields.len() == 4
        && fields.iter().zip(wanted).all(|(field, wanted)| field.as_str() == "*" || field.as_str() == wanted);
    fits.then_some(field)
}

fn refused(reason: &str, fix: &str) -> Error {
    Error::validation_failed("url", format!("passfile {reason}"), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let wanted = ["db", "5432", "keys", "app"];
        let found = |line: &str| password(line, wanted).map(|found| found.to_string());
        assert_eq!(found("db:5432:keys:app:se:cr\\\\et").as_deref(), Some("se:cr\\et"));
        assert_eq!(found("*:*:*:app:x").as_deref(), Some("x"));
        for line in ["", "#db:5432:keys:app:x", "db:5433:keys:app:x", "db:5432:keys:app", "other:*:*:*:x"] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    #[cfg(all(unix, not(keywright_portable)))]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        let host = HostAddress { host: "/run".into(), port: 5_432 };
        let read = || find(Some(&path), &host, "keys", "app");
        assert!(read().unwrap_err().to_string().contains("passfile"));
        std::fs::write(&path, "localhost:5432:keys:app:secret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.contains("chmod") && !error.contains("secret"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read().unwrap().unwrap().as_str(), "secret");
    }
}

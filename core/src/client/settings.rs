//! The settings of a client.

use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Client;
use crate::error::Error;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_RETRIES: u32 = 2;
const MOST_RETRIES: u32 = 10;
const MOST_STALENESS: Duration = Duration::from_secs(3_600);
const MOST_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);

/// The settings of a [`Client`].
///
/// ```
/// use std::time::Duration;
/// let client = keywright::Client::builder("unix:/run/keywright/keywright.sock")
///     .timeout(Duration::from_secs(2))
///     .retries(0)
///     .max_staleness(Duration::from_secs(2))
///     .build()?;
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    url: String,
    api_key: Option<Zeroizing<String>>,
    timeout: Duration,
    retries: u32,
    max_staleness: Option<Duration>,
}

/// The settings after their check.
pub(super) struct ClientSettings {
    pub(super) address: ServerAddress,
    pub(super) api_key: Option<Zeroizing<String>>,
    /// How long one attempt may take from its beginning to the end of its answer.
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) max_staleness: Option<Duration>,
}

/// The place of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerAddress {
    /// The beginning of each URL.
    pub(super) base: String,
    /// The path of a Unix socket.
    pub(super) socket: Option<PathBuf>,
}

impl ClientBuilder {
    pub(super) fn new(url: String) -> Self {
        Self { url, api_key: None, timeout: DEFAULT_TIMEOUT, retries: DEFAULT_RETRIES, max_staleness: None }
    }

    /// A key with `keys:manage` or `keys:verify`, or a session token. A Unix socket needs none to verify.
    pub fn api_key(self, api_key: impl Into<String>) -> Self {
        Self { api_key: Some(Zeroizing::new(api_key.into())), ..self }
    }

    /// How long one attempt may take, to the end of its answer. The default is 10 seconds.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How often a request is sent again: 0 to 10. The default is 2.
    pub fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// How long a decision that allowed a key is repeated after it was asked for, at most an hour. By default each verification is
    /// asked for.
    pub fn max_staleness(self, bound: Duration) -> Self {
        Self { max_staleness: Some(bound), ..self }
    }

    /// Checks the settings. The first call connects.
    ///
    /// # Errors
    /// `validation_failed`, naming the setting.
    pub fn build(self) -> Result<Client, Error> {
        let address = ServerAddress::parse(&self.url)?;
        if let Some(api_key) = &self.api_key
            && (api_key.is_empty() || !api_key.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let reason = "is empty, or has letters that no key has";
            return Err(Error::validation_failed("api_key", reason, "give the text of a key"));
        }
        if self.retries > MOST_RETRIES {
            let fix = format!("give 0 to {MOST_RETRIES}");
            return Err(Error::validation_failed("retries", "are too many", fix));
        }
        in_range("timeout", self.timeout, MOST_TIMEOUT)?;
        if let Some(bound) = self.max_staleness {
            in_range("max_staleness", bound, MOST_STALENESS)?;
        }
        let Self { api_key, timeout, retries, max_staleness, url: _ } = self;
        Client::open(ClientSettings { address, api_key, timeout, retries, max_staleness })
    }
}

fn in_range(field: &str, span: Duration, most: Duration) -> Result<(), Error> {
    if span.is_zero() || span > most {
        let fix = format!("give more than 0 and at most {} hours", most.as_secs() / 3_600);
        return Err(Error::validation_failed(field, "is out of range", fix));
    }
    Ok(())
}

impl ServerAddress {
    fn parse(url: &str) -> Result<Self, Error> {
        if let Some(path) = url.strip_prefix("unix:") {
            return Self::unix(path);
        }
        let refused = |reason: &str, fix: &str| Err(Error::validation_failed("url", reason, fix));
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        if host.contains('@') {
            return refused("holds a credential", "give the key as api_key");
        }
        let is_plain = |letter: char| letter.is_ascii_graphic() && !['?', '#', '\\'].contains(&letter);
        if host.is_empty() || !rest.chars().all(is_plain) || reqwest::Url::parse(url).is_err() {
            let fix = "write https://keys.example, or unix:/run/keywright/keywright.sock";
            return refused("is no address of a server", fix);
        }
        Ok(Self { base: url.trim_end_matches('/').to_owned(), socket: None })
    }

    #[cfg(unix)]
    fn unix(path: &str) -> Result<Self, Error> {
        if !path.starts_with('/') {
            let fix = "write unix:/run/keywright/keywright.sock";
            return Err(Error::validation_failed("url", "names no absolute path of a Unix socket", fix));
        }
        Ok(Self { base: "http://keywright".to_owned(), socket: Some(path.into()) })
    }

    #[cfg(not(unix))]
    fn unix(_path: &str) -> Result<Self, Error> {
        let reason = "is a Unix socket, which this system lacks";
        Err(Error::validation_failed("url", reason, "write http://127.0.0.1:8787"))
    }

    /// The server in errors and logs. The address holds no credential.
    pub(super) fn shown(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{}", path.display()),
            None => self.base.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_refused() {
        for (url, base) in [
            ("https://keys.example", "https://keys.example"),
            ("http://127.0.0.1:8787/", "http://127.0.0.1:8787"),
            ("https://[::1]:1/api//", "https://[::1]:1/api"),
        ] {
            assert_eq!(ServerAddress::parse(url).unwrap().base, base);
        }
        for url in [
            "",
            "ftp://x",
            "https://",
            "https:///x",
            "https://user:hush@host",
            "http://x/?a",
            "http://x y",
            "http://x:99999",
        ] {
            let error = ServerAddress::parse(url).unwrap_err();
            assert!(error.field() == Some("url") && !error.to_string().contains("hush"), "{url}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_unix_socket_has_an_absolute_path() {
        let address = ServerAddress::parse("unix:/run/kw.sock").unwrap();
        assert_eq!(
            (address.socket.as_deref(), address.shown()),
            (Some("/run/kw.sock".as_ref()), "unix:/run/kw.sock".into())
        );
        assert!(ServerAddress::parse("unix:kw.sock").is_err());
    }

    #[test]
    fn settings_are_refused_with_their_names() {
        let new = || ClientBuilder::new("https://keys.example".into());
        for (builder, field) in [
            (new().api_key(""), "api_key"),
            (new().api_key("hush\nhush"), "api_key"),
            (new().retries(11), "retries"),
            (new().timeout(Duration::ZERO), "timeout"),
            (new().max_staleness(Duration::from_secs(3_601)), "max_staleness"),
        ] {
            let error = builder.build().err().unwrap();
            assert!(error.field() == Some(field) && !error.to_string().contains("hush"), "{error}");
        }
        assert!(new().build().is_ok());
    }
}

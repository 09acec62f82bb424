//! The settings of a server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock;
use crate::error::Error;
use crate::input::{Fields, FromFields, chosen, span};

const MOST_CONNECTIONS: i64 = 1_000_000;

/// The place at which a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    Tcp(SocketAddr),
    /// A Unix socket, whose file only its owner may use.
    Unix(PathBuf),
}

/// The form of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogForm {
    Text,
    Json,
    Off,
}

/// The files of the server's TLS certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The settings of [`Server`](super::Server).
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    pub(crate) listen: ListenAddress,
    /// The listener for health and metrics; `None` for none.
    pub(crate) admin_listen: Option<ListenAddress>,
    pub(crate) tls: Option<CertificateFiles>,
    pub(crate) log: LogForm,
    /// The org whose keys with `keys:verify` verify keys of every org.
    pub(crate) operators: String,
    pub(crate) max_connections: usize,
    /// How long a client may take to send the head of a request, also on a connection that it keeps open.
    pub(crate) header_timeout: Duration,
    /// How long a request may take from its head to its answer.
    pub(crate) request_timeout: Duration,
    /// How long requests may take to end once the server is stopped.
    pub(crate) stop_timeout: Duration,
}

impl ServerSettings {
    pub(crate) const NAMES: [&'static str; 10] = [
        "listen",
        "admin_listen",
        "tls_certificate",
        "tls_key",
        "log",
        "operators",
        "max_connections",
        "header_timeout",
        "request_timeout",
        "stop_timeout",
    ];

    /// Resolves relative paths against this folder.
    pub(crate) fn in_folder(self, folder: &Path) -> Self {
        let socket = |address: ListenAddress| match address {
            ListenAddress::Unix(path) => ListenAddress::Unix(folder.join(path)),
            address => address,
        };
        let files = |files: CertificateFiles| CertificateFiles {
            certificate: folder.join(files.certificate),
            key: folder.join(files.key),
        };
        Self {
            listen: socket(self.listen),
            admin_listen: self.admin_listen.map(socket),
            tls: self.tls.map(files),
            ..self
        }
    }

    /// Whether other machines can reach the API without TLS.
    pub(crate) fn is_open_without_tls(&self) -> bool {
        let is_remote = matches!(self.listen, ListenAddress::Tcp(address) if !address.ip().is_loopback());
        is_remote && self.tls.is_none()
    }
}

/// Reads the section `[server]`.
impl FromFields for ServerSettings {
    fn read(fields: Fields) -> Result<Self, Error> {
        let mut fields = fields.only(&Self::NAMES)?;
        let listen = fields.text("listen")?.map(|text| address("listen", &text)).transpose()?;
        let admin_listen = fields.text("admin_listen")?.map(|text| address("admin_listen", &text)).transpose()?;
        let tls = match (fields.text("tls_certificate")?, fields.text("tls_key")?) {
            (Some(certificate), Some(key)) => {
                Some(CertificateFiles { certificate: certificate.into(), key: key.into() })
            }
            (None, None) => None,
            (Some(_), None) => return Err(Error::invalid_request("tls_key", "is missing", "name the file of the key")),
            (None, Some(_)) => {
                let fix = "name the file of the certificate, with those of its issuers behind it";
                return Err(Error::invalid_request("tls_certificate", "is missing", fix));
            }
        };
        let log = match fields.text("log")? {
            None => LogForm::Text,
            Some(word) => {
                let forms = [("text", LogForm::Text), ("json", LogForm::Json), ("off", LogForm::Off)];
                chosen("log", &word, "is no form of a log", &forms)?
            }
        };
        let operators = fields.text("operators")?.unwrap_or_else(|| "default".into());
        let connections = fields.given("max_connections");
        let connections = connections.map(|it| it.into_integer("max_connections", 1, MOST_CONNECTIONS)).transpose()?;
        let mut timeout = |name: &str, default: u64| {
            let millis = fields.given(name).map(|it| span(name, it, clock::DAY / 24)).transpose()?;
            Ok::<_, Error>(millis.map_or(Duration::from_secs(default), |it| Duration::from_millis(it.unsigned_abs())))
        };
        Ok(Self {
            listen: listen.unwrap_or(ListenAddress::Tcp(([127, 0, 0, 1], 8787).into())),
            admin_listen,
            tls,
            log,
            operators,
            max_connections: connections.and_then(|it| usize::try_from(it).ok()).unwrap_or(1_024),
            header_timeout: timeout("header_timeout", 10)?,
            request_timeout: timeout("request_timeout", 30)?,
            stop_timeout: timeout("stop_timeout", 10)?,
        })
    }
}

fn address(field: &str, text: &str) -> Result<ListenAddress, Error> {
    let fix = "write 127.0.0.1:8787, [::]:8787 or unix:/run/keywright/keywright.sock";
    match text.strip_prefix("unix:") {
        Some("") => Err(Error::validation_failed(field, "names no socket", fix)),
        Some(path) => Ok(ListenAddress::Unix(path.into())),
        None => text
            .parse()
            .map(ListenAddress::Tcp)
            .map_err(|_| Error::validation_failed(field, "is no address with a port", fix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::casing::Casing;
    use crate::input::Value;

    fn read(entries: &[(&str, &str)]) -> Result<ServerSettings, Error> {
        let entries = entries.iter().map(|(name, text)| ((*name).to_owned(), Value::Text((*text).to_owned())));
        ServerSettings::read(Fields::new(Casing::Snake, entries.collect()))
    }

    #[test]
    fn settings_are_read_and_refused() {
        let read_all = read(&[("listen", "unix:/run/kw.sock"), ("log", "json"), ("stop_timeout", "30s")]).unwrap();
        assert_eq!(read_all.listen, ListenAddress::Unix("/run/kw.sock".into()));
        assert_eq!((read_all.log, read_all.stop_timeout), (LogForm::Json, Duration::from_secs(30)));
        assert_eq!(read(&[]).unwrap().listen, ListenAddress::Tcp("127.0.0.1:8787".parse().unwrap()));
        for (name, text) in [
            ("listen", "localhost:80"),
            ("listen", "8787"),
            ("listen", "unix:"),
            ("log", "xml"),
            ("stop_timeout", "30"),
            ("tls_key", "key.pem"),
            ("lisen", "127.0.0.1:1"),
        ] {
            assert!(read(&[(name, text)]).is_err(), "{name} {text}");
        }
    }
}

//! Failures of the network and of TLS in plain words.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::CertificateError;

type Cause<'a> = &'a (dyn Error + 'static);

/// An error with all its causes, the outermost first.
pub(crate) fn causes<'a>(error: Cause<'a>) -> impl Iterator<Item = Cause<'a>> {
    std::iter::successors(Some(error), |cause| inner(*cause))
}

fn inner(cause: Cause<'_>) -> Option<Cause<'_>> {
    // An error that several share names the source of what it holds, and not what it holds.
    if let Some(shared) = cause.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**shared);
    }
    // An error of input and output keeps another one inside, and does not name it as its source.
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => Some(inside),
        None => cause.source(),
    }
}

/// Why a server was not reached. `is_local` tells a Unix socket from a host.
pub(crate) fn of_socket(error: &io::Error, is_local: bool) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there",
        io::ErrorKind::NotFound if is_local => "there is no such socket",
        io::ErrorKind::PermissionDenied => "this user may not open the socket",
        io::ErrorKind::TimedOut => "it did not answer in time",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "it closed the connection"
        }
        _ if !is_local && error.to_string().contains("lookup") => "the name is not known",
        _ => "the network is down",
    }
}

/// The names of the settings that the fix of a TLS failure tells.
pub(crate) struct TlsSettingNames {
    /// The file with the certificates of authorities.
    pub(crate) authorities: &'static str,
    /// The certificate of the client, and its key.
    pub(crate) client: &'static str,
    /// The way out for a certificate that is for another name, after `connect by a name in its subjectAltName`.
    pub(crate) or_any_name: &'static str,
    /// The server's setting of the oldest version of TLS.
    pub(crate) oldest: &'static str,
}

/// The reason and the fix for a TLS handshake that failed.
pub(crate) fn of_tls(error: &rustls::Error, names: &TlsSettingNames) -> (String, String) {
    let (reason, fix) = match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                ("the certificate of the server has expired", "renew it at the server".to_owned())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                "the certificate of the server is not valid yet",
                "set the clocks of both machines, or renew the certificate".to_owned(),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                "the certificate of the server is for another name",
                format!("connect by a name in its subjectAltName{}", names.or_any_name),
            ),
            CertificateError::UnknownIssuer => {
                let reason = format!("no authority in {} signed the certificate of the server", names.authorities);
                return (reason, format!("name the file of the authority that did in {}", names.authorities));
            }
            CertificateError::Revoked => {
                ("the certificate of the server was revoked", "renew it at the server".to_owned())
            }
            _ => ("the certificate of the server is not valid", "replace it at the server".to_owned()),
        },
        rustls::Error::AlertReceived(_) => {
            ("the server ended the TLS handshake", format!("give the certificate that it asks for in {}", names.client))
        }
        _ => {
            ("the TLS handshake failed", format!("look at the server's log, and at {}, at least TLSv1.2", names.oldest))
        }
    };
    (reason.to_owned(), fix)
}

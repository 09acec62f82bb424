//! Failures of the network and of TLS in plain words.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};

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

/// The fixes of a TLS failure that depend on the settings of a connection, as whole sentences without a full stop.
pub(crate) struct TlsFixes {
    /// The reason and the fix for a certificate of an unknown authority.
    pub(crate) unknown_authority: (&'static str, &'static str),
    /// The fix for a certificate that is for another name.
    pub(crate) other_name: &'static str,
    /// The fix for a server that asks for a certificate of the client, and none was given.
    pub(crate) client_certificate: &'static str,
    /// The fix for a server that has no version of TLS in common with Keywright.
    pub(crate) old_versions: &'static str,
}

/// The reason and the fix for a TLS handshake that failed.
pub(crate) fn of_tls(error: &rustls::Error, fixes: &TlsFixes) -> (&'static str, &'static str) {
    match error {
        rustls::Error::InvalidCertificate(problem) => of_certificate(problem, fixes),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                ("the server asks for a certificate of the client", fixes.client_certificate)
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => {
                ("the server does not accept the certificate of the client", fixes.client_certificate)
            }
            AlertDescription::ProtocolVersion => old_versions(fixes),
            // Without TLS 1.3 a server says no more when it misses a certificate.
            _ => (
                "the server ended the TLS handshake",
                "look at the log of the server: it may ask for a certificate of the client, or for other ciphers",
            ),
        },
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => old_versions(fixes),
        _ => ("the TLS handshake failed", "look at the log of the server, and whether it speaks TLS at that port"),
    }
}

fn of_certificate(problem: &CertificateError, fixes: &TlsFixes) -> (&'static str, &'static str) {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("the certificate of the server has expired", "renew it at the server")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the certificate of the server is not valid yet",
            "set the clocks of both machines, or renew the certificate",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ("the certificate of the server is for another name", fixes.other_name)
        }
        CertificateError::UnknownIssuer => fixes.unknown_authority,
        CertificateError::Revoked => ("the certificate of the server was revoked", "renew it at the server"),
        _ => ("the certificate of the server is not valid", "replace it at the server"),
    }
}

fn old_versions(fixes: &TlsFixes) -> (&'static str, &'static str) {
    ("the server does not speak TLS 1.2 or later", fixes.old_versions)
}

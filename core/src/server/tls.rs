//! TLS with the certificate in files.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::settings::CertificateFiles;
use crate::error::Error;
use crate::remote::tls::provider;
use crate::sys;

/// The setting of the certificate, and the fix for a file that has none.
const CERTIFICATE: (&str, &str) =
    ("tls_certificate", "give the path of a PEM file: the certificate, and those of its issuers behind it");
const KEY: (&str, &str) = ("tls_key", "give the path of a PEM file with the private key, which no password encrypts");

pub(super) fn acceptor(files: &CertificateFiles) -> Result<TlsAcceptor, Error> {
    let CertificateFiles { certificate, key } = files;
    let chain = certificates(certificate).map_err(|error| unread(CERTIFICATE, certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unread(KEY, key, &error))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::validation_failed("tls_key", "cannot be used: this program has no TLS", "leave it out"))?
        .with_no_client_auth()
        .with_single_cert(chain, private);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let reason = format!("does not fit tls_certificate: {}", key.display());
            Error::validation_failed("tls_key", reason, "give the key of that certificate")
        }
        rustls::Error::InvalidCertificate(_) => refused(CERTIFICATE, certificate, "it holds a damaged certificate"),
        _ => {
            let fix = "give a key of RSA with 2048 bits or more, of ECDSA or of Ed25519";
            refused((KEY.0, fix), key, "the key is damaged, or of a kind that does not work")
        }
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let chain = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) }
}

/// The error of a file that cannot be read, or does not hold what it should.
fn unread((field, fix): (&str, &str), file: &Path, error: &pem::Error) -> Error {
    let reason = match error {
        pem::Error::Io(error) => sys::reason(error),
        pem::Error::NoItemsFound if field == KEY.0 => "it holds no private key".to_owned(),
        pem::Error::NoItemsFound => "it holds no certificate".to_owned(),
        _ => "it is no PEM file, or a damaged one".to_owned(),
    };
    refused((field, fix), file, &reason)
}

fn refused((field, fix): (&str, &str), file: &Path, reason: &str) -> Error {
    Error::validation_failed(field, format!("cannot be used: {}: {reason}", file.display()), fix)
}

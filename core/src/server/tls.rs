//! TLS with the certificate in files.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::settings::CertificateFiles;
use crate::error::Error;

pub(super) fn acceptor(files: &CertificateFiles) -> Result<TlsAcceptor, Error> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| {
        Error::validation_failed("tls_key", "names no file with a private key", "give the path of a PEM file")
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::validation_failed("tls_key", "cannot be used: this program has no TLS", "leave it out"))?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|_| {
        Error::validation_failed("tls_key", "does not fit tls_certificate", "give the key of that certificate")
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let refused = |reason: &str| {
        let fix = "give the path of a PEM file: the certificate, and those of its issuers behind it";
        Error::validation_failed("tls_certificate", format!("{reason}: {}", file.display()), fix)
    };
    let read = CertificateDer::pem_file_iter(file).map_err(|_| refused("names no file that can be read"))?;
    let chain = read.collect::<Result<Vec<_>, _>>().map_err(|_| refused("names a file that is no PEM"))?;
    if chain.is_empty() { Err(refused("names a file without a certificate")) } else { Ok(chain) }
}

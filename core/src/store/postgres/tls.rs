//! TLS by rustls, with the modes of libpq.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::settings::{TlsMode, TlsSettings};
use crate::error::Error;
use crate::remote::tls;

/// Reads the certificates of the settings, and returns the maker of TLS sessions.
pub(super) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, Error> {
    let provider = tls::provider();
    let builder = tls::client()
        .map_err(|_| refused("sslmode", "cannot be used: this program has no TLS", "write sslmode=disable"))?;
    let roots = roots(settings)?;
    let verifier: Arc<dyn ServerCertVerifier> = match (settings.mode, roots) {
        (TlsMode::VerifyFull, Some(roots)) => WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| no_certificates())?,
        (TlsMode::VerifyFull | TlsMode::VerifyCa, None) => {
            return Err(refused(
                "sslrootcert",
                "is missing, and there is no .postgresql/root.crt in the home folder",
                "name the file of your authority, or write sslmode=verify-full&sslrootcert=system",
            ));
        }
        // As in libpq, `require` checks the authority if there is one.
        (TlsMode::VerifyCa | TlsMode::Require, roots) => Arc::new(AuthorityVerifier { roots, provider }),
        (TlsMode::Disable | TlsMode::Allow | TlsMode::Prefer, _) => {
            Arc::new(AuthorityVerifier { roots: None, provider })
        }
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let config = match (&settings.client_certificate, &settings.client_key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("sslcert", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|_| refused("sslkey", "names no file with a private key", "give the path of a PEM file"))?;
            builder.with_client_auth_cert(chain, key).map_err(|problem| match problem {
                rustls::Error::InvalidCertificate(_) => {
                    refused("sslcert", "holds a certificate that cannot be used", "give one of X.509 version 3")
                }
                _ => refused("sslkey", "does not fit sslcert", "give the key of that certificate"),
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn roots(settings: &TlsSettings) -> Result<Option<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    match &settings.root_certificates {
        Some(path) if path == Path::new("system") => roots = tls::system_authorities(),
        Some(path) => {
            roots.add_parsable_certificates(certificates("sslrootcert", path)?);
        }
        None => {
            let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
            let path = home.join(".postgresql/root.crt");
            if !path.exists() {
                return Ok(None);
            }
            roots.add_parsable_certificates(certificates("sslrootcert", &path)?);
        }
    }
    if roots.is_empty() { Err(no_certificates()) } else { Ok(Some(roots)) }
}

fn certificates(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let wrong = || refused(name, "names no file with certificates", "give the path of a PEM file");
    CertificateDer::pem_file_iter(path).map_err(|_| wrong())?.collect::<Result<_, _>>().map_err(|_| wrong())
}

fn no_certificates() -> Error {
    refused("sslrootcert", "holds no certificate of an authority", "give the path of a PEM file that does")
}

fn refused(name: &str, reason: &str, fix: &str) -> Error {
    Error::validation_failed("url", format!("{name} {reason}"), fix)
}

/// Checks that an authority signed the certificate of the server, whatever name it is for. Without authorities it accepts
/// every certificate: the session is then safe from listeners, but not from an impostor.
#[derive(Debug)]
struct AuthorityVerifier {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AuthorityVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

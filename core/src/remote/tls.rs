//! TLS of clients: its provider of cryptography, and the authorities that this system trusts.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// The provider of each connection. It is named, because the process may have no default or that of its host.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates of the authorities that this system trusts, or of the file that `SSL_CERT_FILE` names. What cannot be read is
/// left out, so it may be empty. Reading takes milliseconds.
pub(crate) fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The beginning of the settings of a client, with the versions of TLS that are safe.
///
/// # Errors
/// The provider has none of them.
pub(crate) fn client() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
}

//! The TLS configuration of the client: the server is always verified.

use std::{fs, path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::error::TlsSetupError;
use crate::security::tls::provider;

/// A configuration that trusts the authorities of a file, or of the operating system.
///
/// # Errors
/// See [`TlsSetupError`].
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let roots = match ca_file {
        Some(file) => read_authorities(file)?,
        None => system_authorities()?,
    };
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).map_err(TlsSetupError::Tls)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn read_authorities(file: &Path) -> Result<RootCertStore, TlsSetupError> {
    let text = fs::read(file).map_err(|error| TlsSetupError::Unreadable(file.to_owned(), error))?;
    let invalid = || TlsSetupError::Invalid(file.to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        roots.add(certificate.map_err(|_| invalid())?).map_err(|_| invalid())?;
    }
    if roots.is_empty() { Err(invalid()) } else { Ok(roots) }
}

fn system_authorities() -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsSetupError::NoAuthorities) } else { Ok(roots) }
}

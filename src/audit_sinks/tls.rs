//! TLS of a syslog client: the server is always verified.

use std::{fs, io, path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::error::SinkError;
use crate::security::{secret_file, tls::provider};

/// A configuration that trusts the authorities of a file, or of the operating system, with the
/// certificate and the key of this client.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn client_config(
    ca_file: Option<&Path>,
    client: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, SinkError> {
    let roots = match ca_file {
        Some(file) => authorities(file)?,
        None => system_authorities()?,
    };
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).map_err(SinkError::Tls)?;
    let builder = builder.with_root_certificates(roots);
    let Some((certificate, key)) = client else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let chain = certificates(certificate)?;
    let text = secret_file::read(key).map_err(SinkError::Key)?;
    let key_der = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| SinkError::NoPrivateKey(key.to_owned()))?;
    let config = builder.with_client_auth_cert(chain, key_der);
    Ok(Arc::new(config.map_err(|_| SinkError::KeyMismatch(key.to_owned()))?))
}

/// Reads the certificates of a PEM file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SinkError> {
    let unreadable = |error: io::Error| SinkError::Unreadable(file.to_owned(), error);
    let text = fs::read(file).map_err(unreadable)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| SinkError::NoCertificate(file.to_owned()))
}

fn authorities(file: &Path) -> Result<RootCertStore, SinkError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|_| SinkError::NoCertificate(file.to_owned()))?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, SinkError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(SinkError::NoAuthorities) } else { Ok(roots) }
}

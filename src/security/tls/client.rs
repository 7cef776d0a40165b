//! TLS of clients of other systems: the certificate authorities that they trust.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use reqwest::Certificate;
use tokio_rustls::rustls::{
    self, ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::provider;
use crate::{bounded_file, security::file_work::FileWorkError};

/// TLS of a client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientTlsError {
    #[error("cannot read {0}")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{0} contains no valid certificate; it must be PEM (-----BEGIN CERTIFICATE-----)")]
    Invalid(PathBuf),
    /// The setting names a file instead.
    #[error(
        "the operating system has no certificate authorities; install the package \
         ca-certificates, or set {0}"
    )]
    NoAuthorities(&'static str),
    #[error("cannot initialize TLS")]
    Tls(#[source] rustls::Error),
    /// The file is not read in time, and there is no former configuration.
    #[error(transparent)]
    Files(#[from] FileWorkError),
}

/// A configuration that trusts the authorities of a file, or of the operating system. `setting` names
/// the file.
///
/// # Errors
/// See [`ClientTlsError`].
pub(crate) fn client_config(
    setting: &'static str,
    ca_file: Option<&Path>,
) -> Result<Arc<ClientConfig>, ClientTlsError> {
    Ok(Arc::new(client_builder(setting, ca_file)?.with_no_client_auth()))
}

/// As [`client_config`], for a client that may have a certificate of its own.
///
/// # Errors
/// See [`ClientTlsError`].
pub(crate) fn client_builder(
    setting: &'static str,
    ca_file: Option<&Path>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, ClientTlsError> {
    let roots = match ca_file {
        Some(file) => read_authorities(file)?.1,
        None => system_authorities(setting)?,
    };
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).map_err(ClientTlsError::Tls)?;
    Ok(builder.with_root_certificates(roots))
}

/// The authorities of a file, for an HTTP client. Such a client would find invalid ones only when it
/// is built.
///
/// # Errors
/// When the file cannot be read, or contains no valid certificate.
pub(crate) fn http_authorities(file: &Path) -> Result<Vec<Certificate>, ClientTlsError> {
    let (authorities, _) = read_authorities(file)?;
    let authorities = authorities.iter().map(|der| Certificate::from_der(der));
    authorities.collect::<Result<_, _>>().map_err(|_| ClientTlsError::Invalid(file.to_owned()))
}

/// Reads the certificates of a PEM file. Other sections are ignored.
///
/// # Errors
/// When the file cannot be read, or contains no certificate.
pub(crate) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientTlsError> {
    let text = bounded_file::read(file)
        .map_err(|error| ClientTlsError::Unreadable(file.to_owned(), error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| ClientTlsError::Invalid(file.to_owned()))
}

type Authorities = (Vec<CertificateDer<'static>>, RootCertStore);

/// Reads authorities, and fails if one of them cannot be trusted.
fn read_authorities(file: &Path) -> Result<Authorities, ClientTlsError> {
    let found = read_chain(file)?;
    let mut roots = RootCertStore::empty();
    for authority in &found {
        let added = roots.add(authority.clone());
        added.map_err(|_| ClientTlsError::Invalid(file.to_owned()))?;
    }
    Ok((found, roots))
}

fn system_authorities(setting: &'static str) -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(ClientTlsError::NoAuthorities(setting)) } else { Ok(roots) }
}

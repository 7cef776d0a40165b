//! The TLS configuration of the client: the server is always verified.

use std::{fs, io, path::Path, path::PathBuf, sync::Arc};

use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use crate::security::{file_work::FileWorkError, tls::provider};

/// TLS for the mail server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailTlsError {
    #[error("cannot read {0}")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{0} contains no valid certificate; it must be PEM (-----BEGIN CERTIFICATE-----)")]
    Invalid(PathBuf),
    #[error(
        "the operating system has no certificate authorities; install the package \
         ca-certificates, or set mail.ca_file"
    )]
    NoAuthorities,
    #[error("cannot initialize TLS")]
    Tls(#[source] rustls::Error),
    /// The file is not read in time, and there is no former configuration.
    #[error(transparent)]
    Files(#[from] FileWorkError),
}

/// A configuration that trusts the authorities of a file, or of the operating system.
///
/// # Errors
/// See [`MailTlsError`].
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, MailTlsError> {
    let roots = match ca_file {
        Some(file) => read_authorities(file)?,
        None => system_authorities()?,
    };
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12]).map_err(MailTlsError::Tls)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn read_authorities(file: &Path) -> Result<RootCertStore, MailTlsError> {
    let text = fs::read(file).map_err(|error| MailTlsError::Unreadable(file.to_owned(), error))?;
    let invalid = || MailTlsError::Invalid(file.to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        roots.add(certificate.map_err(|_| invalid())?).map_err(|_| invalid())?;
    }
    if roots.is_empty() { Err(invalid()) } else { Ok(roots) }
}

fn system_authorities() -> Result<RootCertStore, MailTlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(MailTlsError::NoAuthorities) } else { Ok(roots) }
}

//! TLS of a syslog client: the server is always verified.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig,
    pki_types::{PrivateKeyDer, pem::PemObject},
};

use super::error::SinkError;
use crate::security::{
    secret_file,
    tls::{client_builder, read_chain},
};

/// A configuration that trusts the authorities of a file, or of the operating system, with the
/// certificate and the key of this client.
///
/// # Errors
/// When a file cannot be used.
pub(super) fn client_config(
    ca_file: Option<&Path>,
    client: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, SinkError> {
    let builder = client_builder("ca_file", ca_file)?;
    let Some((certificate, key)) = client else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let chain = read_chain(certificate)?;
    let text = secret_file::read(key).map_err(SinkError::Key)?;
    let key_der = PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| SinkError::NoPrivateKey(key.to_owned()))?;
    let config = builder.with_client_auth_cert(chain, key_der);
    Ok(Arc::new(config.map_err(|_| SinkError::KeyMismatch(key.to_owned()))?))
}

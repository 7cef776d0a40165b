//! Requires a certificate of clients, as the operations listener may.
//!
//! A client needs a certificate of a configured authority. The command `health` has none: it
//! presents the certificate of the listener itself, and so proves that it has its key.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{
    certificate::read_certificates,
    error::{TlsError, TlsFile},
    provider,
};

/// Verifies client certificates.
#[derive(Debug)]
pub(super) struct ClientCertificates {
    issued: Arc<dyn ClientCertVerifier>,
    /// The certificates of the listener.
    own: Vec<CertificateDer<'static>>,
}

impl ClientCertificates {
    /// Reads the certificate authorities of clients.
    ///
    /// # Errors
    /// When the file is unreadable or invalid.
    pub(super) fn read(path: &Path, own: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        let invalid = || TlsError::InvalidCertificate(TlsFile::ClientCa, path.to_owned());
        let mut roots = RootCertStore::empty();
        for authority in read_certificates(TlsFile::ClientCa, path)? {
            roots.add(authority).map_err(|_| invalid())?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        Ok(Self { issued: verifier.build().map_err(|_| invalid())?, own })
    }
}

impl ClientCertVerifier for ClientCertificates {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.issued.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.own.iter().any(|own| own.as_ref() == end_entity.as_ref()) {
            return Ok(ClientCertVerified::assertion());
        }
        self.issued.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.issued.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

//! TLS of the listeners: certificates and keys, the choice by server name, client certificates, and
//! reloading ([ADR 40](../../../docs/adr/0040-tls-in-the-binary.md)). TLS of clients: the authorities that
//! they trust.
//!
//! rustls speaks the protocol, aws-lc-rs is its only cryptographic provider.

mod certificate;
mod client;
mod client_certificates;
mod error;
mod resolver;
mod self_signed;
mod server;

pub(crate) use self::{
    certificate::CertificateFiles,
    client::{ClientTlsError, client_builder, client_config, http_authorities, read_chain},
    error::{TlsFile, TlsProblem, TlsProblems},
    self_signed::write_self_signed,
    server::{ServerTls, TlsFiles},
};

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The cryptographic provider. It prefers the hybrid key exchange with ML-KEM, so that recorded
/// connections stay secret when quantum computers break X25519.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    Arc::new(CryptoProvider {
        kx_groups: vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1],
        ..aws_lc_rs::default_provider()
    })
}

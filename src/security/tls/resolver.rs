//! Chooses the certificate of a connection by the server name that the client sends (SNI, RFC
//! 6066).

use std::{collections::HashMap, sync::Arc};

use tokio_rustls::rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::LoadedCertificate;

/// The certificates of a listener by name.
#[derive(Debug)]
pub(super) struct CertificateTable {
    /// All certificates in the order of the settings. They serve clients that send no name or an
    /// unknown one.
    all: Vec<Arc<CertifiedKey>>,
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl CertificateTable {
    pub(super) fn new(certificates: &[LoadedCertificate]) -> Self {
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for certificate in certificates {
            for name in &certificate.names {
                by_name.entry(name.clone()).or_default().push(Arc::clone(&certificate.certified));
            }
        }
        let all = certificates.iter().map(|loaded| Arc::clone(&loaded.certified)).collect();
        Self { all, by_name }
    }

    /// The certificate for a server name. Several certificates may have one name, with keys of
    /// different algorithms; the first that the client supports serves it.
    fn choose(
        &self,
        server_name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let named = server_name.and_then(|name| self.find(&name.to_lowercase()));
        let is_supported =
            |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(schemes).is_some();
        let mut candidates = named.into_iter().flatten().chain(&self.all);
        candidates.find(is_supported)
    }

    /// The certificates with a name, or else with the wildcard for its first label.
    fn find(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        };
        self.by_name.get(name).or_else(wildcard)
    }
}

impl ResolvesServerCert for CertificateTable {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes()).map(Arc::clone)
    }
}

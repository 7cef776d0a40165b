//! Connections with TLS for benches and overload tests.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertificateParams, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, ServerName},
    },
};

/// A self-signed certificate with an ECDSA key (P-256), in files.
pub(crate) struct ServerCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    der: CertificateDer<'static>,
}

impl ServerCertificate {
    pub(crate) fn create(folder: &Path) -> Self {
        let key_pair = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key_pair).expect("a certificate");
        let path = |name: &str| folder.join(name);
        let (file, key) = (path("server.crt"), path("server.key"));
        fs::write(&file, certificate.pem()).expect("written");
        fs::write(&key, key_pair.serialize_pem()).expect("written");
        fs::set_permissions(&key, PermissionsExt::from_mode(0o400)).expect("a mode");
        Self { certificate: file, key, der: certificate.der().clone() }
    }

    /// The settings of a service that presents this certificate.
    pub(crate) fn settings(&self) -> [(&'static str, &str); 2] {
        [
            ("KEEPER__HTTP__TLS__CERTIFICATE_FILE", self.certificate.to_str().expect("a path")),
            ("KEEPER__HTTP__TLS__KEY_FILE", self.key.to_str().expect("a path")),
        ]
    }

    /// A client that trusts this certificate and remembers sessions.
    pub(crate) fn client(&self, protocol: &str) -> ClientConfig {
        self.client_for(protocol, ALL_VERSIONS)
    }

    /// As [`Self::client`], with these versions of TLS. It prefers X25519, so that every server
    /// does the same work.
    pub(crate) fn client_for(
        &self,
        protocol: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).expect("a certificate");
        let provider = CryptoProvider {
            // The curve of the certificate must be there for TLS 1.2.
            kx_groups: vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1],
            ..aws_lc_rs::default_provider()
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(versions).expect("versions");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config
    }
}

/// Opens a connection with TLS.
pub(crate) async fn connect(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.expect("a connection");
    socket.set_nodelay(true).expect("an option");
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::clone(config)).connect(name, socket).await.expect("a handshake")
}

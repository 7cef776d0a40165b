//! TLS of the API and of the operations listener.

mod deadlines;
mod frames;
mod handshakes;
mod headers;
mod http2;
mod http2_abuse;
mod http2_eviction;
mod http2_memory;
mod operations;
mod refusals;
mod reload;

use std::{path::Path, sync::Arc};

use actix_web::web::Bytes;
use h2::client::SendRequest;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};

use crate::support::{TestApp, TestAuthority};

/// An application with TLS and the certificate authority that its clients trust.
struct TlsApp {
    app: TestApp,
    authority: TestAuthority,
    folder: TempDir,
}

impl TlsApp {
    async fn spawn(pool: PgPool) -> Self {
        Self::spawn_with(pool, &[]).await
    }

    /// As [`Self::spawn`], with settings from environment variables.
    async fn spawn_with(pool: PgPool, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new();
        authority.issue(&["localhost", "127.0.0.1"]).write(folder.path(), "server");
        let [certificate, key] = server_files(folder.path());
        let files = [
            ("KEEPER__HTTP__TLS__CERTIFICATE_FILE", certificate.as_str()),
            ("KEEPER__HTTP__TLS__KEY_FILE", key.as_str()),
        ];
        let mut app = TestApp::spawn_with(pool, &[&files, variables].concat(), "").await;
        app.client = authority.client();
        Self { app, authority, folder }
    }

    /// A TLS connection to the API with these protocols (ALPN).
    async fn connect(&self, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
        let socket = TcpStream::connect(self.address()).await.unwrap();
        let mut config = self.authority.client_config();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
    }

    /// A connection that sends HTTP/2 requests.
    async fn http2(&self) -> SendRequest<Bytes> {
        let stream = self.connect(&[b"h2"]).await;
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        client.ready().await.unwrap()
    }

    /// The address of the API.
    fn address(&self) -> &str {
        self.app.url.strip_prefix("https://").unwrap()
    }
}

/// The files of the certificate `server` in a folder.
fn server_files(folder: &Path) -> [String; 2] {
    ["server.crt", "server.key"].map(|name| folder.join(name).to_str().unwrap().to_owned())
}

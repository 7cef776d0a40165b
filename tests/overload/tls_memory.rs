//! The memory of connections with TLS: each one was used, and is idle.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    load::{Connection, count, request},
    process::resident_kib,
    service::Installation,
    tls::{ServerCertificate, connect},
};

/// The most memory that a connection with TLS may take, in KiB; `keeper.memory.ceiling_kib` counts it.
const CEILING_KIB: f64 = 96.0;

/// The paths of a short and of a long answer.
const PATHS: [&str; 2] = ["/api/v1/Agents/User/SaveCredential", "/openapi.json"];

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_tls_connection_of_http_1_1_takes_at_most_96_kib() {
    let mut bed = Bed::start().await;
    for connections in [1000, 5000] {
        let config = Arc::new(bed.certificate.client("http/1.1"));
        let before = bed.resident_kib();
        let mut open = Vec::new();
        while open.len() < connections {
            let (config, address) = (&config, bed.address());
            let batch = (0..20).map(|_| async move {
                let mut connection = Connection::on(connect(config, address).await);
                for path in PATHS {
                    let answer = connection.send(&request("GET", path, "", "")).await;
                    assert_eq!(answer.status, 200);
                }
                connection
            });
            open.extend(join_all(batch).await);
        }
        bed.assert_memory("HTTP/1.1", before, connections);
        drop(open);
        bed.restart().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_tls_connection_of_http_2_takes_at_most_96_kib() {
    let mut bed = Bed::start().await;
    for connections in [1000, 5000] {
        let config = Arc::new(bed.certificate.client("h2"));
        let before = bed.resident_kib();
        let mut open = Vec::new();
        while open.len() < connections {
            let (config, address) = (&config, bed.address());
            let batch = (0..20).map(|_| async move {
                let stream = connect(config, address).await;
                let (mut client, driver) = h2::client::handshake(stream).await.unwrap();
                tokio::spawn(driver);
                for path in PATHS {
                    let request = http::Request::get(format!("https://localhost{path}"));
                    let request = request.body(()).unwrap();
                    let (answer, _) = client.send_request(request, true).unwrap();
                    let answer = answer.await.unwrap();
                    assert_eq!(answer.status().as_u16(), 200);
                    let mut body = answer.into_body();
                    while let Some(data) = body.data().await {
                        let length = data.unwrap().len();
                        body.flow_control().release_capacity(length).unwrap();
                    }
                }
                client
            });
            open.extend(join_all(batch).await);
        }
        bed.assert_memory("HTTP/2", before, connections);
        drop(open);
        bed.restart().await;
    }
}

/// One instance with TLS.
struct Bed {
    installation: Installation,
    certificate: ServerCertificate,
    _folder: tempfile::TempDir,
}

impl Bed {
    async fn start() -> Self {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let certificate = ServerCertificate::create(folder.path());
        let installation = Installation::prepare(1, 1).await;
        let mut bed = Self { installation, certificate, _folder: folder };
        bed.restart().await;
        bed
    }

    /// Starts the instance again, so that no freed memory is reused.
    async fn restart(&mut self) {
        self.installation.stop_instances();
        let [certificate, key] = self.certificate.settings();
        let settings = [
            certificate,
            key,
            ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "600"),
            ("KEEPER__HTTP__MAXIMUM_CONNECTIONS_PER_ADDRESS", "16384"),
        ];
        self.installation.start_instance_with(&settings);
        // The first connections allocate what all share.
        let config = Arc::new(self.certificate.client("http/1.1"));
        for _ in 0..50 {
            let mut connection = Connection::on(connect(&config, self.address()).await);
            connection.send(&request("GET", PATHS[1], "", "")).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    fn address(&self) -> std::net::SocketAddr {
        self.installation.addresses()[0]
    }

    fn resident_kib(&self) -> f64 {
        resident_kib(self.installation.services()[0])
    }

    fn assert_memory(&self, protocol: &str, before: f64, connections: usize) {
        let each = (self.resident_kib() - before) / count(connections);
        println!("  {connections} idle connections of {protocol}: {each:.1} KiB each");
        assert!(each <= CEILING_KIB, "{each} KiB for each connection of {protocol}");
    }
}

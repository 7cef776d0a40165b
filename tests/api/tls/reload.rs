//! Certificates are replaced while the service runs: no connection is dropped, no request fails.

use std::{
    ops::RangeInclusive,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};

use super::TlsApp;
use crate::support::{
    Server, TestApp, TestAuthority, TestCertificate, free_address, keeper, replace, wait_until,
};

const REQUEST: &[u8] =
    b"GET /api/v1/Agents/User/SaveCredential HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A process of `serve` with TLS, whose certificate changes.
pub(super) struct Served {
    pub(super) server: Server,
    authority: TestAuthority,
    operations: String,
    folder: tempfile::TempDir,
    /// Another instance of the same installation, which has the database and the settings.
    app: TestApp,
}

impl Served {
    pub(super) async fn start(pool: PgPool) -> Self {
        let app = TestApp::spawn(pool).await;
        app.command(&["migrate"], "").assert_success();
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new();
        let (certificate, key) =
            authority.issue(&["localhost", "first.example"]).write(folder.path(), "server");
        let operations = free_address();
        let mut command = keeper(&["serve"]);
        command
            .envs(app.variables())
            .env("KEEPER__OPERATIONS__LISTEN", &operations)
            .env("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "120")
            .env("KEEPER__HTTP__TLS__CERTIFICATE_FILE", certificate)
            .env("KEEPER__HTTP__TLS__KEY_FILE", key);
        let server = Server::start(command).unwrap();
        Self { server, authority, operations, folder, app }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let address = self.server.ready.strip_prefix("https://").unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(self.authority.client_config()));
        connector.connect(ServerName::try_from("localhost").unwrap(), socket).await.unwrap()
    }

    /// The certificate that a new connection gets.
    async fn presented(&self) -> Vec<u8> {
        let mut stream = self.connect().await;
        request(&mut stream).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    /// Waits until new connections get a certificate.
    async fn wait_for(&self, certificate: &TestCertificate) {
        wait_until("the new certificate is in use", async || {
            self.presented().await == certificate.der
        })
        .await;
    }

    async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.operations);
        let text = self.app.client.get(url).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("the metric {name} is missing: {text}")).parse().unwrap()
    }

    /// Waits until a metric is in a range.
    pub(super) async fn wait_for_metric(&self, name: &str, range: RangeInclusive<f64>) {
        let condition = format!("{name} is in {range:?}");
        wait_until(&condition, async || range.contains(&self.metric(name).await)).await;
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// Sends a request and reads its answer, which must be 200.
async fn request(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(REQUEST).await.unwrap();
    // The TLS stream may have buffered it.
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let received = stream.read(&mut buffer).await.unwrap();
        assert_ne!(received, 0, "the connection was dropped");
        answer.extend_from_slice(&buffer[..received]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            let length = head.split("content-length: ").nth(1).unwrap();
            if body.len() >= length.split("\r\n").next().unwrap().parse::<usize>().unwrap() {
                return;
            }
        }
    }
}

/// Both ends of a thousand connections may be in one session.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

#[sqlx::test]
async fn a_thousand_connections_outlive_new_certificates_without_a_failed_request(pool: PgPool) {
    raise_descriptor_limit();
    let served = Served::start(pool).await;
    let mut connections = Vec::new();
    while connections.len() < 1000 {
        connections.extend(join_all((0..50).map(|_| served.connect())).await);
    }
    let is_finished = AtomicBool::new(false);
    // Every connection sends requests all the time.
    let old = async {
        let mut rounds = 0;
        while !is_finished.load(Ordering::Relaxed) {
            for group in connections.chunks_mut(50) {
                join_all(group.iter_mut().map(request)).await;
            }
            rounds += 1;
        }
        rounds
    };
    let new = async {
        while !is_finished.load(Ordering::Relaxed) {
            served.presented().await;
        }
    };
    let changes = async {
        for round in 0..3 {
            let certificate = served.authority.issue(&["localhost"]);
            certificate.write(served.folder.path(), "server");
            if round > 0 {
                served.server.signal(Signal::HUP);
            }
            served.wait_for(&certificate).await;
            served.server.signal(Signal::HUP);
        }
        is_finished.store(true, Ordering::Relaxed);
    };
    let (rounds, (), ()) = tokio::join!(old, new, changes);
    assert!(rounds > 0, "the connections sent requests meanwhile");
    assert!(served.metric("keeper_http_connections").await > 999.0);
    drop(connections);
    served.server.signal(Signal::TERM);
    assert!(served.server.wait().0);
}

#[sqlx::test]
async fn an_unusable_file_keeps_the_old_certificate_and_raises_an_alarm(pool: PgPool) {
    let served = Served::start(pool).await;
    let failed = r#"keeper_reload_failed{setting="http.tls"}"#;
    let old = served.presented().await;
    let good = served.authority.issue(&["localhost"]);
    let expired = served.authority.issue_expired(&["localhost"]);
    let (certificate, key) = (served.path("server.crt"), served.path("server.key"));
    let alarms: [(&str, &dyn Fn()); 4] = [
        // A renewal replaces two files; the new certificate is first without its key.
        ("does not match", &|| replace(&certificate, &good.certificate, 0o444)),
        ("too open", &|| replace(&key, &good.key, 0o444)),
        ("valid PEM", &|| replace(&certificate, "-----BEGIN CERTIFICATE-----\n", 0o444)),
        ("expired", &|| drop(expired.write(served.folder.path(), "server"))),
    ];
    for (_, change) in &alarms {
        change();
        served.wait_for_metric(failed, 1.0..=1.0).await;
        assert_eq!(served.presented().await, old);
        // The next change is another one. A signal reads the settings with their files first.
        let failures = async || {
            let name = |setting| {
                format!(r#"keeper_reloads_total{{setting="{setting}",outcome="failure"}}"#)
            };
            served.metric(&name("http.tls")).await + served.metric(&name("settings")).await
        };
        let before = failures().await;
        served.server.signal(Signal::HUP);
        wait_until("the reload fails", async || failures().await > before).await;
    }
    good.write(served.folder.path(), "server");
    served.wait_for(&good).await;
    served.wait_for_metric(failed, 0.0..=0.0).await;
    let expiry = r#"keeper_http_certificate_expiry_timestamp_seconds{listener="http"}"#;
    assert!(served.metric(expiry).await > 1e9);
    served.server.signal(Signal::TERM);
    let (is_success, log) = served.server.wait();
    assert!(is_success);
    for (cause, _) in alarms {
        let is_logged = |line: &str| {
            line.contains(r#""keeper.alarm":true"#)
                && line.contains("http.tls")
                && line.contains(cause)
        };
        assert!(log.lines().any(is_logged), "{cause}: {log}");
    }
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

/// Replaces the folder behind a symbolic link, as Kubernetes does with a Secret.
fn swap(folder: &Path, version: &str, certificate: &TestCertificate) {
    let target = folder.join(version);
    std::fs::create_dir(&target).unwrap();
    certificate.write(&target, "server");
    let temporary = folder.join("..data_tmp");
    std::os::unix::fs::symlink(version, &temporary).unwrap();
    std::fs::rename(temporary, folder.join("..data")).unwrap();
}

#[sqlx::test]
async fn a_secret_of_kubernetes_is_reloaded_when_its_link_is_swapped(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    swap(folder.path(), "..1", &authority.issue(&["127.0.0.1"]));
    let file = |name: &str| folder.path().join("..data").join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (file("server.crt"), file("server.key"));
    let app = app
        .spawn_instance(&[
            ("KEEPER__HTTP__TLS__CERTIFICATE_FILE", &certificate),
            ("KEEPER__HTTP__TLS__KEY_FILE", &key),
        ])
        .await;
    let renewed = authority.issue(&["127.0.0.1"]);
    swap(folder.path(), "..2", &renewed);
    wait_until("the new certificate is in use", async || {
        let response = authority.client().get(format!("{}/docs", app.url)).send().await.unwrap();
        let info = response.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
        info.peer_certificate().unwrap() == renewed.der
    })
    .await;
}

#[sqlx::test]
async fn an_expired_certificate_does_not_block_the_renewal_of_another(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    authority.issue(&["localhost", "127.0.0.1"]).write(folder.path(), "server");
    authority.issue_expired(&["old.example"]).write(folder.path(), "old");
    let file = |name: &str| folder.path().join(name).display().to_string();
    app.rewrite_settings(&format!(
        "[http.tls]\ncertificate_file = '{}'\nkey_file = '{}'
         additional = [{{ certificate_file = '{}', key_file = '{}' }}]",
        file("server.crt"),
        file("server.key"),
        file("old.crt"),
        file("old.key")
    ));
    let app = TlsApp { app: app.spawn_instance(&[]).await, authority, folder };
    let renewed = app.authority.issue(&["localhost", "127.0.0.1"]);
    renewed.write(app.folder.path(), "server");
    wait_until("the new certificate is in use", async || {
        let stream = app.connect(&[]).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec() == renewed.der
    })
    .await;
}

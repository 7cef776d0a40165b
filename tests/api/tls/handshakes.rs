//! Versions, protocols, and the certificate for a server name.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use reqwest::{Version, tls::TlsInfo};
use rustix::process::Signal;
use serde_json::json;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        HandshakeKind,
        pki_types::ServerName,
        version::{TLS12, TLS13},
    },
};

use super::{TlsApp, reload::Served};
use crate::support::{
    Credentials, PLAIN, PRINCIPAL, SAVE, TestApp, TestAuthority, password_of, tls_client,
    wait_until,
};

#[sqlx::test]
async fn a_save_works_over_http_2_and_http_1_1_with_tls_1_2_and_1_3(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    for (tls, only_http1) in [
        (reqwest::tls::Version::TLS_1_2, false),
        (reqwest::tls::Version::TLS_1_2, true),
        (reqwest::tls::Version::TLS_1_3, false),
        (reqwest::tls::Version::TLS_1_3, true),
    ] {
        let mut client = tls_client(&app.authority).tls_version_min(tls).tls_version_max(tls);
        if only_http1 {
            client = client.http1_only();
        }
        let client = client.build().unwrap();
        let password = format!("over {tls:?}, {only_http1}");
        let body = json!({ "UserId": PLAIN.0, "Credential": { "Value": password } });
        let save = client.post(format!("{}{SAVE}", app.app.url)).json(&body);
        let login = client.get(format!("{}{PRINCIPAL}", app.app.url));
        let version = if only_http1 { Version::HTTP_11 } else { Version::HTTP_2 };
        for (request, credentials) in
            [(save, app.app.administrator()), (login, Credentials::basic(PLAIN.1, &password))]
        {
            let response = credentials.apply_to(request).send().await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (200, version), "{tls:?}");
        }
    }
}

#[sqlx::test]
async fn cookies_are_secure_and_the_scheme_is_https(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let body = json!({ "UserName": PLAIN.1, "Password": password_of(PLAIN.1) });
    let answer = app.app.post("/login", &Credentials::Anonymous, &body).await;
    answer.assert_status(200);
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        assert!(cookie.to_str().unwrap().contains("; Secure"), "{cookie:?}");
    }
}

/// The certificate that the server presents for a host name.
async fn presented(app: &TlsApp, host: &str) -> Vec<u8> {
    let client = tls_client(&app.authority)
        .resolve(host, app.address().parse().unwrap())
        // Reveals the certificate even where it does not match the name.
        .tls_danger_accept_invalid_hostnames(true)
        .build()
        .unwrap();
    let port = app.address().rsplit(':').next().unwrap();
    let response = client.get(format!("https://{host}:{port}/docs")).send().await.unwrap();
    let info = response.extensions().get::<TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

#[sqlx::test]
async fn tls_1_1_and_plain_http_are_refused(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    // A ClientHello of TLS 1.1, with one cipher suite and one signature algorithm.
    let hello = [
        &[0x16, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2][..],
        &[7; 32],
        &[0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3],
    ]
    .concat();
    for (request, alert) in [
        // protocol_version (RFC 8446, section 6.2).
        (hello.as_slice(), Some(70)),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", None),
    ] {
        let mut stream = TcpStream::connect(app.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        // A fatal alert, and never HTTP.
        assert_eq!(answer.first(), Some(&0x15), "{answer:?}");
        if alert.is_some() {
            assert_eq!(answer.last().copied(), alert, "{answer:?}");
        }
    }
    app.app.wait_for_metric("keeper_http_tls_handshake_failures_total", 2.0).await;
}

#[sqlx::test]
async fn only_a_handshake_that_failed_is_counted_as_one(pool: PgPool) {
    let limits = [
        ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"),
        ("KEEPER__HTTP__MAXIMUM_CONNECTIONS_PER_ADDRESS", "2"),
    ];
    let app = TlsApp::spawn_with(pool, &limits).await;
    let connect = || TcpStream::connect(app.address()).unwrap();
    // One is evicted, and the others time out.
    let silent = [(); 3].map(|()| connect());
    app.app.wait_for_metric("keeper_http_connections_evicted_total", 1.0).await;
    app.app.wait_for_metric("keeper_http_request_timeouts_total", 2.0).await;
    drop(silent);
    // As the health check of a load balancer.
    for _ in 0..5 {
        drop(connect());
    }
    app.app.wait_for_metric("keeper_http_connections", 0.0).await;
    connect().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let failures = "keeper_http_tls_handshake_failures_total";
    app.app.wait_for_metric(failures, 1.0).await;
    app.app.wait_for_metric("keeper_http_connections", 0.0).await;
    assert!((app.app.metric(failures).await - 1.0).abs() < 0.1);
}

#[sqlx::test]
async fn the_log_says_why_a_handshake_failed(pool: PgPool) {
    let served = Served::start(pool).await;
    let address = served.server.ready.strip_prefix("https://").unwrap();
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    // This client trusts another authority.
    let connector = TlsConnector::from(Arc::new(TestAuthority::new().client_config()));
    let name = ServerName::try_from("localhost").unwrap();
    assert!(connector.connect(name, socket).await.is_err());
    served.wait_for_metric("keeper_http_tls_handshake_failures_total", 1.0..=1.0).await;
    served.server.signal(Signal::TERM);
    let (_, log) = served.server.wait();
    let line = log.lines().find(|line| line.contains("a TLS handshake failed")).unwrap();
    assert!(line.contains("received fatal alert: "), "{line}");
}

#[sqlx::test]
async fn the_server_name_selects_the_certificate(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    let certificates = [
        ("first", authority.issue(&["keeper.example", "localhost"])),
        ("wildcard", authority.issue(&["*.apps.example"])),
        ("exact", authority.issue(&["one.apps.example"])),
    ];
    let [first, wildcard, exact] = certificates.each_ref().map(|(name, certificate)| {
        let (certificate, key) = certificate.write(folder.path(), name);
        (certificate.display().to_string(), key.display().to_string())
    });
    app.rewrite_settings(&format!(
        "[http.tls]\ncertificate_file = '{}'\nkey_file = '{}'\nadditional = [
            {{ certificate_file = '{}', key_file = '{}' }},
            {{ certificate_file = '{}', key_file = '{}' }},
        ]",
        first.0, first.1, wildcard.0, wildcard.1, exact.0, exact.1
    ));
    let app = TlsApp { app: app.spawn_instance(&[]).await, authority, folder };
    for (host, expected) in [
        ("keeper.example", "first"),
        ("two.apps.example", "wildcard"),
        ("one.apps.example", "exact"),
        // A wildcard stands for one label.
        ("a.b.apps.example", "first"),
        ("apps.example", "first"),
        ("unknown.example", "first"),
        // Without a server name.
        ("127.0.0.1", "first"),
    ] {
        let presented = presented(&app, host).await;
        let found = certificates.iter().find(|(_, certificate)| certificate.der == presented);
        assert_eq!(found.map(|(name, _)| *name), Some(expected), "{host}");
    }
}

#[sqlx::test]
async fn a_client_without_ecdsa_gets_the_rsa_certificate_of_the_same_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    authority.issue(&["localhost"]).write(folder.path(), "ecdsa");
    super::refusals::rsa(2048).write(folder.path(), "rsa");
    let file = |name: &str| folder.path().join(name).display().to_string();
    app.rewrite_settings(&format!(
        "[http.tls]\ncertificate_file = '{}'\nkey_file = '{}'
         additional = [{{ certificate_file = '{}', key_file = '{}' }}]",
        file("ecdsa.crt"),
        file("ecdsa.key"),
        file("rsa.crt"),
        file("rsa.key")
    ));
    let app = app.spawn_instance(&[]).await;
    for (algorithms, kind) in
        [("RSA-PSS+SHA256", "rsaEncryption"), ("ECDSA+SHA256:RSA-PSS+SHA256", "id-ecPublicKey")]
    {
        let address = app.url.strip_prefix("https://").unwrap().to_owned();
        let connect = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!(
                "openssl s_client -connect {address} -servername localhost -sigalgs {algorithms} \
                 </dev/null 2>/dev/null | openssl x509 -noout -text"
            ))
            .output()
            .unwrap();
        let text = String::from_utf8(connect.stdout).unwrap();
        assert!(text.contains(kind), "{algorithms}: {text}");
    }
}

#[sqlx::test]
async fn sessions_are_resumed_until_the_certificate_changes(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(app.authority.client_config_for(&[version]));
        let connect = async || {
            let socket = tokio::net::TcpStream::connect(app.address()).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(Arc::clone(&config));
            let mut stream = connector.connect(name, socket).await.unwrap();
            // The tickets of TLS 1.3 arrive with the first answer.
            stream.write_all(b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            stream.read_u8().await.unwrap();
            stream.get_ref().1.handshake_kind().unwrap()
        };
        assert_eq!(connect().await, HandshakeKind::Full);
        assert_eq!(connect().await, HandshakeKind::Resumed);
        let renewed = app.authority.issue(&["localhost", "127.0.0.1"]);
        renewed.write(app.folder.path(), "server");
        wait_until("the new certificate is in use", async || {
            presented(&app, "localhost").await == renewed.der
        })
        .await;
        assert_eq!(connect().await, HandshakeKind::Full, "the old tickets are useless");
        assert_eq!(connect().await, HandshakeKind::Resumed);
    }
}

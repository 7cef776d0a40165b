//! Versions, protocols, and the certificate for a server name.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use reqwest::{Version, tls::TlsInfo};
use serde_json::json;
use sqlx::PgPool;

use super::TlsApp;
use crate::support::{Credentials, PLAIN, PRINCIPAL, password_of, tls_client};

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
        let request = client.get(format!("{}{PRINCIPAL}", app.app.url));
        let response = app.app.plain().apply_to(request).send().await.unwrap();
        let version = if only_http1 { Version::HTTP_11 } else { Version::HTTP_2 };
        assert_eq!((response.status().as_u16(), response.version()), (200, version), "{tls:?}");
    }
    app.app.save(&app.app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
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
    assert!((app.app.metric("keeper_http_tls_handshake_failures_total").await - 2.0).abs() < 0.1);
}

//! The security headers over TLS, and the checks of HTTP/1.1 inside of TLS.

use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::TlsApp;
use crate::support::{Answer, Credentials, tls_client};

const TRANSPORT_SECURITY: &str = "max-age=31536000; includeSubDomains";

#[sqlx::test]
async fn every_response_over_tls_has_hsts(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let http1 = tls_client(&app.authority).http1_only().build().unwrap();
    for client in [&app.app.client, &http1] {
        for path in ["/docs", "/assets/keeper.css", "/nowhere", "/login", "/keeper/tickets"] {
            let request = client.get(format!("{}{path}", app.app.url));
            let answer = Answer::read(request.send().await.unwrap()).await;
            assert_eq!(answer.header("strict-transport-security"), TRANSPORT_SECURITY, "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            answer.header("content-security-policy");
        }
    }
    let body = serde_json::json!({ "UserName": "anna", "Password": "anna-password" });
    let answer = app.app.post("/login", &Credentials::Anonymous, &body).await;
    let cookies = answer.headers.get_all("set-cookie").iter();
    assert!(cookies.into_iter().all(|text| text.to_str().unwrap().contains("; Secure")));
}

/// A request that is refused before it reaches the application, and one hidden behind it.
#[sqlx::test]
async fn an_ambiguous_request_inside_of_tls_is_refused(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = app.connect(&[b"http/1.1"]).await;
    let request = "POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\
                   Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\n\
                   Host: localhost\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // The end without close_notify is an error, which would be a truncation for a client.
    client.read_to_end(&mut received).await.unwrap();
    let received = String::from_utf8(received).unwrap();
    assert!(received.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{received}");
    assert_eq!(received.matches("HTTP/1.1 ").count(), 1, "{received}");
    let hsts = format!("strict-transport-security: {TRANSPORT_SECURITY}\r\n");
    assert!(received.contains(&hsts), "{received}");
}

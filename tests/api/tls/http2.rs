//! HTTP/2: the same answers as over HTTP/1.1, and the life of a connection.

use actix_web::web::Bytes;
use reqwest::{Method, Version};
use serde_json::json;
use sqlx::PgPool;

use super::TlsApp;
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, tls_client};

/// The name and the password of the administrator.
const ADMINISTRATOR_BASIC: &str = "Basic YW5uYTphbm5hLXBhc3N3b3Jk";

#[sqlx::test]
async fn answers_are_the_same_as_over_http_1_1(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let http1 = tls_client(&app.authority).http1_only().build().unwrap();
    let save =
        json!({ "UserId": PLAIN.0, "Credential": { "Value": "a new password" } }).to_string();
    for (method, path, body) in [
        (Method::GET, "/docs", None),
        (Method::HEAD, "/docs", None),
        (Method::GET, "/openapi.json", None),
        (Method::GET, PRINCIPAL, None),
        (Method::GET, "/missing", None),
        (Method::DELETE, SAVE, None),
        (Method::POST, SAVE, Some(save.as_str())),
        (Method::POST, SAVE, Some("{")),
        (Method::POST, SAVE, None),
    ] {
        let mut answers = Vec::new();
        for client in [&app.app.client, &http1] {
            let mut request = client.request(method.clone(), format!("{}{path}", app.app.url));
            if let Some(body) = body {
                request = request.header("Content-Type", "application/json").body(body.to_owned());
            }
            let response = app.app.administrator().apply_to(request).send().await.unwrap();
            answers.push((response.version(), Answer::read(response).await));
        }
        let [(first, over_http2), (second, over_http1)] = &answers[..] else { unreachable!() };
        assert_eq!((*first, *second), (Version::HTTP_2, Version::HTTP_11));
        assert_eq!(over_http2.status, over_http1.status, "{method} {path}");
        let names = |answer: &Answer| {
            let names = answer.headers.keys().map(|name| name.as_str().to_owned());
            names.filter(|name| name != "connection").collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(names(over_http2), names(over_http1), "{method} {path}");
        assert_eq!(
            over_http2.headers.get("content-length"),
            over_http1.headers.get("content-length"),
            "{method} {path}"
        );
    }
}

/// Sends one request whose body arrives in pieces; the status of its answer.
async fn send_in_pieces(app: &TlsApp, request: http::Request<()>, pieces: &[&str]) -> u16 {
    let mut client = app.http2().await;
    let (answer, mut body) = client.send_request(request, false).unwrap();
    for piece in pieces {
        body.send_data(Bytes::from((*piece).to_owned()), false).unwrap();
    }
    body.send_data(Bytes::new(), true).unwrap();
    answer.await.unwrap().status().as_u16()
}

fn save_request(app: &TlsApp) -> http::request::Builder {
    http::Request::post(format!("{}{SAVE}", app.app.url))
        .header("content-type", "application/json")
        .header("authorization", ADMINISTRATOR_BASIC)
}

#[sqlx::test]
async fn a_body_without_a_length_is_read(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let pieces = ["{\"UserId\":278,", "\"Credential\":{\"Value\":", "\"a new password\"}}"];
    let request = save_request(&app).body(()).unwrap();
    assert_eq!(send_in_pieces(&app, request, &pieces).await, 200);
    let changed = Credentials::basic(PLAIN.1, "a new password");
    app.app.get(PRINCIPAL, &changed).await.assert_status(200);
    let too_large = "x".repeat(16 * 1024);
    let pieces = [too_large.as_str(); 5];
    let request = save_request(&app).body(()).unwrap();
    assert_eq!(send_in_pieces(&app, request, &pieces).await, 413);
}

#[sqlx::test]
async fn many_requests_share_a_connection(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let token = Credentials::Bearer(app.app.token(&app.app.plain()).await);
    let requests = (0..300).map(|_| app.app.get(PRINCIPAL, &token));
    for answer in futures_util::future::join_all(requests).await {
        answer.assert_status(200);
    }
    assert!((app.app.metric("keeper_http_connections").await - 1.0).abs() < 0.1);
}

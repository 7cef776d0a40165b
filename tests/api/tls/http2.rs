//! HTTP/2: the same answers as over HTTP/1.1, and the life of a connection.

use std::time::Duration;

use actix_web::web::Bytes;
use h2::Reason;
use reqwest::{Method, Version};
use serde_json::json;
use sqlx::PgPool;

use super::{
    TlsApp,
    frames::{FrameClient, GOAWAY, PING, frame},
};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, tls_client};

/// How long a test waits for a timeout: longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

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

#[sqlx::test]
async fn a_stream_with_two_hosts_is_reset_and_others_continue(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &[("KEEPER__HTTP__ALLOWED_HOSTS", "127.0.0.1")]).await;
    let mut client = app.http2().await;
    let mut send = async |uri: String, host: Option<&str>| {
        let mut request = http::Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        answer.await.map(|answer| answer.status().as_u16())
    };
    let own = format!("{}/docs", app.app.url);
    let error = send(own.clone(), Some("other.example")).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));
    assert_eq!(send(own.clone(), None).await.unwrap(), 200);
    assert_eq!(send(own, Some(app.address())).await.unwrap(), 200);
    assert_eq!(send("https://other.example/docs".to_owned(), None).await.unwrap(), 421);
}

#[sqlx::test]
async fn an_idle_connection_ends_with_goaway_even_if_its_client_pings(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &[("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1")]).await;
    let stream = app.connect(&[b"h2"]).await;
    let (mut client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("{}/docs", app.app.url)).body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status().as_u16(), 200);
    let pinged = async {
        while pings.ping(h2::Ping::opaque()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let ended = async { connection.await.unwrap() };
    let ended = tokio::time::timeout(PATIENCE, async { tokio::join!(pinged, ended).1 }).await;
    // A clean end: GOAWAY with NO_ERROR.
    assert!(ended.unwrap().is_ok());
    assert!(app.app.metric("keeper_http_request_timeouts_total").await < 0.1);
}

#[sqlx::test]
async fn a_frame_that_crosses_the_end_of_a_connection_does_not_reset_it(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &[("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1")]).await;
    let mut client = FrameClient::connect(&app, &[]).await;
    let mut received = Vec::new();
    while let Some(next) = client.receive().await {
        if next.kind == PING {
            client.send(&frame(PING, 1, 0, &next.payload)).await;
        }
        received.push((next.kind, next.kind == GOAWAY && next.error() == 0));
    }
    assert_eq!(received.last(), Some(&(GOAWAY, true)), "{received:?}");
    // A reset would make the second one fail.
    assert!(client.send(&frame(PING, 0, 0, &[7; 8])).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(client.send(&frame(PING, 0, 0, &[7; 8])).await);
}

#[sqlx::test]
async fn a_client_that_opens_no_window_times_out_and_others_are_served(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &[("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "1")]).await;
    let stream = app.connect(&[b"h2"]).await;
    let client = h2::client::Builder::new()
        .initial_window_size(100)
        .handshake::<_, Bytes>(stream)
        .await
        .unwrap();
    let (mut client, connection) = client;
    tokio::spawn(connection);
    let request = http::Request::get(format!("{}/openapi.json", app.app.url)).body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap().len(), 100);
    // One byte at a time does not extend the timeout.
    let error = loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = body.flow_control().release_capacity(1);
        match tokio::time::timeout(Duration::from_millis(50), body.data()).await {
            Ok(Some(Err(error))) => break error,
            Ok(None) => panic!("the body is complete"),
            Ok(Some(Ok(_))) | Err(_) => {}
        }
    };
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    assert!((app.app.metric("keeper_http_response_timeouts_total").await - 1.0).abs() < 0.1);
}

#[sqlx::test]
async fn a_stopping_instance_finishes_the_requests_of_its_connections(pool: PgPool) {
    let mut app = TlsApp::spawn(pool).await;
    let mut client = app.http2().await;
    let request = save_request(&app).body(()).unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    // The request waits for its body while the instance stops.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rest = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let text = r#"{"UserId":278,"Credential":{"Value":"a new password"}}"#;
        body.send_data(Bytes::from_static(text.as_bytes()), true).unwrap();
        answer.await.unwrap().status().as_u16()
    };
    let stopped = tokio::time::timeout(PATIENCE, app.app.stop());
    let (status, stopped) = tokio::join!(rest, stopped);
    assert_eq!(status, 200);
    assert!(stopped.is_ok(), "the connection delays the stop");
}

#[sqlx::test]
async fn a_request_whose_stream_is_reset_is_cancelled(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = app.http2().await;
    for _ in 0..10 {
        let (answer, mut body) =
            client.send_request(save_request(&app).body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from_static(b"{"), false).unwrap();
        body.send_reset(Reason::CANCEL);
        drop(answer);
    }
    let request = http::Request::get(format!("{}/docs", app.app.url)).body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    assert_eq!(answer.await.unwrap().status().as_u16(), 200);
}

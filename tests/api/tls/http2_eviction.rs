//! HTTP/2 connections that wait for their clients make room for new ones; others do not.

use std::time::{Duration, Instant};

use sqlx::PgPool;

use super::{
    TlsApp,
    frames::{
        END_HEADERS, END_STREAM, FrameClient, HEADERS, PATIENCE, RST_STREAM, fields, frame, request,
    },
};
use crate::support::PRINCIPAL;

/// Few connections, and no deadline that would end them.
const LIMITS: [(&str, &str); 5] = [
    ("KEEPER__HTTP__MAXIMUM_CONNECTIONS", "4"),
    ("KEEPER__HTTP__MAXIMUM_CONNECTIONS_PER_ADDRESS", "4"),
    ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "3600"),
    ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "3600"),
    ("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "3600"),
];

/// The headers of a request of the administrator.
fn authenticated(stream: u32, path: &str) -> Vec<u8> {
    let authorization = fields(&[("authorization", "Basic YW5uYTphbm5hLXBhc3N3b3Jk")]);
    let head = [request("GET", path), authorization].concat();
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)
}

/// A request to sign in whose body does not arrive.
fn slow_body(stream: u32) -> Vec<u8> {
    let body = fields(&[("content-type", "application/json"), ("content-length", "50")]);
    frame(HEADERS, END_HEADERS, stream, &[request("POST", "/login"), body].concat())
}

/// Waits for the headers of a response.
async fn receive_headers(client: &mut FrameClient, stream: u32) {
    loop {
        let frame = client.receive().await;
        let frame = frame.unwrap_or_else(|| panic!("the connection was closed"));
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        if (frame.kind, frame.stream) == (HEADERS, stream) {
            return;
        }
    }
}

#[sqlx::test]
async fn a_client_that_opens_no_window_makes_room(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &LIMITS).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        // SETTINGS_INITIAL_WINDOW_SIZE is 0.
        let mut client = FrameClient::connect(&app, &[0, 4, 0, 0, 0, 0]).await;
        let head = request("GET", "/openapi.json");
        client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).await;
        receive_headers(&mut client, 1).await;
        clients.push(client);
    }
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    assert!(app.app.metric("keeper_http_connections_evicted_total").await >= 3.0);
}

#[sqlx::test]
async fn a_slow_body_does_not_end_the_other_requests_of_its_connection(pool: PgPool) {
    let app = TlsApp::spawn_with(pool.clone(), &LIMITS).await;
    let mut held = pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE users").execute(&mut *held).await.unwrap();
    let mut client = FrameClient::connect(&app, &[]).await;
    client.send(&[slow_body(1), authenticated(3, PRINCIPAL)].concat()).await;
    let started = Instant::now();
    let blocked = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
                   WHERE NOT granted AND relation = 'users'::regclass \
                   AND datname = current_database()";
    while sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut *held).await.unwrap() == 0 {
        assert!(started.elapsed() < PATIENCE, "no request waits for the table");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(FrameClient::connect(&app, &[]).await);
    }
    held.rollback().await.unwrap();
    receive_headers(&mut client, 3).await;
    // Now the connection waits for the body only.
    for _ in 0..6 {
        others.push(FrameClient::connect(&app, &[]).await);
    }
    while client.receive().await.is_some() {}
}

//! Deadlines of connections with TLS: the handshake has one, and so has every later phase.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    TlsApp,
    frames::{
        END_HEADERS, END_STREAM, FrameClient, GOAWAY, HEADERS, PING, SETTINGS, frame, request,
    },
};

/// Timeouts of one second each, so that tests that wait for them are short.
const SHORT_TIMEOUTS: [(&str, &str); 3] = [
    ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "1"),
];

/// How long a test waits for a timeout: longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the server closes the connection; the bytes that it sent.
async fn read_until_closed(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let started = Instant::now();
    let mut received = Vec::new();
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await;
    assert!(end.is_ok(), "still open after {:?}", started.elapsed());
    received
}

#[sqlx::test]
async fn a_silent_or_slow_handshake_times_out(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    let silent = TcpStream::connect(app.address()).await.unwrap();
    read_until_closed(silent).await;
    let (reader, mut writer) = TcpStream::connect(app.address()).await.unwrap().into_split();
    // A record of 512 bytes, one byte at a time.
    let slow = tokio::spawn(async move {
        for byte in [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc].into_iter().chain([3; 500]) {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    read_until_closed(reader).await;
    slow.abort();
    assert!(app.app.metric("keeper_http_request_timeouts_total").await > 1.9);
}

#[sqlx::test]
async fn a_connection_without_a_request_times_out_in_both_protocols(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    let answer = read_until_closed(app.connect(&[b"http/1.1"]).await).await;
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    read_until_closed(app.connect(&[b"h2"]).await).await;
    // The preface of HTTP/2, and nothing more.
    let mut stream = app.connect(&[b"h2"]).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    read_until_closed(stream).await;
}

#[sqlx::test]
async fn a_client_that_does_not_read_times_out(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    let mut stream = app.connect(&[b"http/1.1"]).await;
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // Until the buffers of the sockets are full.
    for _ in 0..200 {
        if stream.write_all(request).await.is_err() {
            break;
        }
    }
    let started = Instant::now();
    while app.app.metric("keeper_http_response_timeouts_total").await < 0.9 {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[sqlx::test]
async fn an_idle_connection_is_closed_with_close_notify(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    let mut stream = app.connect(&[b"http/1.1"]).await;
    stream.write_all(b"GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    // rustls reports an end without close_notify as an error.
    let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut received)).await;
    assert!(end.unwrap().is_ok());
    assert!(received.starts_with(b"HTTP/1.1 404"));
    // This is no failure.
    assert_eq!(app.app.metric("keeper_http_request_timeouts_total").await.to_string(), "0");
}

/// A request of HTTP/2.
fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", "/nowhere"))
}

/// Reads until a response begins.
async fn receive_headers(client: &mut FrameClient, stream: u32) {
    loop {
        let next = client.receive().await.unwrap();
        if (next.kind, next.stream) == (HEADERS, stream) {
            return;
        }
    }
}

/// A connection of HTTP/2 whose first request was answered.
async fn idle_connection(app: &TlsApp) -> FrameClient {
    let mut client = FrameClient::connect(app, &[]).await;
    client.send(&get(1)).await;
    receive_headers(&mut client, 1).await;
    client
}

/// As behind a proxy that keeps connections and has a shorter idle timeout than this service.
#[sqlx::test]
async fn frames_without_a_request_neither_end_nor_extend_the_idle_time_of_http_2(pool: PgPool) {
    let timeouts =
        [("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"), ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "3")];
    let app = TlsApp::spawn_with(pool, &timeouts).await;
    let mut client = idle_connection(&app).await;
    let started = Instant::now();
    // Acknowledges the settings of the server.
    client.send(&frame(SETTINGS, 1, 0, &[])).await;
    let goaway = 'idle: loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(&frame(PING, 0, 0, &[7; 8])).await;
        loop {
            let next = client.receive().await.expect("the connection ended without GOAWAY");
            match next.kind {
                GOAWAY => break 'idle next,
                PING => break,
                _ => {}
            }
        }
    };
    let idle = started.elapsed();
    assert_eq!(goaway.error(), 0, "GOAWAY with NO_ERROR");
    assert!(idle > Duration::from_secs(2) && idle < PATIENCE, "{idle:?}");
    assert_eq!(app.app.metric("keeper_http_request_timeouts_total").await.to_string(), "0");
}

#[sqlx::test]
async fn an_incomplete_frame_on_an_idle_connection_of_http_2_times_out(pool: PgPool) {
    let timeouts =
        [("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"), ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "60")];
    let app = TlsApp::spawn_with(pool, &timeouts).await;
    let mut client = idle_connection(&app).await;
    let started = Instant::now();
    // The first byte of the header of a frame.
    client.send(&[0]).await;
    client.receive_all().await;
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    assert_eq!(app.app.metric("keeper_http_request_timeouts_total").await.to_string(), "1");
}

#[sqlx::test]
async fn a_request_that_begins_before_the_end_of_the_idle_time_of_http_2_is_answered(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &[("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "3")]).await;
    let mut client = idle_connection(&app).await;
    let next = get(3);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    client.send(&next[..5]).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    client.send(&next[5..]).await;
    receive_headers(&mut client, 3).await;
}

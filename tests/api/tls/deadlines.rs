//! Deadlines of connections with TLS: the handshake has one, and so has every later phase.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::TlsApp;

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
                break;
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

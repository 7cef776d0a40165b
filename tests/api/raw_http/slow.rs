//! Clients that are slow on purpose. Each phase ends at its deadline, however often a byte arrives.

use std::{
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use sqlx::PgPool;

use super::client::RawClient;
use crate::support::TestApp;

/// Timeouts of one second each, so that tests that wait for them are short.
const SHORT_TIMEOUTS: [(&str, &str); 3] = [
    ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "1"),
];

/// The time after which every slow connection must have ended: its deadlines are much shorter.
const PATIENCE: Duration = Duration::from_secs(20);

const GET: &str = "GET /assets/keeper.css HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What is sent at once, what is then sent byte by byte without end, and the statuses.
#[rustfmt::skip]
fn rows() -> Vec<(&'static str, String, &'static str, &'static [u16])> {
    let post = |path: &str, rest: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{rest}")
    };
    let chunked = |path: &str, chunks: &str| {
        post(path, &format!("Transfer-Encoding: chunked\r\n\r\n{chunks}"))
    };
    vec![
        ("silent", String::new(), "", &[]),
        ("slow request line", "GET /".to_owned(), "x", &[408]),
        ("slow head", "GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_owned(), "x", &[408]),
        ("slow headers", "GET / HTTP/1.1\r\nHost: localhost\r\n".to_owned(), "A: b\r\n", &[408]),
        ("slow empty line", "\r".to_owned(), "", &[408]),
        ("slow second head", format!("{GET}GET /"), "x", &[200, 408]),
        ("silent after a request", GET.to_owned(), "", &[200]),
        ("slow body", post("/logout", "Content-Length: 5000\r\n\r\n"), " ", &[408]),
        ("slow chunk", chunked("/logout", "1000\r\n"), " ", &[408]),
        ("slow chunks", chunked("/logout", ""), "1\r\n \r\n", &[408]),
        ("slow chunk size", chunked("/logout", ""), "0", &[408]),
        ("slow chunk extension", chunked("/logout", "1;"), "x", &[408]),
        ("slow trailer", chunked("/logout", "2\r\n{}\r\n0\r\nA: "), "x", &[408]),
        ("slow end of chunks", chunked("/logout", "2\r\n{}\r\n0\r\n\r"), "", &[408]),
        ("no body after Expect", post("/logout", "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"), "", &[100, 408]),
        ("slow body that nobody reads", post("/keeper/tickets", "Content-Length: 5000\r\n\r\n"), " ", &[401]),
        ("slow chunk that nobody reads", chunked("/keeper/tickets", "1000\r\n"), " ", &[401]),
        ("slow trailer that nobody reads", chunked("/keeper/tickets", "0\r\nA: "), "x", &[401]),
        ("slow body of a GET", GET.replace("\r\n\r\n", "\r\nContent-Length: 5000\r\n\r\n"), " ", &[200]),
        ("slow body of an upgrade", post("/logout", "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 5000\r\n\r\n"), " ", &[408]),
        ("slow input after Connection: close", GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"), "x", &[200]),
        ("slow input after an invalid request", "GARBAGE\r\n".to_owned(), "x", &[400]),
    ]
}

#[sqlx::test]
async fn every_slow_phase_of_a_request_ends_at_its_deadline(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT_TIMEOUTS, "").await;
    let mut running = Vec::new();
    for (name, first, then, statuses) in rows() {
        let mut client = RawClient::connect(&app);
        running.push((
            name,
            statuses,
            thread::spawn(move || {
                let started = Instant::now();
                client.send(first.as_bytes());
                let socket = client.socket();
                let dripping = thread::spawn(move || {
                    for byte in then.bytes().cycle() {
                        let is_sent = std::io::Write::write_all(&mut &socket, &[byte]).is_ok();
                        if !is_sent || started.elapsed() > PATIENCE {
                            return;
                        }
                        thread::sleep(Duration::from_millis(100));
                    }
                });
                let statuses = client.statuses();
                let elapsed = started.elapsed();
                drop(client);
                dripping.join().unwrap();
                (statuses, elapsed)
            }),
        ));
    }
    let mut wrong = Vec::new();
    for (name, statuses, thread) in running {
        let (found, elapsed) = thread.join().unwrap();
        if found != statuses || elapsed > PATIENCE {
            wrong.push(format!("{name}: {found:?} after {elapsed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(app.metric("keeper_http_request_timeouts_total").await >= 10.0);
}

#[sqlx::test]
async fn a_half_closed_connection_ends(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (sent, most) in [("", 0), ("GET / HTTP/1.1\r\nHo", 0), (GET, 1)] {
        let mut client = RawClient::connect(&app);
        client.send(sent.as_bytes());
        client.socket().shutdown(Shutdown::Write).unwrap();
        let started = Instant::now();
        assert!(client.statuses().len() <= most, "{sent}");
        assert!(started.elapsed() < Duration::from_secs(4), "the end of the input was ignored");
    }
}

/// The document is read one byte at a time, and its rest waits in the system. The connection ends
/// all the same.
#[sqlx::test]
async fn a_client_that_reads_a_large_response_byte_by_byte_is_disconnected(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT_TIMEOUTS, "").await;
    let client = RawClient::connect(&app);
    let socket = client.socket();
    let requests = GET.replace("/assets/keeper.css", "/openapi.json").repeat(400);
    let sending = thread::spawn(move || {
        // Fails when the connection is closed.
        let _ = std::io::Write::write_all(&mut &socket, requests.as_bytes());
    });
    let started = Instant::now();
    let mut byte = [0];
    while app.metric("keeper_http_response_timeouts_total").await < 1.0 {
        assert!(started.elapsed() < PATIENCE, "the slow reader was not disconnected");
        let _ = std::io::Read::read(&mut client.socket(), &mut byte);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sending.join().unwrap();
}

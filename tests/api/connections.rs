//! Connections below HTTP: each phase has a deadline, and sockets that only wait keep nobody out.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use reqwest::Method;
use sqlx::PgPool;

use crate::support::{Credentials, PLAIN, SAVE, Server, TestApp, WHO, keeper};

/// Deadlines of a second each, so that a test that waits for them is short.
const SHORT: [(&str, &str); 3] = [
    ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "1"),
];

/// Longer than any deadline of these tests on a busy machine, and shorter than a connection that is
/// never closed.
const PATIENCE: Duration = Duration::from_secs(20);

const GET_DESCRIPTION: &[u8] =
    b"GET /api/v1/Agents/User/SaveCredential HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads one answer whose length is announced; gives back its head.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    head
}

/// Waits until the server closes the connection.
#[track_caller]
fn assert_closed(mut stream: TcpStream) {
    let started = Instant::now();
    let mut rest = Vec::new();
    let end = stream.read_to_end(&mut rest);
    let is_closed = match &end {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    assert!(is_closed, "still open after {:?}: {end:?}", started.elapsed());
}

#[sqlx::test]
async fn a_second_request_that_stops_in_its_head_is_closed(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT, "").await;
    for beginning in [&b"G"[..], b"GET / HTTP/1.1\r\nHost: local", b"\r\n"] {
        let mut stream = connect(&app);
        stream.write_all(GET_DESCRIPTION).unwrap();
        assert!(read_answer(&mut stream).starts_with("http/1.1 200"));
        stream.write_all(beginning).unwrap();
        assert_closed(stream);
    }
}

#[sqlx::test]
async fn a_head_that_comes_byte_by_byte_has_no_more_time(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT, "").await;
    let mut stream = connect(&app);
    stream.write_all(GET_DESCRIPTION).unwrap();
    read_answer(&mut stream);
    let started = Instant::now();
    let mut bytes = b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
    while started.elapsed() < PATIENCE && stream.write_all(&[*bytes.next().unwrap()]).is_ok() {
        thread::sleep(Duration::from_millis(100));
    }
    assert!(started.elapsed() < PATIENCE, "each byte prolonged the deadline");
}

#[sqlx::test]
async fn a_body_that_nobody_reads_and_that_stops_is_closed(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT, "").await;
    // Refused before the body is read; what was announced never comes.
    for (framing, part) in [
        ("Transfer-Encoding: chunked", "5\r\nab"),
        ("Transfer-Encoding: chunked", ""),
        ("Content-Length: 100", "ab"),
        ("Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 100", "ab"),
    ] {
        let mut stream = connect(&app);
        stream.write_all(GET_DESCRIPTION).unwrap();
        read_answer(&mut stream);
        write!(stream, "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n{part}")
            .unwrap();
        assert!(read_answer(&mut stream).starts_with("http/1.1 401"), "{framing}");
        assert_closed(stream);
    }
}

#[sqlx::test]
async fn a_connection_that_says_nothing_is_closed(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT, "").await;
    let silent = connect(&app);
    let mut used = connect(&app);
    used.write_all(GET_DESCRIPTION).unwrap();
    read_answer(&mut used);
    assert_closed(silent);
    assert_closed(used);
}

#[sqlx::test]
async fn an_answer_that_is_not_read_is_cut_off(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT, "").await;
    let mut stream = connect(&app);
    // More than the buffers of both sides hold.
    let request = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut writer = stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        for _ in 0..400 {
            if writer.write_all(request.as_bytes()).is_err() {
                return;
            }
        }
    });
    let started = Instant::now();
    while app.metric("keeper_http_response_timeouts_total").await < 1.0 {
        assert!(started.elapsed() < PATIENCE, "a slow reader is never cut off");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    sending.join().unwrap();
    let answers = String::from_utf8_lossy(&received).matches("HTTP/1.1 200").count();
    assert!(answers < 400, "everything was delivered");
}

#[sqlx::test]
async fn sockets_that_wait_make_room_for_a_new_caller(pool: PgPool) {
    let limits = [
        ("KEEPER__HTTP__MAXIMUM_CONNECTIONS", "8"),
        ("KEEPER__HTTP__MAXIMUM_CONNECTIONS_PER_ADDRESS", "8"),
        ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "3600"),
        ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "3600"),
    ];
    let app = TestApp::spawn_with(pool, &limits, "").await;
    let hogs: Vec<_> = (0..40)
        .map(|number| {
            let mut stream = connect(&app);
            // Some say nothing, some begin a request, some are idle after one.
            match number % 3 {
                0 => {}
                1 => stream.write_all(b"GET / HT").unwrap(),
                _ => {
                    // It may be closed before it is answered.
                    let _ = stream.write_all(GET_DESCRIPTION);
                }
            }
            stream
        })
        .collect();
    app.get(WHO, &app.plain()).await.assert_status(200);
    assert!(app.metric("keeper_http_connections_evicted_total").await >= 32.0);
    assert!(app.metric("keeper_http_connections").await <= 8.0);
    assert_eq!(app.metric("keeper_http_connections_maximum").await.to_string(), "8");
    drop(hogs);
}

#[sqlx::test]
async fn an_upgrade_is_served_as_if_it_was_not_asked_for(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.administrator()).await;
    for (number, upgrade) in ["websocket", "h2c", "WebSocket"].into_iter().enumerate() {
        let password = format!("upgraded password {number}");
        let body = format!(r#"{{"UserId": {}, "Credential": {{"Value": "{password}"}}}}"#, PLAIN.0);
        let mut stream = connect(&app);
        write!(
            stream,
            "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: SOTicket {ticket}\r\n\
             Connection: Rehash\r\nUpgrade: {upgrade}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let head = read_answer(&mut stream);
        assert!(head.starts_with("http/1.1 200"), "{upgrade}: {head}");
        app.get(WHO, &Credentials::basic(PLAIN.1, &password)).await.assert_status(200);
    }
}

#[sqlx::test]
async fn what_the_web_server_answers_on_its_own_is_logged(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1");
    let server = Server::start(command).unwrap();
    let address = server.ready.strip_prefix("http://").unwrap().to_owned();
    for (sent, status) in [("NONSENSE\r\n\r\n", "400"), ("GET / HTTP/1.1\r\nHost: l", "408")] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"));
    }
    server.signal(rustix::process::Signal::TERM);
    let (_, log) = server.wait();
    assert!(log.contains("a request could not be read"), "{log}");
    assert!(log.contains("a request head did not arrive in time"), "{log}");
    assert!(!log.contains("NONSENSE"), "{log}");
}

#[sqlx::test]
async fn every_get_route_answers_head_on_the_operations_listener_too(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in ["/health/live", "/health/ready", "/metrics"] {
        let url = format!("{}{path}", app.operations);
        let get = app.client.get(&url).send().await.unwrap();
        let head = app.client.request(Method::HEAD, &url).send().await.unwrap();
        assert_eq!((head.status(), get.status().as_u16()), (get.status(), 200), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

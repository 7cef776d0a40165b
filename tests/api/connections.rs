//! Connection timeouts and limits: each phase of a request has a deadline, and idle sockets give
//! way to new ones.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use reqwest::Method;
use sqlx::PgPool;

use crate::support::{Credentials, PLAIN, PRINCIPAL, SAVE, Server, TestApp, keeper};

/// Timeouts of one second each, so that tests that wait for them are short.
const SHORT_TIMEOUTS: [(&str, &str); 3] = [
    ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "1"),
];

/// How long a test waits for a timeout: longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

const GET_DESCRIPTION: &[u8] =
    b"GET /api/v1/Agents/User/SaveCredential HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn connect(app: &TestApp) -> TcpStream {
    let stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads one answer with a `Content-Length`; returns its head in lower case.
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
async fn an_incomplete_head_of_a_second_request_times_out(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT_TIMEOUTS, "").await;
    for beginning in [&b"G"[..], b"GET / HTTP/1.1\r\nHost: local", b"\r\n"] {
        let mut stream = connect(&app);
        stream.write_all(GET_DESCRIPTION).unwrap();
        assert!(read_answer(&mut stream).starts_with("http/1.1 200"));
        stream.write_all(beginning).unwrap();
        assert_closed(stream);
    }
}

#[sqlx::test]
async fn a_head_sent_byte_by_byte_does_not_extend_its_timeout(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT_TIMEOUTS, "").await;
    let mut stream = connect(&app);
    stream.write_all(GET_DESCRIPTION).unwrap();
    read_answer(&mut stream);
    let started = Instant::now();
    let mut bytes = b"GET / HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
    while stream.write_all(&[*bytes.next().unwrap()]).is_ok() {
        assert!(started.elapsed() < PATIENCE, "each byte extended the timeout");
        thread::sleep(Duration::from_millis(100));
    }
}

#[sqlx::test]
async fn an_incomplete_body_of_a_refused_request_times_out(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT_TIMEOUTS, "").await;
    // The request is refused before its body is read, and the rest of the body never arrives.
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
async fn an_idle_connection_is_closed(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT_TIMEOUTS, "").await;
    let silent = connect(&app);
    let mut used = connect(&app);
    used.write_all(GET_DESCRIPTION).unwrap();
    read_answer(&mut used);
    assert_closed(silent);
    assert_closed(used);
}

#[sqlx::test]
async fn an_answer_that_the_client_does_not_read_times_out(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &SHORT_TIMEOUTS, "").await;
    let mut stream = connect(&app);
    // The answers exceed the socket buffers of both sides.
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
        assert!(started.elapsed() < PATIENCE, "the slow reader was not disconnected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received);
    sending.join().unwrap();
    let answers = String::from_utf8_lossy(&received).matches("HTTP/1.1 200").count();
    assert!(answers < 400, "all answers were delivered");
}

#[sqlx::test]
async fn idle_sockets_are_evicted_for_a_new_connection(pool: PgPool) {
    let limits = [
        ("KEEPER__HTTP__MAXIMUM_CONNECTIONS", "8"),
        ("KEEPER__HTTP__MAXIMUM_CONNECTIONS_PER_ADDRESS", "8"),
        ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "3600"),
        ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "3600"),
    ];
    let app = TestApp::spawn_with(pool, &limits, "").await;
    let idle_sockets: Vec<_> = (0..40)
        .map(|number| {
            let mut stream = connect(&app);
            // Some send nothing, some send part of a request, some are idle after a request.
            match number % 3 {
                0 => {}
                1 => stream.write_all(b"GET / HT").unwrap(),
                _ => {
                    // The service may close it before it answers.
                    let _ = stream.write_all(GET_DESCRIPTION);
                }
            }
            stream
        })
        .collect();
    // Each web worker takes its sockets at its own pace; those that are late would be newer than the
    // next one.
    app.wait_for_metric("keeper_http_connections_evicted_total", 32.0).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert!(app.metric("keeper_http_connections_evicted_total").await >= 33.0);
    assert!(app.metric("keeper_http_connections").await <= 8.0);
    assert_eq!(app.metric("keeper_http_connections_maximum").await.to_string(), "8");
    drop(idle_sockets);
}

#[sqlx::test]
async fn a_request_to_upgrade_the_protocol_is_ignored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.administrator()).await;
    for (number, upgrade) in ["websocket", "h2c", "WebSocket"].into_iter().enumerate() {
        let password = format!("upgraded password {number}");
        let body = format!(r#"{{"UserId": {}, "Credential": {{"Value": "{password}"}}}}"#, PLAIN.0);
        let mut stream = connect(&app);
        write!(
            stream,
            "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: SOTicket {ticket}\r\n\
             Connection: Upgrade\r\nUpgrade: {upgrade}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let head = read_answer(&mut stream);
        assert!(head.starts_with("http/1.1 200"), "{upgrade}: {head}");
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, &password)).await.assert_status(200);
    }
}

/// A connection that ends while it is idle is neither counted nor logged.
#[sqlx::test]
async fn the_end_of_an_idle_connection_is_no_failure(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1");
    let server = Server::start(command).unwrap();
    let mut stream = TcpStream::connect(server.ready.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(GET_DESCRIPTION).unwrap();
    read_answer(&mut stream);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection ends");
    server.signal(rustix::process::Signal::TERM);
    let (_, log) = server.wait();
    assert!(!log.contains("timed out"), "{log}");
}

/// Clients behind a load balancer of connections leave an instance that stops.
#[sqlx::test]
async fn an_answer_of_a_stopping_instance_ends_its_connection(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut command = keeper(&["serve"]);
    // The connection is used until the instance stops, for as long as a busy machine takes.
    command.envs(app.variables()).env("KEEPER__SHUTDOWN__GRACE_SECONDS", "3");
    let server = Server::start(command).unwrap();
    let mut stream = TcpStream::connect(server.ready.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(GET_DESCRIPTION).unwrap();
    assert!(!read_answer(&mut stream).contains("connection: close"));
    server.signal(rustix::process::Signal::TERM);
    let mut head = String::new();
    while !head.contains("\r\nconnection: close\r\n") {
        thread::sleep(Duration::from_millis(20));
        stream.write_all(GET_DESCRIPTION).unwrap();
        head = read_answer(&mut stream);
        assert!(head.starts_with("http/1.1 200"), "{head}");
    }
    assert_closed(stream);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
}

/// Requests that are cut off are logged with the address of the peer, but not so often that they
/// fill the log, and without their content.
#[sqlx::test]
async fn what_is_cut_off_is_logged_once_in_ten_seconds(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1");
    command.env("KEEPER__LOG__FORMAT", "json");
    let server = Server::start(command).unwrap();
    let address = server.ready.strip_prefix("http://").unwrap().to_owned();
    let started = Instant::now();
    let nonsense = std::iter::repeat_n(("NONSENSE\r\n\r\n", "400"), 50);
    for (sent, status) in nonsense.chain([("GET / HTTP/1.1\r\nHost: l", "408")]) {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(std::str::from_utf8(&answer).unwrap(), format!("HTTP/1.1 {status}"));
    }
    let most = 1 + usize::try_from(started.elapsed().as_secs() / 10).unwrap();
    server.signal(rustix::process::Signal::TERM);
    let (_, log) = server.wait();
    for message in ["invalid HTTP request", "a request timed out"] {
        let lines: Vec<serde_json::Value> = log
            .lines()
            .filter(|line| line.contains(message))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!((1..=most).contains(&lines.len()), "{} lines: {log}", lines.len());
        assert_eq!(lines[0]["client.address"], "127.0.0.1", "{log}");
        assert_eq!(lines[0]["keeper.listener"], "http", "{log}");
    }
    assert!(!log.contains("NONSENSE"), "{log}");
    assert!(!log.contains("\"log.level\":\"error\""), "{log}");
}

#[sqlx::test]
async fn every_get_route_of_the_operations_listener_also_answers_head(pool: PgPool) {
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

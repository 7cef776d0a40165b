//! Limits on requests: the sizes of body, headers and URL, media types, timeouts and hosts.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use reqwest::Method;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PRINCIPAL, SAVE, TYPES, TestApp};

async fn send(app: &TestApp, content_type: &str, body: Vec<u8>) -> Answer {
    let request = app
        .request(Method::POST, SAVE, &app.administrator())
        .header("Content-Type", content_type)
        .body(body);
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn a_body_larger_than_64_kib_answers_413(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let padded = |size: usize| {
        let body = r#"{"UserId": 278, "Credential": {"Value": "x"}}"#;
        format!("{body}{}", " ".repeat(size - body.len())).into_bytes()
    };
    send(&app, "application/json", padded(64 * 1024)).await.assert_saved();
    let answer = send(&app, "application/json", padded(64 * 1024 + 1)).await;
    answer.assert_refused(413, "HttpResponseException", "body_too_large");
    // The same body without `Content-Length`.
    let chunked = reqwest::Body::from(padded(64 * 1024 + 1));
    let request = app
        .request(Method::POST, SAVE, &app.administrator())
        .header("Content-Type", "application/json")
        .header("Transfer-Encoding", "chunked")
        .body(chunked);
    Answer::read(request.send().await.unwrap()).await.assert_status(413);
}

#[sqlx::test]
async fn an_unused_body_larger_than_64_kib_also_answers_413(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (path, credentials) in [(TYPES, app.administrator()), ("/login", Credentials::Anonymous)] {
        let request = app.request(Method::POST, path, &credentials).body(vec![b' '; 64 * 1024 + 1]);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_refused(413, "HttpResponseException", "body_too_large");
    }
}

/// Lists with thousands of entries. A parser that compared every pair of entries took seconds.
#[sqlx::test]
async fn very_long_lists_in_headers_are_answered_quickly(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (name, entry) in [("Accept", "*/*,"), ("Accept-Language", "xx,"), ("Accept-Charset", "x,")]
    {
        for (entries, status) in [(5_000, 404), (29_000, 431)] {
            let request = app.request(Method::GET, "/nowhere", &Credentials::Anonymous);
            let started = Instant::now();
            let answer =
                Answer::read(request.header(name, entry.repeat(entries)).send().await.unwrap())
                    .await;
            answer.assert_status(status);
            assert!(started.elapsed() < Duration::from_secs(3), "{name}: {:?}", started.elapsed());
        }
    }
}

#[sqlx::test]
async fn a_request_without_accept_is_answered_in_the_format_of_its_body(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let token = app.token(&app.administrator()).await;
    for content_type in ["text/xml", "application/json-patch+json"] {
        let mut stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
        write!(
            stream,
            "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {content_type}\r\nContent-Length: 1\r\nConnection: close\r\n\r\n{{"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(
            answer.contains(&format!("content-type: {content_type}; charset=utf-8")),
            "{answer}"
        );
    }
}

#[sqlx::test]
async fn an_unsupported_media_type_answers_415(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for content_type in ["image/png", "application/json2", "json", "multipart/form-data"] {
        let answer = send(&app, content_type, b"{}".to_vec()).await;
        answer.assert_refused(415, "HttpResponseException", "unsupported_media_type");
    }
}

#[sqlx::test]
async fn too_large_headers_answer_431_and_a_too_long_url_414(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let request =
        app.request(Method::GET, PRINCIPAL, &app.plain()).header("X-Large", "x".repeat(33_000));
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_refused(431, "HttpResponseException", "headers_too_large");
    let too_long = Credentials::Raw(format!("Bearer {}", "x".repeat(16 * 1024)));
    app.get(PRINCIPAL, &too_long).await.assert_refused(
        431,
        "HttpResponseException",
        "headers_too_large",
    );
    let answer = app.get(&format!("{PRINCIPAL}?{}", "x".repeat(8 * 1024)), &app.plain()).await;
    answer.assert_refused(414, "HttpResponseException", "uri_too_long");
}

#[sqlx::test]
async fn a_body_that_does_not_arrive_in_time_answers_408(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1")], "").await;
    let ticket = app.ticket(&app.administrator()).await;
    let mut connection = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Authorization: SOTicket {ticket}\r\nContent-Length: 50\r\n\r\n{{"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[sqlx::test]
async fn a_host_that_is_not_allowed_answers_421(pool: PgPool) {
    let file = "[http]\nallowed_hosts = ['localhost', '127.0.0.1']";
    let app = TestApp::spawn_with(pool, &[], file).await;
    for (host, is_allowed) in
        [("localhost", true), ("LOCALHOST:99", true), ("127.0.0.1", true), ("evil.example", false)]
    {
        let request = app.request(Method::GET, PRINCIPAL, &app.plain()).header("Host", host);
        let answer = Answer::read(request.send().await.unwrap()).await;
        if is_allowed {
            answer.assert_status(200);
        } else {
            answer.assert_refused(421, "HttpResponseException", "misdirected_request");
        }
    }
}

//! The `Authorization` header alone decides, and it is checked before anything else.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PRINCIPAL, SAVE, TestApp};

#[sqlx::test]
async fn missing_credentials_are_answered_as_the_vendor_does(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = app.get(PRINCIPAL, &Credentials::Anonymous).await;
    answer.assert_refused(401, "ArgumentException", "xsrf_missing");
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("X-XSRF-TOKEN HTTP header missing."), "{message}");
    let request =
        app.request(Method::GET, PRINCIPAL, &Credentials::Anonymous).header("X-XSRF-TOKEN", "x");
    Answer::read(request.send().await.unwrap()).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_401_challenges_with_every_scheme_except_basic(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = app.get(PRINCIPAL, &Credentials::basic("anna", "wrong")).await;
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
    assert_eq!(challenges, ["SOTicket", r#"Bearer realm="Credential Keeper""#]);
}

#[sqlx::test]
async fn basic_is_offered_when_configured(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[("KEEPER__AUTHENTICATION__BASIC_CHALLENGE", "true")], "").await;
    let answer = app.get(PRINCIPAL, &Credentials::Anonymous).await;
    let challenges = answer.headers.get_all("www-authenticate").iter();
    let basic = r#"Basic realm="Credential Keeper", charset="UTF-8""#;
    assert!(challenges.into_iter().any(|challenge| challenge == basic));
}

#[sqlx::test]
async fn basic_is_offered_when_it_is_the_only_scheme(pool: PgPool) {
    let other_schemes_disabled = [
        ("KEEPER__AUTHENTICATION__SO_TICKET", "false"),
        ("KEEPER__AUTHENTICATION__BEARER", "false"),
    ];
    let app = TestApp::spawn_with(pool, &other_schemes_disabled, "").await;
    let answer = app.get(PRINCIPAL, &Credentials::Anonymous).await;
    assert!(answer.header("www-authenticate").starts_with("Basic "));
}

#[sqlx::test]
async fn a_repeated_unknown_or_malformed_header_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let valid = format!("Basic {}", STANDARD.encode("anna:anna-password"));
    let request = app
        .request(Method::GET, PRINCIPAL, &Credentials::Raw(valid.clone()))
        .header("Authorization", &valid);
    Answer::read(request.send().await.unwrap()).await.assert_unauthenticated();
    for header in [
        "Negotiate abc",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Bearer",
        "SOTicket",
        "Basic YW5uYQ==",
        "Basic /zr/",
        "",
    ] {
        app.get(PRINCIPAL, &Credentials::Raw(header.to_owned())).await.assert_unauthenticated();
    }
    for spelling in ["bAsIc", "BASIC"] {
        let header = valid.replacen("Basic", spelling, 1);
        app.get(PRINCIPAL, &Credentials::Raw(header)).await.assert_status(200);
    }
}

#[sqlx::test]
async fn a_header_never_falls_back_to_a_cookie(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let request = app
        .request(Method::GET, PRINCIPAL, &Credentials::basic("anna", "wrong"))
        .header("Cookie", "ASP.NET_SessionId=x; XSRF-TOKEN=y")
        .header("X-XSRF-TOKEN", "y");
    Answer::read(request.send().await.unwrap()).await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_ticket_is_accepted_as_the_basic_user_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    let basic_header = |pair: String| Credentials::Raw(format!("Basic {}", STANDARD.encode(pair)));
    app.get(PRINCIPAL, &basic_header(format!("{ticket}:"))).await.assert_status(200);
    app.get(PRINCIPAL, &basic_header(format!("{ticket}:x"))).await.assert_unauthenticated();
    app.get(PRINCIPAL, &basic_header(ticket.clone())).await.assert_unauthenticated();
    // It authenticates as a ticket, so it cannot save as the current password could.
    app.save(&basic_header(format!("{ticket}:")), 278, "", "x").await.assert_forbidden();
}

#[sqlx::test]
async fn an_anonymous_request_with_an_invalid_body_is_401(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (content_type, body) in [("application/json", "{"), ("image/png", "x"), ("", "")] {
        let request = app
            .request(Method::POST, SAVE, &Credentials::Anonymous)
            .header("Content-Type", content_type)
            .body(body);
        Answer::read(request.send().await.unwrap()).await.assert_status(401);
    }
}

/// Announces a body of 100 MB without sending it, and returns the first bytes of the answer.
fn answer_to_announced_body(app: &TestApp, authorization: &str) -> String {
    let mut connection = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         {authorization}Content-Length: 104857600\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}

#[sqlx::test]
async fn a_body_of_100_mb_is_not_read(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    assert_eq!(answer_to_announced_body(&app, ""), "HTTP/1.1 401");
    let valid = format!("Authorization: Basic {}\r\n", STANDARD.encode("anna:anna-password"));
    assert_eq!(answer_to_announced_body(&app, &valid), "HTTP/1.1 413");
}

#[sqlx::test]
async fn unknown_and_invalid_names_are_answered_like_a_wrong_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut bodies = Vec::new();
    let long = "x".repeat(300);
    for (name, password) in [
        ("anna", "wrong"),
        ("nobody", "wrong"),
        ("rita", "wrong"),
        ("rita", "rita-password"),
        ("", "x"),
        ("anna", ""),
        (long.as_str(), "x"),
        ("anna", &"x".repeat(2000)),
    ] {
        let answer = app.get(PRINCIPAL, &Credentials::basic(name, password)).await;
        answer.assert_unauthenticated();
        let mut body = answer.json();
        body["RequestId"] = "".into();
        bodies.push(body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
}

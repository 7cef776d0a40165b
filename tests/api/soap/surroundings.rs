//! The service within an installation: base path, hosts, proxies, CORS and failures.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use reqwest::Method;
use sqlx::PgPool;

use super::{
    SERVICE, TEXT_XML, assert_fault, assert_login_refused, by_token, envelope, login, send,
    send_with, text_of, ticket, tickets,
};
use crate::{
    installation,
    support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, TestApp, password_of},
};

#[sqlx::test]
async fn the_path_is_below_the_base_path_in_any_case(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__BASE_PATH", "/SuperOffice")], "").await;
    let message = login(PLAIN.1, &password_of(PLAIN.1));
    let headers = [("Content-Type", TEXT_XML)];
    for path in [format!("/SuperOffice{SERVICE}"), format!("/SUPEROFFICE{SERVICE}/").to_uppercase()]
    {
        ticket(&send_with(&app, &path, &headers, message.clone()).await);
    }
    let answer = send_with(&app, SERVICE, &headers, message.clone()).await;
    answer.assert_status(404);
    let answer = send_with(&app, &format!("/superoffice{SERVICE}"), &headers, "").await;
    assert_fault(&answer, 500, "Client", "malformed_body");
}

#[sqlx::test]
async fn unknown_hosts_are_refused_with_a_fault(pool: PgPool) {
    let hosts = [("KEEPER__HTTP__ALLOWED_HOSTS", "127.0.0.1")];
    let app = TestApp::spawn_with(pool, &hosts, "").await;
    let message = login(PLAIN.1, &password_of(PLAIN.1));
    let headers = [("Content-Type", TEXT_XML), ("Host", "keeper.example")];
    let answer = send_with(&app, SERVICE, &headers, message.clone()).await;
    assert_fault(&answer, 421, "Client", "misdirected_request");
    ticket(&send(&app, message).await);
}

#[sqlx::test]
async fn a_page_of_an_allowed_origin_may_send_messages(pool: PgPool) {
    let origins = [("KEEPER__HTTP__CORS_ORIGINS", "https://crm.example")];
    let app = TestApp::spawn_with(pool, &origins, "").await;
    for (origin, is_allowed) in [("https://crm.example", true), ("https://evil.example", false)] {
        let request = app
            .client
            .request(Method::OPTIONS, format!("{}{SERVICE}", app.url))
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type,soapaction");
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status.is_success(), is_allowed, "{answer:?}");
    }
    let headers = [("Content-Type", TEXT_XML), ("Origin", "https://crm.example")];
    let answer = send_with(&app, SERVICE, &headers, envelope("", "")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://crm.example");
    assert_fault(&answer, 500, "Client", "malformed_body");
}

#[sqlx::test]
async fn a_message_that_does_not_arrive_in_time_is_a_fault(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1")], "").await;
    let mut connection = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    let message = login(PLAIN.1, &password_of(PLAIN.1));
    let head = format!(
        "POST {SERVICE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{message}",
        message.len() + 1
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("<faultcode>s:Client</faultcode>"), "{answer}");
    assert_eq!(tickets(&app).await, 0);
}

#[sqlx::test]
async fn an_authorization_header_beside_a_message_is_ignored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let headers = [("Content-Type", TEXT_XML), ("Authorization", "Basic nonsense")];
    let message = login(PLAIN.1, &password_of(PLAIN.1));
    ticket(&send_with(&app, SERVICE, &headers, message).await);
}

#[sqlx::test]
async fn a_failure_of_the_database_is_a_fault_of_the_receiver(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The database is broken from here on.
    sqlx::query("ALTER TABLE users RENAME TO lost").execute(&app.pool).await.unwrap();
    for message in [login(PLAIN.1, "x"), login("nobody", "x")] {
        let answer = send(&app, message).await;
        assert_fault(&answer, 503, "Server", "database_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
    }
    let answer = send(&app, envelope("", "<GetSystemInfo/>")).await;
    assert_eq!(text_of(&answer, "IsUnicode"), Some("true"));
}

#[sqlx::test]
async fn online_a_token_keeps_or_changes_its_application(pool: PgPool) {
    let file = installation::settings("the secret of one", "the secret of two");
    let online = [("KEEPER__INSTALLATION__TYPE", "online")];
    let mut app = TestApp::spawn_with(pool, &[], &file).await;
    let token = app.token(&app.administrator()).await;
    app.reconfigure(&online).await;
    assert_login_refused(&send(&app, login(PLAIN.1, &password_of(PLAIN.1))).await);
    let entry = |secret: &str| format!("<ApplicationToken>{secret}</ApplicationToken>");
    let save = serde_json::json!({ "UserId": 300, "Credential": { "Value": "x" } });
    for (header, is_trusted) in
        [("", false), (&entry("the secret of two"), false), (&entry("the secret of one"), true)]
    {
        let answer = send(&app, envelope(header, &by_token(&token))).await;
        // It needs no `SO-AppToken`, because it is no ticket.
        let caller = Credentials::Ticket(ticket(&answer));
        app.get(PRINCIPAL, &caller).await.assert_status(200);
        let answer = app.post(SAVE, &caller, &save).await;
        answer.assert_status(if is_trusted { 200 } else { 403 });
    }
    // The header of REST means the same.
    let headers = [("Content-Type", TEXT_XML), ("SO-AppToken", "the secret of one")];
    let answer = send_with(&app, SERVICE, &headers, envelope("", &by_token(&token))).await;
    let caller = Credentials::Ticket(ticket(&answer));
    app.post(SAVE, &caller, &save).await.assert_saved();
}

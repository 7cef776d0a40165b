//! Who gets a mail, and what the caller learns.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    MAILED, ask, ask_for, assert_last_events, link_of, spawn, spawn_with, supported, wait_for_event,
};
use crate::support::{
    ADMINISTRATOR, Credentials, MailServer, PLAIN, RETIRED, Server, TestApp, keeper, password_of,
};

#[sqlx::test]
async fn a_mail_has_the_link_in_the_language_of_the_caller(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let mail = server.wait_for_mail(1).await;
    assert_eq!(mail["from"], "keeper@example.com");
    assert_eq!(mail["recipients"], json!([MAILED.1]));
    assert_eq!(mail["client"], "keeper.example");
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains(MAILED.1) && text.contains("30 minutes"), "{text}");
    let header = |name: &str| {
        let headers = mail["headers"].as_array().unwrap().iter();
        let values: Vec<_> = headers.filter(|pair| pair[0] == name).map(|pair| &pair[1]).collect();
        assert_eq!(values.len(), 1, "{name}: {mail}");
        values[0].as_str().unwrap().to_owned()
    };
    assert_eq!(header("From"), "Keeper <keeper@example.com>");
    assert_eq!(header("To"), MAILED.1);
    assert_eq!(header("Subject"), "Set a new password");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert!(header("Message-ID").ends_with("@example.com>"));
    header("Date");
    // 20 bytes in base64url: the user id and 128 random bits.
    let link = link_of(&mail);
    assert_eq!(link.rsplit_once('=').unwrap().1.len(), 27, "{link}");
    let request = app
        .request(reqwest::Method::POST, super::SEND, &app.administrator())
        .header("Accept-Language", "nb-NO")
        .json(&json!({ "AssociateId": MAILED.0 }));
    request.send().await.unwrap();
    let mail = server.wait_for_mail(2).await;
    assert!(mail["text"].as_str().unwrap().contains("Lenken virker én gang"), "{mail}");
    wait_for_event(&app, "sent", 2).await;
    let asked = ("password_mail_requested", "basic");
    let sent = ("password_mail_sent", "service");
    assert_last_events(&app, MAILED.0, &[asked, sent, asked, sent]).await;
}

#[sqlx::test]
async fn the_owner_may_ask_and_nobody_else_but_administrators(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let owner = Credentials::basic(MAILED.1, &password_of(MAILED.1));
    ask(&app, &owner, MAILED.0).await.assert_status(200);
    server.wait_for_mail(1).await;
    // The answer is the same for a user that does not exist.
    let refused = ask(&app, &owner, PLAIN.0).await;
    refused.assert_forbidden();
    let mut unknown = ask(&app, &owner, 4711).await.json();
    unknown["RequestId"] = refused.json()["RequestId"].clone();
    assert_eq!(unknown, refused.json());
    ask(&app, &Credentials::Anonymous, MAILED.0).await.assert_status(401);
}

#[sqlx::test]
async fn answers_do_not_tell_who_exists_or_has_an_address(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    // An unknown user, users without an address, a retired user, and one who gets a mail.
    for user_id in [4711, PLAIN.0, ADMINISTRATOR.0, RETIRED.0, MAILED.0] {
        ask_for(&app, user_id).await;
    }
    server.wait_for_mail(1).await;
    wait_for_event(&app, "dropped", 4).await;
    wait_for_event(&app, "sent", 1).await;
    let asked = ("password_mail_requested", "basic");
    let failed = ("password_mail_failed", "service");
    assert_last_events(&app, PLAIN.0, &[asked, failed]).await;
    // The request for an unknown user is a row, too, and leaves no event.
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM password_mails WHERE user_id = 4711")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(rows, 1);
    assert!(super::events(&app, 4711).await.is_empty());
}

/// The statements of the request with this id, which began then, up to its commit. The delivery begins
/// after it; those of earlier requests have ended, and the looks at the queue are left out.
pub(super) fn statements(log: &[Value], id: &str, begun: OffsetDateTime) -> Vec<String> {
    let is_end =
        |line: &Value| line["message"] == "answered" && line["keeper.request.client_id"] == id;
    let end = log.iter().position(is_end).unwrap();
    let is_of_request = |line: &&Value| {
        let at = OffsetDateTime::parse(line["@timestamp"].as_str().unwrap(), &Rfc3339).unwrap();
        line["log.logger"] == "sqlx::query" && at >= begun
    };
    let queries = log[..end].iter().filter(is_of_request);
    let texts = queries.map(|line| line["labels.summary"].as_str().unwrap().to_owned());
    let mut texts: Vec<_> =
        texts.filter(|text| !text.starts_with("WITH due") && !text.contains("mails!")).collect();
    let commit = texts.iter().position(|text| text == "COMMIT").unwrap();
    texts.truncate(commit + 1);
    texts
}

#[sqlx::test]
async fn the_same_statements_run_for_every_user(pool: PgPool) {
    let mail_server = MailServer::start();
    let app = spawn(pool, &mail_server).await;
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "info,sqlx=debug");
    let server = Server::start(command).unwrap();
    let users = [MAILED.0, 4711, PLAIN.0, RETIRED.0];
    let mut begun = Vec::new();
    for user_id in [ADMINISTRATOR.0].into_iter().chain(users) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        begun.push(OffsetDateTime::now_utc());
        let request = app.client.post(format!("{}{}", server.ready, super::SEND));
        let request = app.administrator().apply_to(request);
        let request = request.header("X-Request-Id", format!("user-{user_id}"));
        let answer = request.json(&json!({ "AssociateId": user_id })).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    let log: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = users.iter().zip(&begun[1..]);
    let found: Vec<_> =
        found.map(|(id, begun)| statements(&log, &format!("user-{id}"), *begun)).collect();
    assert!(found[0].iter().any(|text| text.contains("Queues a mail")), "{found:?}");
    for (user_id, statements) in users.iter().zip(&found) {
        assert_eq!(statements, &found[0], "user {user_id}");
    }
}

#[sqlx::test]
async fn nobody_is_flooded(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(
        pool,
        &server,
        &[("KEEPER__MAIL__MAXIMUM_PER_HOUR", "2"), ("KEEPER__MAIL__ADDRESS_TYPE", "Email")],
    )
    .await;
    for _ in 0..4 {
        ask_for(&app, MAILED.0).await;
    }
    server.wait_for_mail(2).await;
    wait_for_event(&app, "throttled", 2).await;
    // Another user with the same address.
    app.save(&app.administrator(), PLAIN.0, "Email", "Anna.Berg@Example.com").await.assert_saved();
    ask_for(&app, PLAIN.0).await;
    wait_for_event(&app, "throttled", 3).await;
    wait_for_event(&app, "dropped", 0).await;
    let events = [("password_mail_requested", "basic"), ("password_mail_failed", "service")];
    assert_last_events(&app, PLAIN.0, &events).await;
    assert_eq!(server.mails().len(), 2);
    // An hour later.
    sqlx::raw_sql("UPDATE password_mails SET requested_at = requested_at - interval '61 minutes'")
        .execute(&app.pool)
        .await
        .unwrap();
    ask_for(&app, MAILED.0).await;
    server.wait_for_mail(3).await;
}

#[sqlx::test]
async fn an_identifier_is_an_address_before_the_login_name(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(pool, &server, &[("KEEPER__MAIL__ADDRESS_TYPE", "email")]).await;
    let administrator = app.administrator();
    let save = |user_id, value| app.save(&administrator, user_id, "Email", value);
    save(PLAIN.0, "Paul@Bücher.example").await.assert_saved();
    ask_for(&app, PLAIN.0).await;
    let mail = server.wait_for_mail(1).await;
    assert_eq!(mail["recipients"], json!(["Paul@xn--bcher-kva.example"]));
    save(MAILED.0, "jörg@example.com").await.assert_saved();
    ask_for(&app, MAILED.0).await;
    let mail = server.wait_for_mail(2).await;
    assert_eq!(mail["recipients"], json!(["jörg@example.com"]));
    // An identifier that is no address, and would add a header or a recipient.
    save(PLAIN.0, "a@example.com\r\nBcc: b@example.com").await.assert_saved();
    ask_for(&app, PLAIN.0).await;
    wait_for_event(&app, "dropped", 1).await;
    assert_eq!(server.mails().len(), 2);
}

#[sqlx::test]
async fn a_user_with_other_credentials_only_gets_no_mail(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    app.save(&app.administrator(), MAILED.0, "ActiveDirectory", "S-1-5-21-1").await.assert_saved();
    let delete =
        |credential_type: &str| json!({ "UserId": MAILED.0, "CredentialType": credential_type });
    let path = "/api/v1/Agents/User/DeleteCredential";
    app.post(path, &app.administrator(), &delete("CRM5/PASSWORD")).await.assert_saved();
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "dropped", 1).await;
    assert_eq!(supported(&app, &app.administrator(), MAILED.0).await, json!(["Password"]));
    // Without any credential, the mail lets a new user set the first password.
    app.post(path, &app.administrator(), &delete("ActiveDirectory")).await.assert_saved();
    ask_for(&app, MAILED.0).await;
    server.wait_for_mail(1).await;
}

#[sqlx::test]
async fn email_is_supported_where_a_mail_would_arrive(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let administrator = app.administrator();
    assert_eq!(supported(&app, &administrator, MAILED.0).await, json!(["Email", "Password"]));
    assert_eq!(supported(&app, &administrator, PLAIN.0).await, json!(["Password"]));
    assert_eq!(supported(&app, &administrator, 4711).await, json!([]));
    let owner = Credentials::basic(MAILED.1, &password_of(MAILED.1));
    assert_eq!(supported(&app, &owner, MAILED.0).await, json!(["Email", "Password"]));
    assert_eq!(supported(&app, &app.plain(), MAILED.0).await, json!([]));
}

#[sqlx::test]
async fn without_a_mail_server_the_result_says_so(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user(MAILED, &[]);
    let answer = ask(&app, &app.administrator(), MAILED.0).await;
    answer.assert_status(200);
    assert_eq!(answer.json()["Success"], false);
    assert!(answer.json()["Message"].as_str().unwrap().contains("does not send email"));
    ask(&app, &app.plain(), MAILED.0).await.assert_forbidden();
    assert_eq!(supported(&app, &app.administrator(), MAILED.0).await, json!(["Password"]));
    app.get("/account/password?token=x", &Credentials::Anonymous).await.assert_status(404);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM password_mails")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

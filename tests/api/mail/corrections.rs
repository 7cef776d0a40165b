//! Links and requests of users whose address or password changes meanwhile.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{MAILED, ask_for, open, path_of, spawn, spawn_with, submit, supported, wait_for_event};
use crate::support::{Credentials, MailServer, PRINCIPAL, TestApp, password_of};

const NEW: &str = "a new password by mail";

/// Asserts that a link neither opens nor sets a password.
async fn assert_ended(app: &TestApp, path: &str) {
    open(app, path).await.assert_status(404);
    let token = path.rsplit_once('=').unwrap().1;
    submit(app, token, NEW).await.assert_status(404);
}

#[sqlx::test]
async fn a_link_ends_with_a_new_login_name(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let path = path_of(&server.wait_for_mail(1).await);
    open(&app, &path).await.assert_status(200);
    let renamed = "anna.hansen@example.com";
    let body = json!({ "AssociateId": MAILED.0, "UserName": renamed });
    let saved = app.post("/api/v1/Agents/User/SaveUser", &app.administrator(), &body).await;
    saved.assert_status(200);
    assert_ended(&app, &path).await;
    let former = Credentials::basic(renamed, &password_of(MAILED.1));
    app.get(PRINCIPAL, &former).await.assert_status(200);
    // A new mail goes to the new address.
    ask_for(&app, MAILED.0).await;
    let mail = server.wait_for_mail(2).await;
    assert_eq!(mail["recipients"], json!([renamed]));
    open(&app, &path_of(&mail)).await.assert_status(200);
}

#[sqlx::test]
async fn a_link_ends_with_a_new_address(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(pool, &server, &[("KEEPER__MAIL__ADDRESS_TYPE", "Email")]).await;
    // The first mail goes to the login name.
    for (number, address) in [(1, "anna@example.com"), (2, "anna@example.org")] {
        ask_for(&app, MAILED.0).await;
        let path = path_of(&server.wait_for_mail(number).await);
        open(&app, &path).await.assert_status(200);
        app.save(&app.administrator(), MAILED.0, "Email", address).await.assert_saved();
        assert_ended(&app, &path).await;
    }
    // Upper and lower case are the same address.
    ask_for(&app, MAILED.0).await;
    let path = path_of(&server.wait_for_mail(3).await);
    app.save(&app.administrator(), MAILED.0, "Email", "Anna@Example.org").await.assert_saved();
    open(&app, &path).await.assert_status(200);
}

#[sqlx::test]
async fn an_expired_password_stays_expired(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let save_and_open = async |options: &[&str], number: usize| {
        let save = ["credential", "save", "--user", MAILED.1, "--type", "CRM5/PASSWORD"];
        app.command(&[&save[..], options].concat(), "short").assert_success();
        ask_for(&app, MAILED.0).await;
        let path = path_of(&server.wait_for_mail(number).await);
        open(&app, &path).await.assert_status(200);
        path
    };
    // A rehearsal tells how long a busy machine takes.
    let begun = Instant::now();
    save_and_open(&[], 1).await;
    let end = OffsetDateTime::now_utc() + Duration::from_secs(10) + begun.elapsed() * 5;
    let path = save_and_open(&["--valid-to", &end.format(&Rfc3339).unwrap()], 2).await;
    let left = end - OffsetDateTime::now_utc() + Duration::from_millis(100);
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
    assert_ended(&app, &path).await;
    app.get(PRINCIPAL, &Credentials::basic(MAILED.1, NEW)).await.assert_status(401);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "dropped", 1).await;
    assert_eq!(supported(&app, &app.administrator(), MAILED.0).await, json!(["Password"]));
    assert_eq!(server.mails().len(), 2);
}

//! A mail server that is away, refuses mails or has an invalid certificate.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use super::{
    MAILED, ask_for, assert_last_events, hurry, link_of, open, path_of, spawn, spawn_with,
    wait_for_event,
};
use crate::support::{
    Credentials, MailServer, PRINCIPAL, TestApp, TestAuthority, assert_becomes, wait_until,
};

/// The number of deliveries of each mail.
async fn attempts(app: &TestApp) -> Vec<i32> {
    sqlx::query_scalar("SELECT attempts FROM password_mails ORDER BY mail_id")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

#[sqlx::test]
async fn a_mail_waits_for_a_server_that_is_away(pool: PgPool) {
    let mut server = MailServer::start();
    let mut app = spawn(pool, &server).await;
    server.stop();
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    app.wait_for_metric("keeper_mail_waiting", 1.0).await;
    // The service works and is ready without it.
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let ready = app.client.get(format!("{}/health/ready", app.operations)).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    // The queue outlasts the process.
    app.restart().await;
    server.restart();
    hurry(&app).await;
    let mail = server.wait_for_mail(1).await;
    wait_for_event(&app, "sent", 1).await;
    open(&app, &path_of(&mail)).await.assert_status(200);
    app.wait_for_metric("keeper_mail_waiting", 0.0).await;
    let events = [("password_mail_requested", "basic"), ("password_mail_sent", "service")];
    assert_last_events(&app, MAILED.0, &events).await;
}

#[sqlx::test]
async fn a_temporary_refusal_is_repeated_and_a_permanent_one_is_not(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    server.reply_with(&["rcpt 450 4.2.0 marker, try later", "rcpt 550 5.1.1 marker, no such user"]);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    assert_eq!(attempts(&app).await, [1]);
    hurry(&app).await;
    wait_for_event(&app, "failed", 1).await;
    assert_eq!(attempts(&app).await, [2]);
    let events = [("password_mail_requested", "basic"), ("password_mail_failed", "service")];
    assert_last_events(&app, MAILED.0, &events).await;
    server.reply_with(&["data 451 marker", "data 554 marker"]);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 2).await;
    hurry(&app).await;
    wait_for_event(&app, "failed", 2).await;
    assert!(server.mails().is_empty());
    // Neither ended the deliveries.
    ask_for(&app, MAILED.0).await;
    server.wait_for_mail(1).await;
}

/// Each of these mails fails before a connection to the server. If they paused the deliveries as
/// failures of the server do, the last mail would wait for more than a minute.
#[sqlx::test]
async fn addresses_under_a_missing_key_delay_no_other_mail(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(pool, &server, &[("KEEPER__MAIL__ADDRESS_TYPE", "Email")]).await;
    let administrator = app.administrator();
    let users: Vec<_> = (600..606).collect();
    for &id in &users {
        app.add_user((id, &format!("user{id}")), &[]);
        let address = format!("user{id}@example.com");
        app.save(&administrator, id, "Email", &address).await.assert_saved();
    }
    sqlx::raw_sql("UPDATE credentials SET key_id = 'another' WHERE credential_type = 'Email'")
        .execute(&app.pool)
        .await
        .unwrap();
    for &id in &users {
        ask_for(&app, id).await;
    }
    ask_for(&app, MAILED.0).await;
    let arrived = tokio::time::timeout(Duration::from_secs(30), server.wait_for_mail(1)).await;
    let mail = arrived.expect("the mail waits for those of others");
    assert_eq!(mail["recipients"], json!([MAILED.1]));
    assert!(attempts(&app).await.iter().all(|count| *count > 0));
}

#[sqlx::test]
async fn a_mail_waits_while_the_service_is_read_only(pool: PgPool) {
    let server = MailServer::start();
    let mut app = spawn(pool, &server).await;
    server.reply_with(&["rcpt 450 later"]);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    let read_only = |value| [("KEEPER__MAINTENANCE__READ_ONLY", value)];
    app.reconfigure(&read_only("true")).await;
    hurry(&app).await;
    // An instance looks for due mails when it starts.
    app.reconfigure(&read_only("true")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(attempts(&app).await, [1]);
    // Its age is measured meanwhile.
    app.wait_for_metric("keeper_mail_waiting", 1.0).await;
    let age = async || app.metric("keeper_mail_oldest_waiting_seconds").await;
    let before = age().await;
    wait_until("the mail grows older", async || age().await > before).await;
    app.reconfigure(&read_only("false")).await;
    server.wait_for_mail(1).await;
}

#[sqlx::test]
async fn a_connection_that_drops_within_a_mail_is_repeated(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    for (number, drop) in ["rcpt drop", "data drop"].into_iter().enumerate() {
        server.reply_with(&[drop]);
        ask_for(&app, MAILED.0).await;
        let number = u32::try_from(number).unwrap() + 1;
        wait_for_event(&app, "retried", number).await;
        hurry(&app).await;
        wait_for_event(&app, "sent", number).await;
    }
    assert_eq!(server.mails().len(), 2);
}

#[sqlx::test]
async fn a_mail_whose_outcome_is_unknown_is_repeated_once(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    server.reply_with(&["data drop", "data drop"]);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    hurry(&app).await;
    wait_for_event(&app, "failed", 1).await;
    assert_eq!(attempts(&app).await, [2]);
}

#[sqlx::test]
async fn the_service_gives_up_after_eight_deliveries(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    server.reply_with(&["rcpt 450 later", "rcpt 450 later"]);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    sqlx::raw_sql("UPDATE password_mails SET attempts = 7, next_attempt_at = now()")
        .execute(&app.pool)
        .await
        .unwrap();
    wait_for_event(&app, "failed", 1).await;
    let events = [("password_mail_requested", "basic"), ("password_mail_failed", "service")];
    assert_last_events(&app, MAILED.0, &events).await;
    assert!(server.mails().is_empty());
}

#[sqlx::test]
async fn a_server_with_an_invalid_certificate_gets_neither_password_nor_mail(pool: PgPool) {
    let mut server = MailServer::start();
    let mut app = spawn(pool, &server).await;
    // A certificate for another name.
    let by_address = server.tls_url().replace("localhost", "127.0.0.1");
    app.reconfigure(&[("KEEPER__MAIL__SMTP_URL", &by_address)]).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    server.stop();
    server.issue_expired();
    server.restart();
    app.reconfigure(&[("KEEPER__MAIL__SMTP_URL", &server.tls_url())]).await;
    hurry(&app).await;
    wait_for_event(&app, "retried", 1).await;
    assert!(server.logins().is_empty() && server.mails().is_empty());
}

#[sqlx::test]
async fn mails_use_starttls_a_plain_connection_on_loopback_and_one_connection(pool: PgPool) {
    let server = MailServer::start();
    let url = server.start_tls_url();
    let mut app = spawn_with(pool, &server, &[("KEEPER__MAIL__SMTP_URL", &url)]).await;
    ask_for(&app, MAILED.0).await;
    server.wait_for_mail(1).await;
    ask_for(&app, MAILED.0).await;
    server.wait_for_mail(2).await;
    let mails = server.mails();
    assert_eq!(mails[0]["connection"], mails[1]["connection"]);
    assert_eq!(server.logins(), ["accepted"]);
    wait_for_event(&app, "sent", 2).await;
    app.reconfigure(&[
        ("KEEPER__MAIL__SMTP_URL", &server.plain_url()),
        ("KEEPER__MAIL__START_TLS", "false"),
        ("KEEPER__MAIL__CA_FILE", ""),
    ])
    .await;
    ask_for(&app, MAILED.0).await;
    let mail = server.wait_for_mail(3).await;
    assert_eq!(mail["recipients"], json!([MAILED.1]));
}

#[sqlx::test]
async fn a_changed_password_in_the_file_is_used_at_the_next_connection(pool: PgPool) {
    let server = MailServer::start();
    let file = server.path("url");
    let wrong = server.tls_url().replace("p%3A", "marker%3A");
    crate::support::replace(&file, &format!("{wrong}\n"), 0o400);
    let file_variable = ("KEEPER__MAIL__SMTP_URL_FILE", file.to_str().unwrap());
    let app = spawn_with(pool, &server, &[("KEEPER__MAIL__SMTP_URL", ""), file_variable]).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    assert_eq!(server.logins(), ["refused"]);
    crate::support::replace(&file, &format!("{}\n", server.tls_url()), 0o400);
    hurry(&app).await;
    server.wait_for_mail(1).await;
}

#[sqlx::test]
async fn a_renewed_authority_is_used_without_a_restart(pool: PgPool) {
    let mut server = MailServer::start();
    let app = spawn(pool, &server).await;
    let authority = TestAuthority::new();
    server.stop();
    server.issue_from(&authority);
    server.restart();
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    assert!(server.mails().is_empty());
    crate::support::replace(&server.path("ca.pem"), &authority.certificate(), 0o444);
    hurry(&app).await;
    server.wait_for_mail(1).await;
}

#[sqlx::test]
async fn a_mail_after_a_crash_is_sent_again_and_both_links_work(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let first = server.wait_for_mail(1).await;
    wait_for_event(&app, "sent", 1).await;
    // As if the process had died before it noted that the server accepted the mail.
    sqlx::raw_sql(
        "UPDATE password_mails SET outcome = NULL, finished_at = NULL, next_attempt_at = now()",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let second = server.wait_for_mail(2).await;
    assert_ne!(link_of(&first), link_of(&second));
    let id = |mail: &serde_json::Value| {
        let headers = mail["headers"].as_array().unwrap().iter();
        headers.clone().find(|pair| pair[0] == "Message-ID").unwrap()[1].clone()
    };
    assert_eq!(id(&first), id(&second), "a duplicate has the same id");
    for mail in [&first, &second] {
        open(&app, &path_of(mail)).await.assert_status(200);
    }
}

#[sqlx::test]
async fn two_instances_send_each_mail_once(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let other = app.spawn_instance(&[]).await;
    let users = 8;
    for number in 0..users {
        app.add_user((600 + number, &format!("user{number}@example.com")), &[]);
    }
    for number in 0..users {
        let instance = if number % 2 == 0 { &app } else { &other };
        ask_for(instance, 600 + number).await;
    }
    server.wait_for_mail(8).await;
    let sent = "SELECT outcome, attempts FROM password_mails";
    let sent = async || {
        let rows = sqlx::query_as::<_, (Option<String>, i32)>(sent);
        rows.fetch_all(&app.pool).await.unwrap()
    };
    assert_becomes(vec![(Some("sent".to_owned()), 1); 8], sent).await;
    assert_eq!(server.mails().len(), 8);
}

#[sqlx::test]
async fn a_request_ends_with_a_change_of_the_password(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    server.reply_with(&["rcpt 450 later"]);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    app.save(&app.administrator(), MAILED.0, "", "another password").await.assert_saved();
    hurry(&app).await;
    wait_for_event(&app, "dropped", 1).await;
    assert!(server.mails().is_empty());
    app.get(PRINCIPAL, &Credentials::basic(MAILED.1, "another password")).await.assert_status(200);
}

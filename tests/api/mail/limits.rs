//! The limits of a request: its age, its deliveries, and the mails to one address.

use sqlx::PgPool;

use super::{
    MAILED, ask_for, assert_last_events, forgotten::ask as ask_by_name, hurry, spawn, spawn_with,
    wait_for_event,
};
use crate::support::{MailServer, PLAIN, TestApp, assert_becomes};

/// Asserts that a mail whose first delivery failed is given up after this change of its row.
async fn assert_given_up_after(pool: PgPool, change: &'static str) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    server.reply_with(&["rcpt 450 later"]);
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    sqlx::raw_sql(change).execute(&app.pool).await.unwrap();
    hurry(&app).await;
    wait_for_event(&app, "failed", 1).await;
    let events = [("password_mail_requested", "basic"), ("password_mail_failed", "service")];
    assert_last_events(&app, MAILED.0, &events).await;
    assert!(server.mails().is_empty());
}

#[sqlx::test]
async fn a_mail_is_given_up_half_an_hour_after_its_request(pool: PgPool) {
    let change = "UPDATE password_mails SET requested_at = requested_at - interval '31 minutes'";
    assert_given_up_after(pool, change).await;
}

#[sqlx::test]
async fn deliveries_that_ended_with_their_process_count(pool: PgPool) {
    assert_given_up_after(pool, "UPDATE password_mails SET attempts = 8").await;
}

/// Adds mails that wait, one for less and one for more than an hour, and mails that were sent.
async fn insert_old_mails(app: &TestApp) {
    sqlx::raw_sql(
        "INSERT INTO password_mails (user_id, session_epoch, language, request_id, requested_at,
                                     next_attempt_at, outcome, finished_at)
         SELECT 278, 0, 'en', id, now() - age, now() - age, outcome, now() - finished
         FROM (VALUES ('waiting', interval '59 minutes', NULL, NULL::interval),
                      ('overdue', interval '61 minutes', NULL, NULL),
                      ('kept', interval '2 days', 'sent', interval '23 hours'),
                      ('deleted', interval '2 days', 'sent', interval '25 hours'))
              AS mails (id, age, outcome, finished)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
}

/// Waits until these mails are left: the ids of their requests, and their outcomes.
async fn assert_mails_become<const N: usize>(app: &TestApp, expected: [(&str, Option<&str>); N]) {
    let found = async || {
        sqlx::query_as::<_, (String, Option<String>)>(
            "SELECT request_id, outcome FROM password_mails ORDER BY request_id",
        )
        .fetch_all(&app.pool)
        .await
        .unwrap()
    };
    let expected = expected.map(|(id, outcome)| (id.to_owned(), outcome.map(str::to_owned)));
    assert_becomes(expected, found).await;
}

#[sqlx::test]
async fn old_mails_end_and_are_deleted_also_without_a_mail_server(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    insert_old_mails(&app).await;
    app.restart().await;
    let expected = [("kept", Some("sent")), ("overdue", Some("failed")), ("waiting", None)];
    assert_mails_become(&app, expected).await;
}

#[sqlx::test]
async fn an_overdue_mail_waits_while_changes_are_refused(pool: PgPool) {
    let server = MailServer::start();
    let mut app = spawn_with(pool, &server, &[("KEEPER__MAINTENANCE__READ_ONLY", "true")]).await;
    insert_old_mails(&app).await;
    app.restart().await;
    // The same run deletes a sent mail after it has ended those that are overdue.
    let expected = [("kept", Some("sent")), ("overdue", None), ("waiting", None)];
    assert_mails_become(&app, expected).await;
    app.reconfigure(&[("KEEPER__MAINTENANCE__READ_ONLY", "false")]).await;
    // The delivery gives up a mail after half an hour.
    let failed = Some("failed");
    let expected = [("kept", Some("sent")), ("overdue", failed), ("waiting", failed)];
    assert_mails_become(&app, expected).await;
    let events = [("password_mail_failed", "service"); 2];
    assert_last_events(&app, PLAIN.0, &events).await;
}

#[sqlx::test]
async fn an_instance_without_a_mail_server_ends_no_mail_while_it_is_read_only(pool: PgPool) {
    let read_only = |value| [("KEEPER__MAINTENANCE__READ_ONLY", value)];
    let mut app = TestApp::spawn_with(pool, &read_only("true"), "").await;
    insert_old_mails(&app).await;
    app.restart().await;
    // The same run deletes a sent mail after it would have ended those that are overdue.
    let expected = [("kept", Some("sent")), ("overdue", None), ("waiting", None)];
    assert_mails_become(&app, expected).await;
    app.reconfigure(&read_only("false")).await;
    let expected = [("kept", Some("sent")), ("overdue", Some("failed")), ("waiting", None)];
    assert_mails_become(&app, expected).await;
}

/// Otherwise, a stranger could keep an administrator from sending a mail.
#[sqlx::test]
async fn mails_that_strangers_asked_for_do_not_count_for_callers_who_signed_in(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn_with(pool, &server, &[("KEEPER__MAIL__MAXIMUM_PER_HOUR", "2")]).await;
    for _ in 0..4 {
        ask_by_name(&app, MAILED.1).await.assert_status(303);
    }
    wait_for_event(&app, "sent", 2).await;
    for _ in 0..4 {
        ask_for(&app, MAILED.0).await;
    }
    wait_for_event(&app, "sent", 4).await;
    ask_by_name(&app, MAILED.1).await.assert_status(303);
    wait_for_event(&app, "throttled", 5).await;
    assert_eq!(server.mails().len(), 4);
}

#[sqlx::test]
async fn two_instances_count_the_mails_to_one_address_together(pool: PgPool) {
    let server = MailServer::start();
    let variables =
        [("KEEPER__MAIL__MAXIMUM_PER_HOUR", "1"), ("KEEPER__MAIL__ADDRESS_TYPE", "Email")];
    let app = spawn_with(pool, &server, &variables).await;
    let other = app.spawn_instance(&[]).await;
    app.save(&app.administrator(), PLAIN.0, "Email", "Anna.Berg@Example.com").await.assert_saved();
    // Each count of an address takes a while to become visible.
    sqlx::raw_sql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$;
         CREATE TRIGGER wait BEFORE UPDATE OF address_digest ON password_mails
             FOR EACH ROW EXECUTE FUNCTION wait()",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    ask_for(&app, MAILED.0).await;
    let sleeping = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let sleeping =
        async || sqlx::query_scalar::<_, i64>(sleeping).fetch_one(&app.pool).await.unwrap();
    assert_becomes(1, sleeping).await;
    ask_for(&other, PLAIN.0).await;
    wait_for_event(&app, "sent", 1).await;
    wait_for_event(&other, "throttled", 1).await;
    wait_for_event(&other, "dropped", 0).await;
    assert_eq!(server.mails().len(), 1);
}

//! More undelivered events than the bound.

use std::{fs, path::PathBuf, time::Duration};

use rustix::process::Signal;
use serde_json::json;
use sqlx::PgPool;

use super::{Archive, wait_for_all};
use crate::{
    pages::{
        browser::Browser,
        transfers::{send, wait_for_end},
    },
    support::{
        ADMINISTRATOR, Answer, Credentials, Instance, MailServer, OldSystem, PLAIN, PRINCIPAL,
        TestApp, old_password, password_of, wait_until,
    },
};

const FULL: &str = "keeper_audit_stream_full";
const BACKLOG: &str = "keeper_audit_sink_backlog{sink=\"archive\"}";

/// Settings of `audit` that refuse changes beyond the bound of [`fill`].
const REFUSE: &str = "maximum_undelivered = 3\nwhen_full = 'refuse'";

/// A user whose login name is an address.
const MAILED: (i32, &str) = (500, "anna.berg@example.com");

/// An application with [`REFUSE`] and more settings.
async fn spawn_refusing(
    pool: PgPool,
    archive: &Archive,
    variables: &[(String, String)],
) -> TestApp {
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    TestApp::spawn_with(pool, &variables, &archive.settings_with("", REFUSE)).await
}

async fn save(app: &TestApp, value: i32) -> Answer {
    app.save(&app.administrator(), PLAIN.0, "", &value.to_string()).await
}

/// Makes a sink go away that has every event.
async fn take_away(app: &TestApp, archive: &Archive) -> PathBuf {
    wait_for_all(app, || archive.events()).await;
    app.wait_for_metric(BACKLOG, 0.0).await;
    let away = archive.folder.path().with_extension("away");
    fs::rename(archive.folder.path(), &away).unwrap();
    away
}

/// Makes a sink go away, and saves until more events are undelivered than the bound, which is 3.
async fn fill(app: &TestApp, archive: &Archive) -> PathBuf {
    let away = take_away(app, archive).await;
    for value in 0..3 {
        save(app, value).await.assert_saved();
    }
    app.wait_for_metric(BACKLOG, 3.0).await;
    assert!(app.metric(FULL).await.abs() < f64::EPSILON);
    save(app, 3).await.assert_saved();
    app.wait_for_metric(FULL, 1.0).await;
    away
}

#[sqlx::test]
async fn changes_are_refused_beyond_the_bound_if_set_so(pool: PgPool) {
    let archive = Archive::new();
    let app = spawn_refusing(pool, &archive, &[]).await;
    let away = fill(&app, &archive).await;
    let refused = save(&app, 4).await;
    refused.assert_refused(503, "SoServiceUnavailableException", "audit_stream_full");
    assert_eq!(refused.header("retry-after"), "10");
    // Reads and logins go on.
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    let login = json!({ "UserName": ADMINISTRATOR.1, "Password": password_of(ADMINISTRATOR.1) });
    app.post("/login", &Credentials::Anonymous, &login).await.assert_status(200);
    app.command(&["user", "list"], "").assert_success();
    fs::rename(&away, archive.folder.path()).unwrap();
    app.wait_for_metric(FULL, 0.0).await;
    save(&app, 4).await.assert_saved();
    wait_for_all(&app, || archive.events()).await;
}

/// As if the sink had taken the next event.
async fn advance(app: &TestApp) {
    let advance = "UPDATE audit_sinks
        SET position = position + 1, reached = greatest(reached, position + 1)";
    sqlx::query(advance).execute(&app.pool).await.unwrap();
}

#[sqlx::test]
async fn one_alarm_lasts_until_half_of_the_bound_is_undelivered(pool: PgPool) {
    let archive = Archive::new();
    let app = spawn_refusing(pool, &archive, &[]).await;
    let alarms = app.metric("keeper_alarms_total").await;
    let away = fill(&app, &archive).await;
    for undelivered in [3.0, 2.0] {
        advance(&app).await;
        app.wait_for_metric(BACKLOG, undelivered).await;
    }
    // The look that found three has ended: changes go on, and pass the bound again.
    save(&app, 4).await.assert_saved();
    save(&app, 5).await.assert_saved();
    app.wait_for_metric(BACKLOG, 4.0).await;
    assert!(app.metric(FULL).await > 0.5);
    assert!((app.metric("keeper_alarms_total").await - alarms - 1.0).abs() < f64::EPSILON);
    for _ in 0..3 {
        advance(&app).await;
    }
    app.wait_for_metric(FULL, 0.0).await;
    fs::rename(&away, archive.folder.path()).unwrap();
}

#[sqlx::test]
async fn an_import_in_progress_waits_until_the_sink_has_caught_up(pool: PgPool) {
    const LINES: i64 = 400;
    let archive = Archive::new();
    let settings = archive.settings_with("", "maximum_undelivered = 100\nwhen_full = 'refuse'");
    // With one thread, the bound is passed long before the import ends.
    let app = TestApp::spawn_with(pool, &[("KEEPER__HASHING__THREADS", "1")], &settings).await;
    let imported = async || {
        let count = "SELECT count(*) FROM users WHERE login_name LIKE 'held-%'";
        let count: i64 = sqlx::query_scalar(count).fetch_one(&app.pool).await.unwrap();
        count
    };
    let line = |number| {
        json!({"login_name": format!("held-{number}"), "credentials": [{"value": "a password"}]})
            .to_string()
    };
    let file: Vec<_> = (0..LINES).map(line).collect();
    let mut browser = Browser::signed_in(&app, ADMINISTRATOR.1).await;
    let away = take_away(&app, &archive).await;
    let sent = send(&mut browser, "import", file.join("\n")).await;
    app.wait_for_metric(FULL, 1.0).await;
    // Lines whose change has begun end.
    app.wait_for_metric("keeper_changes_in_progress", 0.0).await;
    let held = imported().await;
    assert!(held < LINES, "the import ended before it could be held");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(imported().await, held);
    fs::rename(&away, archive.folder.path()).unwrap();
    wait_for_end(&mut browser, &sent).await;
    assert_eq!(imported().await, LINES);
    wait_for_all(&app, || archive.events()).await;
}

#[sqlx::test]
async fn a_mail_waits_until_the_sink_has_caught_up(pool: PgPool) {
    let (archive, server) = (Archive::new(), MailServer::start());
    let app = spawn_refusing(pool, &archive, &server.variables()).await;
    app.add_user(MAILED, &[]);
    server.reply_with(&["rcpt 450 later"]);
    let path = "/api/v1/Agents/User/SendChangePasswordEMail";
    let asked = app.post(path, &app.administrator(), &json!({ "AssociateId": MAILED.0 })).await;
    asked.assert_status(200);
    wait_until("the first delivery has failed", async || {
        // Otherwise the next one begins ten seconds later, maybe before the bound is passed.
        let postpone = "UPDATE password_mails SET next_attempt_at = now() + interval '1 hour'
            WHERE attempts = 1 AND next_attempt_at < now() + interval '15 seconds'";
        sqlx::query(postpone).execute(&app.pool).await.unwrap().rows_affected() == 1
    })
    .await;
    let away = fill(&app, &archive).await;
    let hurry = "UPDATE password_mails SET next_attempt_at = now()";
    sqlx::query(hurry).execute(&app.pool).await.unwrap();
    // An instance looks for due mails every five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let attempts = "SELECT attempts FROM password_mails";
    let attempts: i32 = sqlx::query_scalar(attempts).fetch_one(&app.pool).await.unwrap();
    assert_eq!((attempts, server.mails().len()), (1, 0));
    fs::rename(&away, archive.folder.path()).unwrap();
    server.wait_for_mail(1).await;
}

#[sqlx::test]
async fn users_move_from_the_old_system_while_changes_are_refused(pool: PgPool) {
    let (archive, old) = (Archive::new(), OldSystem::start());
    let app = spawn_refusing(pool, &archive, &old.variables()).await;
    let away = fill(&app, &archive).await;
    save(&app, 4).await.assert_status(503);
    let mover = Credentials::basic("mover", &old_password("mover"));
    app.get(PRINCIPAL, &mover).await.assert_status(200);
    fs::rename(&away, archive.folder.path()).unwrap();
    wait_for_all(&app, || archive.events()).await;
}

#[sqlx::test]
async fn a_bound_that_cannot_be_checked_is_logged_once(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings_with("", "")).await;
    let Instance { server, .. } = Instance::start(&app, &[]);
    let rename = "ALTER TABLE audit_sinks RENAME TO gone";
    sqlx::query(rename).execute(&app.pool).await.unwrap();
    // It is checked every second.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    server.signal(Signal::TERM);
    let (_, log) = server.wait();
    let warning = "cannot read how far the audit sinks are";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
}

#[sqlx::test]
async fn changes_go_on_beyond_the_bound_by_default(pool: PgPool) {
    let archive = Archive::new();
    let settings = archive.settings_with("", "maximum_undelivered = 3");
    let app = TestApp::spawn_with(pool, &[], &settings).await;
    let away = fill(&app, &archive).await;
    save(&app, 4).await.assert_saved();
    fs::rename(&away, archive.folder.path()).unwrap();
    app.wait_for_metric(FULL, 0.0).await;
    wait_for_all(&app, || archive.events()).await;
}

#[sqlx::test]
async fn events_before_a_sink_and_repeated_ones_do_not_count(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn(pool).await;
    for value in 0..5 {
        save(&app, value).await.assert_saved();
    }
    app.stop().await;
    // The sink is away from the beginning.
    let away = archive.folder.path().with_extension("away");
    fs::rename(archive.folder.path(), &away).unwrap();
    app.rewrite_settings(&archive.settings_with("", REFUSE));
    app.start().await;
    let backlog = super::stored(&app).await.len();
    let backlog = f64::from(u32::try_from(backlog).unwrap());
    app.wait_for_metric(BACKLOG, backlog).await;
    assert!(app.metric(FULL).await.abs() < f64::EPSILON);
    save(&app, 5).await.assert_saved();
    fs::rename(&away, archive.folder.path()).unwrap();
    wait_for_all(&app, || archive.events()).await;
    app.wait_for_metric(BACKLOG, 0.0).await;
    fs::rename(archive.folder.path(), &away).unwrap();
    app.command(&["audit", "stream", "--sink", "archive", "--from", "first"], "").assert_success();
    app.wait_for_metric(BACKLOG, backlog + 1.0).await;
    assert!(app.metric(FULL).await.abs() < f64::EPSILON);
    save(&app, 6).await.assert_saved();
    fs::rename(&away, archive.folder.path()).unwrap();
    app.wait_for_metric(BACKLOG, 0.0).await;
}

//! More undelivered events than the bound.

use std::{fs, time::Duration};

use rustix::process::Signal;
use serde_json::json;
use sqlx::PgPool;

use super::{Archive, wait_for_all};
use crate::support::{
    ADMINISTRATOR, Answer, Credentials, Instance, PLAIN, PRINCIPAL, TestApp, password_of,
};

const FULL: &str = "keeper_audit_stream_full";

async fn save(app: &TestApp, value: i32) -> Answer {
    app.save(&app.administrator(), PLAIN.0, "", &value.to_string()).await
}

/// Makes a sink go away, and saves until more events are undelivered than the bound, which is 3.
async fn fill(app: &TestApp, archive: &Archive) -> std::path::PathBuf {
    wait_for_all(app, || archive.events()).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
    let away = archive.folder.path().with_extension("away");
    fs::rename(archive.folder.path(), &away).unwrap();
    for value in 0..3 {
        save(app, value).await.assert_saved();
    }
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 3.0).await;
    assert!(app.metric(FULL).await.abs() < f64::EPSILON);
    save(app, 3).await.assert_saved();
    app.wait_for_metric(FULL, 1.0).await;
    away
}

#[sqlx::test]
async fn changes_are_refused_beyond_the_bound_if_set_so(pool: PgPool) {
    let archive = Archive::new();
    let settings = archive.settings_with("", "maximum_undelivered = 3\nwhen_full = 'refuse'");
    let app = TestApp::spawn_with(pool, &[], &settings).await;
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
    let settings = archive.settings_with("", "maximum_undelivered = 3\nwhen_full = 'refuse'");
    app.rewrite_settings(&settings);
    app.start().await;
    let backlog = super::stored(&app).await.len();
    let backlog = f64::from(u32::try_from(backlog).unwrap());
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", backlog).await;
    assert!(app.metric(FULL).await.abs() < f64::EPSILON);
    save(&app, 5).await.assert_saved();
    fs::rename(&away, archive.folder.path()).unwrap();
    wait_for_all(&app, || archive.events()).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
    fs::rename(archive.folder.path(), &away).unwrap();
    app.command(&["audit", "stream", "--sink", "archive", "--from", "first"], "").assert_success();
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", backlog + 1.0).await;
    assert!(app.metric(FULL).await.abs() < f64::EPSILON);
    save(&app, 6).await.assert_saved();
    fs::rename(&away, archive.folder.path()).unwrap();
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
}

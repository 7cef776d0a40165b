//! The age of the first event that a sink has not got yet.

use std::fs;

use sqlx::PgPool;

use super::{Archive, stored, wait_for_all};
use crate::support::{PLAIN, TestApp, wait_until};

const AGE: &str = "keeper_audit_sink_oldest_seconds{sink=\"archive\"}";
const BACKLOG: &str = "keeper_audit_sink_backlog{sink=\"archive\"}";

#[sqlx::test]
async fn events_before_a_sink_and_repeated_ones_do_not_make_it_late(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn(pool).await;
    app.stop().await;
    app.age_events().await;
    // The sink is away from the beginning.
    let away = archive.folder.path().with_extension("away");
    fs::rename(archive.folder.path(), &away).unwrap();
    app.rewrite_settings(&archive.settings());
    app.start().await;
    let backlog = f64::from(u32::try_from(stored(&app).await.len()).unwrap());
    app.wait_for_metric(BACKLOG, backlog).await;
    assert!(app.metric(AGE).await.abs() < f64::EPSILON, "events before the sink count");
    for value in ["one", "two"] {
        app.save(&app.administrator(), PLAIN.0, "", value).await.assert_saved();
    }
    // A time that was changed in the database does not hide the next one.
    sqlx::query(
        "UPDATE audit_events SET occurred_at = 'infinity' WHERE user_id = $1 AND sequence = 3",
    )
    .bind(PLAIN.0)
    .execute(&app.pool)
    .await
    .unwrap();
    app.age_events().await;
    wait_until("the age of new events counts", async || app.metric(AGE).await >= 120.0).await;
    fs::rename(&away, archive.folder.path()).unwrap();
    wait_for_all(&app, || archive.events()).await;
    app.wait_for_metric(AGE, 0.0).await;
    fs::rename(archive.folder.path(), &away).unwrap();
    app.command(&["audit", "stream", "--sink", "archive", "--from", "first"], "").assert_success();
    app.wait_for_metric(BACKLOG, backlog + 2.0).await;
    assert!(app.metric(AGE).await.abs() < f64::EPSILON, "repeated events count");
    fs::rename(&away, archive.folder.path()).unwrap();
}

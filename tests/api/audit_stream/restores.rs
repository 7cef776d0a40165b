//! Restored databases: positions that are given out again.

use std::collections::BTreeSet;

use sqlx::PgPool;

use super::{Archive, place, stored, wait_for_all};
use crate::support::{Instance, TestApp, wait_until};

#[sqlx::test]
async fn positions_that_are_given_out_again_raise_an_alarm(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    app.stop().await;
    // As after a logical replication, which has the values of no sequence.
    let set = "SELECT setval('audit_events_position_seq', 1, false)";
    sqlx::raw_sql(set).execute(&app.pool).await.unwrap();
    let instance = Instance::start(&app, &[]);
    instance.wait_for_metric("keeper_alarms_total", 1.0).await;
    // More than one look later, it is still one alarm.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(instance.metric("keeper_alarms_total").await, Some(1.0));
    let log = instance.stop();
    assert!(
        log.contains("new audit events get positions that the audit stream has passed"),
        "{log}"
    );
}

#[sqlx::test]
async fn events_with_one_position_are_all_delivered(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn(pool).await;
    // More than a batch.
    sqlx::raw_sql(
        "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, scheme, request_id,
                                   session_epoch, key_id, mac)
         SELECT user_id, n, occurred_at, 'user_retired', scheme, request_id, session_epoch, key_id,
                mac
         FROM audit_events, generate_series(4, 1000) AS n WHERE user_id = 300 AND sequence = 1;
         UPDATE audit_events SET position = 7 WHERE user_id = 300",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.rewrite_settings(&archive.settings());
    app.restart().await;
    wait_until("the archive has every event", async || {
        let events: BTreeSet<_> = archive.events().iter().map(place).collect();
        events == stored(&app).await.into_keys().collect()
    })
    .await;
}

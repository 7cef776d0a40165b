//! Transactions that commit in another order than that of their positions.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};

use super::{Archive, place, wait_for_all};
use crate::support::{PLAIN, RETIRED, TestApp};

/// Appends an event of the retired user, which takes the next position.
async fn append(connection: &mut PgConnection, sequence: i64) {
    sqlx::query(
        "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, scheme, request_id,
                                   session_epoch, key_id, mac)
         SELECT user_id, $1, occurred_at, 'user_retired', scheme, request_id, session_epoch, key_id,
                mac
         FROM audit_events WHERE user_id = $2 AND sequence = 1",
    )
    .bind(sequence)
    .bind(RETIRED.0)
    .execute(connection)
    .await
    .unwrap();
}

#[sqlx::test]
async fn an_event_waits_for_earlier_ones_that_are_not_committed(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    let before = archive.events().len();
    let mut transaction = app.pool.begin().await.unwrap();
    append(&mut transaction, 4).await;
    app.save(&app.administrator(), PLAIN.0, "", "later").await.assert_saved();
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 2.0).await;
    // Long enough for several looks.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(archive.events().len(), before, "an event overtook an earlier one");
    transaction.commit().await.unwrap();
    let events = wait_for_all(&app, || archive.events()).await;
    let last: Vec<_> = events.iter().skip(before).map(place).collect();
    assert_eq!(last, [(RETIRED.0.into(), 4), (PLAIN.0.into(), 3)]);
}

#[sqlx::test]
async fn an_event_does_not_wait_for_positions_that_were_rolled_back(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    // This transaction lasts, and has written no event.
    let mut other = app.pool.begin().await.unwrap();
    sqlx::query("UPDATE users SET display_name = 'x' WHERE user_id = $1")
        .bind(RETIRED.0)
        .execute(&mut *other)
        .await
        .unwrap();
    for sequence in 4..7 {
        let mut transaction = app.pool.begin().await.unwrap();
        append(&mut transaction, sequence).await;
        transaction.rollback().await.unwrap();
        app.save(&app.administrator(), PLAIN.0, "", &sequence.to_string()).await.assert_saved();
    }
    wait_for_all(&app, || archive.events()).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
}
